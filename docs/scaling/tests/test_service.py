"""Service times follow the measurements."""

from __future__ import annotations

import pytest
from numpy.random import Generator

from glimpse_scaling.facts import Measurements
from glimpse_scaling.service import Service


def test_both_measured_points_are_met(measured: Measurements) -> None:
    for processors, infer in (
        (1.0, measured.infer_one_processor_ms),
        (2.0, measured.infer_two_processors_ms),
    ):
        small = Service.on(processors, measured).small
        assert small == pytest.approx(measured.request_to_infer * infer / 1e3)


def test_half_a_processor_takes_twice_as_long(measured: Measurements) -> None:
    assert Service.on(0.5, measured).mean == pytest.approx(2 * Service.on(1.0, measured).mean)


@pytest.mark.parametrize("processors", [0.0, 2.1])
def test_nothing_is_said_about_what_was_not_measured(
    processors: float, measured: Measurements
) -> None:
    with pytest.raises(ValueError, match="measured up to 2"):
        Service.on(processors, measured)


def test_drawn_times_have_the_mean_that_the_bill_uses(
    measured: Measurements, random: Generator
) -> None:
    service = Service.on(1.0, measured)
    assert service.pictures(200_000, random).mean() == pytest.approx(service.mean, rel=0.01)
    environment, init = service.starts(200_000, random)
    assert (environment + init).mean() == pytest.approx(service.mean_start, rel=0.01)
