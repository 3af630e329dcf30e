"""The scenarios play what the template deploys."""

from __future__ import annotations

import pytest
from template import load

from glimpse_scaling import scenarios


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
    assert load()["Parameters"][parameter]["Default"] == played
