"""Data sets on disk: which pictures are for training, which for validation, and their classes.

Three layouts are recognised: Tiny-ImageNet's own (`wnids.txt`), `train/` and `val/` folders with a
folder a class in each, and one folder of class folders, from which a part is held out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glimpse_models.errors import Refused

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))

# Of a folder without a split of its own.
HELD_OUT = 0.1


@dataclass(frozen=True)
class Split:
    """Pictures and their class indices, in a fixed order."""

    files: tuple[Path, ...]
    targets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: list[int]) -> Split:
        """Some of them."""
        return Split(tuple(self.files[r] for r in rows), tuple(self.targets[r] for r in rows))

    def sample(self, count: int, seed: int) -> Split:
        """At most `count`, drawn at random."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(sorted(order[:count].tolist()))


@dataclass(frozen=True)
class DataSet:
    """A name for the record, one label a class, and the two disjoint splits.

    `held_out` records the part and the seed that drew `validation`; empty where it is a folder's own.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    held_out: dict[str, Any] = field(default_factory=dict)


def open_data(root: Path, seed: int = 1, held_out: float = HELD_OUT) -> DataSet:
    """The data set below `root`, in whichever layout it is; the same seed holds out the same part."""
    if not root.is_dir():
        raise Refused(f"{root} is not a folder; give a data set's folder to --data")
    if (root / "wnids.txt").is_file():
        return _tiny_imagenet(root)
    if (root / "train").is_dir() and (root / "val").is_dir():
        return _two_folders(root)
    return _one_folder(root, seed, held_out)


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below `folder`, in the order of names."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if path.is_file())


def training_pictures(root: Path, seed: int, held_out: float = HELD_OUT) -> Split:
    """Training pictures of a data set, or all of a folder without classes, with targets of -1."""
    try:
        return open_data(root, seed, held_out).train
    except Refused:
        if _is_split(root):  # of its pictures, not all are for training
            raise
        files = pictures_below(root) if root.is_dir() else []
    if not files:
        raise Refused(f"no pictures below {root}; name a folder with some hundred typical ones")
    return Split(tuple(files), (-1,) * len(files))


def read_labels(path: Path) -> tuple[str, ...]:
    """One label a line; the line's number is the class index."""
    if not path.is_file():
        raise Refused(f"there is no {path}; give the file with one label a line")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not in UTF-8 ({error}); save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise Refused(
                f"line {number} of {path} is empty; write one label a line, for each class"
            )
    if not lines:
        raise Refused(f"{path} holds no labels; write one a line, in the order of the classes")
    return tuple(line.strip() for line in lines)


def refuse_other_order(name: str, labels: tuple[str, ...], data: tuple[str, ...]) -> None:
    """Refuse a data set whose classes are the `labels` of `name` in another order.

    Other names are no fault: the folders of ImageNet are not called what its classes are.
    """
    if labels != data and sorted(labels) == sorted(data):
        ours, theirs = next(pair for pair in zip(labels, data, strict=True) if pair[0] != pair[1])
        raise Refused(
            f"{name} has the data set's classes in another order ({ours} where that has {theirs}), so that right "
            "answers would count as wrong; give it the labels in the order it was trained with"
        )


def _one_folder(root: Path, seed: int, held_out: float) -> DataSet:
    if _is_split(root):
        raise Refused(
            f"{root / 'train'} holds class folders, but there is no {root / 'val'}; name the folder of the "
            "validation pictures val, or give the folder train alone"
        )
    labels = _classes(root)
    pairs = [_class_files(root, name) for name in labels]
    train: list[tuple[Path, int]] = []
    validation: list[tuple[Path, int]] = []
    for index, files in enumerate(pairs):
        order = np.random.default_rng((seed, index)).permutation(len(files))
        count = max(1, round(len(files) * held_out))
        if len(files) < 2:
            raise Refused(
                f"{root / labels[index]} holds {len(files)} pictures; a class needs two or more"
            )
        validation += [(files[row], index) for row in sorted(order[:count])]
        train += [(files[row], index) for row in sorted(order[count:])]
    drawn = {"held_out": held_out, "seed": seed}
    return DataSet(root.resolve().name, labels, _split(train), _split(validation), drawn)


def _two_folders(root: Path) -> DataSet:
    labels = _classes(root / "train")
    if labels != (found := _classes(root / "val")):
        odd = sorted(set(labels) ^ set(found))
        raise Refused(f"train/ and val/ of {root} differ in the classes {', '.join(odd[:5])}")

    def split(name: str) -> Split:
        files = [_class_files(root / name, label) for label in labels]
        return _split([(path, index) for index, paths in enumerate(files) for path in paths])

    return DataSet(root.resolve().name, labels, split("train"), split("val"))


def _is_split(root: Path) -> bool:
    """Whether `train` is a part of the data set, not a class of it."""
    train = root / "train"
    return train.is_dir() and any(path.is_dir() for path in train.iterdir())


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in root.iterdir() if path.is_dir()))
    if len(names) < 2:
        raise Refused(
            f"{root} holds {len(names)} class folders; it needs two or more, each with the pictures "
            "of one class (or a Tiny-ImageNet folder, with wnids.txt)"
        )
    return names


def _class_files(root: Path, name: str) -> list[Path]:
    files = pictures_below(root / name)
    if not files:
        raise Refused(f"{root / name} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return files


def _split(pairs: list[tuple[Path, int]]) -> Split:
    return Split(tuple(path for path, _ in pairs), tuple(index for _, index in pairs))


def _tiny_imagenet(root: Path) -> DataSet:
    """Class index = position in `wnids.txt`; validation has no class folders but a table."""
    wnids = (root / "wnids.txt").read_text(encoding="utf-8").split()
    index_of = {wnid: index for index, wnid in enumerate(wnids)}
    train = [
        (path, index)
        for index, wnid in enumerate(wnids)
        for path in sorted((root / "train" / wnid / "images").glob("*.JPEG"))
    ]
    table = (root / "val" / "val_annotations.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in table)
    validation = [(root / "val" / "images" / row[0], index_of[row[1]]) for row in rows]
    return DataSet("Tiny-ImageNet", _synonyms(root, wnids), _split(train), _split(validation))


def _synonyms(root: Path, wnids: list[str]) -> tuple[str, ...]:
    """The first synonym in `words.txt`; one that another class has already gives way to the next."""
    lines = (root / "words.txt").read_text(encoding="utf-8").splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    labels: list[str] = []
    for wnid in wnids:
        synonyms = [word.strip() for word in words[wnid].split(",")]
        unused = [word for word in synonyms if word not in labels]
        labels.append(unused[0] if unused else f"{synonyms[0]} ({wnid})")
    return tuple(labels)
