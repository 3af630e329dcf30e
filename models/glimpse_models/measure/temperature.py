"""A temperature for honest scores: fitted on some of the validation pictures, measured on others.

Logits divided by one number keep their order; the number that makes the true classes most likely
makes the scores fit how often they are right (Guo et al., 2017).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.data.splits import Split
from glimpse_models.measure.classifiers import Logits
from glimpse_models.measure.metrics import Targets, calibration_error, softmax

FEWEST_IN_HALF = 100  # pictures; with fewer, folds take the place of halves
FEWEST = 20  # pictures that a temperature is fitted on at all
FOLDS = 5
COLDEST, HOTTEST = 0.05, 20.0
HALVINGS = 50


@dataclass(frozen=True)
class Calibration:
    """The temperature, how many pictures fitted it, and the expected error on others.

    The temperature is 1 where the fitted one made the error on the others no smaller.
    """

    temperature: float
    images: int
    ece_before: float
    ece_after: float

    def record(self) -> dict[str, Any]:
        """For `bundle.json`."""
        return {name: round(value, 6) for name, value in asdict(self).items()}

    def entries(self) -> dict[str, Any]:
        """All that `bundle.json` gets."""
        return {"calibration": self.record()}

    def __str__(self) -> str:
        if self.temperature == 1:
            return f"temperature 1: one fitted on {self.images} pictures made the calibration error on others no smaller than {self.ece_before:.4f}"
        return (
            f"temperature {self.temperature:.3f} fitted on {self.images} pictures; "
            f"calibration error on others {self.ece_before:.4f} → {self.ece_after:.4f}"
        )


def calibrate_logits(logits: Logits, split: Split) -> Calibration | None:
    """Fitted on one half of the pictures and measured on the other.

    Where a half has fewer than 100, all pictures fit the temperature, and the error is that of five
    folds, each under the temperature of the other four; below 20 pictures there is none.
    """
    targets = np.array(split.targets, dtype=np.int64)
    parts = parts_of(split)
    if not parts:
        return None
    measured = [row for _, rows in parts for row in rows]
    scaled = logits.astype(np.float32)
    for fitting, rows in parts:
        scaled[rows] /= fit_temperature(logits[fitting], targets[fitting])
    before, after = (
        calibration_error(softmax(found[measured]), targets[measured]) for found in (logits, scaled)
    )
    fitting = parts[0][0] if len(parts) == 1 else list(range(len(split)))
    if after >= before:
        return Calibration(1.0, len(fitting), before, before)
    temperature = fit_temperature(logits[fitting], targets[fitting])
    return Calibration(temperature, len(fitting), before, after)


def parts_of(split: Split) -> list[tuple[list[int], list[int]]]:
    """Rows that fit something, each with the rows that it is measured on.

    One half and the other; where a half has fewer than 100 pictures, five folds, each under what the
    other four fit; below 20 pictures nothing.
    """
    fitting, others = halves(split)
    if min(len(fitting), len(others)) >= FEWEST_IN_HALF:
        return [(fitting, others)]
    if len(split) < FEWEST:
        return []
    fold = np.random.default_rng(1).permutation(len(split)) % FOLDS
    return [
        (np.flatnonzero(fold != one).tolist(), np.flatnonzero(fold == one).tolist())
        for one in range(FOLDS)
    ]


def unfitted(split: Split) -> list[int]:
    """The rows that no temperature is fitted on; all of them where that leaves too few."""
    fitting, others = halves(split)
    few = min(len(fitting), len(others)) < FEWEST_IN_HALF
    return list(range(len(split))) if few else others


def halves(split: Split) -> tuple[list[int], list[int]]:
    """The rows that fit a temperature and the others, by a hash of their names.

    So a picture is on the same side in every sample of a data set and in every order.
    """
    sides: tuple[list[int], list[int]] = ([], [])
    for row, path in enumerate(split.files):
        name = "/".join(path.parts[-2:])
        sides[hashlib.sha256(name.encode()).digest()[0] % 2].append(row)
    return sides


def fit_temperature(logits: Logits, targets: Targets) -> float:
    """The temperature of the greatest likelihood, between 0.05 and 20.

    The loss is convex in the inverse temperature: its slope is the mean over the pictures of the
    expected logit less that of the target, and bisection finds where it is zero. As in Platt's
    scaling, a target is the true class but for 1 / (N + 2), spread over all: few pictures that are
    all answered right do not make scores of 1.
    """
    centred: npt.NDArray[np.float64] = logits.astype(np.float64)
    centred -= centred.max(axis=1, keepdims=True)
    doubt = 1 / (len(targets) + 2)
    true = centred[np.arange(len(targets)), targets].mean()
    wanted = (1 - doubt) * true + doubt * centred.mean()

    def slope(inverse: float) -> float:
        powers = np.exp(inverse * centred)
        expected = (powers * centred).sum(axis=1) / powers.sum(axis=1)
        return float(expected.mean() - wanted)

    return coldest_fitting(slope)


def coldest_fitting(slope: Callable[[float], float]) -> float:
    """The temperature at whose inverse the slope of a convex loss is zero, by bisection."""
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(float(np.exp(middle))) > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))
