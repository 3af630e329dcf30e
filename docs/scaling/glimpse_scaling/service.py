"""How long a function is busy: with a picture, with a batch of S3 events, with a cold start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from glimpse_scaling.facts import Measurements

Seconds = NDArray[np.float64]

PROCESSORS_MEASURED = 2


@dataclass(frozen=True)
class Service:
    """Times on a function of so many processors; every time is in seconds."""

    small: float
    large: float
    start: float
    environment: float
    measured: Measurements

    @classmethod
    def on(cls, processors: float, measured: Measurements, slowdown: float = 1.0) -> Service:
        """Times at `processors`, as Lambda gives them out by memory.

        Below one processor everything takes longer in proportion. From one to two, the part of the
        inference that two threads share gets faster (Amdahl's law through the two measured points).
        `slowdown` is for processors without the instructions that the measurements had.
        """
        if not 0 < processors <= PROCESSORS_MEASURED:
            raise ValueError(f"measured up to {PROCESSORS_MEASURED} processors, not {processors}")
        one, two = measured.infer_one_processor_ms, measured.infer_two_processors_ms
        shared = 2 * (one - two)
        alone = one - shared
        speed = min(processors, 1.0)
        infer = alone / speed + shared / processors
        small = measured.request_to_infer * infer * slowdown
        large = small + measured.large_extra_ms / speed * slowdown
        # Init runs at full speed; what one processor takes longer is its first inference.
        start = (measured.start_ms + infer - two) * slowdown
        start += measured.bundle_mb / measured.download_mb_a_second * 1e3
        return cls(small / 1e3, large / 1e3, start / 1e3, measured.environment_ms / 1e3, measured)

    @property
    def mean(self) -> float:
        """Mean time of a picture."""
        share = self.measured.large_share
        return (1 - share) * self.small + share * self.large

    @property
    def mean_start(self) -> float:
        """Mean time from asking for an environment until it can serve."""
        return self.environment + self.start

    def batch_mean(self, pictures: float) -> float:
        """Mean time of a batch of uploads: downloads overlap, and so do writes."""
        return self._waits(self.measured.upload_gets) + pictures * self.mean

    @property
    def task_mean(self) -> float:
        """Mean time of a task of S3 Batch Operations, which comes alone."""
        return self._waits(self.measured.task_gets) + self.mean

    def _waits(self, gets: float) -> float:
        return (gets * self.measured.s3_get_ms + self.measured.s3_put_ms) / 1e3

    def pictures(self, count: int, random: Generator) -> Seconds:
        """Times of `count` pictures."""
        is_large = random.random(count) < self.measured.large_share
        base = np.where(is_large, self.large, self.small)
        return base * _lognormal(self.measured.spread, count, random)

    def starts(self, count: int, random: Generator) -> tuple[Seconds, Seconds]:
        """Environment and init of `count` cold starts; the second is billed."""
        factor = _lognormal(self.measured.start_spread, count, random)
        return self.environment * factor, self.start * factor


def _lognormal(variation: float, count: int, random: Generator) -> Seconds:
    """Factors of mean 1 and the given coefficient of variation."""
    sigma = np.sqrt(np.log1p(variation**2))
    return random.lognormal(-(sigma**2) / 2, sigma, count)
