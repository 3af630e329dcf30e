"""The runs that docs/scaling.md shows, each from a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator

from glimpse_scaling import direct, facts, queued
from glimpse_scaling.arrivals import Phase, poisson
from glimpse_scaling.environments import Limits
from glimpse_scaling.outcome import Outcome
from glimpse_scaling.service import Service

# The template's defaults.
MEMORY_MB = 1769
BATCH = 10
"""EventsBatchSize"""
STAGE_RATE = 50
"""ThrottlingRateLimit"""
MAXIMUM_CONCURRENCY = 50
"""EventsMaximumConcurrency"""

RATES = (1, 10, 100, 1_000, 10_000)
SECONDS = {1: 1200.0, 10: 600.0, 100: 120.0, 1_000: 60.0, 10_000: 20.0}

API_RAISED = 15_000
CONCURRENCY_RAISED = 2_000

STEP_SECONDS = 20.0
BURST = Phase(1_000, 60)


@dataclass(frozen=True)
class Steady:
    """A steady rate, met by a function without environments."""

    name: str
    rate: int
    seconds: float
    all: Outcome
    settled: Outcome
    """The second half."""


class Scenarios:
    """Runs on the template's defaults in an account with the default quotas."""

    def __init__(self, seed: int = 20_261_125) -> None:
        self._seed = seed
        self.quotas = facts.quotas()
        self.prices = facts.prices()
        self.measured = facts.measurements()
        self.service = Service.on(1.0, self.measured)

    def random(self, run: int) -> Generator:
        """Random numbers of one run, whatever other runs drew."""
        return np.random.default_rng((self._seed, run))

    def limits(self, concurrency: float | None = None) -> Limits:
        """The account's limits, or another concurrency."""
        return Limits.of(self.quotas, self.measured.keep_warm_s, concurrency)

    @cached_property
    def steady(self) -> list[Steady]:
        """From 1 to 10,000 pictures a second over HTTP, the stage's throttle lifted."""
        runs = []
        for number, rate in enumerate(RATES):
            runs.append(self._steady(f"{rate:,}", rate, number, direct.Door.of(self.quotas), None))
        return runs

    @cached_property
    def raised(self) -> Steady:
        """10,000 pictures a second with the quotas that it needs."""
        door = direct.Door.of(self.quotas, API_RAISED, API_RAISED, CONCURRENCY_RAISED)
        return self._steady("10,000, raised quotas", RATES[-1], 50, door, CONCURRENCY_RAISED)

    def _steady(
        self, name: str, rate: int, run: int, door: direct.Door, concurrency: float | None
    ) -> Steady:
        random, seconds = self.random(run), SECONDS[rate]
        arrivals = poisson([Phase(rate, seconds)], random)
        limits = self.limits(concurrency)
        outcome = direct.simulate(arrivals, self.service, limits, door, random)
        return Steady(name, rate, seconds, outcome, outcome.after(seconds / 2))

    def step(self, rate: float, concurrency: float | None = None) -> Outcome:
        """From nothing to `rate` at once; the quotas raised where `concurrency` is given."""
        random = self.random(100 + int(rate))
        arrivals = poisson([Phase(rate, STEP_SECONDS)], random)
        raised = None if concurrency is None else 2 * rate
        door = direct.Door.of(self.quotas, rate=raised, burst=raised, concurrency=concurrency)
        return direct.simulate(arrivals, self.service, self.limits(concurrency), door, random)

    @cached_property
    def steps(self) -> dict[str, Outcome]:
        """Steps by what the plot calls them."""
        return {
            "1,000 a second, default quotas": self.step(1_000),
            "5,000 a second, default quotas": self.step(5_000),
            "5,000 a second, concurrency 5,000": self.step(5_000, concurrency=5_000),
        }

    @cached_property
    def bursts(self) -> dict[str, Outcome]:
        """1,000 uploads a second for a minute, by how the queue is read."""
        standard = queued.Source.standard
        sources = {
            "no maximum, 1 a batch": standard(self.quotas, 1),
            f"no maximum, {BATCH} a batch": standard(self.quotas, BATCH),
            f"at most 20 at once, {BATCH} a batch": standard(self.quotas, BATCH, 20),
            f"at most {MAXIMUM_CONCURRENCY} at once, {BATCH} a batch": standard(
                self.quotas, BATCH, MAXIMUM_CONCURRENCY
            ),
            f"provisioned, 10 pollers, {BATCH} a batch": queued.Source.provisioned(
                self.quotas, BATCH, 10
            ),
        }
        runs = {}
        for number, (name, source) in enumerate(sources.items()):
            random = self.random(200 + number)
            arrivals = poisson([BURST], random)
            runs[name] = queued.simulate(arrivals, self.service, self.limits(), source, random)
        return runs
