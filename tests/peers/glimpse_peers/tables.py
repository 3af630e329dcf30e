"""The tables of docs/performance.md, by the names that its markers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import chain

from glimpse_scaling import facts
from glimpse_scaling.text import dollars, table

from glimpse_peers import bench_tables, classes, cost, goals, machine, peers
from glimpse_peers.cells import (
    ABSENT,
    NOT_MEASURED,
    Table,
    ms_cell,
    of,
    ratio_cell,
    ratio_cells,
    spread_cell,
)
from glimpse_peers.pictures import CLOSE, HEIC, KINDS, LARGE, SMALL, UNSURE
from glimpse_peers.results import BESIDE, Results
from glimpse_peers.statistics import percentile, spread

PLACES = {"folder": "in a folder", "s3": "in S3", "s3-slow": "in S3, 20 ms and 70 MB/s away"}
MB = 1e6


def about(results: Results) -> str:
    """The machine and when each part was measured."""
    found = results.get("machine")
    if not found:
        return NOT_MEASURED
    rows = [
        ["processor", f"{found['processor']}, class **{found['processor_class']}**"],
        ["cores, memory", f"{found['cores']}, {found['memory_gb']:g} GB"],
        ["system", found["system"]],
        ["load before the run", f"{found['load']:g}"],
    ]
    rows += [
        [
            f"`make bench-peers`, {part}",
            f"rounds {rounds}, measured {results['measured'][part]} (UTC)",
        ]
        for part, rounds in results["rounds"].items()
        if rounds
    ]
    measured = {found["processor_class"], *results.get(classes.PART, {})}
    others = [name for name, _ in machine.CLASSES if name not in measured]
    rows.append(["classes of processors that no run measured", ", ".join(others)])
    rows += [
        [f"`make bench-{name}` measured (UTC)", _when(results[name]["measured"])]
        for name in BESIDE
        if name in results
    ]
    if build := results.get("edge", {}).get("baseline"):
        rows.append(["the build before", build])
    if note := results.get("provider"):
        rows.append(["OpenVINO as a provider", note])
    rows += [[f"not measured: {_names()[key]}", why] for key, why in results["absent"].items()]
    return table(["what", "this run"], rows)


def met(results: Results) -> str:
    """Goals with what was measured."""
    rows = []
    for goal in goals.goals(results):
        found, quartiles = ratio_cells(goal.found, goal.digits)
        found = NOT_MEASURED if goal.found is None else found
        rows.append([goal.name, goal.wanted, found, quartiles, goal.verdict])
    return table(["ratio", "goal", "median", "quartiles", ""], rows)


@of("starts", "cold")
def cold(measured: Results) -> str:
    """Cold starts by peer and place of the model."""
    rows = []
    for key, name in _present(chain.from_iterable(measured.values())):
        cells = [spread_cell(measured.get(place, {}).get(key, [])) for place in PLACES]
        for place in ("folder", "s3"):
            of_place = measured.get(place, {})
            cells.append(ratio_cell(of_place.get(key, []), of_place.get(peers.BASELINE, [])))
        rows.append([name, *cells])
    head = ["ms, median (quartiles)", *PLACES.values()]
    return table([*head, "folder, Python handler = 1", "S3, the same"], rows)


@of("starts")
def far(measured: Results) -> str:
    """Where a function's start goes with its model in the slowed S3."""
    place = "s3-slow"
    names = {
        "transfer": "the graph alone from the slowed S3: round trip and bytes",
        "session": "create the session",
        "first_run": "first run",
    }
    starts, floors = measured["cold"].get(place, {}), measured["floor"].get(place, {})
    of_model = {"resnet50": "function", "imagenet-lite": "function-imagenet-lite"}
    models = [model for model in of_model if model in floors]
    rows = [
        [name, *(spread_cell(floors[model].get(stage, [])) for model in models)]
        for stage, name in names.items()
    ]
    emulator = measured["cold"].get("folder", {}).get("empty", [])
    rows.append(["the emulator and an empty process", *[spread_cell(emulator)] * len(models)])
    whole = [starts.get(of_model[model], []) for model in models]
    rows.append(["a function's start", *map(spread_cell, whole)])
    return table(["ms, median (quartiles)", *models], rows)


@of("starts", "floor", "folder")
def floor(measured: Results) -> str:
    """What no cold start avoids, by stage."""
    names = {
        "open": "open the library",
        "session": "create the session",
        "first_run": "first run",
        "total": "in all",
    }
    rows = [
        [name, *(spread_cell(of_model[stage]) for of_model in measured.values())]
        for stage, name in names.items()
    ]
    bare = [list(chain.from_iterable(of_model["runs"])) for of_model in measured.values()]
    rows.append(["a run after the first", *map(spread_cell, bare)])
    return table(["ms, median (quartiles)", *measured], rows)


