"""One training run, resumable after a kill, and what it leaves on disk.

The run's folder gets `checkpoint.pt` (every `save_every` steps and every epoch), `log.csv`,
`run.json`, `curves.png` and at the end `weights.pt`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from glimpse_models.data.inspect import record_of
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError
from glimpse_models.train import batches, network
from glimpse_models.train.backbone import backbone_of
from glimpse_models.train.batches import Plan
from glimpse_models.train.convolution import as_matrix_products
from glimpse_models.train.journal import FIGURES, SHOWN, Row, write_journal
from glimpse_models.train.learner import Learner
from glimpse_models.train.pictures import Pictures
from glimpse_models.train.recipe import Recipe
from glimpse_models.train.record import Record, git_commit, hardware, short


@dataclass(frozen=True)
class Place:
    """Where, how and how far a run happens: nothing here changes what an epoch gives."""

    out: Path
    device: torch.device
    workers: int
    save_every: int
    until: int | None
    command: str

    @property
    def checkpoint(self) -> Path:
        """What a run goes on from."""
        return self.out / "checkpoint.pt"


@dataclass
class Progress:
    """How far a run is; a checkpoint holds it beside the tensors."""

    done: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Beginning:
    """What a run began with: its weights in a phrase, and the commit of the code.

    Of the code that it began with: others may commit while it goes on.
    """

    weights: str
    git_commit: str


def start_or_resume(pictures: Pictures, recipe: Recipe, place: Place) -> Run:
    """A new run, or the one whose checkpoint lies in the folder."""
    data = pictures.data
    whole = batches.steps_per_epoch(len(pictures.train), recipe.batch)
    steps = min(recipe.epoch_steps or whole, whole)
    torch.manual_seed(recipe.seed)
    backbone = backbone_of(recipe.backbone)
    model = backbone.build(len(data.labels), recipe.head)
    if place.device.type == "cpu" and recipe.precision == "bf16":
        as_matrix_products(model)
    if place.checkpoint.exists():
        state = _read_checkpoint(place.checkpoint, data, recipe)
        learner = Learner(model, pictures, recipe, steps * len(recipe.sides), place.device)
        learner.load(state)
        beginning = Beginning(
            state.get("weights", "from scratch"), state.get("git_commit", git_commit())
        )
        progress = Progress(**state.get("progress", {"done": state.get("done", 0)}))
        print(f"going on at step {progress.done} of {steps * len(recipe.sides)}", flush=True)
    else:
        beginning = Beginning(network.start_from(model, recipe.weights, backbone), git_commit())
        learner = Learner(model, pictures, recipe, steps * len(recipe.sides), place.device)
        progress = Progress()
    return Run(pictures, recipe, place, steps, learner, progress, beginning)


def _read_checkpoint(path: Path, data: DataSet, recipe: Recipe) -> dict[str, Any]:
    """The state of a run with the same recipe, classes and held-out pictures."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # Checkpoints of the first version of this command know only how many steps are done.
    if different := recipe.differences(state.get("recipe", recipe.record())):
        was = ", ".join(f"{name} {value}" for name, value in different.items())
        raise UserError(
            f"{path.parent} holds a run with {was}; give the same options to go on with it, or another --out"
        )
    labels = list(state.get("about", {}).get("labels", data.labels))
    if labels != list(data.labels):
        raise UserError(
            f"{path.parent} holds a run with {len(labels)} other classes; give its data set, or another --out"
        )
    # The pictures that this run held out must not come into its training now.
    held_out = state.get("held_out", data.held_out)
    if held_out != data.held_out:
        raise UserError(
            f"{path.parent} holds a run with {_drawn(held_out)} for validation, not {_drawn(data.held_out)}; "
            "give the same --data and --held-out to go on with it, or another --out"
        )
    return state


