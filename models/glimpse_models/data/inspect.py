"""Looks at every picture of a data set before the first step: broken ones, twins, a fingerprint.

Pictures are read and decoded once, in parallel. What was found is kept in `pictures.json` of the
run's folder, so that a run that goes on does not look again at files that have not changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from glimpse_models.data.decode import decode
from glimpse_models.data.splits import SINGLE, DataSet
from glimpse_models.errors import UserError

BROKEN_CHOICES = ("leave-out", "refuse")
SHOWN = 10  # in messages

GRID = 12  # cells per side of a picture's print
LEAST_CONTRAST = 1.0  # root mean square of its grey levels, below which it says nothing
NEAR = 0.97
"""Correlation of the prints of near duplicates, at least.

That of photographs and of themselves, 1.5 times as large and as JPEG of quality 60, is 0.98 or more. That of
different photographs was 0.82 at most in 50 million pairs, and stays below 0.97 even where they are the middle
of a white picture, a quarter of it.
"""
COMPARED_AT_ONCE = 256  # validation pictures, each with all of training

Print = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inspected:
    """One picture: its content's digest, its print, and why it cannot be decoded."""

    bytes: int
    sha256: str
    print: Print | None
    fault: str | None


@dataclass(frozen=True)
class Findings:
    """Paths are relative to the data set; `twins` are a validation and a training picture each."""

    fingerprint: str
    broken: dict[str, str] = field(default_factory=dict)
    twins: tuple[tuple[str, str], ...] = ()

    def record(self) -> dict[str, Any]:
        """For `run.json`; what is empty is left out."""
        found: dict[str, Any] = {"fingerprint": self.fingerprint}
        if self.broken:
            found["broken"] = sorted(self.broken)
        if self.twins:
            found["near_duplicates"] = len(self.twins)
        return found


def inspect(data: DataSet, kept: Path) -> Findings:
    """The findings, from the file `kept` if no picture and no label has changed since."""
    files = [*data.train.files, *data.validation.files]
    state = _state(data, files)
    if (found := _read(kept, state)) is None:
        found = _look(data, files)
        partial = kept.with_name(f"{kept.name}.part")
        partial.write_text(json.dumps({"state": state, **asdict(found)}, indent=1), "utf-8")
        partial.replace(kept)
    return found


def inspect_and_report(data: DataSet, kept: Path, broken: str) -> Findings:
    """The findings, after they were said; with `refuse`, broken pictures are refused."""
    found = inspect(data, kept)
    report(found, len(data.train) + len(data.validation), broken)
    return found


def record_of(data: DataSet, findings: Findings) -> dict[str, Any]:
    """What `run.json` says of the data set."""
    return {
        "name": data.name,
        "classes": len(data.labels),
        "train": len(data.train),
        "validation": len(data.validation),
        **data.held_out,
        **findings.record(),
    }


def report(findings: Findings, total: int, broken: str) -> None:
    """Say what was found; with `refuse`, broken pictures are refused."""
    if findings.broken:
        listed = [f"  {name}: {why}" for name, why in findings.broken.items()]
        text = "\n".join(_first(listed))
        said = f"{len(findings.broken)} of {total} pictures cannot be decoded:\n{text}"
        if broken == "refuse":
            raise UserError(
                f"{said}\nrepair or remove them, or leave them out with --broken leave-out"
            )
        print(f"{said}\nthey are left out", file=sys.stderr)
    if findings.twins:
        pairs = "\n".join(_first([f"  {ours} ~ {theirs}" for ours, theirs in findings.twins]))
        print(
            "near duplicates of training pictures among the validation pictures, which make accuracy look better than it "
            f"is: {len(findings.twins)}\n{pairs}",
            file=sys.stderr,
        )


def without_broken(data: DataSet, broken: Iterable[str]) -> DataSet:
    """The data set without pictures that a run found broken."""
    left = data.without({data.root / name for name in broken})
    for split, name in ((left.train, "training"), (left.validation, "validation")):
        if lost := set(range(len(data.labels))) - split.classes():
            label = data.labels[min(lost)]
            raise UserError(f"no {name} picture of {label} can be decoded; add some to {data.root}")
    return left


