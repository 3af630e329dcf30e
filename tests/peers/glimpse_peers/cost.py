"""Dollars for a million pictures, from the prices that docs/scaling keeps with their sources."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

from glimpse_scaling import facts

from glimpse_peers.quota import MB_A_PROCESSOR
from glimpse_peers.results import Results

MILLION = 1_000_000
MB_A_GB = 1024
PRICES = ("lambda_gb_second_x86_64", "lambda_requests", "machine_hour_x86_64")


@dataclass(frozen=True)
class Point:
    """A memory size of a function."""

    memory_mb: int
    cold_ms: list[float]
    small_ms: float
    large_ms: float

    @property
    def processors(self) -> float:
        """What comes with the memory."""
        return self.memory_mb / MB_A_PROCESSOR

    @property
    def dollars(self) -> float:
        """A million warm requests with a small picture, the API before the function not counted."""
        return on_lambda(self.memory_mb, self.small_ms)


def points(by_size: Results) -> list[Point]:
    """The sizes of one function."""
    return [
        Point(
            int(size),
            of_size["cold"],
            fmean(chain.from_iterable(of_size["small"])),
            fmean(chain.from_iterable(of_size["large"])),
        )
        for size, of_size in by_size.items()
    ]


def on_lambda(memory_mb: float, mean_ms: float) -> float:
    """Compute and requests; Lambda bills whole milliseconds."""
    prices = facts.prices()
    seconds = math.ceil(mean_ms) / 1000
    return MILLION * seconds * memory_mb / MB_A_GB * prices.lambda_gb_second_x86_64 + (
        prices.lambda_requests
    )


def on_machine(rate: float) -> float:
    """On a machine with two processors that is busy all the time."""
    return facts.prices().machine_hour_x86_64 / (rate * 3600) * MILLION
