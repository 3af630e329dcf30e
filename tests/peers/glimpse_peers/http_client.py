"""Requests over connections that stay open, one at a time or from many clients."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field

TIMEOUT_S = 120.0
PAUSE_S = 0.02
JSON = {"content-type": "application/json"}


class UnexpectedAnswerError(Exception):
    """The answer is not what the measurement is about."""


class Connection:
    """One connection, opened again where the server closes it."""

    def __init__(self, port: int, timeout: float = TIMEOUT_S) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._http.request("POST", path, body, JSON)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def timed(self, path: str, body: bytes) -> tuple[float, bytes]:
        """Milliseconds and body of an answer with status 200."""
        started = time.perf_counter()
        status, content = self.post(path, body)
        took = (time.perf_counter() - started) * 1e3
        if status != 200:
            raise UnexpectedAnswerError(f"status {status}: {content[:500]!r}")
        return took, content

    def close(self) -> None:
        """Close it."""
        self._http.close()


@dataclass
class Load:
    """What closed-loop clients saw."""

    seconds: float
    times_ms: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times_ms) / self.seconds


def closed_loop(port: int, path: str, body: bytes, clients: int, seconds: float) -> Load:
    """`clients` that ask again as soon as they are answered; a request counts where it ends in time."""
    load, lock, begin = Load(seconds), threading.Lock(), threading.Barrier(clients + 1)
    end = [0.0]

    def client() -> None:
        connection, times, errors = Connection(port), [], 0
        begin.wait()
        while time.perf_counter() < end[0]:
            try:
                took, _ = connection.timed(path, body)
            except (UnexpectedAnswerError, OSError, http.client.HTTPException):
                errors += 1
                connection.close()
                # Who is refused asks again a little later, or refusals would take the server's time.
                time.sleep(PAUSE_S)
                continue
            if time.perf_counter() <= end[0]:
                times.append(took)
        connection.close()
        with lock:
            load.times_ms.extend(times)
            load.errors += errors

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    end[0] = time.perf_counter() + seconds
    begin.wait()
    for thread in threads:
        thread.join()
    return load
