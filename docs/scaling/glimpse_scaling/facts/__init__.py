"""Numbers from outside, each with where it comes from."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import TypeVar

Fact = TypeVar("Fact")
Values = TypeVar("Values")


@dataclass(frozen=True)
class Quota:
    """A default quota of AWS."""

    value: float
    meaning: str
    ask: str
    title: str
    url: str
    read: date


@dataclass(frozen=True)
class Price:
    """A list price of AWS, US dollars."""

    value: float
    meaning: str
    title: str
    url: str
    read: date


@dataclass(frozen=True)
class Measurement:
    """A property of Glimpse or of what it runs on."""

    value: float
    meaning: str
    source: str


@dataclass(frozen=True)
class Quotas:
    """Default quotas; `facts/quotas.toml` has units and sources."""

    lambda_concurrency: float
    lambda_requests_per_concurrency: float
    lambda_scaling_burst: float
    lambda_scaling_seconds: float
    lambda_mb_a_processor: float
    api_rate: float
    api_burst: float
    queue_start: float
    queue_growth_a_minute: float
    queue_most: float
    provisioned_growth_a_minute: float
    provisioned_most: float
    s3_puts: float
    s3_gets: float


@dataclass(frozen=True)
class Prices:
    """List prices; `facts/prices.toml` has units and sources."""

    lambda_gb_second_x86_64: float
    lambda_gb_second_arm64: float
    lambda_requests: float
    http_api: float
    s3_puts: float
    s3_gets: float
    sqs_requests: float
    logs_gb: float
    batch_job: float
    batch_objects: float
    inventory: float
    machine_hour_x86_64: float
    machine_hour_arm64: float
    snapstart_cache_gb_second: float
    snapstart_restore_gb: float


@dataclass(frozen=True)
class Measurements:
    """Service times and sizes; `facts/measurements.toml` has units and sources."""

    infer_one_processor_ms: float
    infer_two_processors_ms: float
    request_to_infer: float
    large_extra_ms: float
    large_share: float
    large_mb: float
    spread: float
    start_ms: float
    environment_ms: float
    download_mb_a_second: float
    bundle_mb: float
    bundle_gets: float
    start_spread: float
    keep_warm_s: float
    s3_get_ms: float
    s3_put_ms: float
    upload_gets: float
    task_gets: float
    log_bytes: float
    access_log_bytes: float
    keras_per_s: float
    keras_small_ms: float
    keras_large_ms: float
    machine_load: float


def quota_facts() -> dict[str, Quota]:
    """Every quota with its source."""
    return _read("quotas", Quota)


def price_facts() -> dict[str, Price]:
    """Every price with its source."""
    return _read("prices", Price)


def measurement_facts() -> dict[str, Measurement]:
    """Every measurement and assumption with its source."""
    return _read("measurements", Measurement)


def quotas() -> Quotas:
    """The quotas' values."""
    return _values(Quotas, quota_facts())


def prices() -> Prices:
    """The prices' values."""
    return _values(Prices, price_facts())


def measurements() -> Measurements:
    """The measurements' values."""
    return _values(Measurements, measurement_facts())


def _read(name: str, fact: type[Fact]) -> dict[str, Fact]:
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return {key: fact(**entry) for key, entry in tomllib.loads(text).items()}


def _values(
    values: type[Values], facts: dict[str, Quota] | dict[str, Price] | dict[str, Measurement]
) -> Values:
    return values(**{key: fact.value for key, fact in facts.items()})
