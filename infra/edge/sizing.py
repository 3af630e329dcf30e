#!/usr/bin/env python3
"""Measure what `glimpse serve` needs and does on this machine; prints the table of docs/edge.md.

    infra/edge/sizing.py --binary target/release/glimpse [--model FOLDER] [--seconds 10]

For 1, 2, 4, … processors: the time from start to ready, answers a second and their median time at two
clients a processor, and the memory before and at the most (PSS: shared pages counted by their share).
Clients run on this machine too, beside the server.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = """| processors | ready after | idle memory | picture | answers a second | median | most memory |
| --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    """Measure every number of processors that there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/glimpse")
    parser.add_argument("--model", type=Path, default=ROOT / "models/default")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    pictures = {
        "640 × 427 JPEG": ((ROOT / "target/pictures/rocket.jpg").read_bytes(), "image/jpeg"),
        "4000 × 3000 PNG": (gradient(4000, 3000), "image/png"),
    }
    print(HEAD)
    processors = 1
    while processors <= (os.cpu_count() or 1):
        for name, (picture, kind) in pictures.items():
            print(measure(arguments, processors, name, picture, kind), flush=True)
        processors *= 2


def measure(
    arguments: argparse.Namespace, processors: int, name: str, picture: bytes, kind: str
) -> str:
    """One row: a fresh server under one kind of load."""
    command = ["taskset", "--cpu-list", f"0-{processors - 1}", str(arguments.binary), "serve"]
    command += ["--listen", "127.0.0.1:0", "--model-uri", str(arguments.model)]
    library = ROOT / "target/onnxruntime" / os.uname().machine / "libonnxruntime.so"
    command += ["--ort-library", str(library), "--threads", str(processors)]
    started = time.monotonic()
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        port = wait_for(server, r"127\.0\.0\.1:(\d+)")
        wait_for(server, r'"ready"()')
        ready = time.monotonic() - started
        threading.Thread(target=drain, args=(server,), daemon=True).start()
        idle = memory(server.pid)
        times, most = load(int(port), server.pid, 2 * processors, picture, kind, arguments.seconds)
    finally:
        server.terminate()
        server.wait()
    rate = len(times) / arguments.seconds
    row = [processors, f"{ready * 1e3:.0f} ms", f"{idle:.0f} MB", name, f"{rate:.1f}"]
    row += [f"{statistics.median(times) * 1e3:.1f} ms", f"{most:.0f} MB"]
    return f"| {' | '.join(map(str, row))} |"


def wait_for(server: subprocess.Popen[str], pattern: str) -> str:
    """Read the log until a line matches; gives the group."""
    assert server.stderr is not None
    for line in server.stderr:
        if match := re.search(pattern, line):
            return match.group(1)
    raise SystemExit(f"the server ended with {server.wait()}")


def drain(server: subprocess.Popen[str]) -> None:
    """Keep the server's log from filling the pipe."""
    assert server.stderr is not None
    for _ in server.stderr:
        pass


def load(
    port: int, pid: int, clients: int, picture: bytes, kind: str, seconds: float
) -> tuple[list[float], float]:
    """Post from several clients until the time is over: seconds of each answer, most memory in MB."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (begun := time.monotonic()) < end:
            connection.request("POST", "/predict", picture, {"content-type": kind})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"the server answered {answer.status}")
            times.append(time.monotonic() - begun)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    most = 0.0
    while any(thread.is_alive() for thread in threads):
        most = max(most, memory(pid))
        time.sleep(0.05)
    return times, most


def memory(pid: int) -> float:
    """Proportional set size in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) / 1e3 if found else 0.0


def gradient(width: int, height: int) -> bytes:
    """A PNG with every hue of red and green."""
    row = b"".join(bytes((x * 255 // width, 0, 128)) for x in range(width))
    rows = b"".join(b"\0" + row for _ in range(height))

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


if __name__ == "__main__":
    main()
