"""The tables of docs/scaling.md, by the names that its markers have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glimpse_scaling import bill, binding, facts, machines, snapshot, theory
from glimpse_scaling.bill import ARCHITECTURES, Rates
from glimpse_scaling.scenarios import (
    BATCH,
    MAXIMUM_CONCURRENCY,
    MEMORY_MB,
    STAGE_RATE,
    Scenarios,
)
from glimpse_scaling.service import Service
from glimpse_scaling.text import count, dollars, ms, number, percent, table

SECONDS_A_DAY = 86_400
MEMORIES = (885, 1_769, 2_654, 3_538)
SLOWDOWNS = (1.0, 1.5, 2.0, 3.0)


def steady(runs: Scenarios) -> str:
    """Rate by rate over HTTP."""
    rates = Rates(runs.prices, "x86_64")
    rows = []
    for run in [*runs.steady, runs.raised]:
        settled = run.settled
        half = np.linspace(run.seconds / 2, run.seconds, 1_001)
        million = bill.over_http(rates, MEMORY_MB, runs.service, settled.cold_share).total
        rows.append(
            [
                run.name,
                count(run.all.pictures),
                number(run.all.answered(run.seconds / 2, run.seconds)),
                number(float(settled.in_flight(half).mean())),
                count(run.all.peak),
                percent(run.all.cold_share),
                ms(settled.percentile(50)),
                ms(settled.percentile(99)),
                percent(run.all.refusals / (run.all.refusals + run.all.invocations)),
                percent(run.all.given_up),
                dollars(machines.month_by_use(run.rate, million)),
            ]
        )
    head = [
        "pictures a second",
        "played",
        "answered a second",
        "in flight, mean",
        "in flight, most",
    ]
    head += ["cold starts", "p50", "p99", "attempts refused", "given up", "a month"]
    return table(head, rows)


def sparse(runs: Scenarios) -> str:
    """Traffic that lets environments go cold."""
    rates = Rates(runs.prices, "x86_64")
    rows = []
    for day in (10, 100, 1_000, 10_000):
        cold = theory.sparse_cold_share(day / SECONDS_A_DAY, runs.measured.keep_warm_s)
        million = bill.over_http(rates, MEMORY_MB, runs.service, cold).total
        month = machines.month_by_use(day / SECONDS_A_DAY, million)
        rows.append(
            [count(day), percent(cold), f"${month:.4f}" if month < 0.01 else dollars(month)]
        )
    return table(["pictures a day", "cold starts", "a month"], rows)


def steps(runs: Scenarios) -> str:
    """A step from nothing."""
    rows = []
    for name, run in runs.steps.items():
        first = run.arrived < 2
        late = run.ended[first] - run.arrived[first]
        rows.append(
            [
                name,
                count(run.starts),
                count(run.refusals),
                ms(float(np.nanpercentile(late, 99))),
                ms(run.after(5).percentile(99)),
                percent(run.given_up),
            ]
        )
    head = ["step to", "environments", "attempts refused", "p99 of the first 2 s"]
    return table([*head, "p99 after 5 s", "given up"], rows)


def bursts(runs: Scenarios) -> str:
    """Uploads at 1,000 a second for a minute."""
    rows = []
    for name, run in runs.bursts.items():
        at = np.linspace(0, float(np.nanmax(run.ended)), 2_001)
        rows.append(
            [
                name,
                number(run.pictures / run.invocations),
                count(run.starts),
                count(float(run.waiting(at).max())),
                ms(run.percentile(50)),
                ms(run.percentile(99)),
                ms(float(np.nanmax(run.ended))),
            ]
        )
    head = ["reading the queue", "pictures a batch", "environments", "most waiting", "p50", "p99"]
    return table([*head, "all done after"], rows)


def bounds_http(runs: Scenarios) -> str:
    """What binds over HTTP."""
    bounds = binding.over_http(runs.quotas, runs.service, STAGE_RATE)
    rows = [[bound.quota, number(bound.rate)] for bound in bounds]
    return table(["quota", "pictures a second"], rows)


def bounds_upload(runs: Scenarios) -> str:
    """What binds for uploads."""
    bounds = binding.by_upload(runs.quotas, runs.service, BATCH, MAXIMUM_CONCURRENCY)
    rows = [[bound.quota, number(bound.rate)] for bound in bounds]
    return table(["quota", "pictures a second"], rows)


def memory(runs: Scenarios) -> str:
    """What memory buys."""
    rows = []
    for megabytes in MEMORIES:
        processors = megabytes / runs.quotas.lambda_mb_a_processor
        service = Service.on(min(processors, 2.0), runs.measured)
        seconds = [
            dollars(bill.compute(Rates(runs.prices, architecture), megabytes, service.mean))
            for architecture in ARCHITECTURES
        ]
        rows.append(
            [
                count(megabytes),
                f"{processors:.1f}",
                ms(service.mean),
                ms(service.mean_start),
                *seconds,
            ]
        )
    head = ["`MemorySize`", "processors", "a picture, mean", "a cold start, mean"]
    return table([*head, "a million, x86_64", "a million, arm64"], rows)


def snapstart(runs: Scenarios) -> str:
    """What SnapStart costs beside the starts that it replaces."""
    rates = Rates(runs.prices, "x86_64")
    rows = []
    for megabytes in MEMORIES:
        one = snapshot.charges(rates, megabytes)
        processors = megabytes / runs.quotas.lambda_mb_a_processor
        service = Service.on(min(processors, 2.0), runs.measured)
        rows.append(
            [
                count(megabytes),
                dollars(one.version_month),
                dollars(one.restores_million),
                ms(service.start),
                dollars(bill.compute(rates, megabytes, service.start)),
                f"{number(one.break_even_s)} s",
            ]
        )
    head = ["`MemorySize`", "a version, a month", "a million restores", "a start, billed"]
    return table([*head, "a million starts", "break-even start"], rows)


def parts(runs: Scenarios) -> str:
    """The bill of a million pictures."""
    rows = []
    for name, make in _paths(runs).items():
        for architecture in ARCHITECTURES:
            one = make(Rates(runs.prices, architecture))
            amounts = [one.compute, one.invocations, one.api, one.queue, one.storage, one.logs]
            rows.append([name, architecture, *map(dollars, amounts), f"**{dollars(one.total)}**"])
    head = ["a million pictures", "processor", "compute", "requests", "HTTP API", "SQS"]
    return table([*head, "S3 requests", "logs", "in all"], rows)


def against_machines(runs: Scenarios) -> str:
    """Machines that run all month."""
    rows = []
    for architecture in ARCHITECTURES:
        rates = Rates(runs.prices, architecture)
        million = bill.over_http(rates, MEMORY_MB, runs.service).total
        two = Service.on(2.0, runs.measured)
        choices = {
            "Flask + Keras": machines.keras(rates, runs.measured),
            "Glimpse's own server": machines.own_server(rates, two),
        }
        for name, machine in choices.items():
            full = machine.hour / (machine.capacity * machines.SECONDS_AN_HOUR) * bill.MILLION
            even = machine.break_even(million)
            rows.append(
                [
                    name,
                    architecture,
                    number(machine.capacity),
                    dollars(machine.month(0)),
                    dollars(full),
                    "never" if even is None else f"{number(even)} a second",
                ]
            )
    head = ["always on", "processor", "pictures a second, one machine", "a month, idle"]
    return table([*head, "a million, fully loaded", "cheaper than the HTTP API from"], rows)


def months(runs: Scenarios) -> str:
    """Dollars a month by rate."""
    rates = Rates(runs.prices, "x86_64")
    million = bill.over_http(rates, MEMORY_MB, runs.service).total
    keras = machines.keras(rates, runs.measured)
    own = machines.own_server(rates, Service.on(2.0, runs.measured))
    rows = [
        [
            number(rate),
            dollars(machines.month_by_use(rate, million)),
            f"{dollars(keras.month(rate))} ({count(keras.needed(rate))})",
            f"{dollars(own.month(rate))} ({count(own.needed(rate))})",
        ]
        for rate in (0.01, 0.1, 1, 10, 100, 1_000, 10_000)
    ]
    head = ["pictures a second", "Glimpse on Lambda", "Flask + Keras (machines)"]
    return table([*head, "Glimpse's own server (machines)"], rows)


def sensitivity(runs: Scenarios) -> str:
    """What a slower processor changes."""
    rates = Rates(runs.prices, "x86_64")
    rows = []
    for slowdown in SLOWDOWNS:
        service = Service.on(1.0, runs.measured, slowdown)
        concurrency = runs.quotas.lambda_concurrency / service.mean
        million = bill.over_http(rates, MEMORY_MB, service).total
        rows.append(
            [
                f"{slowdown:g}",
                ms(service.mean),
                number(10_000 * service.mean),
                number(concurrency),
                dollars(million),
            ]
        )
    head = ["slower by", "a picture, mean", "in flight at 10,000 a second"]
    return table([*head, "concurrency 1,000 is enough for", "a million over HTTP"], rows)


def quotas(_: Scenarios) -> str:
    """Every quota with its source."""
    rows = [
        [fact.meaning, count(fact.value), fact.ask, f"[{fact.title}]({fact.url})", str(fact.read)]
        for fact in facts.quota_facts().values()
    ]
    return table(["quota", "default", "to get more", "document", "read"], rows)


def prices(_: Scenarios) -> str:
    """Every price with its source."""
    rows = [
        [fact.meaning, f"${fact.value:.10g}", f"[{fact.title}]({fact.url})", str(fact.read)]
        for fact in facts.price_facts().values()
    ]
    rows = [[row[0], _plain(row[1]), *row[2:]] for row in rows]
    return table(["price", "dollars", "document", "read"], rows)


def measurements(_: Scenarios) -> str:
    """Every measurement and assumption with its source."""
    rows = [
        [fact.meaning, f"{fact.value:g}", fact.source]
        for fact in facts.measurement_facts().values()
    ]
    return table(["what", "value", "from"], rows)


def _plain(price: str) -> str:
    return f"${float(price[1:]):.10f}".rstrip("0") if "e" in price else price


def _paths(runs: Scenarios) -> dict[str, Callable[[Rates], bill.Bill]]:
    def over_http(rates: Rates) -> bill.Bill:
        return bill.over_http(rates, MEMORY_MB, runs.service)

    def one_by_one(rates: Rates) -> bill.Bill:
        return bill.by_upload(rates, MEMORY_MB, runs.service, batch=1)

    def in_batches(rates: Rates) -> bill.Bill:
        return bill.by_upload(rates, MEMORY_MB, runs.service, batch=BATCH)

    return {
        "HTTP API": over_http,
        "uploads, one a batch": one_by_one,
        f"uploads, {BATCH} a batch": in_batches,
    }


TABLES: dict[str, Callable[[Scenarios], str]] = {
    "steady": steady,
    "sparse": sparse,
    "steps": steps,
    "bursts": bursts,
    "bounds-http": bounds_http,
    "bounds-upload": bounds_upload,
    "memory": memory,
    "snapstart": snapstart,
    "parts": parts,
    "against-machines": against_machines,
    "months": months,
    "sensitivity": sensitivity,
    "quotas": quotas,
    "prices": prices,
    "measurements": measurements,
}
