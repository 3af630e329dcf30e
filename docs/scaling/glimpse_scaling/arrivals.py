"""When requests come, as sorted times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Phase:
    """So many requests a second for so long."""

    rate: float
    seconds: float


def poisson(phases: Sequence[Phase], random: Generator) -> Times:
    """Independent arrivals, one phase after the other: a step, a burst, or one steady rate."""
    times: list[Times] = []
    start = 0.0
    for phase in phases:
        count = random.poisson(phase.rate * phase.seconds)
        times.append(start + np.sort(random.random(count)) * phase.seconds)
        start += phase.seconds
    return np.concatenate(times)
