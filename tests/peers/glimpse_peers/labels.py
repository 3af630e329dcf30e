"""Labels of real pictures by the OpenVINO provider beside those by the CPU provider.

Both are asked of `glimpse serve`, with the models that come with the code. Nothing is timed.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from glimpse_peers import events, machine, peers, places, results
from glimpse_peers.running import Running
from glimpse_peers.stage import progress

CPU, PROVIDER = "cpu", "openvino"
DECIDED = "glimpse_decided_by_cpu_total"
"""Counts close labels that the CPU provider decided."""
MODELS = ("default", "imagenet-lite")
ENDINGS = (".bmp", ".gif", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")

Answer = tuple[int, float]
"""The index of the label, and its score."""


def measure(folder: Path | None) -> results.Results:
    """The answers of both providers for each picture below the folder, or for crops of photographs."""
    name = folder.name if folder else "crops of photographs"
    folder = folder or _crops()
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        sys.exit(f"{folder} has no pictures")
    bodies = [events.body(path.read_bytes()) for path in files]
    servers = {CPU: peers.server(), PROVIDER: peers.server_with_provider()}
    for peer in servers.values():
        if peer.missing:
            sys.exit(f"labels are not compared: {peer.missing}")
    answers: results.Results = {}
    decided: results.Results = {}
    for model in MODELS:
        answers[model] = {}
        for number, (provider, peer) in enumerate(servers.items()):
            progress(f"labels by {model}", number, len(servers))
            with Running(peer, str(places.ROOT / "models" / model), bodies[0]) as running:
                before = running.counted(DECIDED)
                answers[model][provider] = [_asked(running, body) for body in bodies]
                if provider == PROVIDER:
                    decided[model] = running.counted(DECIDED) - before
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "machine": machine.describe().to_json(),
        "pictures": name,
        "answers": answers,
        "decided": decided,
    }


def _crops() -> Path:
    folder = places.OUT / "crops"
    script = places.ROOT / "tests" / "parity" / "crops.py"
    pictures = places.TARGET / "pictures"
    subprocess.run([sys.executable, str(script), str(pictures), str(folder)], check=True)
    return folder


def _asked(running: Running, body: bytes) -> Answer:
    answer = running.answer(body)[1]
    index, score = answer["index"], answer["score"]
    assert isinstance(index, int)
    assert isinstance(score, float)
    return index, score
