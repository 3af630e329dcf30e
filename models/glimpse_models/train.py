"""Train a classifier from scratch or from weights, on a CPU or a GPU, resumable after a kill.

`OUT` gets `checkpoint.pt` (every `--save-every` steps and every epoch), `log.csv`, `run.json`,
`curves.png` and at the end `weights.pt`. The same command again goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from glimpse_models import batches, journal, recipe
from glimpse_models.allocator import keep_freed_memory
from glimpse_models.batches import Plan, Source
from glimpse_models.data import HELD_OUT, DataSet, open_data
from glimpse_models.errors import Refused
from glimpse_models.learner import Learner
from glimpse_models.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="a folder a class, train/ and val/, or tiny-imagenet-200",
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument(
        "--held-out",
        type=float,
        default=HELD_OUT,
        help="part for validation where the data set has none (default: %(default)s)",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode pictures")
    parser.add_argument(
        "--threads", type=int, help="of PyTorch; fewer than the cores where other work runs too"
    )
    parser.add_argument(
        "--until", type=int, metavar="STEP", help="end after this step of the schedule"
    )
    parser.add_argument("--save-every", type=int, default=100, metavar="STEPS")
    recipe.add_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, or go on from the checkpoint in `--out`."""
    chosen = recipe.from_arguments(arguments)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = _device(arguments.device)
    if arguments.save_every < 1:
        raise Refused("--save-every counts steps; give 1 or more")
    if device.type == "cpu":
        keep_freed_memory()
    data = open_data(arguments.data, chosen.seed, arguments.held_out)
    if batches.steps_an_epoch(len(data.train), chosen.batch) == 0:
        raise Refused(
            f"{len(data.train)} training pictures make no batch of {chosen.batch}; give a smaller --batch"
        )
    place = Place(
        out=arguments.out,
        device=device,
        workers=arguments.workers,
        save_every=arguments.save_every,
        until=arguments.until,
        command=journal.command(arguments.data, arguments.out),
    )
    place.out.mkdir(parents=True, exist_ok=True)
    run_of = Run.start(data, *sources(arguments.data, data), chosen, place)
    run_of.to_the_end()


def _device(name: str) -> torch.device:
    """The device, if PyTorch knows it and it is there."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Refused(f"--device {name} is no device of PyTorch; give cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Refused(f"there is no GPU for --device {device}; leave it out to train on the CPU")
    return device


def sources(root: Path, data: DataSet) -> tuple[Source, Source]:
    """Training and validation pictures; Tiny-ImageNet's from arrays beside the data set."""
    if not (root / "wnids.txt").is_file():
        return Source(data.train), Source(data.validation)
    return (
        batches.cached(data.train, root / "train.uint8.npy"),
        batches.cached(data.validation, root / "val.uint8.npy"),
    )


@dataclass(frozen=True)
class Place:
    """Where, how and how far a run happens: nothing here changes what an epoch gives."""

    out: Path
    device: torch.device
    workers: int
    save_every: int
    until: int | None
    command: str


@dataclass
class Progress:
    """How far a run is; a checkpoint holds it beside the tensors."""

    done: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[journal.Row] = field(default_factory=list)


