"""Reads a table of labels: a CSV or JSON file that gives each picture any number of labels.

Paths are relative to the table's folder. A table may name each picture's split.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glimpse_models.data.files import SPLIT_NAMES, split_of
from glimpse_models.errors import UserError

ENDINGS = (".csv", ".json")

FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_name", "path")
LABEL_COLUMNS = ("labels", "label", "tags", "classes")
SPLIT_COLUMN = "split"
SEPARATORS = re.compile(r"[|;]")
MARKS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}

FORM = (
    "a CSV table has the columns file and labels (separated by | or ;), or file and one column of 0 and 1 per label; "
    'JSON is {"a.jpg": ["cat", "dog"], …} or [{"file": "a.jpg", "labels": ["cat", "dog"]}, …]; '
    "a column or key split may say train or val"
)


@dataclass
class Annotated:
    """One picture's labels, in no order, and its split (as `split_of` has it) where the table names one."""

    labels: set[str] = field(default_factory=set)
    split: str = ""


@dataclass(frozen=True)
class Table:
    """The labels in the order of the classes, and the pictures in the order of their names."""

    labels: tuple[str, ...]
    pictures: dict[Path, Annotated]


def is_table(path: Path) -> bool:
    """Whether `path` names a table of labels."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read_table(path: Path) -> Table:
    """The table; refuses what it cannot read, and pictures that are not there."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}); save it as UTF-8") from error
    try:
        rows, order = _of_json(text) if path.suffix.lower() == ".json" else _of_csv(text)
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of labels: {error}; {FORM}") from error
    pictures: dict[Path, Annotated] = {}
    for name, labels, split in rows:
        entry = pictures.setdefault(_picture(path, name), Annotated(split=_split(path, split)))
        entry.labels.update(labels)
        if entry.split != _split(path, split):
            raise UserError(f"{path} has {name} in two splits; name one")
    found = {label for entry in pictures.values() for label in entry.labels}
    if not found:
        raise UserError(f"{path} gives no picture a label; {FORM}")
    return Table(tuple(order or sorted(found)), dict(sorted(pictures.items())))


Row = tuple[str, set[str], str]
"""A file's name, its labels, its split or nothing."""


def _of_json(text: str) -> tuple[list[Row], list[str]]:
    content: Any = json.loads(text)
    if isinstance(content, dict):
        content = [{"file": name, "labels": labels} for name, labels in content.items()]
    rows = []
    for entry in content:
        name, labels, split = entry["file"], entry["labels"], entry.get("split", "")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"the labels of {name} are not a list of strings")
        rows.append((str(name), _clean(labels), str(split)))
    return rows, []


def _of_csv(text: str) -> tuple[list[Row], list[str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        table = list(reader)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    names = {(column or "").strip().lower(): column for column in reader.fieldnames or ()}
    file = next((names[name] for name in FILE_COLUMNS if name in names), None)
    if file is None:
        raise ValueError(f"none of its columns is called {', '.join(FILE_COLUMNS)}")
    split = names.get(SPLIT_COLUMN)
    listed = next((names[name] for name in LABEL_COLUMNS if name in names), None)
    columns = [name for name in reader.fieldnames or () if name not in (file, split)]
    rows = []
    for number, row in enumerate(table, 2):
        if None in row or None in row.values():
            raise ValueError(f"line {number} has not as many fields as the first line")
        if listed is not None:
            labels = _listed(number, row[listed])
        else:
            labels = {column.strip() for column in columns if _mark(number, column, row[column])}
        rows.append((row[file].strip(), labels, row[split] if split else ""))
    return rows, [] if listed is not None else [column.strip() for column in columns]


def _listed(line: int, value: str) -> set[str]:
    """A comma may be part of a label or between two, so that it is refused."""
    if "," in value:
        raise ValueError(
            f"line {line} has a comma in the labels {value!r}: put | or ; between labels, and write labels that have a comma themselves in JSON"
        )
    return _clean(SEPARATORS.split(value))


def _mark(line: int, column: str, value: str) -> bool:
    mark = MARKS.get(value.strip().lower())
    if mark is None:
        raise ValueError(f"line {line} has {value!r} under {column}, not 0 or 1")
    return mark


def _clean(labels: list[str]) -> set[str]:
    return {label.strip() for label in labels if label.strip()}


def _picture(table: Path, name: str) -> Path:
    path = table.parent / name
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"{table} names {name!r}; give paths below {table.parent}")
    if not path.is_file():
        raise UserError(f"{table} names {name}, which is not below {table.parent}")
    return path


def _split(table: Path, name: str) -> str:
    role = split_of(name)
    if role or not name.strip():
        return role
    known = [one for names in SPLIT_NAMES.values() for one in names]
    raise UserError(f"{table} has the split {name!r}; give {', '.join(known)}")
