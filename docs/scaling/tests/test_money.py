"""The bills, worked out a second time by hand."""

from __future__ import annotations

import pytest

from glimpse_scaling import backfill, bill, machines, snapshot
from glimpse_scaling.bill import Rates
from glimpse_scaling.scenarios import MEMORY_MB, Scenarios
from glimpse_scaling.service import Service


def test_a_million_over_http_by_hand(runs: Scenarios) -> None:
    one = bill.over_http(Rates(runs.prices, "x86_64"), MEMORY_MB, runs.service)
    # 0.9 small pictures of 1.1 x 21.8 ms, and 0.1 that take 47 ms more.
    seconds = 1.1 * 0.0218 + 0.1 * 0.047
    assert one.compute == pytest.approx(1769 / 1024 * seconds * 16.6667)
    # A tenth of the requests is 4 MB, which counts as eight.
    assert one.api == pytest.approx(0.9 + 0.1 * 8)
    assert one.invocations == 0.20
    assert one.logs == pytest.approx(1.85 * 0.50)
    assert one.queue == one.storage == 0
    assert one.total == pytest.approx(one.compute + 1.7 + 0.2 + 0.925)


def test_cold_starts_are_billed_from_init_on(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "x86_64")
    warm = bill.over_http(rates, MEMORY_MB, runs.service)
    cold = bill.over_http(rates, MEMORY_MB, runs.service, cold_share=1.0)
    assert cold.compute - warm.compute == pytest.approx(
        bill.compute(rates, MEMORY_MB, runs.service.start)
    )
    assert cold.storage == pytest.approx(8 * 0.40)


def test_snapstart_costs_more_than_the_starts_that_it_replaces(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "x86_64")
    one = snapshot.charges(rates, 1024)
    # A GB for 730 hours, and a million of them restored.
    assert one.version_month == pytest.approx(730 * 3600 * 1.5046e-6)
    assert one.restores_million == pytest.approx(139.7998)
    assert one.break_even_s == pytest.approx(139.7998 / 16.6667)
    assert one.break_even_s > 10 * runs.service.start


def test_a_batch_pays_its_wait_and_its_requests_once(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "arm64")
    one = bill.by_upload(rates, MEMORY_MB, runs.service, batch=1)
    ten = bill.by_upload(rates, MEMORY_MB, runs.service, batch=10)
    assert one.queue == pytest.approx(3 * 0.40)
    assert ten.queue == pytest.approx(1.2 * 0.40)
    assert ten.invocations == pytest.approx(0.02)
    saved = 0.9 * (0.030 + 0.050)
    assert one.compute - ten.compute == pytest.approx(bill.compute(rates, MEMORY_MB, saved))


def test_a_back_fill_of_a_million_by_hand(runs: Scenarios) -> None:
    job = backfill.cost(Rates(runs.prices, "x86_64"), MEMORY_MB, runs.service, 1e6)
    seconds = 2 * 0.030 + 0.050 + 1.1 * 0.0218 + 0.1 * 0.047
    by_hand = {
        "job": 0.25,
        "objects": 1.00,
        "manifest": 0.0025,
        "compute": 1769 / 1024 * seconds * 16.6667,
        "invocations": 0.20,
        "gets": 0.80,
        "puts": 5.00,
        "logs": 0.75,
    }
    for part, dollars in by_hand.items():
        assert getattr(job, part) == pytest.approx(dollars)
    assert job.total == pytest.approx(sum(by_hand.values()))


def test_a_back_fill_grows_with_its_objects_but_for_the_job(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "arm64")
    one, hundred = (
        backfill.cost(rates, MEMORY_MB, runs.service, pictures) for pictures in (1e6, 100e6)
    )
    assert hundred.total - hundred.job == pytest.approx(100 * (one.total - one.job))
    assert hundred.job == one.job


def test_a_back_fill_takes_as_long_as_littles_law_says(runs: Scenarios) -> None:
    hours = backfill.hours(runs.service, 1e6, 100)
    assert hours * 3600 * 100 == pytest.approx(1e6 * runs.service.task_mean)


def test_at_the_break_even_both_ways_cost_the_same(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "x86_64")
    million = bill.over_http(rates, MEMORY_MB, runs.service).total
    own = machines.own_server(rates, Service.on(2.0, runs.measured))
    rate = own.break_even(million)
    assert rate is not None
    assert machines.month_by_use(rate, million) == pytest.approx(own.month(rate))
    assert own.needed(rate) == 1


def test_a_machine_that_costs_more_when_it_is_full_never_breaks_even(runs: Scenarios) -> None:
    rates = Rates(runs.prices, "x86_64")
    million = bill.over_http(rates, MEMORY_MB, runs.service).total
    keras = machines.keras(rates, runs.measured)
    assert keras.break_even(million) is None
    assert machines.month_by_use(keras.capacity, million) < keras.month(keras.capacity)


def test_an_idle_machine_still_costs_a_month(runs: Scenarios) -> None:
    keras = machines.keras(Rates(runs.prices, "x86_64"), runs.measured)
    assert keras.needed(0) == 1
    assert keras.needed(keras.capacity) == 1
    assert keras.needed(keras.capacity * 1.01) == 2
