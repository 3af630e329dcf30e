"""What must hold for a bundle to serve: its files are those it names, and a run of it works."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glimpse_models.classifiers import open_session, read_manifest
from glimpse_models.data import read_labels
from glimpse_models.errors import Refused
from glimpse_models.manifest import SCHEMA_VERSION


@dataclass(frozen=True)
class Verified:
    """A bundle whose files are those that its manifest names."""

    folder: Path
    name: str
    version: str
    sha256: str


def verify(folder: Path) -> Verified:
    """Every file against its checksum, then a run: what publishing and serving rely on."""
    path, manifest = folder / "bundle.json", read_manifest(folder)
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise Refused(
            f"{path} has schema version {manifest.get('schema_version')}; this code knows {SCHEMA_VERSION}"
        )
    for name in ("model.onnx", "labels.txt"):
        if not (folder / name).is_file() or manifest["files"].get(name) != entry(folder / name):
            raise Refused(
                f"{folder / name} is not the file that bundle.json names; make the bundle anew"
            )
    check(folder / "model.onnx", len(read_labels(folder / "labels.txt")))
    return Verified(folder, manifest["name"], manifest["version"], str(entry(path)["sha256"]))


def verify_before(folder: Path, version: str, out: Path) -> Verified:
    """The bundle that `out` will hold a further version of; refuses to change this one."""
    old = verify(folder)
    if version == old.version or out.resolve() == folder.resolve():
        raise Refused(
            f"{old.name} {old.version} never changes; give another --version and another --out"
        )
    return old


def check(model: Path, classes: int) -> int:
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
        raise Refused(f"the model takes {found}; the service needs image, uint8 [N, H, W, 3]")
    _, height, width, channels = image.shape
    if not isinstance(height, int) or height != width or channels != 3:
        raise Refused(
            f"the model's input is {image.shape}; the service needs fixed, square RGB: give --side"
        )
    if "logits" not in [output.name for output in session.get_outputs()]:
        raise Refused(
            "the model has no output logits; give the plain float model, which is then wrapped"
        )
    for count in (1, 2):
        pixels = np.zeros((count, height, width, 3), np.uint8)
        try:
            logits = session.run(["logits"], {"image": pixels})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise Refused(
                f"the model fails on {count} pictures at once ({error}); export it with a dynamic batch axis"
            ) from error
        if logits.shape != (count, classes):
            raise Refused(
                f"logits are {list(logits.shape)} for {count} pictures, but there are {classes} labels; "
                "give the labels it was trained with, and export it with a dynamic batch axis"
            )
        if not np.isfinite(logits).all():
            raise Refused(
                "the logits of a black picture are not finite; the training or the export went wrong"
            )
    return int(height)


def check_labels(labels: tuple[str, ...]) -> None:
    """Each label says one class."""
    seen: set[str] = set()
    for label in labels:
        if not label.strip() or "\n" in label:
            raise Refused(
                f"the label {label!r} is empty or has a line break; write one label a line"
            )
        if label in seen:
            raise Refused(
                f"the label {label!r} stands for two classes; tell them apart, as in 'crane (bird)'"
            )
        seen.add(label)


def entry(path: Path) -> dict[str, str | int]:
    """Checksum and size of a file."""
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