class Run:
    """One training run: its learner, how far it is, and what it leaves on disk."""

    def __init__(
        self, data: DataSet, train: Source, validation: Source, recipe: Recipe, place: Place
    ) -> None:
        self._data, self._train, self._validation = data, train, validation
        self._recipe, self._place = recipe, place
        whole = batches.steps_an_epoch(len(train), recipe.batch)
        self._steps = min(recipe.epoch_steps or whole, whole)
        self._learner = Learner(data, recipe, self._steps * len(recipe.sides), place.device)
        self._weights = "from scratch"
        # Of the code that the run began with: others may commit while it goes on.
        self._commit = journal.git_commit()
        self._progress = Progress()

    @classmethod
    def start(
        cls, data: DataSet, train: Source, validation: Source, recipe: Recipe, place: Place
    ) -> Run:
        """A new run, or the one whose checkpoint lies in the folder."""
        run = cls(data, train, validation, recipe, place)
        if run._checkpoint.exists():
            run._resume()
        else:
            run._weights = run._learner.start()
        return run

    @property
    def _checkpoint(self) -> Path:
        return self._place.out / "checkpoint.pt"

    def to_the_end(self) -> None:
        """All epochs that are left, then `weights.pt`."""
        first = self._progress.done // self._steps
        for epoch in range(first, len(self._recipe.sides)):
            if self._patience_is_over() or self._is_cut():
                break
            self._epoch(epoch)
        best = self._place.out / "best.pt"
        if self._recipe.patience and best.exists():
            state = torch.load(best, weights_only=True)
        else:
            state = self._learner.serving()
        _save({"model": state, "about": self._about()}, self._place.out / "weights.pt")
        journal.write(self._place.out, self._record(), self._progress.history)

    def _epoch(self, epoch: int) -> None:
        progress, side = self._progress, self._recipe.sides[epoch]
        started, first = time.monotonic(), progress.done
        self._learner.set_training(epoch)
        title = f"epoch {epoch + 1}/{len(self._recipe.sides)} at {side} px"
        with _bar(title, self._steps, first % self._steps) as bar:
            for pictures, targets in self._batches(epoch):
                loss = self._learner.step(progress.done, pictures, targets)
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
        found = self._learner.validate(self._validation, side)
        progress.seconds += time.monotonic() - started
        self._close_epoch(epoch, rate, found)

    def _close_epoch(self, epoch: int, rate: float, found: journal.Row) -> None:
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
        if self._recipe.patience and row["top1"] >= max(past["top1"] for past in progress.history):
            _save(self._learner.serving(), self._place.out / "best.pt")
        self._save()
        journal.write(self._place.out, self._record(), progress.history)
        print(
            f"epoch {epoch + 1}: loss {row['train_loss']:.3f}, validation loss {row['val_loss']:.3f}, "
            f"top-1 {row['top1']:.4f}, top-5 {row['top5']:.4f}",
            flush=True,
        )

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
            workers=self._place.workers,
        )
        skip = self._progress.done % self._steps
        return batches.training_batches(self._train, plan, self._place.device, skip)

    def _is_cut(self) -> bool:
        until = self._place.until
        return until is not None and self._progress.done >= until

    def _patience_is_over(self) -> bool:
        top1 = [row["top1"] for row in self._progress.history]
        if not self._recipe.patience or not top1:
            return False
        # The last best, as in `_close_epoch`.
        best = max(range(len(top1)), key=lambda epoch: (top1[epoch], epoch))
        return len(top1) - 1 - best >= self._recipe.patience

    def _save(self) -> None:
        state = {
            **self._learner.state(),
            "about": self._about(),
            "recipe": self._recipe.record(),
            "progress": dict(vars(self._progress)),
            "weights": self._weights,
            "git_commit": self._commit,
            "held_out": self._data.held_out,
        }
        _save(state, self._checkpoint)

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        # Checkpoints of the first version of this command know only how many steps are done.
        saved = state.get("recipe", self._recipe.record())
        # What a recipe did not know yet when it was saved was off.
        changed = [
            name for name, value in self._recipe.record().items() if saved.get(name, 0) != value
        ]
        if changed:
            was = ", ".join(f"{name} {saved.get(name, 0)}" for name in changed)
            raise Refused(
                f"{self._place.out} holds a run with {was}; give the same options to go on with it, or another --out"
            )
        if (labels := list(state.get("about", {}).get("labels", self._data.labels))) != list(
            self._data.labels
        ):
            raise Refused(
                f"{self._place.out} holds a run with {len(labels)} other classes; give its data set, or another --out"
            )
        # The pictures that this run held out must not come into its training now.
        held_out = state.get("held_out", self._data.held_out)
        if held_out != self._data.held_out:
            raise Refused(
                f"{self._place.out} holds a run with {_drawn(held_out)} for validation, not {_drawn(self._data.held_out)}; "
                "give the same --data and --held-out to go on with it, or another --out"
            )
        self._learner.load(state)
        self._progress = Progress(**state.get("progress", {"done": state.get("done", 0)}))
        self._weights = state.get("weights", self._weights)
        self._commit = state.get("git_commit", self._commit)
        print(
            f"going on at step {self._progress.done} of {self._steps * len(self._recipe.sides)}",
            flush=True,
        )

    def _about(self) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "backbone": recipe.backbone,
            "head": recipe.head,
            "labels": list(self._data.labels),
            "side": recipe.side,
            "resize": recipe.resize,
        }

    def _record(self) -> dict[str, Any]:
        short = journal.short(self._recipe.weights)
        return {
            "command": self._place.command,
            "git_commit": self._commit,
            "recipe": {**self._recipe.record(), "weights": short},
            "weights": self._weights.replace(self._recipe.weights, short),
            "data": {
                "name": self._data.name,
                "classes": len(self._data.labels),
                "train": len(self._train),
                "validation": len(self._validation),
                **self._data.held_out,
            },
            "hardware": journal.hardware(self._place.device.type),
            "hours": round(self._progress.seconds / 3600, 3),
        }


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


def _save(state: Any, path: Path) -> None:
    """Replaced at once: a kill leaves the old or the new one."""
    partial = path.with_name(f"{path.name}.part")
    torch.save(state, partial)
    partial.replace(path)
