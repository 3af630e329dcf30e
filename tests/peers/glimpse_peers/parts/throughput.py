"""Servers under closed-loop clients. A function's environment takes one request at a time anyway."""

from __future__ import annotations

from glimpse_peers import peers
from glimpse_peers.http_client import closed_loop
from glimpse_peers.peers import Peer
from glimpse_peers.pictures import SMALL
from glimpse_peers.results import Results
from glimpse_peers.stage import Stage, progress
from glimpse_peers.statistics import orders

CLIENTS = (1, 4, 16, 64)


def measure(stage: Stage) -> Results:
    """By peer and number of clients, a list of rounds: rate, times in milliseconds, errors."""
    results: Results = {}
    servers = [peer for peer in stage.peers if not peer.under_emulator]
    rounds = stage.plan.throughput_rounds
    for number, order in enumerate(orders(len(servers), rounds)):
        progress("throughput, round", number, rounds)
        for turn in order:
            _one(stage, servers[turn], results)
    return results


def _one(stage: Stage, peer: Peer, results: Results) -> None:
    body, seconds = stage.bodies[SMALL], stage.plan.throughput_seconds
    with stage.start(peer) as running:
        # Until all threads and buffers are there.
        closed_loop(running.port, peers.SERVER_PATH, body, 16, seconds / 4)
        for clients in CLIENTS:
            load = closed_loop(running.port, peers.SERVER_PATH, body, clients, seconds)
            seen = {"rate": load.rate, "times_ms": load.times_ms, "errors": load.errors}
            results.setdefault(peer.key, {}).setdefault(str(clients), []).append(seen)
