"""Train a classifier from scratch or from weights, on a CPU or a GPU, resumable after a kill.

The same command again goes on from the checkpoint in the run's folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from glimpse_models.data.dataset import HELD_OUT, open_data, require_task
from glimpse_models.data.inspect import Findings, inspect_and_report, without_broken
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError
from glimpse_models.train.allocator import keep_freed_memory
from glimpse_models.train.batches import Source, cached
from glimpse_models.train.pictures import Pictures
from glimpse_models.train.recipe import RecipeOptions, recipe_of
from glimpse_models.train.run import Place, start_or_resume
from glimpse_models.train.teaching import Teacher, check_logits


@dataclass(frozen=True)
class TrainOptions:
    """A run: its data, its recipe, and where it happens."""

    data: Path
    out: Path
    command: str
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    task: str | None = None
    teacher: Teacher | None = None
    held_out: float = HELD_OUT
    device: str | None = None
    workers: int = 0
    threads: int | None = None
    until: int | None = None
    save_every: int = 100
    broken: str = "leave-out"


def train(options: TrainOptions) -> None:
    """Train, or go on from the checkpoint in `out`."""
    if options.threads:
        torch.set_num_threads(options.threads)
    device = _device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if options.save_every < 1:
        raise UserError("--save-every counts steps; give 1 or more")
    if device.type == "cpu":
        keep_freed_memory()
    options.out.mkdir(parents=True, exist_ok=True)
    data = open_data(options.data, options.recipe.seed, options.held_out, options.task)
    require_task(options.data, data, options.task)
    findings = inspect_and_report(data, options.out / "pictures.json", options.broken)
    data = without_broken(data, findings.broken)
    teacher = options.teacher
    named = "" if teacher is None else teacher.name
    recipe = recipe_of(options.recipe, len(data.train), data.task, named)
    place = Place(
        out=options.out,
        device=device,
        workers=options.workers,
        save_every=options.save_every,
        until=options.until,
        command=options.command,
    )
    pictures = pictures_of(options.data, data, findings)
    if teacher is not None:
        taught = teacher.answers(data, findings.fingerprint, recipe.teacher_embedding > 0)
        check_logits(taught.logits, data)
        pictures = replace(pictures, taught=taught)
    start_or_resume(pictures, recipe, place).finish()


def _device(name: str) -> torch.device:
    """The device, if PyTorch knows it and it is there."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name} is unknown to PyTorch; give cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"there is no GPU for --device {device}; leave it out to train on the CPU")
    return device


def pictures_of(root: Path, data: DataSet, findings: Findings) -> Pictures:
    """From files, or from arrays beside the data set where all pictures have one side."""
    if data.picture_side is None:
        return Pictures(data, Source(data.train), Source(data.validation), findings)
    return Pictures(
        data,
        cached(data.train, data.picture_side, root / "train.uint8.npy"),
        cached(data.validation, data.picture_side, root / "val.uint8.npy"),
        findings,
    )
