"""A data set in memory: pictures with their classes, for training and for validation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SINGLE, MULTI = "single-label", "multi-label"
TASKS = (SINGLE, MULTI)
"""What the logits of a classifier mean: one class per picture, or any number of them."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """Pictures and their class indices, in a fixed order.

    Of a data set with several labels per picture, `label_sets` has the classes of each picture,
    perhaps none, and its targets are -1.
    """

    files: tuple[Path, ...]
    targets: tuple[int, ...]
    label_sets: tuple[tuple[int, ...], ...] | None = None

    @classmethod
    def of(cls, pairs: list[tuple[Path, int]]) -> Split:
        """From pairs of a picture and its class."""
        return cls(tuple(path for path, _ in pairs), tuple(index for _, index in pairs))

    @classmethod
    def of_sets(cls, pairs: list[tuple[Path, tuple[int, ...]]]) -> Split:
        """From pairs of a picture and its classes."""
        files, sets = tuple(path for path, _ in pairs), tuple(classes for _, classes in pairs)
        return cls(files, (-1,) * len(files), sets)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def task(self) -> str:
        """Whether a picture has one label or any number of them."""
        return SINGLE if self.label_sets is None else MULTI

    def with_one_label(self) -> Split:
        """The same pictures, each of which has exactly one label, with their targets."""
        targets = tuple(index for (index,) in self.label_sets or ())
        return replace(self, targets=targets, label_sets=None)

    def without_labels(self) -> Split:
        """The same pictures, whose targets are -1."""
        return replace(self, targets=(-1,) * len(self), label_sets=None)

    def moved(self, to: list[int]) -> Split:
        """The same pictures, where class `i` is now `to[i]`."""
        if self.label_sets is None:
            return replace(self, targets=tuple(to[index] for index in self.targets))
        sets = tuple(tuple(sorted(to[index] for index in held)) for held in self.label_sets)
        return replace(self, label_sets=sets)

    def take(self, rows: list[int]) -> Split:
        """Some of them."""
        sets = self.label_sets
        return Split(
            tuple(self.files[r] for r in rows),
            tuple(self.targets[r] for r in rows),
            None if sets is None else tuple(sets[r] for r in rows),
        )

    def sample(self, count: int, seed: int) -> Split:
        """At most `count`, drawn at random."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(sorted(order[:count].tolist()))

    def without(self, files: set[Path]) -> Split:
        """All but these."""
        return self.take([row for row, path in enumerate(self.files) if path not in files])

    def classes(self) -> set[int]:
        """Those that some picture has."""
        if self.label_sets is None:
            return set(self.targets)
        return {index for classes in self.label_sets for index in classes}

    def matrix(self, classes: int) -> Matrix:
        """`[N, classes]`, 1 where a picture has the class, else 0; of several labels per picture."""
        truth = np.zeros((len(self), classes), np.float32)
        for row, held in enumerate(self.label_sets or ()):
            truth[row, list(held)] = 1
        return truth


@dataclass(frozen=True)
class DataSet:
    """A name for the record, one label per class, and the two disjoint splits.

    `root` is the folder that records name its files in. `held_out` records the part and the seed that drew `validation`; it is empty where the data set
    has a validation split of its own. `picture_side` is set where all pictures are squares of one
    side. `left_out` says in a phrase which files were not taken. `listed` says that a table gives the
    labels, so that paths do not say them. `terms` and `limits` are sentences
    for the model card, where the data set is a known one.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    root: Path
    held_out: dict[str, Any] = field(default_factory=dict)
    picture_side: int | None = None
    left_out: str = ""
    listed: bool = False
    terms: str = ""
    limits: str = ""

    @property
    def task(self) -> str:
        """What a classifier of these pictures is for."""
        return self.train.task

    def with_one_label(self) -> DataSet:
        """For single-label; every picture has exactly one label."""
        return replace(
            self,
            train=self.train.with_one_label(),
            validation=self.validation.with_one_label(),
        )

    def with_labels(self, labels: tuple[str, ...]) -> DataSet:
        """The same labels in another order."""
        moved = [labels.index(label) for label in self.labels]
        train, validation = (split.moved(moved) for split in (self.train, self.validation))
        return replace(self, labels=labels, train=train, validation=validation)

    def without(self, files: set[Path]) -> DataSet:
        """The data set but for some of its pictures."""
        return replace(
            self, train=self.train.without(files), validation=self.validation.without(files)
        )