class Run:
    """One training run: its learner, how far it is, and what it leaves on disk."""

    def __init__(
        self,
        pictures: Pictures,
        recipe: Recipe,
        place: Place,
        steps: int,
        learner: Learner,
        progress: Progress,
        beginning: Beginning,
    ) -> None:
        """`steps` is the number of batches per epoch."""
        self._pictures, self._recipe, self._place = pictures, recipe, place
        self._steps, self._learner = steps, learner
        self._progress, self._beginning = progress, beginning

    def finish(self) -> None:
        """Train all epochs that are left, then write `weights.pt`."""
        first = self._progress.done // self._steps
        for epoch in range(first, len(self._recipe.sides)):
            if self._patience_is_over() or self._is_cut():
                break
            self._train_epoch(epoch)
        best = self._place.out / "best.pt"
        if self._recipe.patience and best.exists():
            state = torch.load(best, weights_only=True)
        else:
            state = self._learner.serving()
        save({"model": state, "about": self._about()}, self._place.out / "weights.pt")
        self._write_journal()

    def _train_epoch(self, epoch: int) -> None:
        progress, side = self._progress, self._recipe.sides[epoch]
        started, first = time.monotonic(), progress.done
        self._learner.set_training(epoch)
        title = f"epoch {epoch + 1}/{len(self._recipe.sides)} at {side} px"
        with _bar(title, self._steps, first % self._steps) as bar:
            for batch in self._batches(epoch):
                loss = self._learner.step(progress.done, batch)
                progress.loss_sum += loss
                progress.loss_count += 1
                progress.done += 1
                bar.update()
                rate = (progress.done - first) * self._recipe.batch / (time.monotonic() - started)
                bar.set_postfix_str(
                    f"loss {progress.loss_sum / progress.loss_count:.3f}, {rate:.0f} pictures/s",
                    refresh=False,
                )
                due = progress.done % self._place.save_every == 0 or self._is_cut()
                if due and progress.done % self._steps:
                    progress.seconds += time.monotonic() - started
                    started, first = time.monotonic(), progress.done
                    self._save()
                    if self._is_cut():
                        return
        spent = time.monotonic() - started
        rate = (progress.done - first) * self._recipe.batch / max(spent, 1e-9)
        found = self._learner.validate(self._pictures.validation, side)
        progress.seconds += time.monotonic() - started
        self._close_epoch(epoch, rate, found)

    def _close_epoch(self, epoch: int, rate: float, found: Row) -> None:
        """Log and save together: a kill leaves both undone or both done."""
        progress = self._progress
        row = {
            "epoch": epoch + 1,
            "step": progress.done,
            "side": self._recipe.sides[epoch],
            "rate": self._learner.rate(progress.done - 1),
            "train_loss": progress.loss_sum / max(1, progress.loss_count),
            **found,
            "pictures_per_s": rate,
            "seconds": progress.seconds,
        }
        progress.history.append(row)
        progress.loss_sum, progress.loss_count = 0.0, 0
        best = self._best_figures()
        if self._recipe.patience and best[-1] >= max(best):
            save(self._learner.serving(), self._place.out / "best.pt")
        self._save()
        self._write_journal()
        figures = ", ".join(f"{SHOWN[name]} {row[name]:.4f}" for name in FIGURES[self._recipe.task])
        print(
            f"epoch {epoch + 1}: loss {row['train_loss']:.3f}, validation loss {row['val_loss']:.3f}, {figures}",
            flush=True,
        )

    def _write_journal(self) -> None:
        history = self._progress.history
        write_journal(self._place.out, self._record(), self._recipe.task, history)

    def _best_figures(self) -> list[float]:
        """The figure to be best in, of each epoch."""
        return [row[FIGURES[self._recipe.task][0]] for row in self._progress.history]

    def _batches(self, epoch: int) -> Iterator[batches.Batch]:
        recipe, side = self._recipe, self._recipe.sides[epoch]
        plan = Plan(
            preset=recipe.augment,
            side=side,
            resize=recipe.resize_at(side),
            batch=recipe.batch,
            seed=recipe.seed,
            epoch=epoch,
            steps=self._steps,
            classes=len(self._pictures.data.labels),
            workers=self._place.workers,
        )
        skip = self._progress.done % self._steps
        return batches.training_batches(self._pictures.train, plan, self._place.device, skip)

    def _is_cut(self) -> bool:
        until = self._place.until
        return until is not None and self._progress.done >= until

    def _patience_is_over(self) -> bool:
        figures = self._best_figures()
        if not self._recipe.patience or not figures:
            return False
        # The last best, as in `_close_epoch`.
        best = max(range(len(figures)), key=lambda epoch: (figures[epoch], epoch))
        return len(figures) - 1 - best >= self._recipe.patience

    def _save(self) -> None:
        state = {
            **self._learner.state(),
            "about": self._about(),
            "recipe": self._recipe.record(),
            "progress": dict(vars(self._progress)),
            "weights": self._beginning.weights,
            "git_commit": self._beginning.git_commit,
            "held_out": self._pictures.data.held_out,
        }
        save(state, self._place.checkpoint)

    def _about(self) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "backbone": recipe.backbone,
            "head": recipe.head,
            "labels": list(self._pictures.data.labels),
            "side": recipe.side,
            "resize": recipe.resize,
            "task": recipe.task,
        }

    def _record(self) -> Record:
        data, weights = self._pictures.data, self._recipe.weights
        return {
            "command": self._place.command,
            "git_commit": self._beginning.git_commit,
            "recipe": {**self._recipe.record(), "weights": short(weights)},
            "weights": self._beginning.weights.replace(weights, short(weights)),
            "data": record_of(data, self._pictures.findings),
            "hardware": hardware(self._place.device.type),
            "hours": round(self._progress.seconds / 3600, 3),
        }


def save(state: Any, path: Path) -> None:
    """Replaced at once: a kill leaves the old or the new one."""
    partial = path.with_name(f"{path.name}.part")
    torch.save(state, partial)
    partial.replace(path)


def _drawn(held_out: dict[str, Any]) -> str:
    return f"a part of {held_out['held_out']}" if held_out else "a folder of its own"


def _bar(title: str, total: int, done: int) -> tqdm[Any]:
    """Throughput and time left; in a file, a line's update every half minute is enough."""
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit="step",
        mininterval=0.3 if sys.stderr.isatty() else 30,
    )
