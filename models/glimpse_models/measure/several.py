"""Quality of a classifier with several labels per picture, and its temperature and thresholds.

A score is the sigmoid of a logit divided by the temperature, and a label is given from its threshold
on. Both are fitted on some of the validation pictures and measured on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.data.splits import MULTI, Split
from glimpse_models.measure.classifiers import Logits
from glimpse_models.measure.metrics import BINS, Floats, Measured
from glimpse_models.measure.temperature import (
    Calibration,
    calibrate_logits,
    coldest_fitting,
    parts_of,
)
from glimpse_models.train.average_precision import Truth, average_precision, f1_of

THRESHOLD = 0.5
"""Of a class without one of its own."""

FEWEST_POSITIVES = 5  # pictures of a class, below which its threshold stays 0.5


@dataclass(frozen=True)
class SeveralQuality(Measured):
    """`loss` is per picture; the arrays are per class `[C]`.

    `f1` is the mean over the classes, at the thresholds; it and `ece` are of the scores as served,
    on pictures that fitted neither, where there are enough.
    """

    mean_ap: float
    f1: float
    average_precision: Floats
    f1_each: Floats
    positives: npt.NDArray[np.int64]
    thresholds: Floats

    TASK = MULTI

    def details(self, labels: tuple[str, ...]) -> dict[str, Any]:
        """The classes from worst to best F1."""
        order = np.argsort(self.f1_each, kind="stable").tolist()
        return {
            "classes": [
                {
                    "label": labels[index],
                    "images": int(self.positives[index]),
                    "average_precision": round(float(self.average_precision[index]), 4),
                    "f1": round(float(self.f1_each[index]), 4),
                    "precision": round(float(self.precision[index]), 4),
                    "recall": round(float(self.recall[index]), 4),
                    "threshold": round(float(self.thresholds[index]), 6),
                }
                for index in order
            ]
        }


@dataclass(frozen=True)
class FittedScores:
    """A temperature and a threshold per class, with the mean F1 on pictures that did not fit them."""

    calibration: Calibration
    thresholds: tuple[float, ...]
    f1: float

    @property
    def temperature(self) -> float:
        """What logits are divided by before the sigmoid."""
        return self.calibration.temperature

    def entries(self) -> dict[str, Any]:
        """All that `bundle.json` gets."""
        return {**self.calibration.entries(), "thresholds": list(self.thresholds)}

    def __str__(self) -> str:
        return f"{self.calibration}; thresholds fitted on the same, mean F1 on others {self.f1:.4f}"


def sigmoid(logits: npt.NDArray[np.floating]) -> Floats:
    """Of each logit by itself."""
    scores: Floats = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return scores


def measure_sets(
    logits: Logits,
    true: Truth,
    temperature: float,
    thresholds: tuple[float, ...],
    unfitted: list[int],
) -> SeveralQuality:
    """All figures at once, of logits and truth `[N, C]`."""
    classes = logits.shape[1]
    limits = np.array(thresholds or (THRESHOLD,) * classes)
    each = np.logaddexp(0, np.where(true, -logits, logits).astype(np.float64))
    ranked = [average_precision(logits[:, index], true[:, index]) for index in range(classes)]
    own, raw, served = true[unfitted], logits[unfitted], logits[unfitted] / temperature
    decided = sigmoid(served) >= limits
    both = (decided & own).sum(axis=0)
    f1 = f1_of(decided, own)
    return SeveralQuality(
        images=len(logits),
        loss=float(each.sum(axis=1).mean()),
        mean_ap=float(np.nanmean(ranked)),
        f1=float(f1.mean()),
        ece=binary_calibration_error(sigmoid(served), own),
        ece_raw=binary_calibration_error(sigmoid(raw), own),
        average_precision=np.nan_to_num(np.array(ranked)),
        f1_each=f1,
        precision=both / np.maximum(decided.sum(axis=0), 1),
        recall=both / np.maximum(own.sum(axis=0), 1),
        positives=true.sum(axis=0),
        thresholds=limits,
    )


def calibration_of(logits: Logits, split: Split) -> Calibration | FittedScores | None:
    """What makes the scores of a task honest, where there are enough pictures to fit it."""
    return fit_scores(logits, split) if split.task == MULTI else calibrate_logits(logits, split)


def fit_scores(logits: Logits, split: Split) -> FittedScores | None:
    """Fitted and measured on the pictures that `parts_of` names; nothing where there are too few."""
    true = split.matrix(logits.shape[1]) > 0
    parts = parts_of(split)
    if not parts:
        return None
    fitting = parts[0][0] if len(parts) == 1 else list(range(len(split)))
    fitted = [fit_sigmoid(logits[rows], true[rows]) for rows, _ in parts]
    before, f1 = _on_others(logits, true, parts, [1.0] * len(parts))
    after, f1_after = _on_others(logits, true, parts, fitted)
    temperature = 1.0
    if after < before:
        temperature, f1 = fit_sigmoid(logits[fitting], true[fitting]), f1_after
    found = Calibration(temperature, len(fitting), before, min(before, after))
    thresholds = fit_thresholds(sigmoid(logits[fitting] / temperature), true[fitting])
    return FittedScores(found, thresholds, f1)


def _on_others(
    logits: Logits, true: Truth, parts: list[tuple[list[int], list[int]]], temperatures: list[float]
) -> tuple[float, float]:
    """Calibration error and F1 of pictures under temperature and thresholds that others fitted."""
    scores, decided = [], []
    for (fitting, measured), temperature in zip(parts, temperatures, strict=True):
        thresholds = fit_thresholds(sigmoid(logits[fitting] / temperature), true[fitting])
        scores.append(sigmoid(logits[measured] / temperature))
        decided.append(scores[-1] >= np.array(thresholds))
    own = true[[row for _, measured in parts for row in measured]]
    error = binary_calibration_error(np.concatenate(scores), own)
    return error, float(f1_of(np.concatenate(decided), own).mean())


def fit_thresholds(scores: Floats, true: Truth) -> tuple[float, ...]:
    """Of each class, of scores and truth `[N, C]`."""
    return tuple(fit_threshold(scores[:, index], true[:, index]) for index in range(true.shape[1]))


def fit_sigmoid(logits: Logits, true: Truth) -> float:
    """The temperature of the greatest likelihood of all labels together.

    As for one label, but that each logit is a question of its own. A target is 0 or 1 but for
    1 / (N + 2), so that few pictures that are all answered right do not make scores of 0 and 1.
    """
    values = logits.astype(np.float64)
    doubt = 1 / (len(values) + 2)
    wanted = float((((1 - doubt) * true + doubt / 2) * values).mean())
    return coldest_fitting(
        lambda inverse: float((sigmoid(inverse * values) * values).mean()) - wanted
    )


def fit_threshold(scores: Floats, true: Truth) -> float:
    """The score from which giving the label has the best F1 on these pictures `[N]`.

    Half-way between two scores that are there; of equally good ones that nearest to 0.5.
    """
    if true.sum() < FEWEST_POSITIVES:
        return THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(true[order])
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    f1 = 2 * hits[ends] / (ends + 1 + true.sum())
    below = np.append(ranked[ends[:-1] + 1], 0.0)
    limits = (ranked[ends] + below) / 2
    best = limits[f1 >= f1.max() - 1e-12]
    return round(float(best[np.abs(best - THRESHOLD).argmin()]), 6)


def binary_calibration_error(scores: Floats, true: Truth) -> float:
    """|how often a label holds − its score|, weighted over bins of all scores `[N, C]`."""
    flat, held = scores.ravel(), true.ravel()
    bins = np.minimum((flat * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == index).mean() * abs(held[bins == index].mean() - flat[bins == index].mean())
        for index in np.unique(bins)
    ]
    return float(sum(gaps))
