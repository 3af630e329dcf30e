"""The other way: machines that run all month, with Flask + Keras or with Glimpse's own server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glimpse_scaling.bill import MILLION, Rates
from glimpse_scaling.facts import Measurements
from glimpse_scaling.service import Service

SECONDS_AN_HOUR = 3600
HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Machine:
    """A machine with two processors."""

    capacity: float
    """Pictures a second at the load that it is run at."""
    hour: float
    """Its price, dollars."""

    def needed(self, rate: float) -> int:
        """Machines for so many pictures a second; one runs even when nothing comes."""
        return max(1, math.ceil(rate / self.capacity - 1e-9))

    def month(self, rate: float) -> float:
        """Dollars a month."""
        return self.needed(rate) * self.hour * HOURS_A_MONTH

    def break_even(self, million: float) -> float | None:
        """Pictures a second from which machines cost less than `million` dollars a million.

        The lowest such rate, with one machine; `None` where a loaded machine costs more.
        """
        rate = self.hour / SECONDS_AN_HOUR / (million / MILLION)
        return rate if rate <= self.capacity else None


def keras(rates: Rates, measured: Measurements) -> Machine:
    """Flask + Keras float32, with the same mix of pictures."""
    share = measured.large_share
    mixed = (1 - share) * measured.keras_small_ms + share * measured.keras_large_ms
    most = measured.keras_per_s * measured.keras_small_ms / mixed
    return Machine(most * measured.machine_load, rates.machine_hour)


def own_server(rates: Rates, service: Service) -> Machine:
    """Glimpse as a server: one picture after the other on two processors."""
    return Machine(service.measured.machine_load / service.mean, rates.machine_hour)


def month_by_use(rate: float, million: float) -> float:
    """Dollars a month for so many pictures a second at `million` dollars a million."""
    return rate * SECONDS_AN_HOUR * HOURS_A_MONTH * million / MILLION
