"""Opens a data set on disk, in one of the layouts that people have.

Tiny-ImageNet's own, a training and a validation folder with one folder per class in each, one
folder of class folders, from which a part is held out, and a table of labels. Where the class
folders share pictures by links, a picture has several labels; a table in which every picture has
exactly one label is single-label, unless another task is asked for.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from glimpse_models.data import several, tiny_imagenet
from glimpse_models.data.annotations import ENDINGS as TABLES
from glimpse_models.data.annotations import is_table, read_table
from glimpse_models.data.files import (
    ENDINGS,
    TRAIN,
    LeftOut,
    folders_in,
    is_hidden,
    is_picture,
    pictures_below,
    split_folders,
    validation_of,
)
from glimpse_models.data.splits import MULTI, SINGLE, DataSet, Split
from glimpse_models.errors import UserError

# Of a folder without a split of its own.
HELD_OUT = 0.1


def open_data(
    root: Path, seed: int = 1, held_out: float = HELD_OUT, task: str | None = None
) -> DataSet:
    """The data set below `root`, in whichever layout it is; the same seed holds out the same part.

    `task` decides where a table fits both; `require_task` refuses what does not fit.
    """
    if is_table(root):
        data = several.of_table(root, read_table(root), seed, held_out)
        return _for_task(root, replace(data, listed=True), task)
    if not root.is_dir():
        raise UserError(
            f"{root} is neither a folder nor a table of labels ({', '.join(TABLES)}); give a data set to --data"
        )
    if tiny_imagenet.is_layout_of(root):
        return tiny_imagenet.open_tiny_imagenet(root)
    left_out = LeftOut()
    splits = split_folders(root)
    chosen = validation_of(splits)
    if TRAIN in splits and chosen:
        data = _two_folders(root, splits[TRAIN], splits[chosen], left_out)
    else:
        data = _one_folder(root, seed, held_out, left_out)
    if said := str(left_out):
        _say(f"{root}: not taken as pictures: {said}")
    return replace(data, left_out=said)


def training_pictures(
    root: Path, seed: int, held_out: float = HELD_OUT, task: str | None = None
) -> Split:
    """Training pictures of a data set, or all of a folder without classes, with targets of -1."""
    return open_pictures(root, seed, held_out, task).train


def open_pictures(
    root: Path, seed: int, held_out: float = HELD_OUT, task: str | None = None
) -> DataSet:
    """A data set; of a folder without classes all pictures, for training and without labels."""
    try:
        return open_data(root, seed, held_out, task)
    except UserError:
        # Of such a data set's pictures, not all are for training.
        if is_table(root) or (root.is_dir() and _named_splits(root)):
            raise
        files = pictures_below(root) if root.is_dir() else []
    if not files:
        raise UserError(f"no pictures below {root}; name a folder with some hundred typical ones")
    pictures = Split(tuple(files), (-1,) * len(files))
    return DataSet(root.resolve().name, (), pictures, Split((), ()), root)


def _one_folder(root: Path, seed: int, held_out: float, left_out: LeftOut) -> DataSet:
    if found := _named_splits(root):
        raise UserError(
            f"{found[0]} holds class folders, but {root} has no folder for the other split; name the training pictures' "
            f"folder train and the validation pictures' folder val, or give {found[0]} alone"
        )
    labels = _classes(root)
    _refuse_unnamed_splits(root)
    folders = [_class_files(root / name, left_out) for name in labels]
    name = root.resolve().name
    if sets := _sets_of(root, folders):
        return several.drawn(name, root, labels, sets, seed, held_out)
    train: list[tuple[Path, int]] = []
    validation: list[tuple[Path, int]] = []
    for index, files in enumerate(folders):
        order = np.random.default_rng((seed, index)).permutation(len(files))
        count = max(1, round(len(files) * held_out))
        if len(files) < 2:
            raise UserError(
                f"{root / labels[index]} holds {len(files)} pictures; a class needs two or more"
            )
        validation += [(files[row], index) for row in sorted(order[:count])]
        train += [(files[row], index) for row in sorted(order[count:])]
    drawn = {"held_out": held_out, "seed": seed}
    return DataSet(name, labels, Split.of(train), Split.of(validation), root, drawn)


def _refuse_unnamed_splits(root: Path) -> None:
    """Folders that hold nothing but the same folders are splits, and these are the classes."""
    folders = folders_in(root)
    shared = set.intersection(*({one.name for one in folders_in(path)} for path in folders))
    if len(shared) < 2 or any(_holds_pictures(path) for path in folders):
        return
    first, second = folders[0].name, folders[1].name
    raise UserError(
        f"{first}/ and {second}/ of {root} hold no pictures themselves but the same folders ({', '.join(sorted(shared)[:5])}); "
        "if these are the classes, name the training pictures' folder train and the validation pictures' folder val; "
        f"if {first} and {second} are classes, move their pictures out of the folders in them"
    )


def _holds_pictures(folder: Path) -> bool:
    return any(
        is_picture(path) and not is_hidden(path.name) and path.is_file()
        for path in folder.iterdir()
    )


def _for_task(root: Path, data: DataSet, task: str | None) -> DataSet:
    """A table's data set for the task; where none is asked for, single-label if the table allows it."""
    if task == MULTI:
        return data
    more, none = _not_one_label(data)
    if not more and not none:
        if task is None:
            _say(
                f"{root}: every picture has one label, so that the task is {SINGLE}; --task {MULTI} of train and build "
                "makes a classifier that may give several"
            )
        return data.with_one_label()
    if task is None and not more:
        _say(
            f"{root}: {none} pictures have no label, so that the task is {MULTI}; for {SINGLE} give every picture one label"
        )
    return data


