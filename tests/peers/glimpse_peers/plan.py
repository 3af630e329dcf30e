"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_peers.pictures import CLOSE, HEIC, LARGE, SMALL, UNSURE

FEWEST = 3
"""Rounds of a part, for quartiles."""


@dataclass(frozen=True)
class Plan:
    """Counts of a run. `rounds` are interleaved: each peer once in each."""

    rounds: int
    requests: dict[str, int]
    """Timed requests of each kind in a round, after one that is not timed."""
    throughput_rounds: int
    throughput_seconds: float
    growth_rounds: int
    growth_requests: int
    quota_rounds: int
    quota_requests: int

    @classmethod
    def default(cls, rounds: int | None) -> Plan:
        """About 45 minutes with 8 rounds on two quiet cores; each p99 has the 100 requests it needs."""
        rounds = rounds or 8
        half = max(FEWEST, rounds // 2)
        requests = {SMALL: 36, UNSURE: 18, LARGE: 13, CLOSE: 13, HEIC: 13}
        return cls(rounds, requests, half, 4.0, half, 9, half, 15)

    @classmethod
    def quick(cls, rounds: int | None) -> Plan:
        """About 7 minutes with 3 rounds."""
        requests = {SMALL: 20, UNSURE: 8, LARGE: 5, CLOSE: 3, HEIC: 1}
        return cls(rounds or 3, requests, 1, 2.0, 1, 4, 1, 8)

    def rounds_of(self, part: str) -> int:
        """How often each thing of a part of `measure` is measured."""
        own = {
            "starts": self.rounds,
            "throughput": self.throughput_rounds,
            "growth": self.growth_rounds,
            "quotas": self.quota_rounds,
        }
        return own.get(part, 1)
