"""Muon: a convolution's step is its momentum made orthogonal, so that all directions move alike.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the
normalised weights of their CIFAR-10 speed runs: in front of a batch norm a convolution gives the
same answer at any scale, so its weights are held at one norm, and the learning rate is the part of
that norm by which a step moves them. Biases, batch norms and the linear layer get SGD.
"""

from __future__ import annotations

from typing import Any

import torch

MOMENTUM = 0.9
# Quintic Newton-Schulz iteration, coefficients for the steepest slope at zero (Jordan et al.).
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 3
# The rate of everything that is not orthogonalised, against that of the convolutions.
PLAIN_RATE = 3.0


class Muon(torch.optim.Optimizer):
    """Groups with `orthogonal` true hold convolutions in front of batch norms; the others get SGD.

    `precision` is that of the products of matrices, for which 16 bits are enough where they are fast.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, precision: torch.dtype = torch.bfloat16
    ) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "orthogonal": False})
        self._precision = precision

    @torch.no_grad()
    def step(self, _closure: None = None) -> None:  # type: ignore[override]
        """One step; parameters without a gradient stay."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                direction = self._direction(weights, weights.grad, group["weight_decay"])
                if group["orthogonal"]:
                    step = orthogonal(direction.flatten(1), self._precision)
                    _turn(weights, step.view(weights.shape), group["lr"])
                else:
                    weights.add_(direction, alpha=-group["lr"] * PLAIN_RATE)

    def _direction(
        self, weights: torch.Tensor, gradient: torch.Tensor, decay: float
    ) -> torch.Tensor:
        """The gradient and the momentum that it adds to (Nesterov)."""
        if decay:
            gradient = gradient.add(weights, alpha=decay)
        state = self.state[weights]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weights)
        momentum = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        return gradient.add(momentum, alpha=MOMENTUM)


def _turn(weights: torch.Tensor, step: torch.Tensor, rate: float) -> None:
    """Move by `rate` of the norm against the orthogonal direction; the norm is √(outputs)."""
    norm = len(weights) ** 0.5
    weights.mul_(norm / weights.norm().clamp(min=1e-7))
    weights.add_(step, alpha=-rate * norm / float(step.norm().clamp(min=1e-7)))


def orthogonal(matrix: torch.Tensor, precision: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """`[M, N]` with its singular values brought near 1."""
    a, b, c = QUINTIC
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).to(precision)
    x = x / (x.norm() + 1e-7)
    # X ← (a + bG + cG²)X with G = XXᵀ, again and again. All factors are polynomials of the first G:
    # they are multiplied together as [M, M], which is the shorter side, and X is touched once.
    gram = x @ x.T
    product = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(ITERATIONS):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product
        gram = factor @ gram @ factor
    found: torch.Tensor = product @ x
    return (found if wide else found.T).float()
