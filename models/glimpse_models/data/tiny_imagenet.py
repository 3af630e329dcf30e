"""The layout of Tiny-ImageNet: `wnids.txt`, `words.txt` and a table of validation pictures."""

from __future__ import annotations

from pathlib import Path

from glimpse_models.data.splits import DataSet, Split

# All its pictures are squares of this side.
SIDE = 64

TERMS = (
    "Stanford's course CS231n made it of ImageNet (ILSVRC) pictures, resized to 64 × 64. ImageNet's "
    "owners grant access for non-commercial research and education and hold no copyright in the "
    "pictures, which their photographers keep; whether weights trained on them may serve your "
    "purpose is for you to judge."
)
LIMITS = (
    "It shows that the service works; do not base decisions on it. It knows 200 classes and answers "
    "one of them for every picture, also for what it has never seen. It was trained on small "
    "pictures with one object in the middle: small objects, several objects and text are beyond it. "
    "ImageNet's pictures come from the web of the 2000s and are unevenly spread over places and "
    "people."
)


def is_layout_of(root: Path) -> bool:
    """Whether `root` is in this layout."""
    return (root / "wnids.txt").is_file()


def open_tiny_imagenet(root: Path) -> DataSet:
    """Class index = position in `wnids.txt`; validation pictures lie in one folder with a table."""
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
    return DataSet(
        "Tiny-ImageNet",
        _labels(root, wnids),
        Split.of(train),
        Split.of(validation),
        root,
        picture_side=SIDE,
        terms=TERMS,
        limits=LIMITS,
    )


def synonyms_of(root: Path) -> list[list[str]]:
    """All names of each class, in the order of the class indices."""
    return _synonyms(root, (root / "wnids.txt").read_text(encoding="utf-8").split())


def _synonyms(root: Path, wnids: list[str]) -> list[list[str]]:
    """As `words.txt` has them."""
    lines = (root / "words.txt").read_text(encoding="utf-8").splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return [[word.strip() for word in words[wnid].split(",")] for wnid in wnids]


def _labels(root: Path, wnids: list[str]) -> tuple[str, ...]:
    """The first synonym; where another class has it, the next."""
    labels: list[str] = []
    for wnid, synonyms in zip(wnids, _synonyms(root, wnids), strict=True):
        unused = [word for word in synonyms if word not in labels]
        labels.append(unused[0] if unused else f"{synonyms[0]} ({wnid})")
    return tuple(labels)
