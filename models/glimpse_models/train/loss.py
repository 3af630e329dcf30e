"""What training minimizes: of logits `[B, C]` and targets, a mean over the batch.

With several labels per picture the losses of the classes are summed, as each is a question of its
own, and targets are `[B, C]` of 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from glimpse_models.data.splits import DataSet
from glimpse_models.train.recipe import Recipe

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Of the asymmetric loss, as its authors set them.
FOCUS = 4
MARGIN = 0.05


def loss_of(recipe: Recipe, data: DataSet, device: torch.device) -> Loss:
    """The recipe's."""
    if recipe.loss == "bce":
        return binary_cross_entropy
    if recipe.loss == "asymmetric":
        return asymmetric
    return nn.CrossEntropyLoss(
        class_weights(data, recipe.class_weights, device), label_smoothing=recipe.label_smoothing
    )


def binary_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The likelihood of each class by itself."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return each.sum(dim=1).mean()


def asymmetric(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Asymmetric loss (Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021).

    Most pictures lack most classes, so that what is missing outweighs what is there. The scores of
    classes that a picture lacks are lowered by a margin, and the loss of those that are near 0 then
    counts less, by their fourth power.
    """
    score = logits.sigmoid()
    shifted = (score - MARGIN).clamp(min=0)
    missing = shifted**FOCUS * torch.log1p(-shifted.clamp(max=1 - 1e-6))
    each = targets * nn.functional.logsigmoid(logits) + (1 - targets) * missing
    return -each.sum(dim=1).mean()


def class_weights(data: DataSet, kind: str, device: torch.device) -> torch.Tensor | None:
    """`balanced`: inversely to the number of training pictures, 1 on average over pictures."""
    if kind == "none":
        return None
    counts = torch.bincount(torch.tensor(data.train.targets), minlength=len(data.labels))
    return (len(data.train) / (len(data.labels) * counts.clamp(min=1))).to(device)
