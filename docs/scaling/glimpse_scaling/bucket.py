"""A token bucket: how API Gateway throttles, and how Lambda limits new environments."""

from __future__ import annotations


class TokenBucket:
    """Refills continuously, holds no more than its size; time must not go backwards."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate = rate
        self._size = size
        self._tokens = size
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
