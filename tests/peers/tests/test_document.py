"""The document shows every table and plot, and any state of the results can be shown."""

from __future__ import annotations

from pathlib import Path

from glimpse_scaling import document as markers

from glimpse_peers import document, places, plots, tables
from tests.samples import results

TEXT = (places.DOCS / document.NAME).read_text(encoding="utf-8")


def test_every_table_and_plot_is_shown_once() -> None:
    assert sorted(markers.names(TEXT)) == sorted(tables.TABLES)
    assert all(TEXT.count(f"(images/{name}.svg)") == 1 for name in plots.PLOTS)


def test_a_run_fills_every_table(tmp_path: Path) -> None:
    (tmp_path / document.NAME).write_text(TEXT, encoding="utf-8")
    document.write(results(), tmp_path)
    filled = (tmp_path / document.NAME).read_text(encoding="utf-8")
    assert f"\n{tables.NOT_MEASURED}\n" not in filled.replace("HEIC", "")
    assert (
        "| Glimpse, function | 110 (105 to 115) | 150 (150 to 150) | 475 (475 to 475) | 0.25 | 0.25 |"
        in filled
    )
    assert (
        "| not measured: Glimpse, server with the OpenVINO provider | the plugin is absent |"
        in filled
    )
    for name in plots.PLOTS:
        assert "not measured" not in (tmp_path / "images" / f"{name}.svg").read_text("utf-8")


def test_the_same_results_give_the_same_document(tmp_path: Path) -> None:
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        (folder / document.NAME).write_text(TEXT, encoding="utf-8")
        names = document.write(results(), folder)
        written.append([(folder / name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    empty = document.filled(TEXT, {})
    measured = {"about", "cold", "quotas", "throughput"}
    for name in measured:
        assert f"<!-- table: {name} -->\nnot measured\n" in empty
    plots.draw({}, tmp_path)
    assert "not measured" in (tmp_path / "performance-cold.svg").read_text(encoding="utf-8")


def test_a_run_without_control_groups_says_why() -> None:
    shown = tables.quotas({"quotas": {"absent": "no control group can be made"}})
    assert shown == "not measured: no control group can be made"