def _look(data: DataSet, files: list[Path]) -> Findings:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(
            tqdm(
                pool.map(look_at, files),
                total=len(files),
                desc="checking pictures",
                unit="picture",
                disable=None,
            )
        )
    names = [_name(data.root, path) for path in files]
    rows = sorted(zip(names, looked, _labels(data), strict=True), key=lambda row: row[0])
    digest = hashlib.sha256()
    for name, one, labels in rows:
        line = f"{name}\0{one.bytes}\0{one.sha256}{labels}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    broken = {
        name: one.fault for name, one in zip(names, looked, strict=True) if one.fault is not None
    }
    count = len(data.train)
    twins = tuple(
        (names[count + ours], names[theirs])
        for ours, theirs in _twins(looked[count:], looked[:count])
    )
    return Findings(digest.hexdigest(), broken, twins)


def look_at(path: Path) -> Inspected:
    """Read and decode one picture."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Inspected(0, "", None, error.strerror or str(error))
    digest = hashlib.sha256(content).hexdigest()
    try:
        return Inspected(len(content), digest, print_of(decode(path)), None)
    except Exception as error:  # decoders raise whatever the broken part of a file raises
        return Inspected(len(content), digest, None, str(error) or type(error).__name__)


def print_of(picture: Image.Image) -> Print | None:
    """A perceptual hash of real numbers: the details of 12 × 12 cells, of length 1; nothing for flat pictures.

    Grey levels less the mean around each, so that a common background or lighting does not count.
    """
    side = GRID + 2
    grey = picture.convert("L").resize((side, side), Image.Resampling.BOX)
    levels = np.asarray(grey, np.float32)
    around = np.lib.stride_tricks.sliding_window_view(levels, (3, 3)).mean(axis=(2, 3))
    details: Print = (levels[1:-1, 1:-1] - around).ravel()
    length = float(np.linalg.norm(details))
    return details / np.float32(length) if length >= LEAST_CONTRAST * GRID else None


def _twins(ours: list[Inspected], others: list[Inspected]) -> list[tuple[int, int]]:
    """Rows of copies and of near duplicates; flat pictures have no print, but they may be copies."""
    near = near_duplicates([one.print for one in ours], [one.print for one in others])
    first: dict[str, int] = {}
    for row, one in enumerate(others):
        first.setdefault(one.sha256, row)
    same = {
        row: first[one.sha256]
        for row, one in enumerate(ours)
        if one.fault is None and one.sha256 in first
    }
    return sorted({**dict(near), **same}.items())


def near_duplicates(ours: list[Print | None], others: list[Print | None]) -> list[tuple[int, int]]:
    """Rows of `ours`, each with the row of the most alike of `others`, where they are near enough."""
    (rows, prints), (other_rows, other_prints) = _stacked(ours), _stacked(others)
    pairs: list[tuple[int, int]] = []
    if not other_rows:
        return pairs
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        alike = prints[start : start + COMPARED_AT_ONCE] @ other_prints.T
        nearest = alike.argmax(axis=1)
        near = np.flatnonzero(alike.max(axis=1) >= NEAR)
        pairs += [(rows[start + row], other_rows[nearest[row]]) for row in near.tolist()]
    return pairs


def _stacked(prints: list[Print | None]) -> tuple[list[int], Print]:
    """The rows that have a print, and the prints `[N, 144]`."""
    rows = [row for row, found in enumerate(prints) if found is not None]
    found = [one for one in prints if one is not None]
    return rows, np.stack(found) if found else np.empty((0, GRID * GRID), np.float32)


def _labels(data: DataSet) -> list[str]:
    """The labels of each picture, where its path does not say them."""
    splits = (data.train, data.validation)
    if data.listed and data.task == SINGLE:
        return [f"\0{data.labels[target]}" for one in splits for target in one.targets]
    sets = [one.label_sets or ((),) * len(one) for one in splits]
    return [
        "".join(f"\0{data.labels[index]}" for index in classes) for one in sets for classes in one
    ]


def _state(data: DataSet, files: list[Path]) -> str:
    """What changes when a file or its labels do: names, sizes and times."""
    digest = hashlib.sha256()
    for path, labels in zip(files, _labels(data), strict=True):
        about = path.stat()
        entry = f"{_name(data.root, path)}\0{about.st_size}\0{about.st_mtime_ns}{labels}\n"
        digest.update(entry.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _read(kept: Path, state: str) -> Findings | None:
    if not kept.is_file():
        return None
    try:
        stored = json.loads(kept.read_text("utf-8"))
        if stored["state"] != state:
            return None
        twins = tuple((str(ours), str(theirs)) for ours, theirs in stored["twins"])
        return Findings(str(stored["fingerprint"]), dict(stored["broken"]), twins)
    except (LookupError, TypeError, ValueError):
        return None


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _first(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], f"  and {rest} more"] if rest > 0 else lines