def _warm(measured: Results, kind: str) -> str:
    base, against = (
        ("handler-draft", "handler with `draft`") if kind == LARGE else ("handler", "handler")
    )
    base_rounds = _medians(measured, base, kind)
    rows = []
    for key, name in _present(measured):
        rounds = measured[key].get(kind)
        if not rounds:
            continue
        times = list(chain.from_iterable(rounds))
        cells = [spread_cell(times), *(ms_cell(percentile(times, percent)) for percent in (95, 99))]
        rows.append(
            [name, *cells, str(len(times)), ratio_cell(_medians(measured, key, kind), base_rounds)]
        )
    head = ["ms", "p50 (quartiles)", "p95", "p99", "requests", f"Python {against} = 1"]
    return table(head, rows)


def stages(results: Results) -> str:
    """Where the time of a warm request goes."""
    starts = results.get("starts", {})
    if not starts.get("stages"):
        return NOT_MEASURED
    rows = []
    for key, name in _present(starts["stages"]):
        for kind in KINDS:
            of_kind = starts["stages"][key].get(kind)
            if not of_kind:
                continue
            whole = spread(list(chain.from_iterable(starts["warm"][key][kind])))
            parts = [spread(of_kind[stage]) for stage in ("decode", "preprocess", "infer")]
            if whole is None or None in parts:
                continue
            medians = [part.median for part in parts if part is not None]
            rest = whole.median - sum(medians)
            rows.append([name, kind, *(f"{value:.1f}" for value in [*medians, rest])])
    head = ["ms, medians", "picture", "decode", "preprocess", "infer"]
    return table([*head, "the rest: HTTP, JSON, base64"], rows)


@of("throughput")
def throughput(measured: Results) -> str:
    """Answers a second by clients."""
    counts = list(next(iter(measured.values())))
    rows = []
    for key, name in _present(measured):
        for clients in counts:
            rounds = measured[key][clients]
            rates = [seen["rate"] for seen in rounds]
            times = list(chain.from_iterable(seen["times_ms"] for seen in rounds))
            base = [
                seen["rate"] for seen in measured.get(peers.SERVER_BASELINE, {}).get(clients, [])
            ]
            rows.append(
                [
                    name,
                    clients,
                    spread_cell(rates),
                    ratio_cell(rates, base),
                    *(ms_cell(percentile(times, percent)) for percent in (50, 99)),
                    str(sum(seen["errors"] for seen in rounds)),
                    _million(rates),
                ]
            )
    head = ["", "clients", "answers a second (quartiles)", "OpenVINO server = 1", "p50, ms"]
    return table([*head, "p99, ms", "errors", "a million pictures"], rows)


@of("starts", "memory")
def memory(measured: Results) -> str:
    """Memory after the first answer, and at most with large pictures."""
    moments = {
        "first": "after the first answer",
        "peak": f"at most, {LARGE}",
        "peak-close": f"at most, {CLOSE}",
        "peak-heic": f"at most, {HEIC}",
    }
    rows = []
    for key, name in _present(measured):
        of_peer = measured[key]
        cells = [spread_cell([b / MB for b in of_peer.get(when, [])]) for when in moments]
        base = measured.get("handler-draft", {})
        ratios = [
            ratio_cell(of_peer.get(when, []), base.get(when, []))
            for when in ("peak", "peak-close", "peak-heic")
        ]
        rows.append([name, *cells, *ratios])
    head = ["MB (PSS), median (quartiles)", *moments.values()]
    of_draft = "Python handler with `draft` = 1"
    return table([*head, f"JPEG, {of_draft}", "close labels, the same", "HEIC, the same"], rows)


@of("sizes")
def sizes(measured: Results) -> str:
    """What is deployed."""
    rows = []
    for key, name in _present(measured):
        size = measured[key]
        zipped = f"{size['zip'] / MB:.1f}" if "zip" in size else ABSENT
        rows.append([name, f"{size['program'] / MB:.1f}", zipped, f"{size['model'] / MB:.1f}"])
    return table(["MB", "program and libraries", "as a zip", "model"], rows)


@of("growth", "picture")
def growth_picture(measured: Results) -> str:
    """A request by the megapixels of its JPEG."""
    return _growth(measured, "megapixels", lambda _: 1)


@of("growth", "batch")
def growth_batch(measured: Results) -> str:
    """A picture's share of a request by the batch."""
    return _growth(measured, "pictures in a request", float)


