"""`bundle.json`: the order of its entries, and how it is written."""

from __future__ import annotations

import datetime
import json
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


def write_manifest(bundle: Path, manifest: dict[str, Any]) -> None:
    """Write `bundle.json`, as people read it."""
    text = json.dumps(
        {key: manifest[key] for key in ORDER if key in manifest}, indent=2, ensure_ascii=False
    )
    (bundle / "bundle.json").write_text(f"{text}\n", encoding="utf-8")


def now() -> str:
    """For `created_at`, RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
