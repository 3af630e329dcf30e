"""A function as queueing theory wants it: always warm, without limits, exponential times."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from glimpse_scaling.direct import Door
from glimpse_scaling.environments import Limits
from glimpse_scaling.facts import Measurements
from glimpse_scaling.service import Seconds, Service

NO_LIMIT = 1e12


class Exponential(Service):
    """Exponential service times of the mean `small`, cold starts that take no time."""

    @classmethod
    def of(cls, mean: float, measured: Measurements) -> Exponential:
        """No large pictures, no waiting for S3."""
        plain = replace(measured, large_share=0, s3_get_ms=0, s3_put_ms=0, start_spread=0)
        return cls(small=mean, large=mean, start=0, environment=0, measured=plain)

    def pictures(self, count: int, random: Generator) -> Seconds:
        """Exponential times."""
        return random.exponential(self.small, count)


def open_door() -> Door:
    """Nothing is refused before the function."""
    return Door(NO_LIMIT, NO_LIMIT, NO_LIMIT)


def limits(concurrency: float = NO_LIMIT) -> Limits:
    """Environments that appear at once and stay."""
    return Limits(concurrency, NO_LIMIT, 1, NO_LIMIT)
