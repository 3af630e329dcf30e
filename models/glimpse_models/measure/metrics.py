"""Quality of a classifier from its logits `[N, C]` and the true classes `[N]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from glimpse_models.data.splits import SINGLE
from glimpse_models.train.journal import FIGURES, SHOWN

Floats = npt.NDArray[np.float64]
Targets = npt.NDArray[np.int64]

WORST = 10  # pairs of classes in a report
BINS = 15  # of confidence, for the calibration error (Guo et al., 2017)


@dataclass(frozen=True)
class Measured:
    """What is measured for every task: fractions in 0…1, and `loss` in nats, of the raw logits.

    `ece` is the calibration error of the scores as served, `ece_raw` that without the temperature.
    Precision and recall are per class `[C]`.
    """

    images: int
    loss: float
    ece: float
    ece_raw: float
    precision: Floats
    recall: Floats

    TASK: ClassVar[str]

    def summary(self) -> dict[str, Any]:
        """The figures without the tables."""
        names = ("images", "loss", *FIGURES[self.TASK], "ece", "ece_raw")
        return {name: round(getattr(self, name), 6) for name in names}

    def cells(self) -> dict[str, str]:
        """For a table, by the names of its columns."""
        found = {
            "loss": self.loss,
            **{SHOWN[name]: getattr(self, name) for name in FIGURES[self.TASK]},
            "ECE": self.ece,
            "raw ECE": self.ece_raw,
            "precision": self.precision.mean(),
            "recall": self.recall.mean(),
        }
        return {name: f"{value:.4f}" for name, value in found.items()}


@dataclass(frozen=True)
class Quality(Measured):
    """With one label per picture; `confusion[true, predicted]` counts."""

    top1: float
    top5: float
    confusion: npt.NDArray[np.int64]

    TASK = SINGLE

    def details(self, labels: tuple[str, ...]) -> dict[str, Any]:
        """What is most often confused, and the classes from worst to best recall."""
        order = np.argsort(self.recall, kind="stable")
        classes = [
            {
                "label": labels[index],
                "images": int(self.confusion[index].sum()),
                "precision": round(float(self.precision[index]), 4),
                "recall": round(float(self.recall[index]), 4),
            }
            for index in order
        ]
        errors = self.confusion - np.diag(np.diag(self.confusion))
        worst = np.argsort(-errors, axis=None, kind="stable")[:WORST]
        pairs = [np.unravel_index(flat, errors.shape) for flat in worst]
        confused = [
            {"true": labels[true], "taken_for": labels[taken], "images": int(errors[true, taken])}
            for true, taken in pairs
            if errors[true, taken]
        ]
        return {"most_confused": confused, "classes": classes}


def measure(
    logits: npt.NDArray[np.float32],
    targets: Targets,
    temperature: float = 1.0,
    unfitted: list[int] | None = None,
) -> Quality:
    """All figures at once; a class that is never predicted has precision 0.

    `unfitted` are the rows that the temperature was not fitted on, for the calibration error.
    """
    scores = softmax(logits)
    best = ranked(logits, 5)
    count, classes = logits.shape
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (targets, best[:, 0]), 1)
    hits = np.diag(confusion)
    chosen = scores[np.arange(count), targets]
    rows = unfitted or list(range(count))
    served = softmax(logits[rows] / temperature)
    return Quality(
        images=count,
        loss=float(-np.log(np.maximum(chosen, 1e-12)).mean()),
        top1=float((best[:, 0] == targets).mean()),
        top5=float((best == targets[:, None]).any(axis=1).mean()),
        ece=calibration_error(served, targets[rows]),
        ece_raw=calibration_error(scores[rows], targets[rows]),
        precision=hits / np.maximum(confusion.sum(axis=0), 1),
        recall=hits / np.maximum(confusion.sum(axis=1), 1),
        confusion=confusion,
    )


def softmax(logits: npt.NDArray[np.float32]) -> Floats:
    """Over the last axis; stable by subtracting the maximum."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    scores: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return scores


def ranked(logits: npt.NDArray[np.float32], count: int) -> Targets:
    """The best classes `[N, count]`; where logits tie, the lower index first, as the service does."""
    order: Targets = np.argsort(-logits, axis=-1, kind="stable")[..., :count]
    return order


def calibration_error(scores: Floats, targets: Targets) -> float:
    """Expected calibration error: |accuracy − confidence|, weighted over bins of confidence."""
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == index).mean() * abs(right[bins == index].mean() - confidence[bins == index].mean())
        for index in np.unique(bins)
    ]
    return float(sum(gaps))


def fall(before: float, after: float) -> float:
    """How much a figure falls, without the noise of floats: 6 of 2,000 pictures are 0.003 exactly."""
    return round(before - after, 9)
