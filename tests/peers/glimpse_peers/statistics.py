"""Medians, spreads and ratios of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    low: float
    median: float
    high: float
    count: int


def spread(samples: Sequence[float]) -> Spread | None:
    """The median and quartiles; `None` without samples."""
    if not samples:
        return None
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return Spread(float(low), float(middle), float(high), len(samples))


def percentile(samples: Sequence[float], percent: float) -> float | None:
    """The percentile; `None` where so few samples cannot show it: p99 needs 100."""
    if len(samples) * (100 - percent) < 100:
        return None
    return float(np.percentile(samples, percent))


def ratio(ours: Sequence[float], others: Sequence[float]) -> Spread | None:
    """Ours over the other's, round by round, so that the machine's mood cancels.

    Rounds that only one of them has are left out.
    """
    return spread([a / b for a, b in zip(ours, others, strict=False) if b > 0])


def orders(count: int, rounds: int) -> list[list[int]]:
    """Who comes when in each round: everybody at each place, after and before each neighbour."""
    turns = []
    for number in range(rounds):
        start = (number // 2) * max(1, count // max(1, (rounds + 1) // 2)) % max(1, count)
        order = [*range(start, count), *range(start)]
        turns.append(order if number % 2 == 0 else order[::-1])
    return turns
