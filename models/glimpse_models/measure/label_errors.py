"""Pictures whose labels are likely wrong, by confident learning (Northcutt et al., 2021).

A validation picture is listed when the network, which did not train on it, gives another class at
least the score that pictures of that class get on average. With several labels per picture, each
label is a question of its own, whose two answers stand for two classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glimpse_models.data.splits import Split
from glimpse_models.measure.metrics import Floats
from glimpse_models.train.average_precision import Truth

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


@dataclass(frozen=True)
class DoubtfulLabel:
    """A row of the split and a label that it was given or not, likely by mistake; `score` is the label's."""

    row: int
    label: int
    given: bool
    score: float


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


def doubtful_labels(scores: Floats, true: Truth) -> list[DoubtfulLabel]:
    """The surest first; `scores` `[N, C]` are sigmoids for pictures that the network did not train on.

    A label is doubtful when its score is like that of pictures with the other answer: at least their
    average where the label was not given, at most it where it was. The surest are furthest beyond that
    average, in units of the distance between the two averages.
    """
    found = []
    for label in range(scores.shape[1]):
        own, given = scores[:, label], true[:, label]
        if min(given.sum(), (~given).sum()) < FEWEST:
            continue
        without = own[~given].mean()
        gap = own[given].mean() - without
        if gap <= SLACK:  # it does not tell the two apart
            continue
        place = (own - without) / gap
        beyond = np.where(given, -place, place - 1)
        found += [
            (float(beyond[row]), DoubtfulLabel(row, label, bool(given[row]), float(own[row])))
            for row in np.flatnonzero(beyond >= 0).tolist()
        ]
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def _usual(scores: Floats, targets: np.ndarray, index: int) -> float:
    """The average score of a class on its own pictures; none reaches that of a class with few."""
    own = scores[targets == index, index]
    return float(own.mean()) if len(own) >= FEWEST else np.inf
