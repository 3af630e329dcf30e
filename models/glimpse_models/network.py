"""The network: torchvision's ResNet50 with one linear head, fed with RGB in 0…1."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import resnet50

# torchvision's ImageNet statistics, RGB, for pictures scaled to 0…1.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def build(classes: int) -> nn.Module:
    """ResNet50 without weights; the last batch norm of each block starts at zero (Goyal et al., 2017)."""
    model: nn.Module = resnet50(num_classes=classes, zero_init_residual=True)
    return model.to(memory_format=torch.channels_last)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """`[N, 3, H, W]` in 0…1 → zero mean, unit variance a channel."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pictures - mean) / std