def _not_one_label(data: DataSet) -> tuple[int, int]:
    """How many pictures have several labels, and how many none."""
    counts = [
        len(classes) for one in (data.train, data.validation) for classes in one.label_sets or ()
    ]
    return sum(count > 1 for count in counts), counts.count(0)


@cache
def _say(line: str) -> None:
    """Once: `build` opens its data set in every step."""
    print(line, file=sys.stderr)


def _sets_of(root: Path, folders: list[list[Path]]) -> several.Sets:
    """The classes of each picture where folders share some by links; else nothing."""
    sets = several.shared_pictures(folders)
    shared = sum(len(classes) > 1 for classes in sets.values())
    if not shared:
        return {}
    _say(
        f"{root}: {shared} of {len(sets)} pictures are linked in several class folders, so that a picture has several labels"
    )
    return sets


def _two_folders(
    root: Path, training: list[Path], validation: list[Path], left_out: LeftOut
) -> DataSet:
    """Each split's folder holds one folder per class, the same classes in both."""
    train, held_out = _only(root, training), _only(root, validation)
    labels = _classes(train)
    if labels != (found := _classes(held_out)):
        odd = sorted(set(labels) ^ set(found))
        raise UserError(
            f"{train.name}/ and {held_out.name}/ of {root} differ in the classes {', '.join(odd[:5])}"
        )

    splits = [
        [_class_files(folder / label, left_out) for label in labels] for folder in (train, held_out)
    ]
    sets = [_sets_of(root, folders) for folders in splits]
    if any(sets):
        # Where one split has links, the other's pictures without any have one label each.
        own = (several.shared_pictures(folders) for folders in splits)
        first, second = (Split.of_sets(list(pictures.items())) for pictures in own)
    else:
        first, second = (
            Split.of([(path, index) for index, paths in enumerate(folders) for path in paths])
            for folders in splits
        )
    return DataSet(root.resolve().name, labels, first, second, root)


def folder_of(root: Path) -> Path:
    """The folder that the paths of a data set are relative to: a table's own, or the data set."""
    return root.parent if is_table(root) else root


def require_task(root: Path, data: DataSet, task: str | None) -> None:
    """Refuse data that are not for the task that was asked for."""
    if task in (None, data.task):
        return
    if task == SINGLE:
        more, none = _not_one_label(data)
        raise UserError(
            f"{root} has {more} pictures with several labels and {none} without one, so that --task {SINGLE} cannot be "
            "learnt from it; leave it out, or give every picture one label"
        )
    raise UserError(
        f"{root} has one label per picture; for --task {MULTI} give a table of labels (--data labels.csv), or link "
        "each picture into the folder of each of its classes"
    )


def _only(root: Path, folders: list[Path]) -> Path:
    """The one folder of a split."""
    if len(folders) > 1:
        raise UserError(
            f"{root} has the folders {', '.join(path.name for path in folders)} for one split; keep one of them"
        )
    return folders[0]


def _named_splits(root: Path) -> list[Path]:
    """Folders that are splits by their names and hold class folders."""
    named = [path for paths in split_folders(root).values() for path in paths]
    return [path for path in named if folders_in(path)]


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(path.name for path in folders_in(root))
    if len(names) < 2:
        raise UserError(
            f"{root} holds {len(names)} class folders; it needs two or more, each with the pictures "
            "of one class (or a Tiny-ImageNet folder, with wnids.txt)"
        )
    return names


def _class_files(folder: Path, left_out: LeftOut) -> list[Path]:
    files = pictures_below(folder, left_out)
    if not files:
        raise UserError(f"{folder} holds no pictures ({', '.join(sorted(ENDINGS))})")
    return files
