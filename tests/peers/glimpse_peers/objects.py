"""The models in S3: on loopback, or as far away as Lambda sees it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from glimpse_peers import places

ROUND_TRIP_MS = 20
MEGABYTES_PER_SECOND = 70
CHUNK = 1 << 20


class Objects:
    """A running S3 server that holds the models' folders."""

    def __init__(self, models: Mapping[str, Path], slow: bool = False) -> None:
        limits = ["--slow", str(ROUND_TRIP_MS), str(MEGABYTES_PER_SECOND)] if slow else []
        folders = [f"{name}={folder}" for name, folder in models.items()]
        self._process = subprocess.Popen(
            [places.example("models_in_s3"), *limits, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("models_in_s3 does not start")
        about = json.loads(line)
        self.environment: dict[str, str] = about["environment"]
        self.uris: dict[str, str] = about["uris"]
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_REGION"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def transfer_ms(self, model: str, file: str) -> float:
        """From the request for a file of a model to its last byte, with nothing else at work."""
        self._get(model, "bundle.json")  # opens the connection
        before = time.perf_counter()
        self._get(model, file)
        return (time.perf_counter() - before) * 1e3

    def _get(self, model: str, file: str) -> None:
        bucket, prefix = self.uris[model].removeprefix("s3://").split("/", 1)
        body = self._client.get_object(Bucket=bucket, Key=f"{prefix}/{file}")["Body"]
        while body.read(CHUNK):
            pass

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        # Its standard input ends, and so does it.
        self._process.communicate()
