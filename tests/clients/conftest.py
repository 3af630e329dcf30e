"""A running server for the clients, and the function under the runtime interface emulator."""

import base64
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "models/default"
PICTURE = ROOT / "events/coffee.jpg"
ENVIRONMENT = {
    "GLIMPSE_MODEL_URI": str(BUNDLE),
    "GLIMPSE_ORT_LIBRARY": str(
        ROOT / "target/onnxruntime" / os.uname().machine / "libonnxruntime.so"
    ),
    "GLIMPSE_LOG": "error",
}


def skip(test: str, reason: str) -> None:
    """Skip a test, and count it where `make test` lists what was skipped."""
    with (ROOT / "target/skipped-tests.txt").open("a") as skipped:
        skipped.write(f"{test}: {reason}\n")
    pytest.skip(reason)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens on the port, or the process has ended."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the server ended with status {process.returncode}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The edge server with the default bundle loaded; gives its URL."""
    port = free_port()
    command = [ROOT / "target/debug/glimpse", "serve", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT})
    try:
        listening(port, process)
        url = f"http://127.0.0.1:{port}"
        requests.get(f"{url}/model", timeout=60).raise_for_status()
        yield url
    finally:
        stop(process)


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """The Lambda function under the runtime interface emulator; gives the Lambda API's URL."""
    port, runtime = free_port(), free_port()
    command = [
        ROOT / "target/tools/aws-lambda-rie",
        "--log-level=error",
        f"--runtime-interface-emulator-address=127.0.0.1:{port}",
        f"--runtime-api-address=127.0.0.1:{runtime}",
        ROOT / "target/debug/bootstrap",
    ]
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
    try:
        listening(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        # The function is the emulator's child, in the group that the emulator leads.
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture(scope="session")
def picture() -> bytes:
    return PICTURE.read_bytes()


@pytest.fixture(scope="session")
def text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@pytest.fixture(scope="session")
def expected(server: str, picture: bytes) -> list[dict[str, object]]:
    """What `POST /predict` says of the picture: predictions, best first."""
    headers = {"content-type": "image/jpeg"}
    answer = requests.post(
        f"{server}/predict", params={"top_k": 3}, data=picture, headers=headers, timeout=60
    )
    answer.raise_for_status()
    predictions: list[dict[str, object]] = answer.json()["predictions"]
    return predictions


@pytest.fixture(scope="session")
def model(server: str) -> dict[str, object]:
    """The bundle's description."""
    description: dict[str, object] = requests.get(f"{server}/model", timeout=60).json()
    return description
