"""Knowledge distillation: a student learns the answers of a teacher beside the labels.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. The teacher's logits of each
training picture are computed once, of the picture as the teacher is served it and of its mirror
image, and their mean stands for every crop of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from glimpse_models.data.splits import MULTI, SINGLE, DataSet
from glimpse_models.errors import UserError
from glimpse_models.train.recipe import Recipe

Logits = npt.NDArray[np.float32]


class Teacher(Protocol):
    """A classifier whose answers are learnt."""

    @property
    def name(self) -> str:
        """For records, with the digest of its weights."""

    def logits(self, data: DataSet, fingerprint: str) -> Logits:
        """`[N, C]` for the training pictures, in the order of the data set's classes."""


@dataclass(frozen=True)
class Lesson:
    """The teacher's softened scores `[N, C]` of the training pictures, and how the student learns them."""

    scores: torch.Tensor
    task: str
    temperature: float
    weight: float

    @classmethod
    def of(cls, logits: Logits, recipe: Recipe, device: torch.device) -> Lesson:
        """Logits divided by the recipe's temperature, through the task's function."""
        soft = torch.from_numpy(logits).to(device) / recipe.teacher_temperature
        scores = soft.sigmoid() if recipe.task == MULTI else soft.softmax(dim=1)
        return cls(scores, recipe.task, recipe.teacher_temperature, recipe.teacher_weight)

    def loss(self, logits: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """How far a batch is from the teacher's scores `[B, C]`, a mean over the batch.

        Times the square of the temperature, so that its slopes weigh as those of the labels.
        """
        soft = logits / self.temperature
        if self.task == SINGLE:
            each = -(scores * soft.log_softmax(dim=1))
        else:
            each = nn.functional.binary_cross_entropy_with_logits(soft, scores, reduction="none")
        return self.temperature**2 * each.sum(dim=1).mean()

    def with_labels(
        self, labels: torch.Tensor, logits: torch.Tensor, scores: torch.Tensor
    ) -> torch.Tensor:
        """The loss of the labels and that of the teacher's scores, by the weight."""
        return (1 - self.weight) * labels + self.weight * self.loss(logits, scores)


def check_logits(logits: Logits, data: DataSet) -> None:
    """Refuse logits that are not of these pictures and classes."""
    if logits.shape != (len(data.train), len(data.labels)) or not np.isfinite(logits).all():
        raise UserError(
            f"the teacher's logits are {list(logits.shape)} or not finite, and there are {len(data.train)} training pictures "
            f"of {len(data.labels)} classes; delete the file of them, or give another --teacher"
        )
