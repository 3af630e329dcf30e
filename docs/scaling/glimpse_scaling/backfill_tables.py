"""The tables of docs/backfill.md."""

from __future__ import annotations

from collections.abc import Callable

from glimpse_scaling import backfill
from glimpse_scaling.bill import ARCHITECTURES, Rates
from glimpse_scaling.scenarios import MEMORY_MB, Scenarios
from glimpse_scaling.text import count, dollars, number, table

PICTURES = (1e6, 100e6)
CONCURRENCIES = (50, 200, 480)


def cost(runs: Scenarios) -> str:
    """The bill of one job, part by part."""
    columns = [
        backfill.cost(Rates(runs.prices, architecture), MEMORY_MB, runs.service, pictures)
        for pictures in PICTURES
        for architecture in ARCHITECTURES
    ]
    parts: dict[str, Callable[[backfill.Backfill], float]] = {
        "S3 Batch Operations, the job": lambda job: job.job,
        "S3 Batch Operations, objects": lambda job: job.objects,
        "S3 Inventory, the manifest": lambda job: job.manifest,
        "Lambda, compute": lambda job: job.compute,
        "Lambda, requests": lambda job: job.invocations,
        "S3, GET of pictures and of results": lambda job: job.gets,
        "S3, PUT of results": lambda job: job.puts,
        "CloudWatch Logs": lambda job: job.logs,
        "**in all**": lambda job: job.total,
    }
    head = [
        f"{count(pictures / 1e6)} million, {architecture}"
        for pictures in PICTURES
        for architecture in ARCHITECTURES
    ]
    rows = [[name, *(dollars(part(column)) for column in columns)] for name, part in parts.items()]
    return table(["part", *head], rows)


def duration(runs: Scenarios) -> str:
    """Hours by concurrency."""
    rows = [
        [
            count(concurrency),
            number(concurrency / runs.service.task_mean),
            *(f"{number(backfill.hours(runs.service, n, concurrency))} h" for n in PICTURES),
        ]
        for concurrency in CONCURRENCIES
    ]
    head = [f"{count(pictures / 1e6)} million pictures" for pictures in PICTURES]
    return table(["invocations at once", "pictures a second", *head], rows)


TABLES: dict[str, Callable[[Scenarios], str]] = {
    "backfill-cost": cost,
    "backfill-duration": duration,
}
