"""Learning rates as a pure function of the step: nothing to save, nothing to resume."""

from __future__ import annotations

import math

WARM_UP = 0.2  # of all steps, in one-cycle
COSINE_WARM_UP = 0.05


def rate_at(step: int, total: int, peak: float, schedule: str) -> float:
    """The rate of one step (0 … total - 1).

    `one-cycle` is PyTorch's OneCycleLR with cosine annealing: a tenth of the peak, up to the peak
    over the first fifth, down to a ten-thousandth. `cosine` warms up linearly and falls to zero.
    """
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        warm = max(1, round(COSINE_WARM_UP * total))
        if step < warm:
            return peak * (step + 1) / warm
        return _between(peak, 0, (step - warm) / max(1, total - warm))
    top, last = WARM_UP * total - 1, total - 1
    if step <= top:
        return _between(peak / 10, peak, step / top if top > 0 else 1)
    return _between(peak, peak / 10_000, (step - top) / max(1, last - top))


def _between(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
