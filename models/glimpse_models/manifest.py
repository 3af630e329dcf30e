"""`bundle.json`: the order of its entries, how it is written, and when a bundle's folder gets it."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1

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


@contextmanager
def in_the_making(out: Path) -> Iterator[Path]:
    """A folder for the files of a bundle, which come to `out` only when all of them are done.

    What is refused or killed before leaves `out` as it was; what is killed between two of the moves
    leaves files that the manifest, which comes last, does not name: `verify` refuses them.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Inside, because `out` may be a file system of its own.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as folder:
        making = Path(folder)
        yield making
        for name in ("model.onnx", "labels.txt", "bundle.json"):
            (making / name).replace(out / name)


def write_manifest(bundle: Path, manifest: dict[str, Any]) -> None:
    """Write `bundle.json`, as people read it."""
    text = json.dumps(
        {key: manifest[key] for key in ORDER if key in manifest}, indent=2, ensure_ascii=False
    )
    (bundle / "bundle.json").write_text(f"{text}\n", encoding="utf-8")


def now() -> str:
    """For `created_at`, RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
