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
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError

BROKEN_CHOICES = ("leave-out", "refuse")
SHOWN = 10  # in messages

HASH_SIDE = 8  # two hashes of 8 × 8 bits each, of differences across and down
BITS = 2 * HASH_SIDE * HASH_SIDE
NEAR = 12
"""Bits that differ at most between near duplicates.

Of photographs scaled to 1.5 times their size and saved as JPEG of quality 60, 99 % differ in fewer;
in 50 million pairs of different photographs the nearest differ in 16.
"""
COMPARED_AT_ONCE = 64  # validation pictures, each with all of training
LEAST_CONTRAST = 6.0  # standard deviation of grey levels, below which a hash says nothing


@dataclass(frozen=True)
class Inspected:
    """One picture: its content's digest, its perceptual hash, and why it cannot be decoded."""

    bytes: int
    sha256: str
    hash: int | None
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
            f"{len(findings.twins)} validation pictures have a near duplicate among the training pictures, which makes "
            f"accuracy look better than it is:\n{pairs}",
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
    hashes = [one.hash for one in looked]
    twins = tuple(
        (names[count + ours], names[theirs])
        for ours, theirs in near_duplicates(hashes[count:], hashes[:count])
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
        return Inspected(len(content), digest, perceptual_hash(decode(path)), None)
    except Exception as error:  # decoders raise whatever the broken part of a file raises
        return Inspected(len(content), digest, None, str(error) or type(error).__name__)


def perceptual_hash(picture: Image.Image) -> int | None:
    """128 bits: whether grey rises across and down a grid of 8 × 8; nothing for flat pictures."""
    grey = picture.convert("L").resize((HASH_SIDE + 1, HASH_SIDE + 1), Image.Resampling.BOX)
    levels = np.asarray(grey, np.int16)
    if levels.std() < LEAST_CONTRAST:
        return None
    across = levels[:-1, 1:] > levels[:-1, :-1]
    down = levels[1:, :-1] > levels[:-1, :-1]
    bits = np.packbits(np.concatenate([across.ravel(), down.ravel()]))
    return int.from_bytes(bits.tobytes(), "big")


def near_duplicates(ours: list[int | None], others: list[int | None]) -> list[tuple[int, int]]:
    """Rows of `ours`, each with the row of the nearest of `others`, where they differ in few bits."""
    (rows, hashes), (other_rows, other_hashes) = _words(ours), _words(others)
    pairs: list[tuple[int, int]] = []
    if not len(other_rows):
        return pairs
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        some = hashes[start : start + COMPARED_AT_ONCE, None]
        differ = np.bitwise_count(some ^ other_hashes).sum(axis=-1, dtype=np.int16)
        nearest = differ.argmin(axis=1)
        near = np.flatnonzero(differ.min(axis=1) <= NEAR)
        pairs += [(rows[start + row], other_rows[nearest[row]]) for row in near.tolist()]
    return pairs


def _words(hashes: list[int | None]) -> tuple[list[int], npt.NDArray[np.uint64]]:
    """The rows that have a hash, and their hashes in two words each."""
    rows = [row for row, found in enumerate(hashes) if found is not None]
    words = [divmod(found, 1 << 64) for found in hashes if found is not None]
    return rows, np.array(words, np.uint64).reshape(-1, 2)


def _labels(data: DataSet) -> list[str]:
    """The labels of each picture, where its path does not say them."""
    splits = (data.train, data.validation)
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
