"""The tables of docs/performance.md, by the names that its markers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain

from glimpse_scaling import facts
from glimpse_scaling.text import dollars, table

from glimpse_peers import cost, goals, machine, peers
from glimpse_peers.pictures import HEIC, KINDS, LARGE, SMALL
from glimpse_peers.results import BESIDE, Results
from glimpse_peers.statistics import Spread, percentile, ratio, spread

NOT_MEASURED = "not measured"
ABSENT = "–"
PLACES = {"folder": "in a folder", "s3": "in S3", "s3-slow": "in S3, 20 ms and 70 MB/s away"}
SERVERS = {
    goals.SHARED: "Glimpse, server",
    "each by itself": "the same, each picture by itself",
    goals.OTHER: "the build before",
}
MB = 1e6


def about(results: Results) -> str:
    """The machine and when each part was measured."""
    found, plan = results.get("machine"), results.get("plan")
    if not found or not plan:
        return NOT_MEASURED
    rows = [
        ["processor", f"{found['processor']}, class **{found['processor_class']}**"],
        ["cores, memory", f"{found['cores']}, {found['memory_gb']:g} GB"],
        ["system", found["system"]],
        ["load before the run", f"{found['load']:g}"],
        ["rounds", f"{plan['rounds']}{', quick' if plan['quick'] else ''}"],
        ["measured (UTC)", results.get("measured", {}).get("machine", ABSENT)],
    ]
    others = [name for name, _ in machine.CLASSES if name != found["processor_class"]]
    rows.append(["classes of processors that were not measured", ", ".join(others)])
    rows += [
        [f"`make bench-{name}` measured (UTC)", _when(results[name]["measured"])]
        for name in BESIDE
        if name in results
    ]
    if note := results.get("provider"):
        rows.append(["OpenVINO as a provider", note])
    rows += [[f"not measured: {_names()[key]}", why] for key, why in results["absent"].items()]
    return table(["what", "this run"], rows)


def met(results: Results) -> str:
    """Goals with what was measured."""
    rows = []
    for goal in goals.goals(results):
        found = NOT_MEASURED if goal.found is None else f"{goal.found.median:.2f}"
        quartiles = (
            ABSENT if goal.found is None else f"{goal.found.low:.2f} to {goal.found.high:.2f}"
        )
        rows.append([goal.name, f"{goal.sign} {goal.limit:.2f}", found, quartiles, goal.verdict])
    return table(["ratio", "goal", "median", "quartiles", ""], rows)


def cold(results: Results) -> str:
    """Cold starts by peer and place of the model."""
    measured = results.get("starts", {}).get("cold")
    if not measured:
        return NOT_MEASURED
    rows = []
    for key, name in _present(chain.from_iterable(measured.values())):
        cells = [spread_ms(measured.get(place, {}).get(key, [])) for place in PLACES]
        for place in ("folder", "s3"):
            of_place = measured.get(place, {})
            cells.append(ratio_of(of_place.get(key, []), of_place.get(peers.BASELINE, [])))
        rows.append([name, *cells])
    head = ["ms, median (quartiles)", *PLACES.values()]
    return table([*head, "folder, Python handler = 1", "S3, the same"], rows)


def floor(results: Results) -> str:
    """What no cold start avoids, by stage."""
    measured = results.get("starts", {}).get("floor", {}).get("folder")
    if not measured:
        return NOT_MEASURED
    names = {
        "open": "open the library",
        "session": "create the session",
        "first_run": "first run",
        "total": "in all",
    }
    rows = [
        [name, *(spread_ms(of_model[stage]) for of_model in measured.values())]
        for stage, name in names.items()
    ]
    bare = [list(chain.from_iterable(of_model["runs"])) for of_model in measured.values()]
    rows.append(["a run after the first", *map(spread_ms, bare)])
    return table(["ms, median (quartiles)", *measured], rows)


def _warm(results: Results, kind: str) -> str:
    measured = results.get("starts", {}).get("warm")
    if not measured:
        return NOT_MEASURED
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
        cells = [spread_ms(times), *(_ms(percentile(times, percent)) for percent in (95, 99))]
        rows.append(
            [name, *cells, str(len(times)), ratio_of(_medians(measured, key, kind), base_rounds)]
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


def throughput(results: Results) -> str:
    """Answers a second by clients."""
    measured = results.get("throughput")
    if not measured:
        return NOT_MEASURED
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
                    _spread(spread(rates)),
                    ratio_of(rates, base),
                    *(_ms(percentile(times, percent)) for percent in (50, 99)),
                    str(sum(seen["errors"] for seen in rounds)),
                    dollars(cost.on_machine(max(rates))) if rates and max(rates) > 0 else ABSENT,
                ]
            )
    head = ["", "clients", "answers a second (quartiles)", "OpenVINO server = 1", "p50, ms"]
    return table([*head, "p99, ms", "errors", "a million pictures"], rows)


def memory(results: Results) -> str:
    """Memory after the first answer, and at most with large pictures."""
    measured = results.get("starts", {}).get("memory")
    if not measured:
        return NOT_MEASURED
    moments = {
        "first": "after the first answer",
        "peak": f"at most, {LARGE}",
        "peak-heic": f"at most, {HEIC}",
    }
    rows = []
    for key, name in _present(measured):
        of_peer = measured[key]
        cells = [_spread(spread([b / MB for b in of_peer.get(when, [])])) for when in moments]
        base = measured.get("handler-draft", {})
        ratios = [
            ratio_of(of_peer.get(when, []), base.get(when, [])) for when in ("peak", "peak-heic")
        ]
        rows.append([name, *cells, *ratios])
    head = ["MB (PSS), median (quartiles)", *moments.values()]
    return table([*head, "JPEG, Python handler with `draft` = 1", "HEIC, the same"], rows)


def sizes(results: Results) -> str:
    """What is deployed."""
    measured = results.get("sizes")
    if not measured:
        return NOT_MEASURED
    rows = []
    for key, name in _present(measured):
        size = measured[key]
        zipped = f"{size['zip'] / MB:.1f}" if "zip" in size else ABSENT
        rows.append([name, f"{size['program'] / MB:.1f}", zipped, f"{size['model'] / MB:.1f}"])
    return table(["MB", "program and libraries", "as a zip", "model"], rows)


def growth_picture(results: Results) -> str:
    """A request by the megapixels of its JPEG."""
    return _growth(results, "picture", "megapixels", lambda _, value: f"{value:.1f}")


def growth_batch(results: Results) -> str:
    """A picture's share of a request by the batch."""
    return _growth(
        results, "batch", "pictures in a request", lambda size, value: f"{value / float(size):.1f}"
    )


