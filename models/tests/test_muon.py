"""The optimiser Muon: what orthogonalising does, and by how much a step moves the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from glimpse_models.train.muon import PLAIN_RATE, Muon, orthogonal


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (32, 32)])
def test_singular_values_come_near_one(shape: tuple[int, int], precision: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    # A hundredfold spread, as gradients have.
    matrix = left @ torch.diag(torch.logspace(0, -2, min(shape))) @ right
    found = orthogonal(matrix, precision)
    assert found.shape == matrix.shape
    values = torch.linalg.svdvals(found)
    # Three iterations bring the tall ones to 0.7 … 1.2 and lift the small ones most.
    assert values.max() < 1.3
    assert values.min() > 20 * 0.01 / float(matrix.norm())
    # The directions stay.
    assert float((left.T @ found @ right.T).diagonal().min()) > 0


def step(weights: torch.Tensor, gradient: torch.Tensor, rate: float) -> torch.Tensor:
    """The weights after one step from none."""
    parameter = nn.Parameter(weights.clone())
    optimiser = Muon([{"params": [parameter], "orthogonal": weights.ndim == 4}], lr=rate)
    parameter.grad = gradient
    optimiser.step()
    return parameter.detach()


def test_a_step_is_the_rates_part_of_the_norm_at_any_scale() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(8, 4, 3, 3, generator=generator)
    gradient = torch.randn(weights.shape, generator=generator)
    still = step(weights, gradient, 0.0)
    assert still.norm().item() == pytest.approx(8**0.5, rel=1e-5)
    moved = step(weights, gradient, 0.1)
    assert (moved - still).norm().item() == pytest.approx(0.1 * 8**0.5, rel=1e-3)
    assert torch.allclose(step(1000 * weights, gradient / 1000, 0.1), moved, atol=1e-2)
    assert float(((moved - still) * gradient).sum()) < 0


def test_everything_else_takes_plain_steps() -> None:
    moved = step(torch.ones(3), torch.tensor([1.0, 0.0, -2.0]), 0.01)
    # Nesterov's first step is 1 + momentum gradients long.
    expected = 1 - 0.01 * PLAIN_RATE * 1.9 * torch.tensor([1.0, 0.0, -2.0])
    assert torch.allclose(moved, expected)
