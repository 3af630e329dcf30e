"""The model of a peer: its files in a folder, or under `s3://bucket/prefix`."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bundle:
    """A folder with the model, its input's geometry, and its labels."""

    folder: Path
    spec: dict[str, Any]
    labels: list[str]


def load(*models: str) -> Bundle:
    """The bundle that `MODEL_URI` names; `models` are the files that a peer needs of it."""
    folder = _fetch(os.environ["MODEL_URI"], ("bundle.json", "labels.txt", *models))
    spec = json.loads((folder / "bundle.json").read_text())["input"]
    return Bundle(folder, spec, (folder / "labels.txt").read_text().splitlines())


def _fetch(uri: str, names: tuple[str, ...]) -> Path:
    if not uri.startswith("s3://"):
        return Path(uri)
    import boto3

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    folder = Path(tempfile.mkdtemp())
    client = boto3.client("s3")
    for name in names:
        client.download_file(bucket, f"{prefix}/{name}", str(folder / name))
    return folder
