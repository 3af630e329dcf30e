"""The names of the classes: read from a file, checked, and held against those of a data set."""

from __future__ import annotations

from pathlib import Path

from glimpse_models.errors import UserError


def read_labels(path: Path) -> tuple[str, ...]:
    """One label per line; the line's number is the class index. A byte-order mark is dropped."""
    if not path.is_file():
        raise UserError(f"there is no {path}; give the file with one label per line")
    return parse_labels(path, path.read_bytes())


def parse_labels(path: Path, content: bytes) -> tuple[str, ...]:
    """The labels in the content of `path`."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}); save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise UserError(f"line {number} of {path} is empty; write one label per line")
    if not lines:
        raise UserError(f"{path} holds no labels; write one per line, in the order of the classes")
    return tuple(line.strip() for line in lines)


def check_labels(labels: tuple[str, ...]) -> None:
    """Refuse labels that are empty, have a line break or stand for two classes."""
    seen: set[str] = set()
    for label in labels:
        if not label.strip() or "\n" in label:
            raise UserError(
                f"the label {label!r} is empty or has a line break; write one label per line"
            )
        if label in seen:
            raise UserError(
                f"the label {label!r} stands for two classes; make them differ, as in 'crane (bird)'"
            )
        seen.add(label)


def refuse_other_order(name: str, labels: tuple[str, ...], data: tuple[str, ...]) -> None:
    """Refuse a data set whose classes are the `labels` of `name` in another order.

    Different names are accepted: the folders of ImageNet have other names than its classes.
    """
    if labels != data and sorted(labels) == sorted(data):
        ours, theirs = next(pair for pair in zip(labels, data, strict=True) if pair[0] != pair[1])
        raise UserError(
            f"{name} has the data set's classes in another order ({ours} where that has {theirs}), so that right "
            "answers would count as wrong; give it the labels in the order it was trained with"
        )
