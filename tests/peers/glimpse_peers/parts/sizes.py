"""What is deployed: bytes unpacked, and as a zip where a zip is what is uploaded."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from glimpse_peers import peers, places
from glimpse_peers.peers import Peer
from glimpse_peers.results import Results
from glimpse_peers.stage import KERAS, Stage

# What installs packages is not deployed with them.
LEFT_OUT = {"pip", "setuptools", "__pycache__"}


def measure(stage: Stage) -> Results:
    """By peer: `program` and `model` bytes, and `zip` of the program for functions."""
    zips: dict[Path, int] = {}
    return {peer.key: _one(stage, peer, zips) for peer in stage.peers}


def _one(stage: Stage, peer: Peer, zips: dict[Path, int]) -> Results:
    files = list(_deployed(peer))
    size: Results = {
        "program": sum(file.stat().st_size for _, file in files),
        "model": sum(file.stat().st_size for file in _model(stage, peer)),
    }
    if peer.under_emulator:
        # Peers of one environment differ in a variable.
        what = peer.packages or Path(peer.command[0])
        if what not in zips:
            zips[what] = _zipped(files)
        size["zip"] = zips[what]
    return size


def _model(stage: Stage, peer: Peer) -> list[Path]:
    """What a start reads: one of a bundle's two graphs."""
    folder = stage.models[peer.model]
    if peer.model == KERAS:
        return [file for file in folder.iterdir() if file.is_file()]
    graph = places.graph(folder) if peer.packages is None else "model.onnx"
    return [folder / name for name in ("bundle.json", "labels.txt", graph)]


def _deployed(peer: Peer) -> Iterable[tuple[str, Path]]:
    if peer.packages is None:
        yield "program", Path(peer.command[0])
        yield "lib/libonnxruntime.so", places.LIBRARY.resolve()
        if peer.provider:
            for file in sorted(peers.PLUGIN.parent.glob("*.so*")):
                yield f"lib/{file.name}", file
        return
    for folder in sorted(peer.packages.glob("lib/python*/site-packages")):
        for file in sorted(folder.rglob("*")):
            inside = file.relative_to(folder)
            skipped = any(part.partition("-")[0] in LEFT_OUT for part in inside.parts)
            if file.is_file() and not skipped:
                yield str(inside), file
    for file in sorted(places.BASELINE.glob("*.py")):
        yield file.name, file


def _zipped(files: Iterable[tuple[str, Path]]) -> int:
    with tempfile.TemporaryFile() as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files:
                archive.write(file, name)
        return target.seek(0, 2)
