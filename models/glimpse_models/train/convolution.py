"""Convolutions as products of matrices: in 16 bits a CPU computes their gradients faster so.

Chellapilla et al., "High Performance Convolutional Neural Networks for Document Processing", 2006.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.grad import conv2d_input

# Stride, padding and dilation, each by rows and by columns.
Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def as_matrix_products(model: nn.Module) -> None:
    """Let the convolutions of a network train so; weights and their names stay.

    Those with groups stay as they are, and all whose weights are frozen: forward alone, PyTorch's own
    are as fast.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == 1 and module.padding_mode == "zeros":
            by_point = module.kernel_size == (1, 1) and module.padding == (0, 0)
            module.__class__ = _PointByPoint if by_point else _Windowed


class _PointByPoint(nn.Conv2d):
    """1 × 1: one linear layer for every place."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if not self.weight.requires_grad:
            return super().forward(pictures)
        down, right = self.stride
        places = pictures[:, :, ::down, ::right].permute(0, 2, 3, 1).contiguous()
        mixed = nn.functional.linear(places.flatten(0, 2), self.weight.flatten(1), self.bias)
        return mixed.view(*places.shape[:3], -1).permute(0, 3, 1, 2)


class _Windowed(nn.Conv2d):
    """Forward and towards the input as PyTorch does it; towards the weights as one product."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if not self.weight.requires_grad:
            return super().forward(pictures)
        kind, device = pictures.dtype, pictures.device.type
        if torch.is_autocast_enabled(device):
            kind = torch.get_autocast_dtype(device)
        geometry = (self.stride, self.padding, self.dilation)
        found: torch.Tensor = _Convolution.apply(pictures.to(kind), self.weight.to(kind), geometry)
        if self.bias is None:
            return found
        return found + self.bias.to(kind).view(-1, 1, 1)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, pictures: torch.Tensor, weight: torch.Tensor, geometry: Geometry
    ) -> torch.Tensor:
        context.save_for_backward(pictures, weight)
        context.geometry = geometry
        return nn.functional.conv2d(pictures, weight, None, *geometry)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        pictures, weight = context.saved_tensors
        to_pictures = to_weight = None
        if context.needs_input_grad[0]:
            to_pictures = conv2d_input(  # type: ignore[no-untyped-call]
                pictures.shape, weight, gradient, *context.geometry
            )
        if context.needs_input_grad[1]:
            # [N·H·W, O] and [N·H·W, kh·kw·C].
            places = gradient.permute(0, 2, 3, 1).flatten(0, 2)
            windows = _windows(pictures, weight.shape, gradient.shape, context.geometry)
            _, channels, high, wide = weight.shape
            product = (places.T @ windows).view(-1, high, wide, channels)
            to_weight = product.permute(0, 3, 1, 2)
        return to_pictures, to_weight, None


def _windows(
    pictures: torch.Tensor, kernel: torch.Size, found: torch.Size, geometry: Geometry
) -> torch.Tensor:
    """What each place of the output is computed from, `[N·H·W, kh·kw·C]`."""
    (down, right), (top, left), (apart_y, apart_x) = geometry
    padded = nn.functional.pad(pictures, (left, left, top, top)).permute(0, 2, 3, 1).contiguous()
    count, channels = pictures.shape[:2]
    each, row, column, channel = padded.stride()
    windows = padded.as_strided(
        (count, *found[2:], *kernel[2:], channels),
        (each, row * down, column * right, row * apart_y, column * apart_x, channel),
    )
    return windows.reshape(count * found[2] * found[3], -1)
