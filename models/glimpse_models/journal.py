"""A run's record on disk: `log.csv`, `run.json` and the learning curves, rewritten every epoch."""

from __future__ import annotations

import csv
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

COLUMNS = (
    "epoch",
    "step",
    "side",
    "rate",
    "train_loss",
    "val_loss",
    "top1",
    "top5",
    "pictures_per_s",
    "seconds",
)

Row = dict[str, float]


def write(out: Path, about: dict[str, Any], history: list[Row]) -> None:
    """All three files, each replaced at once, so that a kill leaves the old or the new one."""
    with _replacing(out / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: round(value, 6) for name, value in row.items()} for row in history)
    _replace(out / "log.csv")
    write_record(out, {**about, "epochs": history})
    if history:
        curves(history, out / "curves.png")


def write_record(out: Path, record: dict[str, Any]) -> None:
    """`run.json` alone, for weights that no epochs made."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    _replacing(out / "run.json").write_text(f"{text}\n", encoding="utf-8")
    _replace(out / "run.json")


def curves(history: list[Row], path: Path) -> None:
    """Loss and accuracy against the epoch."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs = [row["epoch"] for row in history]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, names in ((left, ("train_loss", "val_loss")), (right, ("top1", "top5"))):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], marker=".", label=name)
        axes.set_xlabel("epoch")
        axes.legend()
        axes.grid(alpha=0.3)
    left.set_title("loss")
    right.set_title("validation accuracy")
    partial = _replacing(path)
    figure.savefig(partial, format="png", dpi=110)
    pyplot.close(figure)
    _replace(path)


def command(*paths: Path) -> str:
    """The command line as given, with each of `paths` by its last part: it goes into public files."""
    names = {str(path): path.name for path in paths}
    words = [names.get(word, names.get(word.rstrip("/"), short(word))) for word in sys.argv[1:]]
    return shlex.join(["python", "-m", "glimpse_models", *words])


def short(word: str) -> str:
    """An absolute path by its last two parts, which name a run and its file; else the word."""
    if word.startswith("--") and "=" in word:
        option, value = word.split("=", 1)
        return f"{option}={short(value)}"
    return "/".join(Path(word).parts[-2:]) if Path(word).is_absolute() else word


def git_commit() -> str:
    """The commit of this code, with `-dirty` where the code is not what was committed."""
    place = Path(__file__).parent

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


def _replacing(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _replace(path: Path) -> None:
    _replacing(path).replace(path)
