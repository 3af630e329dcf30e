"""The numbers from outside are all there, each with its source."""

from __future__ import annotations

from dataclasses import fields

import pytest

from glimpse_scaling import facts


@pytest.mark.parametrize("name", sorted(facts.quota_facts() | facts.price_facts()))
def test_every_quota_and_price_names_a_document_and_when_it_was_read(name: str) -> None:
    found = facts.quota_facts().get(name) or facts.price_facts()[name]
    assert found.url.startswith("https://")
    assert found.title
    assert found.read.year >= 2026


@pytest.mark.parametrize("name", sorted(facts.measurement_facts()))
def test_every_measurement_says_who_says_so(name: str) -> None:
    assert facts.measurement_facts()[name].source


def test_nothing_is_listed_that_no_code_knows_and_nothing_is_missing() -> None:
    assert set(facts.quota_facts()) == {field.name for field in fields(facts.Quotas)}
    assert set(facts.price_facts()) == {field.name for field in fields(facts.Prices)}
    assert set(facts.measurement_facts()) == {field.name for field in fields(facts.Measurements)}


def test_measurements_are_ordered_as_time_is() -> None:
    measured = facts.measurements()
    assert measured.infer_two_processors_ms < measured.infer_one_processor_ms
    assert measured.infer_one_processor_ms < 2 * measured.infer_two_processors_ms
