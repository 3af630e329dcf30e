"""A local AWS that checks signatures, policies and TLS: ministack, on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3

START_SECONDS = 60
REGION = "us-east-1"


class Emulator:
    """One running emulator, its files below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint = f"https://localhost:{self.port}"
        self.certificate = folder / "tmp" / "ministack-tls" / "server.crt"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        self.process = self._start()

    def environment(self) -> dict[str, str]:
        """What a client of the emulator needs in its environment."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG")
            if name in os.environ
        }
        return kept | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": str(self.certificate),
        }

    def client(self, service: str) -> Any:
        """A client of one service, with the rights of the account's owner."""
        session = boto3.Session("test", "test", region_name=REGION)
        return session.client(
            service, endpoint_url=self.endpoint, verify=str(self.certificate)
        )

    def stop(self) -> None:
        """End it, and the functions that it runs."""
        os.killpg(
            self.process.pid, signal.SIGKILL
        )  # asked kindly, it waits for its connections
        self.process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = self.environment() | {
            "AUTH": "true",
            "USE_SSL": "1",
            "LAMBDA_EXECUTOR": "local",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "TMPDIR": str(self.folder / "tmp"),
            "S3_DATA_DIR": str(self.folder / "s3"),
            # For the functions, which are its children.
            "SSL_CERT_FILE": str(self.certificate),
        }
        log = (self.folder / "ministack.log").open("wb")
        command = [str(Path(sys.executable).parent / "ministack")]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"ministack did not start; see {log.name}")
            time.sleep(0.2)
        return process

    def _answers(self) -> bool:
        if not self.certificate.exists():
            return False
        try:
            trust = ssl.create_default_context(cafile=str(self.certificate))
            health = f"{self.endpoint}/_ministack/health"
            with urllib.request.urlopen(health, timeout=5, context=trust) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
