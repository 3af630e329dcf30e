"""Pictures whose labels are likely wrong, by confident learning (Northcutt et al., 2021).

A validation picture is listed when the network, which did not train on it, gives another class at
least the score that pictures of that class get on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glimpse_models.data.splits import Split
from glimpse_models.measure.metrics import Floats

FEWEST = 3  # pictures of a class, below which its average says nothing
SLACK = 1e-3  # of a score: where all are near 1, half of them are below their average


@dataclass(frozen=True)
class LabelError:
    """A row of the split, its label and the class that fits better, with the scores of both."""

    row: int
    given: int
    likely: int
    given_score: float
    likely_score: float


def likely_label_errors(scores: Floats, split: Split) -> list[LabelError]:
    """The surest first; `scores` `[N, C]` are of pictures that the network did not train on."""
    targets = np.array(split.targets, dtype=np.int64)
    classes = scores.shape[1]
    usual = np.array([_usual(scores, targets, index) for index in range(classes)])
    found = []
    for row, (given, own) in enumerate(zip(targets.tolist(), scores, strict=True)):
        reached = np.flatnonzero(own >= usual - SLACK)
        if not len(reached):
            continue
        likely = int(reached[own[reached].argmax()])
        if likely != given and own[likely] > own[given]:
            found.append(LabelError(row, given, likely, float(own[given]), float(own[likely])))
    return sorted(found, key=lambda one: one.given_score - one.likely_score)


def _usual(scores: Floats, targets: np.ndarray, index: int) -> float:
    """The average score of a class on its own pictures; none reaches that of a class with few."""
    own = scores[targets == index, index]
    return float(own.mean()) if len(own) >= FEWEST else np.inf
