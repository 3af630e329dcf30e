"""What must hold for a bundle to serve: its files are those it names, and a run of it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from glimpse_models.graph.io import open_session
from glimpse_models.graph.optimize import require_same_outputs


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
    """Every file against its checksum, then a run: what publishing and serving rely on."""
    path = folder / "bundle.json"
    description = read_description(folder)
    manifest = parse_manifest(path, description)
    head = _verified_file(folder, HEAD, manifest) if HEAD in manifest["files"] else None
    found = {name: _verified_file(folder, name, manifest) for name in ("model.onnx", "labels.txt")}
    cpu_graph = _verified_cpu_graph(folder, manifest)
    content = Content(found["model.onnx"], found["labels.txt"], head, cpu_graph)
    if head is not None:
        read_head(head)
    classes = len(parse_labels(folder / "labels.txt", content.labels))
    if "thresholds" in manifest and len(manifest["thresholds"]) != classes:
        raise UserError(
            f"{path} has {len(manifest['thresholds'])} thresholds for {classes} labels; make the bundle anew"
        )
    check_model(content.model, classes)
    if cpu_graph is not None and cpu_graph.runs_here():
        require_same_outputs(content.model, cpu_graph.model)
    return VerifiedBundle(folder, manifest, description, content)


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
    """Run the model as the service would; gives its input side."""
    session = open_session(model)
    inputs = session.get_inputs()
    image = inputs[0]
    if (
        len(inputs) != 1
        or image.name != "image"
        or image.type != "tensor(uint8)"
        or len(image.shape) != 4
    ):
        found = ", ".join(f"{value.name} {value.type} {value.shape}" for value in inputs)
        raise UserError(f"the model takes {found}; the service needs image, uint8 [N, H, W, 3]")
    _, height, width, channels = image.shape
    if not isinstance(height, int) or height != width or channels != 3:
        raise UserError(
            f"the model's input is {image.shape}; the service needs fixed, square RGB: give --side"
        )
    if "logits" not in [output.name for output in session.get_outputs()]:
        raise UserError(
            "the model has no output logits; give the plain float model, which is then wrapped"
        )
    for count in (1, 2):
        pixels = np.zeros((count, height, width, 3), np.uint8)
        try:
            logits = session.run(["logits"], {"image": pixels})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise UserError(
                f"the model fails on {count} pictures at once ({error}); export it with a dynamic batch axis"
            ) from error
        if logits.shape != (count, classes):
            raise UserError(
                f"logits are {list(logits.shape)} for {count} pictures, but there are {classes} labels; "
                "give the labels it was trained with, and export it with a dynamic batch axis"
            )
        if not np.isfinite(logits).all():
            raise UserError(
                "the logits of a black picture are not finite; the training or the export went wrong"
            )
    return int(height)
