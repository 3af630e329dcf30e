"""The scenarios play what the template deploys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glimpse_scaling import scenarios

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


@pytest.mark.parametrize(
    ("parameter", "played"),
    [
        ("MemorySize", scenarios.MEMORY_MB),
        ("EventsMemorySize", scenarios.MEMORY_MB),
        ("ThrottlingRateLimit", scenarios.STAGE_RATE),
        ("EventsBatchSize", scenarios.BATCH),
        ("EventsMaximumConcurrency", scenarios.MAXIMUM_CONCURRENCY),
    ],
)
def test_the_default_of_the_parameter_is_what_is_played(parameter: str, played: int) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    found = re.search(rf"^  {parameter}:\n(?:    .*\n)*?    Default: (\d+)$", text, re.MULTILINE)
    assert found is not None, f"the template has no parameter {parameter} with a number"
    assert int(found[1]) == played
