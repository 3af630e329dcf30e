"""The document shows every table and plot, and any state of the results can be shown."""

from __future__ import annotations

from pathlib import Path

from glimpse_scaling import document as markers
from glimpse_scaling.text import dollars

from glimpse_peers import (
    bench_tables,
    cells,
    classes,
    cost,
    document,
    places,
    plots,
    results,
    statistics,
    tables,
)
from tests.samples import results as sample

TEXT = (places.DOCS / document.NAME).read_text(encoding="utf-8")


def test_every_table_and_plot_is_shown_once() -> None:
    assert sorted(markers.names(TEXT)) == sorted(tables.TABLES)
    assert all(TEXT.count(f"(images/{name}.svg)") == 1 for name in plots.PLOTS)


def test_a_run_fills_every_table(tmp_path: Path) -> None:
    (tmp_path / document.NAME).write_text(TEXT, encoding="utf-8")
    document.write(sample(), tmp_path)
    filled = (tmp_path / document.NAME).read_text(encoding="utf-8")
    assert f"\n{cells.NOT_MEASURED}\n" not in filled
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
        names = document.write(sample(), folder)
        written.append([(folder / name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    empty = document.filled(TEXT, {})
    measured = {"about", "cold", "quotas", "throughput"}
    for name in measured:
        assert f"<!-- table: {name} -->\nnot measured\n" in empty
    plots.draw({}, tmp_path)
    assert "not measured" in (tmp_path / "performance-cold.svg").read_text(encoding="utf-8")


def test_what_other_commands_measured_lies_beside_the_results(tmp_path: Path) -> None:
    written = sample()
    beside = {name: written.pop(name) for name in results.BESIDE}
    results.save(tmp_path / "results.json", written)
    assert results.whole(tmp_path / "results.json") == written
    for name, part in beside.items():
        results.save(tmp_path / f"{name}.json", part)
    assert results.whole(tmp_path / "results.json") == sample()


def test_the_builds_are_shown_by_clients() -> None:
    rows = bench_tables.edge(sample()).splitlines()
    assert rows[3].startswith("| Glimpse, server | 16 | 90.0 (90.0 to 90.0) |")
    assert rows[3].endswith("| 1.20 | 0.80 | 0.48 | 0.90 |")


def test_what_there_is_to_reach_is_the_most_that_was_found() -> None:
    shown = bench_tables.reached(sample())
    assert "| the service's run | 333 | 72% |" in shown
    assert "| the processor, AVX-512 VNNI without memory | 466 | 100% |" in shown


def test_labels_are_compared_over_all_pictures_and_over_the_clear_ones() -> None:
    rows = bench_tables.labels(sample()).splitlines()
    about = "a processor, AVX-512 VNNI |"
    assert rows[2:] == [
        f"| `default` | all | 3 of 4 | 75.0% | **missed** | 0.12 | 0.25 | 25% | {about}",
        f"| `default` | score 0.5 or more | 2 of 2 | 100.0% | met | 0.12 | – | – | {about}",
    ]


def test_one_sample_has_no_quartiles() -> None:
    assert cells.spread_cell([12.0]) == "12.0"
    assert cells.spread_cell([12.0, 14.0]) == "13.0 (12.5 to 13.5)"
    assert cells.ratio_cells(statistics.spread([1.5]), 2) == ("1.50", cells.ABSENT)


def test_a_million_pictures_cost_what_the_median_rate_gives() -> None:
    run = sample()
    loads = [{"rate": rate, "times_ms": [16.0], "errors": 0} for rate in (10.0, 20.0, 90.0)]
    shown = tables.throughput(run | {"throughput": {"serve": {"1": loads}}})
    assert shown.endswith(f"| {dollars(cost.on_machine(20.0))} |")


def test_a_run_without_control_groups_says_why() -> None:
    shown = tables.quotas({"quotas": {"absent": "no control group can be made"}})
    assert shown == "not measured: no control group can be made"


def test_the_goals_of_another_class_of_processors_stay() -> None:
    run = sample()
    amx = run | {"machine": run["machine"] | {"processor": "another", "processor_class": "AMX"}}
    kept = classes.with_run(classes.with_run({}, run), amx | {"throughput": {}})
    head, _, *rows = classes.by_class({classes.PART: kept}).splitlines()
    assert head.startswith("| ratio | AMX: another, ")
    assert "| AVX-512 VNNI: a processor, " in head
    [clients] = [row for row in rows if row.startswith("| 16 clients, Glimpse's server: p99 / p50")]
    assert clients.split(" | ")[1] == cells.NOT_MEASURED
    assert "goal ≤ 2.00" in clients
    assert len({row.partition(" | ")[0] for row in rows}) == len(rows)
    noted = classes.with_run(kept, run | {"provider": "through a library of the tests"})
    last = classes.by_class({classes.PART: noted}).splitlines()[-1]
    assert last.endswith("| as the package has it | through a library of the tests |")
    again = classes.with_run(kept, amx)
    assert again["AVX-512 VNNI"] == kept["AVX-512 VNNI"]
    assert again["AMX"] != kept["AMX"]
    assert "AMX" not in tables.about(run | {classes.PART: again})
