"""The synchronous path agrees with theory where theory holds, and keeps its limits where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator

from glimpse_scaling import direct, theory
from glimpse_scaling.arrivals import Phase, poisson
from glimpse_scaling.direct import Door, Retries
from glimpse_scaling.environments import Limits
from glimpse_scaling.facts import Measurements, Quotas
from glimpse_scaling.outcome import Outcome
from glimpse_scaling.service import Service
from tests import ideal

GIVE_UP = Retries(most=0)


def test_without_limits_the_concurrency_is_that_of_m_g_infinity(
    measured: Measurements, random: Generator
) -> None:
    service = Service.on(1.0, measured)
    rate, seconds = 500, 120
    arrivals = poisson([Phase(rate, seconds)], random)
    run = direct.simulate(arrivals, service, ideal.limits(), ideal.open_door(), random)
    at = np.linspace(seconds / 2, seconds - 1, 5_001)
    in_flight = run.in_flight(at)
    assert in_flight.mean() == pytest.approx(rate * service.mean, rel=0.03)
    # Poisson: the variance is the mean, whatever the service times are.
    assert in_flight.var() == pytest.approx(rate * service.mean, rel=0.15)


def test_littles_law_holds_to_the_last_request(measured: Measurements, random: Generator) -> None:
    service = Service.on(0.5, measured)
    arrivals = poisson([Phase(50, 60)], random)
    run = direct.simulate(arrivals, service, ideal.limits(), ideal.open_door(), random)
    span = float(run.ended.max())
    at = (np.arange(200_000) + 0.5) * span / 200_000
    rate = run.pictures / span
    assert run.in_flight(at).mean() == pytest.approx(rate * run.latency.mean(), rel=1e-3)


@pytest.mark.parametrize("servers", [3, 10])
def test_a_concurrency_limit_refuses_as_erlang_b_says(
    servers: int, measured: Measurements, random: Generator
) -> None:
    service = ideal.Exponential.of(0.1, measured)
    rate = 10 * servers * 0.9
    arrivals = poisson([Phase(rate, 60_000 / rate)], random)
    run = direct.simulate(
        arrivals, service, ideal.limits(servers), ideal.open_door(), random, GIVE_UP
    )
    assert run.given_up == pytest.approx(theory.erlang_b(servers, rate * 0.1), rel=0.05)
    assert run.peak == servers


def test_rare_requests_are_cold_as_often_as_the_closed_form_says(
    measured: Measurements, random: Generator
) -> None:
    keep_warm, rate = 300.0, 1 / 400
    service = Service.on(1.0, measured)
    limits = replace(ideal.limits(), keep_warm=keep_warm)
    arrivals = poisson([Phase(rate, 20_000 / rate)], random)
    run = direct.simulate(arrivals, service, limits, ideal.open_door(), random)
    assert run.cold_share == pytest.approx(theory.sparse_cold_share(rate, keep_warm), rel=0.03)


def test_environments_appear_no_faster_than_lambda_makes_them(
    measured: Measurements, quota: Quotas, random: Generator
) -> None:
    slow = replace(Service.on(1.0, measured), environment=30.0)
    limits = Limits.of(quota, keep_warm=300, concurrency=ideal.NO_LIMIT)
    arrivals = poisson([Phase(2_000, 10)], random)
    run = direct.simulate(arrivals, slow, limits, ideal.open_door(), random, GIVE_UP)
    for seconds in (0.5, 1, 5, 9.9):
        started = int(np.count_nonzero(run.cold & (run.begun <= seconds)))
        most = quota.lambda_scaling_burst + 100 * seconds
        assert started <= most
        assert started > 0.95 * min(most, 2_000 * seconds)


def test_the_stages_throttle_lets_its_rate_through_and_no_more(
    measured: Measurements, random: Generator
) -> None:
    arrivals = poisson([Phase(200, 60)], random)
    door = Door(api_rate=50, api_burst=100, requests=ideal.NO_LIMIT)
    service = Service.on(1.0, measured)
    run = direct.simulate(arrivals, service, ideal.limits(), door, random, GIVE_UP)
    assert run.invocations == pytest.approx(50 * 60 + 100, abs=2)


def test_a_refused_client_that_tries_again_is_served_and_waits_for_it(
    measured: Measurements, random: Generator
) -> None:
    arrivals = poisson([Phase(500, 1), Phase(0, 30)], random)
    door = Door(api_rate=100, api_burst=100, requests=ideal.NO_LIMIT)
    service = Service.on(1.0, measured)
    arguments = (arrivals, service, ideal.limits(), door)
    patient = direct.simulate(*arguments, random, Retries(most=8, cap=8))
    impatient = direct.simulate(*arguments, random, GIVE_UP)
    assert patient.given_up == 0
    assert patient.refusals > impatient.refusals
    assert impatient.given_up > 0.5
    assert patient.percentile(99) > 1


def test_every_second_that_is_billed_is_init_or_work(
    measured: Measurements, random: Generator
) -> None:
    still = replace(measured, spread=0.0, start_spread=0.0, large_share=0.0)
    service = Service.on(1.0, still)
    arrivals = np.array([0.0, 0.01, 5.0])
    run = direct.simulate(arrivals, service, ideal.limits(), ideal.open_door(), random)
    assert run.starts == 2
    assert run.cold.tolist() == [True, True, False]
    assert run.billed == pytest.approx(3 * service.small + 2 * service.start)
    first = service.environment + service.start + service.small
    assert run.ended.tolist() == pytest.approx([first, 0.01 + first, 5 + service.small])


def test_the_same_seed_gives_the_same_run(measured: Measurements, quota: Quotas) -> None:
    def play() -> Outcome:
        random = np.random.default_rng(3)
        arrivals = poisson([Phase(300, 5)], random)
        limits = Limits.of(quota, measured.keep_warm_s)
        service = Service.on(1.0, measured)
        return direct.simulate(arrivals, service, limits, Door.of(quota), random)

    assert np.array_equal(play().ended, play().ended)
