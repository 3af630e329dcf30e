"""A run's log on disk: `log.csv` and the learning curves, rewritten every epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.train.record import Record, write_record

FIGURES = {SINGLE: ("top1", "top5"), MULTI: ("mean_ap", "f1")}
"""By task, the first is the one to be best in."""
SHOWN = {"top1": "top-1", "top5": "top-5", "mean_ap": "mAP", "f1": "F1"}
"""What people call them."""

Row = dict[str, float]


def columns(task: str) -> tuple[str, ...]:
    """Of `log.csv`."""
    before = ("epoch", "step", "side", "rate", "train_loss", "val_loss")
    return (*before, *FIGURES[task], "pictures_per_s", "seconds")


def write_journal(out: Path, about: Record, task: str, history: list[Row]) -> None:
    """`log.csv`, `run.json` and `curves.png`, each replaced at once: a kill leaves the old or the new."""
    with _partial(out / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns(task))
        writer.writeheader()
        writer.writerows({name: round(value, 6) for name, value in row.items()} for row in history)
    _partial(out / "log.csv").replace(out / "log.csv")
    write_record(out, {**about, "epochs": history})
    if history:
        draw_curves(history, FIGURES[task], out / "curves.png")


def draw_curves(history: list[Row], figures: tuple[str, ...], path: Path) -> None:
    """Losses and figures against the epoch."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs = [row["epoch"] for row in history]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, names in ((left, ("train_loss", "val_loss")), (right, figures)):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], marker=".", label=name)
        axes.set_xlabel("epoch")
        axes.legend()
        axes.grid(alpha=0.3)
    left.set_title("loss")
    right.set_title("validation pictures")
    figure.savefig(_partial(path), format="png", dpi=110)
    pyplot.close(figure)
    _partial(path).replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
