"""A function's environments: one request at a time each, kept warm for a while, started in need."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from glimpse_scaling.bucket import TokenBucket
from glimpse_scaling.facts import Quotas


@dataclass(frozen=True)
class Limits:
    """What bounds a function's environments."""

    concurrency: float
    """Requests in flight: the account's quota, or what is reserved."""
    scaling_burst: float
    scaling_seconds: float
    keep_warm: float
    """Seconds for which an idle environment stays."""

    @classmethod
    def of(cls, quotas: Quotas, keep_warm: float, concurrency: float | None = None) -> Limits:
        """The account's limits; `concurrency` where it is reserved or was raised."""
        most = quotas.lambda_concurrency if concurrency is None else concurrency
        return cls(most, quotas.lambda_scaling_burst, quotas.lambda_scaling_seconds, keep_warm)


class Environments:
    """Counts environments; their work is the caller's."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scaling = TokenBucket(
            limits.scaling_burst / limits.scaling_seconds, limits.scaling_burst
        )
        # Since when each is idle. The one that was used last is used first, so the left is oldest.
        self._idle: deque[float] = deque()
        self.busy = 0
        self.started = 0

    def acquire(self, now: float) -> bool | None:
        """Take an environment: `True` for a warm one, `False` for a new one, `None` for neither."""
        if self.busy >= self._limits.concurrency:
            return None
        oldest_kept = now - self._limits.keep_warm
        while self._idle and self._idle[0] < oldest_kept:
            self._idle.popleft()
        if self._idle:
            self._idle.pop()
            self.busy += 1
            return True
        if not self._scaling.take(now):
            return None
        self.busy += 1
        self.started += 1
        return False

    def release(self, now: float) -> None:
        """Give a busy environment back, idle."""
        self.busy -= 1
        self._idle.append(now)
