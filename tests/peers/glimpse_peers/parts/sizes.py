"""What is deployed: bytes unpacked, and as a zip where a zip is what is uploaded."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from glimpse_peers import places
from glimpse_peers.peers import Peer
from glimpse_peers.results import Results
from glimpse_peers.stage import Stage

# What installs packages is not deployed with them.
LEFT_OUT = {"pip", "setuptools", "__pycache__"}


def measure(stage: Stage) -> Results:
    """By peer: `program` and `model` bytes, and `zip` of the program for functions."""
    return {peer.key: _one(stage, peer) for peer in stage.peers}


def _one(stage: Stage, peer: Peer) -> Results:
    files = list(_deployed(peer))
    size: Results = {
        "program": sum(file.stat().st_size for _, file in files),
        "model": sum(f.stat().st_size for f in stage.models[peer.model].iterdir() if f.is_file()),
    }
    if peer.under_emulator:
        size["zip"] = _zipped(files)
    return size


def _deployed(peer: Peer) -> Iterable[tuple[str, Path]]:
    if peer.packages is None:
        yield "program", Path(peer.command[0])
        yield "lib/libonnxruntime.so", places.LIBRARY.resolve()
        for word in peer.command:
            if word.startswith("openvino="):
                for file in sorted(Path(word.partition("=")[2]).parent.glob("*.so*")):
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
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, file in files:
                archive.write(file, name)
        return target.seek(0, 2)
