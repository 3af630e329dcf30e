"""The upload path agrees with theory where theory holds, and loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator

from glimpse_scaling import queued, theory
from glimpse_scaling.arrivals import Phase, poisson
from glimpse_scaling.environments import Limits
from glimpse_scaling.facts import Measurements, Quotas
from glimpse_scaling.outcome import count_between
from glimpse_scaling.queued import Source
from glimpse_scaling.service import Service
from tests import ideal


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (4, 0.8)])
def test_one_message_a_batch_waits_as_m_m_c_says(
    servers: int, load: float, measured: Measurements, random: Generator
) -> None:
    time = 0.1
    service = ideal.Exponential.of(time, measured)
    rate = load * servers / time
    arrivals = poisson([Phase(rate, 150_000 / rate)], random)
    source = Source(start=servers, growth=0, most=servers, batch=1)
    run = queued.simulate(arrivals, service, ideal.limits(), source, random)
    waited = run.begun - run.arrived
    assert waited.mean() == pytest.approx(theory.mean_wait(servers, rate, time), rel=0.06)
    assert (waited > 0).mean() == pytest.approx(theory.erlang_c(servers, servers * load), rel=0.04)


def test_littles_law_holds_for_the_queue(measured: Measurements, random: Generator) -> None:
    service = Service.on(1.0, measured)
    arrivals = poisson([Phase(60, 120)], random)
    source = Source(start=2, growth=0, most=2, batch=5)
    run = queued.simulate(arrivals, service, ideal.limits(), source, random)
    span = float(run.ended.max())
    at = (np.arange(200_000) + 0.5) * span / 200_000
    rate = run.pictures / span
    assert run.waiting(at).mean() == pytest.approx(rate * run.latency.mean(), rel=1e-3)


def test_a_batch_shares_its_wait_for_s3(measured: Measurements, random: Generator) -> None:
    still = replace(measured, spread=0.0, start_spread=0.0, large_share=0.0)
    service = Service.on(1.0, still)
    arrivals = np.zeros(11)
    source = Source(start=1, growth=0, most=1, batch=10)
    run = queued.simulate(arrivals, service, ideal.limits(), source, random)
    # The first message is taken alone; the ten that have come meanwhile are the second batch.
    assert run.invocations == 2
    assert run.ended[-1] - run.ended[0] == pytest.approx(service.batch_mean(10))
    assert service.batch_mean(10) < 10 * service.batch_mean(1)


def test_pollers_grow_by_300_a_minute_while_messages_are_left(
    measured: Measurements, quota: Quotas, random: Generator
) -> None:
    arrivals = poisson([Phase(3_000, 60)], random)
    service = Service.on(1.0, measured)
    limits = Limits.of(quota, measured.keep_warm_s)
    run = queued.simulate(arrivals, service, limits, Source.standard(quota, 1), random)
    for seconds in (1.0, 20.0, 50.0):
        most = quota.queue_start + quota.queue_growth_a_minute * seconds / 60
        in_flight = float(run.in_flight(np.array([seconds]))[0])
        assert 0.95 * most - 1 <= in_flight <= most


@pytest.mark.parametrize("concurrency", [2.0, 20.0])
def test_maximum_concurrency_is_kept_and_nothing_is_lost(
    concurrency: float, measured: Measurements, quota: Quotas, random: Generator
) -> None:
    arrivals = poisson([Phase(300, 10)], random)
    limits = Limits.of(quota, measured.keep_warm_s)
    source = Source.standard(quota, 10, concurrency)
    run = queued.simulate(arrivals, Service.on(1.0, measured), limits, source, random)
    batches = np.unique(np.stack((run.begun, run.ended), axis=1), axis=0)
    assert len(batches) == run.invocations
    begun, ended = batches[:, 0], batches[:, 1]
    assert count_between(begun, ended, begun).max() == concurrency
    assert run.given_up == 0
    assert run.refusals == 0


def test_provisioned_pollers_bring_ten_invocations_each(quota: Quotas) -> None:
    assert Source.provisioned(quota, 10, 2).start == 20
    assert Source.provisioned(quota, 10, 10_000).start == quota.provisioned_most
