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

from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError

SCHEMA_VERSION = 1

Manifest = dict[str, Any]

# Entries that this version does not know follow in the order that they came in.
ORDER = (
    "schema_version",
    "name",
    "version",
    "created_at",
    "files",
    "input",
    "class_maps",
    "metrics",
    "calibration",
    "provenance",
    "license",
)


@dataclass(frozen=True)
class Content:
    """The bytes of a bundle's files, but for `bundle.json`."""

    model: bytes
    labels: bytes

    @classmethod
    def of(cls, model: bytes, labels: tuple[str, ...]) -> Content:
        """With one label per line."""
        return cls(model, "".join(f"{label}\n" for label in labels).encode())

    def files(self) -> dict[str, bytes]:
        """By file name."""
        return {"labels.txt": self.labels, "model.onnx": self.model}


def entry_of(content: bytes) -> dict[str, str | int]:
    """Checksum and size, as `bundle.json` lists them."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_bundle(out: Path, content: Content, about: Manifest) -> str:
    """Write the three files, each once; gives the SHA-256 of `bundle.json`.

    `about` is everything but what follows from the content and from the time.
    """
    check_name(about["name"])
    check_version(about["version"])
    files = content.files()
    manifest = {
        **about,
        "schema_version": SCHEMA_VERSION,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: entry_of(held) for name, held in files.items()},
    }
    known = [key for key in ORDER if key in manifest]
    ordered = {
        key: manifest[key] for key in [*known, *(key for key in manifest if key not in ORDER)]
    }
    text = f"{json.dumps(ordered, indent=2, ensure_ascii=False)}\n".encode()
    with atomic_directory(out) as folder:
        for name, held in {**files, "bundle.json": text}.items():
            (folder / name).write_bytes(held)
    return hashlib.sha256(text).hexdigest()


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
        for name in ("model.onnx", "labels.txt", "bundle.json"):
            (making / name).replace(out / name)


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
    """The content of `path`, if it is a bundle's description."""
    try:
        manifest = json.loads(stored.decode("utf-8"))
        if not _is_description(manifest):
            raise ValueError("it lacks name, version, files or input, or one has another form")
    except ValueError as error:
        raise UserError(
            f"{path} does not describe a bundle: {error}; make the bundle anew"
        ) from error
    found: Manifest = manifest
    return found


def _is_description(manifest: Any) -> bool:
    """Whether it has what the steps read of every bundle."""
    match manifest:
        case {
            "name": str(),
            "version": str(),
            "files": dict(),
            "input": {"height": int(), "resize_shorter_side": int()},
        }:
            return True
    return False


def input_entry(spec: InputSpec) -> Manifest:
    """The entry `input` of a bundle."""
    return {
        "height": spec.side,
        "width": spec.side,
        "resize_shorter_side": spec.resize,
        "interpolation": "bilinear-antialias",
    }


def spec_of(manifest: Manifest) -> InputSpec:
    """What the bundle's input expects."""
    described = manifest["input"]
    return InputSpec(described["height"], described["resize_shorter_side"])
