"""Which files are pictures: endings, hidden and system names, and folder names of splits.

The table is `picture_files.json`, which the Rust programs read too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

_TABLE = json.loads(
    resources.files("glimpse_models.data").joinpath("picture_files.json").read_text("utf-8")
)

ENDINGS = frozenset(f".{ending}" for ending in _TABLE["endings"])
"""Lower case, with the dot."""

TRAIN = "train"
SPLIT_NAMES: dict[str, tuple[str, ...]] = {
    role: tuple(names) for role, names in _TABLE["splits"].items()
}
"""Training first, then the splits in the order in which they are taken for validation."""

_FILLERS = "|".join(_TABLE["split_fillers"])
_SPLITS = {
    role: re.compile(f"(?:{_FILLERS})*(?:{'|'.join(names)})(?:{_FILLERS})*")
    for role, names in SPLIT_NAMES.items()
}
_HIDDEN = tuple(_TABLE["hidden_prefixes"])
_SYSTEM = frozenset(_TABLE["system_names"])


@dataclass
class LeftOut:
    """Files that are not pictures, counted by their ending; hidden ones apart."""

    endings: Counter[str] = field(default_factory=Counter)
    hidden: int = 0

    def __str__(self) -> str:
        """In a phrase, as `3 .txt, 1 hidden`; empty where nothing was left out."""
        parts = [f"{count} {ending or 'without an ending'}" for ending, count in self._common()]
        return ", ".join(parts + ([f"{self.hidden} hidden"] if self.hidden else []))

    def _common(self) -> list[tuple[str, int]]:
        return sorted(self.endings.items(), key=lambda pair: (-pair[1], pair[0]))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name belongs to a system or a tool, not to a data set."""
    return name.startswith(_HIDDEN) or name.lower() in _SYSTEM


def is_picture(path: Path) -> bool:
    """By the ending of its name, in any case."""
    return path.suffix.lower() in ENDINGS


def pictures_below(folder: Path, left_out: LeftOut | None = None) -> list[Path]:
    """Every picture below `folder`, in the order of names; what is left out is counted."""
    counted = LeftOut() if left_out is None else left_out
    found = [path for path in _files_below(folder, counted) if _is_taken(path, counted)]
    return sorted(found)


def folders_in(folder: Path) -> list[Path]:
    """The visible folders directly in `folder`, in the order of names."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def split_of(name: str) -> str:
    """The split that a name stands for, as `Training_Set` or `val-images`; empty for other names."""
    word = re.sub(r"[\W\d_]+", "", name.lower())
    return next((role for role, form in _SPLITS.items() if form.fullmatch(word)), "")


def split_folders(root: Path) -> dict[str, list[Path]]:
    """The folders in `root` that are splits by their names."""
    found: dict[str, list[Path]] = {}
    for path in folders_in(root):
        if role := split_of(path.name):
            found.setdefault(role, []).append(path)
    return found


def validation_of(splits: Collection[str]) -> str:
    """The split that is for validation; those behind it in the order stay unseen."""
    return next((role for role in SPLIT_NAMES if role in splits and role != TRAIN), "")


def _is_taken(path: Path, left_out: LeftOut) -> bool:
    if not is_picture(path):
        left_out.endings[path.suffix.lower()] += 1
        return False
    return True


def _files_below(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    for path in folder.iterdir():
        if is_hidden(path.name):
            left_out.hidden += 1
        elif path.is_dir() and not path.is_symlink():  # a link may lead back up
            yield from _files_below(path, left_out)
        elif path.is_file():
            yield path
