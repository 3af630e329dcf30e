"""Results of a measurement, as a file that `make performance-docs` reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write(path: Path, results: dict[str, Any]) -> None:
    """Write the results with the time at which they were measured."""
    measured = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"measured": measured, **results}, indent=1, ensure_ascii=False))
