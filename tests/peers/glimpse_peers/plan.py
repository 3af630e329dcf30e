"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_peers.pictures import CLOSE, HEIC, LARGE, SMALL


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
        """About 20 minutes with 8 rounds on two quiet cores."""
        rounds = rounds or 8
        third = max(1, rounds // 3)
        requests = {SMALL: 36, LARGE: 12, CLOSE: 8, HEIC: 3}
        return cls(rounds, requests, third, 4.0, third, 9, third, 15)

    @classmethod
    def quick(cls, rounds: int | None) -> Plan:
        """About 7 minutes with 3 rounds."""
        return cls(rounds or 3, {SMALL: 20, LARGE: 5, CLOSE: 3, HEIC: 1}, 1, 2.0, 1, 4, 1, 8)
