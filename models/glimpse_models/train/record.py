"""What a run says of itself in public files: its command line, its commit, its machine, `run.json`.

Neither names this machine: absolute paths are cut to what names a run and its file.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glimpse_models.data.dataset import HELD_OUT
from glimpse_models.errors import UserError

Record = dict[str, Any]


def write_record(out: Path, record: Record) -> None:
    """Write `run.json`, replaced at once."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    partial = out / "run.json.part"
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(out / "run.json")


def read_runs(folders: Sequence[Path]) -> list[Record]:
    """`run.json` of each folder; each run but the first must have begun with weights."""
    records = [_read_run(folder) for folder in folders]
    for folder, record in list(zip(folders, records, strict=True))[1:]:
        if record["recipe"]["weights"] == "none":
            raise UserError(
                f"{folder} began from scratch, so that no other run is part of it; name the runs that "
                "went on from one another, in their order"
            )
    return records


def _read_run(folder: Path) -> Record:
    path = folder / "run.json"
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the folder that train wrote to, or --command")
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        if not _is_record(record):
            raise ValueError("it lacks command, recipe or data, or one has another form")
    except ValueError as error:
        raise UserError(
            f"{path} is not the record of a run: {error}; give the folder that train wrote to"
        ) from error
    found: Record = record
    return found


def _is_record(record: Any) -> bool:
    """Whether it has what the steps read of every run, and what some runs have is in its form."""
    match record:
        case {
            "command": str(),
            "git_commit": str(),
            "weights": str(),
            "recipe": {"weights": str(), "seed": int(), **recipe},
            "data": {"name": str(), **data},
        }:
            whole = (recipe.get("side", 1), recipe.get("resize", 1), data.get("seed", 1))
            return (
                all(isinstance(number, int) for number in whole)
                and isinstance(data.get("held_out", HELD_OUT), float | int)
                and isinstance(record.get("bundle", {}), dict)
                and isinstance(record.get("bundle", {}).get("provenance", {}), dict)
            )
    return False


def command_line(words: Sequence[str], *paths: Path) -> str:
    """A command as given, with each of `paths` by its last part."""
    names = {str(path): path.name for path in paths}
    shown = [names.get(word, names.get(word.rstrip("/"), short(word))) for word in words]
    return shlex.join(["glimpse-models", *shown])


def short(word: str) -> str:
    """An absolute path by its last two parts, which name a run and its file; else the word."""
    if word.startswith("--") and "=" in word:
        option, value = word.split("=", 1)
        return f"{option}={short(value)}"
    kind, _, what = word.partition(":")  # as onnx:FILE, but s3://… is an address
    if Path(what).is_absolute() and not what.startswith("//"):
        return f"{kind}:{short(what)}"
    return "/".join(Path(word).parts[-2:]) if Path(word).is_absolute() else word


def git_commit() -> str:
    """The commit of this code, with `-dirty` where the code is not what was committed."""
    place = Path(__file__).parent.parent

    def git(*words: str) -> str:
        order = ["git", "-C", str(place), *words]
        return subprocess.run(order, capture_output=True, text=True, check=False).stdout.strip()

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ".")
    except FileNotFoundError:
        return "unknown"
    return f"{commit}-dirty" if commit and changes else commit or "unknown"


def hardware(device: str) -> dict[str, Any]:
    """What the run ran on, without naming the machine."""
    import torch

    about: dict[str, Any] = {
        "device": device,
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
    }
    if device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
    return {**about, "torch": torch.__version__, "python": platform.python_version()}
