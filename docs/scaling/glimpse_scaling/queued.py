"""Uploads: S3 → SQS → Lambda. Nothing is refused; what cannot be taken yet waits in the queue."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from glimpse_scaling.arrivals import Times
from glimpse_scaling.environments import Environments, Limits
from glimpse_scaling.facts import Quotas
from glimpse_scaling.outcome import Outcome
from glimpse_scaling.service import Service


@dataclass(frozen=True)
class Source:
    """An SQS event source mapping."""

    start: float
    """Invocations at once when messages begin to come."""
    growth: float
    """More of them, each second in which messages are left."""
    most: float
    batch: int

    @classmethod
    def standard(
        cls, quotas: Quotas, batch: int, maximum_concurrency: float | None = None
    ) -> Source:
        """The default; `MaximumConcurrency` bounds it further."""
        most = quotas.queue_most
        if maximum_concurrency is not None:
            most = min(most, maximum_concurrency)
        return cls(min(quotas.queue_start, most), quotas.queue_growth_a_minute / 60, most, batch)

    @classmethod
    def provisioned(cls, quotas: Quotas, batch: int, minimum_pollers: int) -> Source:
        """Provisioned mode: pollers of ten invocations each, at least so many of them."""
        return cls(
            min(10.0 * minimum_pollers, quotas.provisioned_most),
            quotas.provisioned_growth_a_minute / 60,
            quotas.provisioned_most,
            batch,
        )


def simulate(
    arrivals: Times, service: Service, limits: Limits, source: Source, random: Generator
) -> Outcome:
    """Play every message in the order of time.

    A batch is whatever is in the queue, up to its size, when an invocation is free (no batching
    window). Pollers do not shrink within a run. Lambda's own limits make an invocation wait.
    """
    count = len(arrivals)
    work = service.pictures(count, random)
    waits = service.batch_mean(0)
    environment, init = (part.tolist() for part in service.starts(count, random))
    total = np.concatenate(([0.0], np.cumsum(work))).tolist()
    environments = Environments(limits)

    begun, ended = np.full(count, np.nan), np.full(count, np.nan)
    cold = np.zeros(count, dtype=np.bool_)
    allowed, seen = source.start, 0.0
    invocations, refusals, billed = 0, 0, 0.0
    busy_until: list[float] = []
    queue: deque[int] = deque()
    fresh, times = 0, arrivals.tolist()
    while fresh < count or queue:
        if fresh < count and (not busy_until or times[fresh] <= busy_until[0]):
            now = times[fresh]
            queue.append(fresh)
            fresh += 1
            left = len(queue) > 1
        else:
            now = heapq.heappop(busy_until)
            environments.release(now)
            left = bool(queue)
        if left:
            allowed = min(source.most, allowed + (now - seen) * source.growth)
        seen = now
        while queue and len(busy_until) + 1 <= allowed:
            warm = environments.acquire(now)
            if warm is None:
                refusals += 1
                break
            first = queue[0]
            last = first + min(source.batch, len(queue))
            busy = waits + total[last] - total[first]
            end = now + busy + (0.0 if warm else init[first] + environment[first])
            billed += busy if warm else busy + init[first]
            heapq.heappush(busy_until, end)
            # Messages are taken in order, so a batch is a run of indices.
            begun[first:last], ended[first:last], cold[first:last] = now, end, not warm
            for _ in range(first, last):
                queue.popleft()
            invocations += 1
    return Outcome(
        arrivals, begun, ended, cold, refusals, invocations, environments.started, billed
    )
