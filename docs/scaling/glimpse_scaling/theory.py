"""Closed forms of queueing theory, which the simulation must agree with where they hold."""

from __future__ import annotations

import math


def erlang_b(servers: int, load: float) -> float:
    """Share of requests that find all servers busy and go away (M/G/c/c); load = rate x time."""
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Share of requests that have to wait (M/M/c), for a load below the number of servers."""
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1 - blocked))


def mean_wait(servers: int, rate: float, time: float) -> float:
    """Mean seconds in the queue of M/M/c; `time` is the mean service time."""
    load = rate * time
    return erlang_c(servers, load) * time / (servers - load)


def sparse_cold_share(rate: float, keep_warm: float) -> float:
    """Share of cold starts when requests are so rare that no two overlap (Poisson arrivals)."""
    return math.exp(-rate * keep_warm)
