"""Processes, clients and control groups, with real processes."""

from __future__ import annotations

import http.client
import os
import sys
import time
from pathlib import Path

import pytest

from glimpse_peers.http_client import closed_loop
from glimpse_peers.peers import SERVER_PATH, Peer
from glimpse_peers.quota import Group, NoGroupError
from glimpse_peers.running import ProviderError, Running, StartError

SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        size = int(self.rfile.read(int(self.headers["content-length"])))
        held = bytearray(os.urandom(1)) * size
        time.sleep(0.02)
        answer = json.dumps({os.environ["ANSWER"]: len(held)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

time.sleep(0.2)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

GET = """def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "19")
        self.end_headers()
        self.wfile.write(b'{"provider": "cpu"}')

    def do_POST"""


def server(answer: str = "label") -> Peer:
    return Peer(
        "test", "a server", (sys.executable, "-c", SERVER, "{port}"), environment={"ANSWER": answer}
    )


def test_a_start_ends_with_the_first_answer() -> None:
    with Running(server(), "none", b"1") as running:
        assert 200 < running.cold_ms < 20_000
        assert running.ask(b"1") >= 20
        port = running.port
    # It has ended, whoever else listens there.
    with pytest.raises((OSError, http.client.HTTPException)):
        http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("POST", "/", b"1")


def test_the_peak_is_seen_while_a_request_runs() -> None:
    with Running(server(), "none", b"1") as running:
        first = running.pss_bytes()
        peak = running.peak_bytes(b"50000000", 2)
        assert first > 1_000_000
        assert 40_000_000 < peak - first < 80_000_000


def test_an_answer_without_a_label_is_no_answer() -> None:
    with pytest.raises(StartError, match="gives no label"):
        Running(server("nothing"), "none", b"1")


def test_a_program_that_ends_is_named_with_what_it_wrote() -> None:
    peer = Peer("test", "a program", (sys.executable, "-c", "raise SystemExit('no model')"))
    with pytest.raises(StartError, match=r"a program does not serve \(1\):\nno model"):
        Running(peer, "none", b"1")


def test_clients_ask_until_the_time_is_over() -> None:
    with Running(server(), "none", b"1") as running:
        load = closed_loop(running.port, SERVER_PATH, b"1", clients=4, seconds=0.5)
    assert load.errors == 0
    # Each answer takes 20 ms or a little more, four at a time.
    assert 20 < load.rate <= 200
    assert min(load.times_ms) >= 20


def test_errors_are_counted_and_not_timed() -> None:
    with Running(server(), "none", b"1") as running:
        load = closed_loop(running.port, SERVER_PATH, b"not a number", clients=1, seconds=0.2)
    assert load.errors > 0
    assert load.times_ms == []


def test_a_quota_slows_a_process_down() -> None:
    # 50 ms of work; with a tenth of a processor that takes several periods.
    work = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.05: pass"
    try:
        with Group(0.1) as group:
            started = time.perf_counter()
            join = f"open({str(group.folder / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))"
            os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", f"{join}\n{work}")
            took = time.perf_counter() - started
            folder = Path(group.folder)
    except NoGroupError as error:
        pytest.skip(str(error))
    assert took > 0.3
    assert not folder.exists()


def test_a_provider_that_does_not_run_the_model_is_named() -> None:
    log = '{"level":"INFO"}\n{"level":"ERROR","error":"the provider has no device"}\n'
    script = SERVER.replace("def do_POST", GET)
    peer = Peer(
        "test",
        "a server",
        (sys.executable, "-c", f"import sys; sys.stderr.write({log!r})\n{script}", "{port}"),
        environment={"ANSWER": "label"},
        provider="openvino",
    )
    with pytest.raises(
        ProviderError, match="cpu runs the model instead: the provider has no device"
    ):
        Running(peer, "none", b"1")
