"""A data set in memory: pictures with their classes, for training and for validation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Split:
    """Pictures and their class indices, in a fixed order."""

    files: tuple[Path, ...]
    targets: tuple[int, ...]

    @classmethod
    def of(cls, pairs: list[tuple[Path, int]]) -> Split:
        """From pairs of a picture and its class."""
        return cls(tuple(path for path, _ in pairs), tuple(index for _, index in pairs))

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: list[int]) -> Split:
        """Some of them."""
        return Split(tuple(self.files[r] for r in rows), tuple(self.targets[r] for r in rows))

    def sample(self, count: int, seed: int) -> Split:
        """At most `count`, drawn at random."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(sorted(order[:count].tolist()))

    def without(self, files: set[Path]) -> Split:
        """All but these."""
        return self.take([row for row, path in enumerate(self.files) if path not in files])


@dataclass(frozen=True)
class DataSet:
    """A name for the record, one label per class, and the two disjoint splits.

    `held_out` records the part and the seed that drew `validation`; it is empty where the data set
    has a validation split of its own. `picture_side` is set where all pictures are squares of one
    side. `left_out` says in a phrase which files were not taken. `terms` and `limits` are sentences
    for the model card, where the data set is a known one.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    held_out: dict[str, Any] = field(default_factory=dict)
    picture_side: int | None = None
    left_out: str = ""
    terms: str = ""
    limits: str = ""

    def without(self, files: set[Path]) -> DataSet:
        """The data set but for some of its pictures."""
        return replace(
            self, train=self.train.without(files), validation=self.validation.without(files)
        )
