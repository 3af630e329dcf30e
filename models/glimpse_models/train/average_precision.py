"""How well scores rank pictures per class, where a picture may have several labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]


def average_precision(scores: Scores, true: Truth) -> float:
    """Mean precision over the pictures `[N]` that have the class, best score first.

    Pictures of one score are taken together. Not a number where no picture has the class.
    """
    if not true.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(true[order])[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / hits[-1])


def mean_average_precision(scores: Scores, true: Truth) -> float:
    """Over the classes of `[N, C]` that some picture has: mAP."""
    found = [average_precision(scores[:, index], true[:, index]) for index in range(true.shape[1])]
    known = [one for one in found if not np.isnan(one)]
    return float(np.mean(known)) if known else float("nan")


def f1_of(decided: Truth, true: Truth) -> npt.NDArray[np.float64]:
    """Per class `[C]`, from decisions `[N, C]`; 0 where a class is neither decided for nor there."""
    both = (decided & true).sum(axis=0)
    f1: npt.NDArray[np.float64] = 2 * both / np.maximum(decided.sum(axis=0) + true.sum(axis=0), 1)
    return f1
