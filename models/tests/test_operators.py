"""The profile of a model: its operators, and how much they multiply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ok, refused

from glimpse_models.research.operators import SETTINGS, multiplications


def event(operator: str, inputs: list[list[int]], output: list[int]) -> dict[str, Any]:
    """What ONNX Runtime records, as far as it is read."""
    shapes = [{"uint8": shape} for shape in inputs]
    arguments = {"op_name": operator, "input_type_shape": shapes}
    return {"args": arguments | {"output_type_shape": [{"uint8": output}]}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (event("Conv", [[1, 3, 8, 8], [16, 3, 3, 3]], [1, 16, 6, 6]), 16 * 36 * 27),
        (
            event("QLinearConv", [[2, 8, 8, 4], [], [], [16, 4, 1, 1]], [2, 8, 8, 16]),
            2 * 64 * 16 * 4,
        ),
        (event("QLinearConv", [[1, 8, 8, 16], [], [], [16, 1, 3, 3]], [1, 8, 8, 16]), 64 * 16 * 9),
        (event("QGemm", [[5, 64], [], [], [64, 10]], [5, 10]), 5 * 64 * 10),
        (event("QLinearAdd", [[1, 64]], [1, 64]), 0),
    ],
)
def test_multiplications_are_counted(found: dict[str, Any], expected: int) -> None:
    assert multiplications(found) == expected


def test_the_report_has_shares_the_limit_and_every_setting(bundle: Path) -> None:
    said = ok("operators", "--bundle", bundle, "--runs", "2", "--rounds", "2")
    shares = re.findall(r"^(\w+) +\d+ +([\d.]+)%$", said, re.M)
    assert "QLinearConv" in dict(shares)
    assert abs(sum(float(share) for _, share in shares) - 100) < 1
    # ResNet18 at 48 pixels, by stage: 5.4, 21.2, 18.9, 18.9 and 33.6 million.
    assert "\n0.10 G multiplications a run" in said
    for name in SETTINGS:
        assert re.search(rf"^{name} +[\d.]+ \(", said, re.M), name


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused("operators", "--bundle", tmp_path / "missing")
