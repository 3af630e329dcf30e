"""Functions with the processor time of Lambda's memory sizes."""

from __future__ import annotations

import os

from glimpse_peers.peers import Peer
from glimpse_peers.pictures import LARGE, SMALL
from glimpse_peers.quota import MB_A_PROCESSOR, Group, NoGroupError
from glimpse_peers.results import Results
from glimpse_peers.stage import Stage, progress

MEMORY_MB = (512, 885, 1769, 2654, 3538)
KEYS = ("function", "handler-draft")
LARGE_SHARE = 3
"""One request with a large picture for so many with a small one."""


def measure(stage: Stage) -> Results:
    """By peer and memory size, rounds of `cold`, `small` and `large`; or why there is none."""
    most = len(os.sched_getaffinity(0)) * MB_A_PROCESSOR
    sizes = [size for size in MEMORY_MB if size <= most]
    results: Results = {}
    rounds = stage.plan.quota_rounds
    try:
        for number in range(rounds):
            progress("quotas of Lambda's memory sizes, round", number, rounds)
            for size in sizes:
                for peer in filter(None, map(stage.peer, KEYS)):
                    _one(stage, peer, size, results)
    except NoGroupError as error:
        return {"absent": str(error)}
    return results


def _one(stage: Stage, peer: Peer, size: int, results: Results) -> None:
    environment = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(size)}
    of_size = results.setdefault(peer.key, {}).setdefault(str(size), {})
    with (
        Group(size / MB_A_PROCESSOR) as group,
        stage.start(peer, environment=environment, group=group.folder) as running,
    ):
        of_size.setdefault("cold", []).append(running.cold_ms)
        count = stage.plan.quota_requests
        for name, kind, times in (
            ("small", SMALL, count),
            ("large", LARGE, max(2, count // LARGE_SHARE)),
        ):
            body = stage.request(peer, stage.bodies[kind])
            running.ask(body)
            of_size.setdefault(name, []).append([running.ask(body) for _ in range(times)])
