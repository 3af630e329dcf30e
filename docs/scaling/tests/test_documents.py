"""What the documents show is what the command makes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from glimpse_scaling import backfill_tables, document, plots, tables
from glimpse_scaling.__main__ import DOCS, DOCUMENTS, filled
from glimpse_scaling.scenarios import Scenarios

MOST_BYTES = 150_000
NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_of_the_documents_are_fresh(name: str, runs: Scenarios) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert filled(text, runs) == text, "run `make scaling`"


def test_every_table_is_shown_somewhere() -> None:
    shown = [
        table for name in DOCUMENTS for table in document.names((DOCS / name).read_text("utf-8"))
    ]
    assert sorted(shown) == sorted(tables.TABLES | backfill_tables.TABLES)


def test_the_plots_are_fresh_and_small(runs: Scenarios, tmp_path: Path) -> None:
    plots.draw(runs, tmp_path)
    for name in plots.PLOTS:
        committed = (DOCS / "images" / f"{name}.svg").read_text(encoding="utf-8")
        drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert len(committed.encode()) < MOST_BYTES
        # Another processor may round the last digit of a coordinate differently.
        assert NUMBER.sub("", drawn) == NUMBER.sub("", committed), "run `make scaling`"
        np.testing.assert_allclose(_numbers(drawn), _numbers(committed), atol=0.5)


def test_every_plot_is_shown() -> None:
    text = (DOCS / "scaling.md").read_text(encoding="utf-8")
    assert all(f"(images/{name}.svg)" in text for name in plots.PLOTS)


def test_a_table_that_there_is_not_is_refused() -> None:
    text = "<!-- table: nothing -->\n<!-- end -->"
    with pytest.raises(document.UnknownTableError, match="there is no table nothing"):
        document.fill(text, {"steady": ""})


def _numbers(svg: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(svg)]