def growth_bundle(results: Results) -> str:
    """A cold start by the bundle."""
    measured = results.get("growth", {}).get("bundle")
    if not measured:
        return NOT_MEASURED
    sizes = results["growth"]["bundle_bytes"]
    rows = [
        [name, f"{sizes[name] / MB:.1f}", *(spread_ms(measured[place][name]) for place in measured)]
        for name in sizes
        if all(name in measured[place] for place in measured)
    ]
    head = ["bundle", "MB", *(f"cold start, {PLACES[place]}, ms" for place in measured)]
    return table(head, rows)


def quotas(results: Results) -> str:
    """Functions by Lambda's memory size."""
    measured = results.get("quotas")
    if not measured:
        return NOT_MEASURED
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
            cells = [spread_ms(point.cold_ms), f"{point.small_ms:.1f}", f"{point.large_ms:.0f}"]
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


def edge(results: Results) -> str:
    """`make bench-edge`: builds and ways of running, by clients."""
    measured = results.get("edge")
    if not measured:
        return NOT_MEASURED
    servers, bare = measured["servers"], measured["bare"]
    order = sorted(bare, key=int)
    rows = []
    for name in (goals.SHARED, "each by itself", goals.OTHER):
        for clients in order if name in servers else []:
            turns = servers[name][clients]
            base = servers.get(goals.OTHER, {}).get(clients, [])
            rates = [turn["rate"] for turn in turns]
            rows.append(
                [
                    SERVERS[name],
                    clients,
                    _spread(spread(rates)),
                    *(_spread(spread([turn[what] for turn in turns])) for what in ("p50", "p99")),
                    *(
                        ratio_of([turn[what] for turn in turns], [turn[what] for turn in base])
                        for what in ("rate", "p50", "p99")
                    ),
                    ratio_of(rates, bare[clients]),
                ]
            )
    alone = spread([rate for clients in order for rate in bare[clients]])
    rows.append(["the session alone, runs of 8", ABSENT, _spread(alone), *[ABSENT] * 5, "1.00"])
    head = ["", "clients", "answers a second (quartiles)", "p50, ms", "p99, ms"]
    head += [f"{what}, build before = 1" for what in ("rate", "p50", "p99")]
    return table([*head, "rate, session alone = 1"], rows)


