"""How an int8 model agrees with the float model that it was made of, on pictures of any classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.errors import UserError
from glimpse_models.measure.metrics import softmax

SURE = 0.5
"""The float model's score from which its label must stay."""

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """`sure_share` of the `sure` pictures and `share` of all `pictures` keep their label."""

    pictures: int
    share: float
    sure: int
    sure_share: float

    def record(self) -> dict[str, Any]:
        """For `bundle.json`."""
        return {
            "images": self.pictures,
            "same_label": round(self.share, 4),
            "images_with_float_score_from_0.5": self.sure,
            "same_label_from_0.5": round(self.sure_share, 4),
        }


def agreement(exact: Logits, rounded: Logits) -> Agreement:
    """The shares of pictures whose best label is the same."""
    same = exact.argmax(axis=1) == rounded.argmax(axis=1)
    sure = softmax(exact).max(axis=1) >= SURE
    if not sure.any():
        raise UserError(
            f"the float model is not sure of any of the {len(same)} pictures; give pictures of classes that it knows"
        )
    return Agreement(len(same), float(same.mean()), int(sure.sum()), float(same[sure].mean()))


def columns_of(names: list[list[str]], labels: tuple[str, ...]) -> list[int]:
    """The index in `labels` of each class of a data set, by the first of its names that is there."""
    known = {label: index for index, label in enumerate(labels)}
    found: list[int] = []
    for synonyms in names:
        column = next((known[name] for name in synonyms if name in known), None)
        if column is None or column in found:
            raise UserError(
                f"the class {synonyms[0]} is {'not' if column is None else 'twice'} among the model's labels; "
                "give tiny-imagenet-200"
            )
        found.append(column)
    return found


def top(logits: Logits, targets: npt.NDArray[np.int64], count: int) -> float:
    """The share of pictures whose class is among the best `count`."""
    best = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    return float((best == targets[:, None]).any(axis=1).mean())
