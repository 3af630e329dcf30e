"""The models in S3, by the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from glimpse_peers import places
from glimpse_peers.objects import ROUND_TRIP_MS, Objects

PROGRAM = places.example("models_in_s3")


@pytest.mark.skipif(
    not PROGRAM.is_file(), reason=f"there is no {PROGRAM.name} (cargo build --workspace --examples)"
)
@pytest.mark.parametrize("slow", [False, True])
def test_a_file_comes_from_the_server_and_no_sooner_than_a_round_trip(
    slow: bool, tmp_path: Path
) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(bytes(700_000))
    with Objects({"resnet50": tmp_path}, slow) as objects:
        took = objects.transfer_ms("resnet50", "model.onnx")
    assert took > (ROUND_TRIP_MS if slow else 0)