def operators(results: Results) -> str:
    """A run of the model by operator."""
    measured = results.get("operators")
    if not measured:
        return NOT_MEASURED
    spent = measured["operators"]
    total = sum(spent.values())
    rows = [
        [name, f"{took / 1e3:.2f}", f"{took / total:.1%}"]
        for name, took in sorted(spent.items(), key=lambda one: -one[1])
    ]
    return table(["operator", "ms of a run", "share"], rows)


def forms(results: Results) -> str:
    """A run of the model under other settings, in other forms, in another engine."""
    measured = results.get("operators")
    if not measured:
        return NOT_MEASURED
    service = measured["settings"]["as the service"]
    kinds = (
        ("setting", measured["settings"]),
        ("form of the graph", measured["graphs"]),
        ("engine", {"OpenVINO": measured["openvino"]} if measured["openvino"] else {}),
    )
    rows = []
    for kind, times in kinds:
        for name, seconds in times.items():
            found = ratio(seconds, service)
            quartiles = ABSENT if found is None else f"{found.low:.3f} to {found.high:.3f}"
            rows.append(
                [
                    kind,
                    name,
                    spread_ms([1e3 * second for second in seconds]),
                    ABSENT if found is None else f"{found.median:.3f}",
                    quartiles,
                    _difference(measured["differences"].get(name)),
                ]
            )
    head = ["", "", "ms of a run", "as the service = 1", "quartiles"]
    return table([*head, "logits differ, σ at most"], rows)


def reached(results: Results) -> str:
    """Multiplications a second, and what there is to reach."""
    measured = results.get("operators")
    if not measured:
        return NOT_MEASURED
    work = measured["multiplications"]
    engines = (
        ("the service's run", measured["settings"]["as the service"]),
        ("OpenVINO's run", measured["openvino"]),
    )
    rates = {name: work / found.median for name, seconds in engines if (found := spread(seconds))}
    rates["ONNX Runtime, products of 1024 × 1024 matrices"] = measured["library_rate"]
    if measured["processor_rate"]:
        rates[f"the processor, {measured['instruction']} without memory"] = measured[
            "processor_rate"
        ]
    best = max(rates.values())
    rows = [[name, f"{rate / 1e9:.0f}", f"{rate / best:.0%}"] for name, rate in rates.items()]
    head = [f"{work / 1e9:.2f} G multiplications a run, {measured['threads']} threads"]
    return table([*head, "G a second", "of the most"], rows)


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


TABLES: dict[str, Callable[[Results], str]] = {
    "about": about,
    "goals": met,
    "cold": cold,
    "floor": floor,
    "warm-small": lambda results: _warm(results, SMALL),
    "warm-large": lambda results: _warm(results, LARGE),
    "warm-heic": lambda results: _warm(results, HEIC),
    "stages": stages,
    "throughput": throughput,
    "memory": memory,
    "sizes": sizes,
    "growth-picture": growth_picture,
    "growth-batch": growth_batch,
    "growth-bundle": growth_bundle,
    "quotas": quotas,
    "edge": edge,
    "operators": operators,
    "forms": forms,
    "reached": reached,
    "prices": prices,
}


def spread_ms(samples: Sequence[float]) -> str:
    """Milliseconds with their quartiles."""
    return _spread(spread(samples))


def ratio_of(ours: Sequence[float], others: Sequence[float]) -> str:
    """A ratio of medians, round by round."""
    found = ratio(ours, others)
    return ABSENT if found is None else f"{found.median:.2f}"


def _growth(results: Results, what: str, unit: str, cell: Callable[[str, float], str]) -> str:
    measured = results.get("growth", {}).get(what)
    if not measured:
        return NOT_MEASURED
    present = list(_present(measured))
    steps = list(measured[present[0][0]])
    rows = []
    for size in steps:
        found = [spread(measured[key].get(size, [])) for key, _ in present]
        rows.append([size, *(ABSENT if one is None else cell(size, one.median) for one in found)])
    return table([unit, *(f"{name}, ms" for _, name in present)], rows)


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


def _spread(found: Spread | None) -> str:
    if found is None:
        return ABSENT
    digits = 0 if found.median >= 100 else 1
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def _when(measured: str | int) -> str:
    """A time as text; Rust counts seconds."""
    if isinstance(measured, str):
        return measured
    return datetime.fromtimestamp(measured, UTC).strftime("%Y-%m-%d %H:%M")


def _difference(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.2g}" if value else "0"


def _ms(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.{0 if value >= 100 else 1}f}"
