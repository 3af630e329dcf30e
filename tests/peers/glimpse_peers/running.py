"""A peer's process: started, asked, its memory read, ended."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from glimpse_peers import events, peers, places
from glimpse_peers.http_client import Connection
from glimpse_peers.peers import Peer

PATIENCE_S = 120.0
POLL_S = 0.002
SAMPLE_S = 0.005
# Below the range of outgoing connections, so that none of them takes a port before it is bound.
PORTS = itertools.cycle(range(10_000 + os.getpid() % 10_000, 30_000))


class StartError(Exception):
    """A peer that does not start or does not answer."""


class ProviderError(StartError):
    """The provider that a peer is about does not run the model here."""


class Running:
    """A peer that serves; `cold_ms` is what its first answer took from its start."""

    def __init__(
        self,
        peer: Peer,
        model_uri: str,
        first: bytes,
        environment: Mapping[str, str] | None = None,
        group: Path | None = None,
    ) -> None:
        self.peer = peer
        self._port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="glimpse-peer-")
        folder = Path(self._folder.name)
        self._log = (folder / "log").open("wb+")
        command = [word.replace("{port}", str(self._port)) for word in peer.command]
        if group is not None:
            join = 'echo $$ > "$0" && exec "$@"'
            command = ["/bin/sh", "-c", join, str(group / "cgroup.procs"), *command]
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "GLIMPSE_CACHE_DIR": str(folder / "cache"),
            "ORT_DISABLE_TELEMETRY": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "120",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(peers.EMULATED_MEMORY_MB),
            peer.model_variable: model_uri,
            **peer.environment,
            **(environment or {}),
        }
        if not peer.under_emulator:
            # Only Lambda sets these.
            for name in [name for name in self._environment if name.startswith("AWS_LAMBDA_")]:
                del self._environment[name]
        try:
            self.cold_ms = self._start(command, first)
            self._check_provider()
        except BaseException:
            self.__exit__()
            raise

    def ask(self, body: bytes) -> float:
        """Milliseconds of one request whose answer has a label."""
        return self.answer(body)[0]

    def answer(self, body: bytes) -> tuple[float, dict[str, object]]:
        """Milliseconds and the content of one answer."""
        took, content = self._connection.timed(self._path, body)
        return took, self._content(content)

    @property
    def port(self) -> int:
        """Where a server listens."""
        return self._port

    def pss_bytes(self) -> int:
        """Memory of all its processes, shared pages divided among those who share them."""
        return sum(_pss(pid) for pid in self._pids())

    def peak_bytes(self, body: bytes, times: int) -> int:
        """The most that its processes take while a request runs; nothing is timed here."""
        peak, done = [self.pss_bytes()], threading.Event()

        def sample() -> None:
            while not done.is_set():
                peak.append(self.pss_bytes())
                time.sleep(SAMPLE_S)

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            for _ in range(times):
                self.ask(body)
        finally:
            done.set()
            sampler.join()
        return max(peak)

    def counted(self, metric: str) -> int:
        """A counter of a server's, which appears with its first count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{metric} ")]
        return int(found[0]) if found else 0

    def log(self) -> str:
        """What it wrote."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if hasattr(self, "_process"):
            # The function leads a group of its own.
            pids = [*_descendants(self._process.pid), self._process.pid]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            for pid in pids[:-1]:
                _wait_for_end(pid)
        self._log.close()
        self._folder.cleanup()

    def _start(self, command: list[str], first: bytes) -> float:
        if self.peer.under_emulator:
            return self._start_function(command, first)
        self._path = peers.SERVER_PATH
        started = time.perf_counter()
        self._spawn(command)
        while True:
            answered = self._try(first)
            if answered is not None:
                return (answered - started) * 1e3
            self._check(started)
            time.sleep(POLL_S)

    def _start_function(self, command: list[str], first: bytes) -> float:
        runtime_api = free_port()
        emulator = [str(places.EMULATOR), "--log-level", "error"]
        emulator += ["--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        emulator += ["--runtime-api-address", f"127.0.0.1:{runtime_api}"]
        started = time.perf_counter()
        self._spawn([*emulator, *command])
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                break
            self._check(started)
            time.sleep(POLL_S)
        self._path = peers.EVENT_PATH
        self._connection = Connection(self._port)
        # The first invocation starts the function.
        return self.ask(first)

    def _spawn(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _try(self, first: bytes) -> float | None:
        """When the first answer came, unless nobody serves yet."""
        connection = Connection(self._port)
        try:
            status, content = connection.post(self._path, first)
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        answered = time.perf_counter()
        if status == 503:
            connection.close()
            return None
        if status != 200:
            raise StartError(f"{self.peer.name}: status {status}: {content[:500]!r}")
        self._connection = connection
        self._content(content)
        return answered

    def _check_provider(self) -> None:
        """Where a provider fails, Glimpse falls back to the CPU's: that would be another row."""
        if self.peer.provider is None:
            return
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/model", timeout=10) as answer:
            found = json.load(answer).get("provider")
        if found != self.peer.provider:
            raise ProviderError(f"{found} runs the model instead: {_error(self.log())}")

    def _check(self, started: float) -> None:
        ended = self._process.poll()
        if ended is not None or time.perf_counter() - started > PATIENCE_S:
            raise StartError(f"{self.peer.name} does not serve ({ended}):\n{self.log()[-2000:]}")

    def _content(self, content: bytes) -> dict[str, object]:
        answer = json.loads(content)
        if self.peer.under_emulator:
            if answer.get("statusCode") != 200:
                raise StartError(f"{self.peer.name}: {content[:500]!r}\n{self.log()[-2000:]}")
            answer = json.loads(answer["body"])
        if self.peer.key != events.EMPTY and not ("label" in answer or "results" in answer):
            raise StartError(f"{self.peer.name} gives no label: {content[:500]!r}")
        return dict(answer)

    def _pids(self) -> list[int]:
        below = _descendants(self._process.pid)
        # The emulator is not the function's.
        return below if self.peer.under_emulator else [self._process.pid, *below]


def _error(log: str) -> str:
    """The first error of a log of JSON lines."""
    for line in log.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            if isinstance(record, dict) and "error" in record:
                return str(record["error"])
    return log[-500:]


def free_port() -> int:
    """A port that nobody listens at."""
    for port in PORTS:
        with socket.socket() as probe:
            # As servers do, or a connection that ended a moment ago would keep the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise StartError("no free port")


def _descendants(pid: int) -> list[int]:
    children = list(_children(pid))
    return [*children, *(below for child in children for below in _descendants(child))]


def _children(pid: int) -> Iterator[int]:
    # Go starts children from any of its threads.
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, task.read_text(encoding="ascii").split())


def _pss(pid: int) -> int:
    try:
        about = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    line = next((line for line in about.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) * 1024


def _wait_for_end(pid: int) -> None:
    deadline = time.perf_counter() + 5
    while _runs(pid) and time.perf_counter() < deadline:
        time.sleep(0.001)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