def growth_bundle(results: Results) -> str:
    """A cold start by the bundle."""
    measured = results.get("growth", {}).get("bundle")
    if not measured:
        return NOT_MEASURED
    sizes = results["growth"]["bundle_bytes"]
    rows = [
        [
            name,
            f"{sizes[name] / MB:.1f}",
            *(spread_cell(measured[place][name]) for place in measured),
        ]
        for name in sizes
        if all(name in measured[place] for place in measured)
    ]
    head = ["bundle", "MB", *(f"cold start, {PLACES[place]}, ms" for place in measured)]
    return table(head, rows)


@of("quotas")
def quotas(measured: Results) -> str:
    """Functions by Lambda's memory size."""
    if "absent" in measured:
        return f"{NOT_MEASURED}: {measured['absent']}"
    rows = []
    for key, name in _present(measured):
        points = cost.points(measured[key])
        cheapest = min(points, key=lambda point: point.dollars)
        fastest = min(points, key=lambda point: point.small_ms)
        for point in points:
            marks = [
                word
                for word, best in (("cheapest", cheapest), ("fastest", fastest))
                if best is point
            ]
            cells = [spread_cell(point.cold_ms), f"{point.small_ms:.1f}", f"{point.large_ms:.0f}"]
            rows.append(
                [
                    name,
                    f"{point.memory_mb:,}",
                    f"{point.processors:.2f}",
                    *cells,
                    dollars(point.dollars),
                    ", ".join(marks),
                ]
            )
    head = [
        "",
        "memory, MB",
        "processors",
        "cold start, ms",
        f"{SMALL}, mean ms",
        f"{LARGE}, mean ms",
    ]
    return table([*head, "a million small pictures", ""], rows)


def prices(_: Results) -> str:
    """The prices that dollars are made of."""
    known = facts.price_facts()
    rows = [
        [
            fact.meaning,
            f"${fact.value:.10f}".rstrip("0").rstrip("."),
            f"[{fact.title}]({fact.url})",
            str(fact.read),
        ]
        for fact in (known[name] for name in cost.PRICES)
    ]
    return table(["price", "dollars", "document", "read"], rows)


TABLES: dict[str, Table] = {
    "about": about,
    "goals": met,
    "goals-by-class": classes.by_class,
    "cold": cold,
    "floor": floor,
    "far": far,
    "warm-small": of("starts", "warm")(lambda measured: _warm(measured, SMALL)),
    "warm-unsure": of("starts", "warm")(lambda measured: _warm(measured, UNSURE)),
    "warm-large": of("starts", "warm")(lambda measured: _warm(measured, LARGE)),
    "warm-close": of("starts", "warm")(lambda measured: _warm(measured, CLOSE)),
    "warm-heic": of("starts", "warm")(lambda measured: _warm(measured, HEIC)),
    "stages": stages,
    "throughput": throughput,
    "memory": memory,
    "sizes": sizes,
    "growth-picture": growth_picture,
    "growth-batch": growth_batch,
    "growth-bundle": growth_bundle,
    "quotas": quotas,
    "edge": bench_tables.edge,
    "operators": bench_tables.operators,
    "forms": bench_tables.forms,
    "reached": bench_tables.reached,
    "labels": bench_tables.labels,
    "prices": prices,
}


def _growth(measured: Results, unit: str, shared_by: Callable[[str], float]) -> str:
    present = list(_present(measured))
    steps = list(measured[present[0][0]])
    rows = []
    for size in steps:
        shares = (
            [took / shared_by(size) for took in measured[key].get(size, [])] for key, _ in present
        )
        rows.append([size, *map(spread_cell, shares)])
    return table([unit, *(f"{name}, ms (quartiles)" for _, name in present)], rows)


def _million(rates: list[float]) -> str:
    """Dollars for a million pictures at the median rate."""
    found = spread(rates)
    return dollars(cost.on_machine(found.median)) if found and found.median > 0 else ABSENT


def _medians(measured: Results, key: str, kind: str) -> list[float]:
    rounds = measured.get(key, {}).get(kind, [])
    found = [spread(block) for block in rounds]
    return [one.median for one in found if one is not None]


def _names() -> dict[str, str]:
    known = [*peers.everybody(), peers.empty()]
    lite = peers.function().with_model("imagenet-lite", "imagenet-lite")
    return {peer.key: peer.name for peer in [*known, lite]}


def _present(keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Keys with their names, in the order of the declarations."""
    found = set(keys)
    return [(key, name) for key, name in _names().items() if key in found]


def _when(measured: str | int) -> str:
    """A time as text; Rust counts seconds."""
    if isinstance(measured, str):
        return measured
    return datetime.fromtimestamp(measured, UTC).strftime("%Y-%m-%d %H:%M")
