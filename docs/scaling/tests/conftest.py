"""What several tests share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

from glimpse_scaling.facts import Measurements, Quotas, measurements, quotas
from glimpse_scaling.scenarios import Scenarios


@pytest.fixture
def random() -> Generator:
    """Random numbers, the same on every run."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def quota() -> Quotas:
    """The default quotas."""
    return quotas()


@pytest.fixture(scope="session")
def measured() -> Measurements:
    """The measurements as they are documented."""
    return measurements()


@pytest.fixture(scope="session")
def runs() -> Scenarios:
    """The runs of the documents, played once."""
    return Scenarios()
