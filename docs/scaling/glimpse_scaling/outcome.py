"""What a run of the simulation gives: one row a picture, and the numbers that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Times in seconds from the start of the run. A picture that was given up has no end (`nan`)."""

    arrived: Column
    begun: Column
    """When the attempt that was served reached the function."""
    ended: Column
    cold: NDArray[np.bool_]
    """Whether it waited for a new environment."""
    refusals: int
    """Attempts that were throttled."""
    invocations: int
    starts: int
    """Environments that were started."""
    billed: float
    """Seconds of init and work."""

    @property
    def pictures(self) -> int:
        """How many pictures were asked for."""
        return len(self.arrived)

    @property
    def latency(self) -> Column:
        """Seconds from asking to answer, pictures that were answered, sorted."""
        seconds = self.ended - self.arrived
        return np.sort(seconds[~np.isnan(seconds)])

    def percentile(self, percent: float) -> float:
        """A percentile of the latency; `nan` when nothing was answered."""
        latency = self.latency
        return float(np.percentile(latency, percent)) if len(latency) else float("nan")

    @property
    def given_up(self) -> float:
        """Share of the pictures that were not answered."""
        return float(np.isnan(self.ended).mean()) if self.pictures else 0.0

    @property
    def cold_share(self) -> float:
        """Share of the pictures that waited for a new environment."""
        return float(self.cold.mean()) if self.pictures else 0.0

    def answered(self, begin: float, end: float) -> float:
        """Answers a second between two times."""
        inside = (self.ended >= begin) & (self.ended < end)
        return float(inside.sum() / (end - begin))

    def after(self, seconds: float) -> Outcome:
        """The pictures that came later: what is left when the start has been forgotten."""
        late = self.arrived >= seconds
        return Outcome(
            self.arrived[late],
            self.begun[late],
            self.ended[late],
            self.cold[late],
            self.refusals,
            self.invocations,
            self.starts,
            self.billed,
        )

    def in_flight(self, at: Column) -> Column:
        """Requests inside the function at the given times."""
        return count_between(self.begun, self.ended, at)

    def waiting(self, at: Column) -> Column:
        """Pictures that have come and are not answered at the given times."""
        return count_between(self.arrived, self.ended, at)

    @property
    def peak(self) -> int:
        """Most requests inside the function at once."""
        begun = self.begun[~np.isnan(self.begun)]
        if not len(begun):
            return 0
        return int(self.in_flight(begun).max())


def count_between(begun: Column, ended: Column, at: Column) -> Column:
    """How many intervals [begun, ended) hold each time."""
    begun, ended = np.sort(begun[~np.isnan(begun)]), np.sort(ended[~np.isnan(ended)])
    inside = np.searchsorted(begun, at, side="right") - np.searchsorted(ended, at, side="right")
    return inside.astype(np.float64)
