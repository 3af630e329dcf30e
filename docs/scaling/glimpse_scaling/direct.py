"""Synchronous requests: client → API Gateway → Lambda, refused when a limit is reached, retried."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from glimpse_scaling.arrivals import Times
from glimpse_scaling.bucket import TokenBucket
from glimpse_scaling.environments import Environments, Limits
from glimpse_scaling.facts import Quotas
from glimpse_scaling.outcome import Outcome
from glimpse_scaling.service import Service

NEVER = float("inf")


@dataclass(frozen=True)
class Door:
    """What stands before the function."""

    api_rate: float
    api_burst: float
    requests: float
    """Requests a second that Lambda takes, ten for each unit of concurrency."""

    @classmethod
    def of(
        cls,
        quotas: Quotas,
        rate: float | None = None,
        burst: float | None = None,
        concurrency: float | None = None,
    ) -> Door:
        """The account's limits; each can be another: the stage's throttle, or a raised quota."""
        concurrency = quotas.lambda_concurrency if concurrency is None else concurrency
        return cls(
            quotas.api_rate if rate is None else rate,
            quotas.api_burst if burst is None else burst,
            quotas.lambda_requests_per_concurrency * concurrency,
        )


@dataclass(frozen=True)
class Retries:
    """What a client does after a refusal: full jitter, as the AWS SDKs' standard mode."""

    most: int = 3
    base: float = 1.0
    cap: float = 20.0

    def wait(self, attempt: int, uniform: float) -> float:
        """Seconds before the next attempt; `attempt` counts those made, from 1."""
        return min(self.cap, self.base * 2.0 ** (attempt - 1)) * uniform


def simulate(
    arrivals: Times,
    service: Service,
    limits: Limits,
    door: Door,
    random: Generator,
    retries: Retries | None = None,
) -> Outcome:
    """Play every request in the order of time."""
    retries = Retries() if retries is None else retries
    count = len(arrivals)
    work = service.pictures(count, random).tolist()
    environment, init = (part.tolist() for part in service.starts(count, random))
    jitter = random.random((count, max(1, retries.most))).tolist()
    gateway = TokenBucket(door.api_rate, door.api_burst)
    requests = TokenBucket(door.requests, door.requests)
    environments = Environments(limits)

    begun, ended = np.full(count, np.nan), np.full(count, np.nan)
    cold = np.zeros(count, dtype=np.bool_)
    refusals, billed = 0, 0.0
    busy_until: list[float] = []
    again: list[tuple[float, int, int]] = []
    fresh, times = 0, arrivals.tolist()
    while fresh < count or again:
        if again and again[0][0] <= (times[fresh] if fresh < count else NEVER):
            now, request, attempt = heapq.heappop(again)
        else:
            now, request, attempt = times[fresh], fresh, 1
            fresh += 1
        while busy_until and busy_until[0] <= now:
            environments.release(heapq.heappop(busy_until))
        warm = None
        if gateway.take(now) and requests.take(now):
            warm = environments.acquire(now)
        if warm is None:
            refusals += 1
            if attempt <= retries.most:
                wait = retries.wait(attempt, jitter[request][attempt - 1])
                heapq.heappush(again, (now + wait, request, attempt + 1))
            continue
        busy = work[request] if warm else init[request] + work[request]
        end = now + busy + (0.0 if warm else environment[request])
        heapq.heappush(busy_until, end)
        billed += busy
        begun[request], ended[request], cold[request] = now, end, not warm
    invocations = int(np.count_nonzero(~np.isnan(ended)))
    return Outcome(
        arrivals, begun, ended, cold, refusals, invocations, environments.started, billed
    )
