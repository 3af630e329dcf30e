"""Opens a data set with any number of labels per picture, and holds a part of it out.

Either a table of labels, or class folders in which the same picture is linked (by symbolic or hard
links) into the folder of each of its classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from glimpse_models.data.annotations import Table
from glimpse_models.data.files import TRAIN, validation_of
from glimpse_models.data.labels import check_labels
from glimpse_models.data.splits import DataSet, Split
from glimpse_models.errors import UserError

Sets = dict[Path, tuple[int, ...]]
"""The classes of each picture."""


def shared_pictures(folders: list[list[Path]]) -> Sets:
    """One entry per file on disk, with the folders that hold it or a link to it."""
    found: dict[tuple[int, int], tuple[Path, list[int]]] = {}
    for index, files in enumerate(folders):
        for path in files:
            about = path.stat()
            found.setdefault((about.st_dev, about.st_ino), (path, []))[1].append(index)
    return {path: tuple(sorted(set(classes))) for path, classes in found.values()}


def of_table(path: Path, table: Table, seed: int, held_out: float) -> DataSet:
    """The splits that the table names; else a part is held out."""
    labels = table.labels
    check_labels(labels)
    index_of = {label: index for index, label in enumerate(labels)}
    sets = {
        picture: tuple(sorted(index_of[label] for label in entry.labels))
        for picture, entry in table.pictures.items()
    }
    named = {picture: entry.split for picture, entry in table.pictures.items()}
    name = path.resolve().parent.name
    if not any(named.values()):
        return drawn(name, path.parent, labels, sets, seed, held_out)
    if not all(named.values()):
        lacking = next(picture.name for picture, split in named.items() if not split)
        raise UserError(f"{path} names a split for some pictures and none for {lacking}")
    chosen = validation_of(named.values())
    train = [(picture, sets[picture]) for picture in sets if named[picture] == TRAIN]
    validation = [(picture, sets[picture]) for picture in sets if named[picture] == chosen]
    data = DataSet(name, labels, Split.of_sets(train), Split.of_sets(validation), root=path.parent)
    _require_all_classes(path, data)
    return data


def drawn(
    name: str, root: Path, labels: tuple[str, ...], sets: Sets, seed: int, held_out: float
) -> DataSet:
    """Hold out a part of the pictures of each class, the rarest class first.

    So that each class, and the pictures without a label, are in both splits in about the same share
    (after Sechidis et al., "On the Stratification of Multi-label Data", 2011).
    """
    files = list(sets)
    members = [
        [row for row, path in enumerate(files) if index in sets[path]]
        for index in range(len(labels))
    ]
    members.append([row for row, path in enumerate(files) if not sets[path]])
    held: set[int] = set()
    settled: set[int] = set()
    for index in sorted(range(len(members)), key=lambda one: (len(members[one]), one)):
        own = members[index]
        if not own:
            continue
        wanted = max(1, round(len(own) * held_out)) - len(held.intersection(own))
        free = [row for row in own if row not in settled]
        order = np.random.default_rng((seed, index)).permutation(len(free))
        held.update(free[row] for row in order[: max(0, wanted)])
        settled.update(own)
    validation = [(files[row], sets[files[row]]) for row in sorted(held)]
    train = [(path, sets[path]) for row, path in enumerate(files) if row not in held]
    split = {"held_out": held_out, "seed": seed}
    data = DataSet(name, labels, Split.of_sets(train), Split.of_sets(validation), root, split)
    _require_all_classes(root, data)
    return data


def _require_all_classes(root: Path, data: DataSet) -> None:
    for split, name in ((data.train, "training"), (data.validation, "validation")):
        if lost := set(range(len(data.labels))) - split.classes():
            raise UserError(
                f"{root} has no {name} picture with the label {data.labels[min(lost)]}; a label needs some in both splits"
            )
