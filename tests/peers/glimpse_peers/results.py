"""What was measured, as one JSON file: samples, not summaries, so that a document can be made anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Results = dict[str, Any]

BESIDE = ("edge", "operators", "outputs", "labels")
"""Parts that other commands measure, `make bench-edge` and so on: files beside the results."""
SHARED, ALONE, OTHER = "shared runs", "each by itself", "the other build"
"""Servers of `make bench-edge`."""
SERVICE = "as the service"
"""The settings of `make bench-operators` that the others are compared with."""


def load(path: Path) -> Results:
    """The results so far, or none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def whole(path: Path) -> Results:
    """The results with the parts that lie beside them."""
    found = {name: load(path.with_name(f"{name}.json")) for name in BESIDE}
    return load(path) | {name: part for name, part in found.items() if part}


def save(path: Path, results: Results) -> None:
    """Write them whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def add(path: Path, part: str, measured: Any, rounds: int = 0) -> None:
    """Put a part in the place of an older one, with when it was measured and in how many rounds."""
    results = load(path)
    results[part] = measured
    results.setdefault("measured", {})[part] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    results.setdefault("rounds", {})[part] = rounds
    save(path, results)
