"""`bundle.json`: what it must hold, the order of its entries, and how a bundle is written."""

from __future__ import annotations

import datetime
import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glimpse_models.bundle.cpu_graph import FILE as CPU_GRAPH
from glimpse_models.bundle.cpu_graph import CpuGraph
from glimpse_models.bundle.fields import integer, object_of, parse_json, refuse
from glimpse_models.bundle.form import check_form
from glimpse_models.bundle.geometry import input_from_1
from glimpse_models.bundle.head import FILE as HEAD
from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError

SCHEMA_VERSION = 2
"""What is written; version 1 is read too."""

OPTIONAL = (CPU_GRAPH, HEAD)

FILES = ("model.onnx", "labels.txt", *OPTIONAL)
"""All that a bundle may hold beside its description."""

Manifest = dict[str, Any]

# Entries that this version does not know follow in the order that they came in.
ORDER = (
    "schema_version",
    "name",
    "version",
    "created_at",
    "files",
    "cpu_graph",
    "input",
    "task",
    "class_maps",
    "metrics",
    "calibration",
    "thresholds",
    "decision",
    "profile",
    "provenance",
    "license",
)


@dataclass(frozen=True)
class Content:
    """The bytes of a bundle's files, but for `bundle.json`."""

    model: bytes
    labels: bytes
    head: bytes | None = None
    cpu_graph: CpuGraph | None = None

    @classmethod
    def of(cls, model: bytes, labels: tuple[str, ...], head: bytes | None = None) -> Content:
        """With one label per line."""
        return cls(model, "".join(f"{label}\n" for label in labels).encode(), head)

    def files(self) -> dict[str, bytes]:
        """By file name."""
        head = {} if self.head is None else {HEAD: self.head}
        cpu_graph = {} if self.cpu_graph is None else {CPU_GRAPH: self.cpu_graph.model}
        return {**head, "labels.txt": self.labels, **cpu_graph, "model.onnx": self.model}


def entry_of(content: bytes) -> dict[str, str | int]:
    """Checksum and size, as `bundle.json` lists them."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_bundle(out: Path, content: Content, about: Manifest) -> str:
    """Write the files, each once; gives the SHA-256 of `bundle.json`.

    `about` is everything but what follows from the content and from the time.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = describe(content, {**about, "created_at": now})
    with atomic_directory(out) as folder:
        for name, held in {**content.files(), "bundle.json": text}.items():
            (folder / name).write_bytes(held)
    return hashlib.sha256(text).hexdigest()


def describe(content: Content, about: Manifest) -> bytes:
    """The text of `bundle.json`; `about` is everything but what follows from the content."""
    check_name(about["name"])
    check_version(about["version"])
    manifest = {
        "task": SINGLE,
        **about,
        "schema_version": SCHEMA_VERSION,
        "files": {name: entry_of(held) for name, held in content.files().items()},
    }
    manifest.pop("cpu_graph", None)
    if content.cpu_graph is not None:
        manifest["cpu_graph"] = content.cpu_graph.entry()
    known = [key for key in ORDER if key in manifest]
    ordered = {
        key: manifest[key] for key in [*known, *(key for key in manifest if key not in ORDER)]
    }
    return f"{json.dumps(ordered, indent=2, ensure_ascii=False)}\n".encode()


@contextmanager
def atomic_directory(out: Path) -> Iterator[Path]:
    """A folder for the files of a bundle, which are moved to `out` when all of them are written.

    An error or a kill before that leaves `out` as it was. A kill between two of the moves leaves
    files that the manifest, which is moved last, does not name: verification refuses them.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Inside, because `out` may be a file system of its own.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as folder:
        making = Path(folder)
        yield making
        for name in (*FILES, "bundle.json"):
            if (making / name).exists():
                (making / name).replace(out / name)
            elif name in OPTIONAL:
                (out / name).unlink(missing_ok=True)  # of the bundle that was here


def read_manifest(bundle: Path) -> Manifest:
    """The parsed `bundle.json`."""
    return parse_manifest(bundle / "bundle.json", read_description(bundle))


def read_description(bundle: Path) -> bytes:
    """The bytes of `bundle.json`."""
    path = bundle / "bundle.json"
    if not path.is_file():
        raise UserError(f"{bundle} holds no bundle.json; make a bundle with the step bundle first")
    return path.read_bytes()


def parse_manifest(path: Path, stored: bytes) -> Manifest:
    """The content of `path`, if the service would take it; one of version 1 is converted."""
    try:
        manifest = parse_json(stored)
        object_of({"schema_version": integer(0, 2**32 - 1)})("", manifest)
        version = manifest["schema_version"]
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version}; this code knows 1 to {SCHEMA_VERSION}: upgrade it"
            )
        if version < 1:
            raise refuse("schema_version", version, f"1 to {SCHEMA_VERSION}")
        if version == 1:
            entry = input_from_1(manifest.get("input"))
            manifest |= {"schema_version": SCHEMA_VERSION, "input": entry}
        return check_form(manifest)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} does not describe a bundle: {error}; make the bundle anew"
        ) from error


def task_of(manifest: Manifest) -> str:
    """What the logits mean: one label per picture where the description does not say it."""
    return str(manifest.get("task", SINGLE))


def input_entry(spec: InputSpec) -> Manifest:
    """The entry `input` of a bundle."""
    resize: Manifest = {
        "mode": spec.mode,
        "size": spec.resize,
        "filter": spec.filter,
        "antialias": spec.antialias,
    }
    if spec.mode == "letterbox":
        resize["fill"] = list(spec.fill)
    return {
        "height": spec.side,
        "width": spec.side,
        "channels": 3,
        "resize": resize,
        "crop": spec.crop,
    }


def spec_of(manifest: Manifest) -> InputSpec:
    """What the bundle's input expects."""
    described = manifest["input"]
    resize, side = described["resize"], described["height"]
    sizes = {*resize["size"]} if isinstance(resize["size"], list) else {resize["size"]}
    if len(sizes) != 1 or described.get("width", side) != side:
        raise UserError("these steps know square inputs alone, and this bundle's is not square")
    red, green, blue = resize.get("fill") or (0, 0, 0)
    return InputSpec(
        side,
        sizes.pop(),
        mode=resize["mode"],
        filter=resize.get("filter", "bilinear"),
        antialias=resize.get("antialias", True),
        fill=(red, green, blue),
        crop=described.get("crop", "center"),
    )
