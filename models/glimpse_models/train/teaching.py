"""Knowledge distillation: a student learns the answers of a teacher beside the labels.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. The teacher's logits of each
training picture are computed once, of the picture as the teacher is served it and of its mirror
image, and their mean stands for every crop of the picture. Its embeddings, if they are taught too,
likewise: one linear layer, which does not serve, must read them from the student's (Romero et al.,
"FitNets: Hints for Thin Deep Nets", 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from glimpse_models.data.splits import MULTI, SINGLE, DataSet
from glimpse_models.errors import UserError
from glimpse_models.train.recipe import Recipe

Logits = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float16]

HINT_RATE = 1e-3  # Adam's, at the recipe's peak rate


@dataclass(frozen=True)
class Taught:
    """A teacher's answers to the training pictures, in their order and in that of the classes."""

    logits: Logits
    embeddings: Embeddings | None = None


class Teacher(Protocol):
    """A classifier whose answers are learnt."""

    @property
    def name(self) -> str:
        """For records, with the digest of its weights."""

    def answers(self, data: DataSet, fingerprint: str, embedded: bool) -> Taught:
        """Logits `[N, C]` for the training pictures, and if `embedded` their embeddings `[N, D]`."""


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


class Hint(nn.Module):
    """Reads the teacher's embedding `[B, D]` from the student's: what its head takes in, `[B, W]`.

    Both are brought to mean 0 and deviation 1 in each number, so that all of them count alike.
    """

    def __init__(self, embeddings: Embeddings, head: nn.Module, weight: float) -> None:
        """`embeddings` `[N, D]` of all training pictures; the student's head; `weight` of the loss."""
        super().__init__()
        self._embeddings, self._weight = embeddings, weight
        self._mean = torch.from_numpy(embeddings.mean(axis=0, dtype=np.float32))
        deviation = embeddings.std(axis=0, dtype=np.float32)
        self._deviation = torch.from_numpy(np.maximum(deviation, 1e-3))
        width = next(layer for layer in head.modules() if isinstance(layer, nn.Linear)).in_features
        self._norm = nn.BatchNorm1d(width, affine=False)
        self._linear = nn.Linear(width, embeddings.shape[1])
        self._optimiser = torch.optim.Adam(self.parameters(), lr=HINT_RATE)
        self._taken_in = torch.empty(0, width)
        head.register_forward_pre_hook(self._keep)

    def _keep(self, _head: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        (self._taken_in,) = inputs

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Of the last batch: the weighted mean square of what is missed, 1 for the mean of all pictures."""
        said = torch.from_numpy(self._embeddings[rows.cpu().numpy()].astype(np.float32))
        said = ((said - self._mean) / self._deviation).to(self._taken_in.device)
        read = self._linear(self._norm(self._taken_in.float()))
        return self._weight * nn.functional.mse_loss(read, said)

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"layer": self.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.load_state_dict(state["layer"])
        self._optimiser.load_state_dict(state["optimiser"])

    def step(self, share: float) -> None:
        """Move by the gradients; `share` is the part of the peak rate that the schedule has reached."""
        for group in self._optimiser.param_groups:
            group["lr"] = HINT_RATE * share
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)


def check_logits(logits: Logits, data: DataSet) -> None:
    """Refuse logits that are not of these pictures and classes."""
    if logits.shape != (len(data.train), len(data.labels)) or not np.isfinite(logits).all():
        raise UserError(
            f"the teacher's logits are {list(logits.shape)} or not finite, and there are {len(data.train)} training pictures "
            f"of {len(data.labels)} classes; delete the file of them, or give another --teacher"
        )
