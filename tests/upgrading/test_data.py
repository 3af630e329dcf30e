"""What 0.1.0 left on a machine is read: its bundle, its cache and its journal, as `data-0.1.0` holds them.

make test-upgrading

The files were written by the programs of 0.1.0 for a toy model, whose label is the strongest colour. tests/s3_events
reads the result object that is beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GLIMPSE = ROOT / "target/debug/glimpse"
OLD = HERE / "data-0.1.0"
LIBRARY = next((ROOT / "target/onnxruntime").glob("x86_64/libonnxruntime.so.*"))
WAIT_SECONDS = 60


def environment(**more: str | Path) -> dict[str, str]:
    """No variables of Glimpse or AWS but these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG"}
    }
    return (
        kept
        | {"GLIMPSE_ORT_LIBRARY": str(LIBRARY)}
        | {k: str(v) for k, v in more.items()}
    )


def classify(picture: Path, **variables: str | Path) -> dict[str, Any]:
    """The record of `glimpse classify`."""
    command = [GLIMPSE, "classify", picture]
    run = subprocess.run(
        command,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    record: dict[str, Any] = json.loads(run.stdout)
    return record


def test_a_bundle_of_0_1_0_is_served() -> None:
    picture = OLD / "pictures/red.png"
    assert classify(picture, GLIMPSE_MODEL_URI=OLD / "bundle")["label"] == "red"


def test_a_cache_of_0_1_0_serves_without_a_network(tmp_path: Path) -> None:
    cache = shutil.copytree(OLD / "cache", tmp_path / "cache")
    variables = {
        "GLIMPSE_MODEL_URI": "s3://models/toy/1.0.0",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",  # nobody listens there
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    record = classify(OLD / "pictures/green.png", GLIMPSE_CACHE_DIR=cache, **variables)
    assert record["label"] == "green"


def test_a_journal_of_0_1_0_says_what_is_done(tmp_path: Path) -> None:
    folder = shutil.copytree(OLD / "pictures", tmp_path / "pictures")
    output = Path(shutil.copy(OLD / "labels.ndjson", tmp_path))
    done = [json.loads(line) for line in output.read_text().splitlines()]
    for record in done:
        seconds = datetime.fromisoformat(record["modified"]).timestamp()
        os.utime(folder / record["file"], (seconds, seconds))
    shutil.copy(folder / "red.png", folder / "new.png")
    command = [GLIMPSE, "watch", folder, "--output", output, "--rescan-ms", "200"]
    with subprocess.Popen(
        [*command, "--settle-ms", "100", "--model-uri", OLD / "bundle"],
        env=environment(),
        stderr=subprocess.DEVNULL,
    ) as watch:
        end = time.monotonic() + WAIT_SECONDS
        while output.read_text().count("\n") == len(done) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)  # several more looks through the folder
        watch.terminate()
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert records[: len(done)] == done
    assert [record["file"] for record in records[len(done) :]] == ["new.png"]
