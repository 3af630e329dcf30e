"""The models in S3: on loopback, or as far away as Lambda sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from glimpse_peers import places

ROUND_TRIP_MS = 20
MEGABYTES_PER_SECOND = 70


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

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *_: object) -> None:
        # Its standard input ends, and so does it.
        self._process.communicate()
