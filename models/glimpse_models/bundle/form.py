"""What `bundle.json` must be for the service to load it, as in `bundle/mod.rs` of the crate `glimpse-classifier`.

`bundle/fixtures/manifests.json` beside that file has cases that both sides must accept or refuse.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from glimpse_models.bundle.cpu_graph import FILE as CPU_GRAPH
from glimpse_models.bundle.fields import (
    MOST_BYTES,
    Check,
    each_of,
    integer,
    list_of,
    number,
    number_of,
    object_of,
    refuse,
    text,
)
from glimpse_models.bundle.geometry import MAX_SIDE, check_input
from glimpse_models.data.splits import MULTI, SINGLE, TASKS

LONGEST = 128
"""Characters of a name or a version that the service loads; publishing is stricter."""

_COUNT = integer(0, MOST_BYTES)
_SHA256 = re.compile("[0-9a-f]{64}")

# The service takes either, whatever the task is.
_FIGURES = (
    ("fp32_top1", "int8_top1", "int8_top5"),
    ("fp32_mean_ap", "int8_mean_ap", "int8_f1"),
)


def _called(consequence: str) -> Check:
    """A name or a version."""

    def check(path: str, found: Any) -> None:
        text(path, found)
        bad = "/" in found or any(unicodedata.category(one) == "Cc" for one in found)
        if bad or not 1 <= len(found) <= LONGEST:
            raise ValueError(
                f"its {path} {found[:LONGEST]!r} {consequence}; the service takes 1 to {LONGEST} "
                "characters without slashes and control characters"
            )

    return check


def _sha256(path: str, found: Any) -> None:
    text(path, found)
    if not _SHA256.fullmatch(found):
        raise refuse(path, found, "64 lower-case hexadecimal digits")


def _task(path: str, found: Any) -> None:
    if not isinstance(found, str) or found not in TASKS:
        raise ValueError(f"its {path} {found!r} is not {' or '.join(TASKS)}")


def _thresholds(path: str, found: Any) -> None:
    try:
        list_of(number_of(0, 1))(path, found)
    except ValueError as error:
        raise ValueError(f"its thresholds are not scores of 0 to 1: {error}") from error


def _metrics(path: str, found: Any) -> None:
    object_of({"dataset": text, "images": _COUNT})(path, found)
    tried = []
    for names in _FIGURES:
        try:
            object_of(dict.fromkeys(names, number))(path, found)
        except ValueError as error:
            tried.append(str(error))
        else:
            return
    raise ValueError("; ".join(tried))


_FORM = object_of(
    {
        "name": _called("cannot be part of a URL"),
        "version": _called("cannot name a folder"),
        "created_at": text,
        "files": each_of(object_of({"sha256": _sha256, "bytes": _COUNT})),
        "input": check_input,
        "license": text,
    },
    {"task": _task},
    {
        "cpu_graph": object_of({"onnxruntime": text, "architectures": list_of(text)}),
        "thresholds": _thresholds,
        "metrics": _metrics,
        "calibration": object_of(
            {
                "temperature": number_of(0.01, 100),
                "images": _COUNT,
                "ece_before": number,
                "ece_after": number,
            }
        ),
        "class_maps": object_of(
            {"stride": integer(1, MAX_SIDE), "first": number_of(-MAX_SIDE, MAX_SIDE)}
        ),
    },
)

_NULLABLE = ("cpu_graph", "thresholds", "metrics", "calibration", "class_maps")


def check_form(manifest: Any) -> dict[str, Any]:
    """A description of schema version 2 without its empty entries; raises `ValueError` for what the service refuses."""
    _FORM("", manifest)
    files = manifest["files"]
    for name in ("model.onnx", "labels.txt"):
        if name not in files:
            raise ValueError(f"its files lack {name}")
    found = {
        name: value
        for name, value in manifest.items()
        if value is not None or name not in _NULLABLE
    }
    if CPU_GRAPH in files and "cpu_graph" not in found:
        raise ValueError(
            f"its files list {CPU_GRAPH}, and it has no entry cpu_graph: it does not say where it runs"
        )
    if "cpu_graph" in found and CPU_GRAPH not in files:
        raise ValueError(f"it has the entry cpu_graph, and its files lack {CPU_GRAPH}")
    if "thresholds" in found and found.get("task", SINGLE) != MULTI:
        raise ValueError(f"its thresholds belong to the task {MULTI} alone")
    return found
