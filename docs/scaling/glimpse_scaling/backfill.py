"""What it costs, and takes, to classify the objects that a bucket has already."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_scaling import bill
from glimpse_scaling.bill import MILLION, Rates
from glimpse_scaling.service import Service


@dataclass(frozen=True)
class Backfill:
    """Dollars for one job of S3 Batch Operations."""

    job: float
    objects: float
    manifest: float
    compute: float
    invocations: float
    gets: float
    puts: float
    logs: float

    @property
    def total(self) -> float:
        """All parts."""
        parts = (self.job, self.objects, self.manifest, self.compute, self.invocations)
        return sum(parts) + self.gets + self.puts + self.logs


def cost(rates: Rates, memory_mb: float, service: Service, pictures: float) -> Backfill:
    """One job over so many pictures: one invocation each, the manifest an S3 Inventory."""
    prices, millions = rates.prices, pictures / MILLION
    measured = service.measured
    return Backfill(
        job=prices.batch_job,
        objects=millions * prices.batch_objects,
        manifest=millions * prices.inventory,
        compute=millions * bill.compute(rates, memory_mb, service.task_mean),
        invocations=millions * prices.lambda_requests,
        gets=millions * measured.task_gets * prices.s3_gets,
        puts=millions * prices.s3_puts,
        logs=millions * bill.logs(measured.log_bytes, prices),
    )


def hours(service: Service, pictures: float, concurrency: float) -> float:
    """Hours at so many invocations at once (Little's law); Batch Operations may use fewer."""
    return pictures * service.task_mean / concurrency / 3600
