"""What must hold for a bundle to serve: its files are those it names, and a run of it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glimpse_models.bundle.contract import sides_of
from glimpse_models.bundle.cpu_graph import FILE as CPU_GRAPH
from glimpse_models.bundle.cpu_graph import CpuGraph, read_cpu_graph
from glimpse_models.bundle.head import FILE as HEAD
from glimpse_models.bundle.head import read_head
from glimpse_models.bundle.manifest import (
    Content,
    Manifest,
    entry_of,
    parse_manifest,
    read_description,
)
from glimpse_models.data.labels import parse_labels
from glimpse_models.errors import UserError
from glimpse_models.graph.optimize import require_same_outputs

MAX_TEXT_BYTES = 4 << 20
"""Of `bundle.json` and `labels.txt`: the service reads no more."""


@dataclass(frozen=True)
class VerifiedBundle:
    """The bytes that were verified, so that nothing is read again from the disk."""

    folder: Path
    manifest: Manifest
    description: bytes
    content: Content

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """The model's version."""
        return str(self.manifest["version"])

    @property
    def sha256(self) -> str:
        """Of `bundle.json`, which pins the other files."""
        return str(entry_of(self.description)["sha256"])

    @property
    def labels(self) -> tuple[str, ...]:
        """One per class."""
        return parse_labels(self.folder / "labels.txt", self.content.labels)

    def files(self) -> dict[str, bytes]:
        """All of them, `bundle.json` last."""
        return {**self.content.files(), "bundle.json": self.description}


def verify(folder: Path) -> VerifiedBundle:
    """What publishing and serving rely on: the service's rules for `bundle.json`, every checksum, a run."""
    path = folder / "bundle.json"
    description = read_description(folder)
    _check_length(path, description)
    manifest = parse_manifest(path, description)
    head = _verified_file(folder, HEAD, manifest) if HEAD in manifest["files"] else None
    found = {name: _verified_file(folder, name, manifest) for name in ("model.onnx", "labels.txt")}
    cpu_graph = _verified_cpu_graph(folder, manifest)
    content = Content(found["model.onnx"], found["labels.txt"], head, cpu_graph)
    classes = _count_labels(folder / "labels.txt", content.labels)
    if head is not None:
        _check_head(folder / HEAD, head, classes)
    if "thresholds" in manifest and len(manifest["thresholds"]) != classes:
        raise UserError(
            f"{path} has {len(manifest['thresholds'])} thresholds for {classes} labels; make the bundle anew"
        )
    _check_sides(folder / "model.onnx", content.model, classes, manifest)
    if cpu_graph is not None and cpu_graph.runs_here():
        _check_sides(folder / CPU_GRAPH, cpu_graph.model, classes, manifest)
        require_same_outputs(content.model, cpu_graph.model)
    return VerifiedBundle(folder, manifest, description, content)


def _check_length(path: Path, content: bytes) -> None:
    if len(content) > MAX_TEXT_BYTES:
        raise UserError(
            f"{path} has {len(content)} bytes; the service reads {MAX_TEXT_BYTES} at most"
        )


def _count_labels(path: Path, content: bytes) -> int:
    """The service ends a line at a line feed alone, Python at other characters too."""
    _check_length(path, content)
    labels = parse_labels(path, content)
    lines = content.decode("utf-8").removesuffix("\n").split("\n")
    if len(lines) != len(labels):
        raise UserError(
            f"{path} has {len(lines)} lines for the service and {len(labels)} with its other line breaks; "
            "end every line with a line feed, and have no other line breaks"
        )
    return len(labels)


def _check_head(path: Path, content: bytes, classes: int) -> None:
    """The service reads it at the first explained request, which would fail."""
    weights, bias = read_head(content)
    fits = weights.ndim == 2 and len(weights) == classes and bias.shape == (classes,)
    if not fits or not np.isfinite(weights).all() or not np.isfinite(bias).all():
        raise UserError(
            f"{path} has weights {list(weights.shape)} and bias {list(bias.shape)}; the service needs "
            f"[{classes}, D] and [{classes}], all finite: make the bundle anew"
        )


def _check_sides(path: Path, model: bytes, classes: int, manifest: Manifest) -> None:
    height, width = sides_of(model, classes)
    described = manifest["input"]
    if (height, width) != (described["height"], described["width"]):
        raise UserError(
            f"{path} takes pictures of {height} × {width}, but bundle.json says "
            f"{described['height']} × {described['width']} in input; make the bundle anew"
        )


def _verified_file(folder: Path, name: str, manifest: Manifest) -> bytes:
    path = folder / name
    content = path.read_bytes() if path.is_file() else b""
    if not path.is_file() or manifest["files"].get(name) != entry_of(content):
        raise UserError(f"{path} is not the file that bundle.json names; make the bundle anew")
    return content


def _verified_cpu_graph(folder: Path, manifest: Manifest) -> CpuGraph | None:
    if CPU_GRAPH not in manifest["files"]:
        return None
    return read_cpu_graph(manifest.get("cpu_graph"), _verified_file(folder, CPU_GRAPH, manifest))


def verify_source(folder: Path, version: str, out: Path) -> VerifiedBundle:
    """The bundle that `out` will hold a further version of; refuses to change this one."""
    old = verify(folder)
    if version == old.version or out.resolve() == folder.resolve():
        raise UserError(
            f"{old.name} {old.version} never changes; give another --version and another --out"
        )
    return old


def check_model(model: bytes, classes: int) -> int:
    """Run the model as the service would; gives its input side, for the steps that make bundles."""
    height, width = sides_of(model, classes)
    if height != width:
        raise UserError(
            f"the model takes pictures of {height} × {width}; the service would, but these steps make "
            "bundles of square inputs alone: export it for a square"
        )
    return height
