"""What a million pictures cost, by part of the bill, in US dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from glimpse_scaling.facts import Measurements, Prices
from glimpse_scaling.service import Service

Architecture = Literal["x86_64", "arm64"]
ARCHITECTURES: tuple[Architecture, ...] = ("x86_64", "arm64")

MILLION = 1e6
MB_A_GB = 1024
BYTES_A_GB = 1e9
API_UNIT_MB = 0.512


@dataclass(frozen=True)
class Rates:
    """Prices of the processor that was chosen."""

    prices: Prices
    architecture: Architecture

    @property
    def gb_second(self) -> float:
        """Lambda's price of a GB-second."""
        if self.architecture == "arm64":
            return self.prices.lambda_gb_second_arm64
        return self.prices.lambda_gb_second_x86_64

    @property
    def machine_hour(self) -> float:
        """An hour of a machine with two processors."""
        if self.architecture == "arm64":
            return self.prices.machine_hour_arm64
        return self.prices.machine_hour_x86_64


@dataclass(frozen=True)
class Bill:
    """Dollars for a million pictures."""

    compute: float
    invocations: float
    api: float = 0.0
    queue: float = 0.0
    storage: float = 0.0
    """S3 requests, not bytes."""
    logs: float = 0.0

    @property
    def total(self) -> float:
        """All parts."""
        parts = (self.compute, self.invocations, self.api, self.queue, self.storage, self.logs)
        return sum(parts)


def compute(rates: Rates, memory_mb: float, seconds: float) -> float:
    """A million times so many seconds of a function."""
    return memory_mb / MB_A_GB * seconds * rates.gb_second * MILLION


def over_http(rates: Rates, memory_mb: float, service: Service, cold_share: float = 0.0) -> Bill:
    """Pictures in requests to the HTTP API."""
    measured, prices = service.measured, rates.prices
    seconds = service.mean + cold_share * service.start
    return Bill(
        compute=compute(rates, memory_mb, seconds),
        invocations=prices.lambda_requests,
        api=_metered(measured) * prices.http_api,
        storage=cold_share * measured.bundle_gets * prices.s3_gets,
        logs=logs(measured.log_bytes + measured.access_log_bytes, prices),
    )


def by_upload(
    rates: Rates, memory_mb: float, service: Service, batch: float, cold_share: float = 0.0
) -> Bill:
    """Pictures put into the bucket, `batch` of them in one invocation.

    Each is one PUT by whoever uploads, the function's GET, one PUT of a result, and one message.
    Taking and deleting a batch are one request each.
    """
    measured, prices = service.measured, rates.prices
    seconds = (service.batch_mean(batch) + cold_share * service.start) / batch
    gets = measured.upload_gets + cold_share / batch * measured.bundle_gets
    return Bill(
        compute=compute(rates, memory_mb, seconds),
        invocations=prices.lambda_requests / batch,
        queue=(1 + 2 / batch) * prices.sqs_requests,
        storage=2 * prices.s3_puts + gets * prices.s3_gets,
        logs=logs(measured.log_bytes, prices),
    )


def _metered(measured: Measurements) -> float:
    """Requests that API Gateway bills for a picture, on average."""
    share = measured.large_share
    return 1 - share + share * math.ceil(measured.large_mb / API_UNIT_MB)


def logs(bytes_each: float, prices: Prices) -> float:
    """A million times so many bytes of log."""
    return bytes_each * MILLION / BYTES_A_GB * prices.logs_gb
