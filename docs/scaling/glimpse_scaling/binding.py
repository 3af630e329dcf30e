"""Which quota binds first: the pictures a second that each lets through at most."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_scaling.facts import Quotas
from glimpse_scaling.service import Service


@dataclass(frozen=True)
class Bound:
    """A quota, as pictures a second."""

    quota: str
    rate: float


def over_http(quotas: Quotas, service: Service, stage_rate: float) -> list[Bound]:
    """Bounds of the HTTP API, the tightest first. `stage_rate` is ThrottlingRateLimit."""
    bounds = [
        Bound("`ThrottlingRateLimit` of the template, as it is set", stage_rate),
        Bound("API Gateway, requests a second of the account", quotas.api_rate),
        Bound(
            "Lambda, ten requests a second for each unit of concurrency",
            quotas.lambda_requests_per_concurrency * quotas.lambda_concurrency,
        ),
        Bound("Lambda, concurrency", quotas.lambda_concurrency / service.mean),
        Bound(
            "Lambda, concurrency while every environment is new",
            quotas.lambda_concurrency / (service.mean_start + service.mean),
        ),
    ]
    return sorted(bounds, key=lambda bound: bound.rate)


def by_upload(
    quotas: Quotas, service: Service, batch: int, maximum_concurrency: float
) -> list[Bound]:
    """Bounds of uploads, the tightest first."""
    busy = service.batch_mean(batch) / batch
    batches = f"batches of {batch}"
    bounds = [
        Bound(
            f"`EventsMaximumConcurrency` {maximum_concurrency:.0f}, {batches}",
            maximum_concurrency / busy,
        ),
        Bound("S3, PUT of results under one prefix", quotas.s3_puts),
        Bound("S3, PUT of pictures under one prefix", quotas.s3_puts),
        Bound("S3, GET of pictures under one prefix", quotas.s3_gets),
        Bound(f"SQS event source, {batches}", quotas.queue_most / busy),
        Bound(f"Lambda, concurrency, {batches}", quotas.lambda_concurrency / busy),
    ]
    return sorted(bounds, key=lambda bound: bound.rate)


def starts_a_second(quotas: Quotas, service: Service) -> float:
    """Cold starts a second at which the bundle's prefix in S3 is read at its quota."""
    return quotas.s3_gets / service.measured.bundle_gets
