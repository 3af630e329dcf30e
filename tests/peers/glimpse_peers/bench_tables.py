"""The tables of docs/performance.md that `make bench-edge`, `bench-operators` and `bench-labels` measure."""

from __future__ import annotations

from glimpse_scaling.text import table

from glimpse_peers.cells import ABSENT, of, ratio_cell, ratio_cells, spread_cell
from glimpse_peers.goals import SAME
from glimpse_peers.labels import CPU, PROVIDER, Answer
from glimpse_peers.results import ALONE, OTHER, SERVICE, SHARED, Results
from glimpse_peers.statistics import ratio, spread

SERVERS = {
    SHARED: "Glimpse, server",
    ALONE: "the same, each picture by itself",
    OTHER: "the build before",
}
SURE = 0.5
"""The score of the CPU provider's label from which on a picture is clear to a model."""


@of("edge")
def edge(measured: Results) -> str:
    """Builds and ways of running, by clients."""
    servers, bare = measured["servers"], measured["bare"]
    order = sorted(bare, key=int)
    rows = []
    for name, title in SERVERS.items():
        for clients in order if name in servers else []:
            base = servers.get(OTHER, {}).get(clients, [])
            rows.append([title, clients, *_edge_cells(servers[name][clients], base, bare[clients])])
    alone = spread_cell([rate for clients in order for rate in bare[clients]])
    rows.append(["the session alone, runs of 8", ABSENT, alone, *[ABSENT] * 5, "1.00"])
    head = ["", "clients", "answers a second (quartiles)", "p50, ms", "p99, ms"]
    head += [f"{what}, build before = 1" for what in ("rate", "p50", "p99")]
    return table([*head, "rate, session alone = 1"], rows)


def _edge_cells(turns: list[Results], base: list[Results], bare: list[float]) -> list[str]:
    figures = ("rate", "p50", "p99")
    ours, others = (
        {name: [turn[name] for turn in some] for name in figures} for some in (turns, base)
    )
    return [
        *(spread_cell(ours[figure]) for figure in figures),
        *(ratio_cell(ours[figure], others[figure]) for figure in figures),
        ratio_cell(ours["rate"], bare),
    ]


@of("operators")
def operators(measured: Results) -> str:
    """A run of the model by operator."""
    spent = measured["operators"]
    total = sum(spent.values())
    rows = [
        [name, f"{took / 1e3:.2f}", f"{took / total:.1%}"]
        for name, took in sorted(spent.items(), key=lambda one: -one[1])
    ]
    return table(["operator", "ms of a run", "share"], rows)


@of("operators")
def forms(measured: Results) -> str:
    """A run of the model under other settings, in other forms, in another engine."""
    service = measured["settings"][SERVICE]
    kinds = (
        ("setting", measured["settings"]),
        ("form of the graph", measured["graphs"]),
        ("engine", {"OpenVINO": measured["openvino"]} if measured["openvino"] else {}),
    )
    rows = [
        [
            kind,
            name,
            spread_cell([1e3 * second for second in seconds]),
            *ratio_cells(ratio(seconds, service), 3),
            _difference(measured["differences"].get(name)),
        ]
        for kind, times in kinds
        for name, seconds in times.items()
    ]
    head = ["", "", "ms of a run", f"{SERVICE} = 1", "quartiles"]
    return table([*head, "logits differ, σ at most"], rows)


@of("operators")
def reached(measured: Results) -> str:
    """Multiplications a second, and what there is to reach."""
    work = measured["multiplications"]
    engines = (
        ("the service's run", measured["settings"][SERVICE]),
        ("OpenVINO's run", measured["openvino"]),
    )
    rates = {name: work / found.median for name, seconds in engines if (found := spread(seconds))}
    rates["ONNX Runtime, products of 1024 × 1024 matrices"] = measured["library_rate"]
    if measured["processor_rate"]:
        alone = f"the processor, {measured['instruction']} without memory"
        rates[alone] = measured["processor_rate"]
    best = max(rates.values())
    rows = [[name, f"{rate / 1e9:.0f}", f"{rate / best:.0%}"] for name, rate in rates.items()]
    head = [f"{work / 1e9:.2f} G multiplications a run, {measured['threads']} threads"]
    return table([*head, "G a second", "of the most"], rows)


@of("labels")
def labels(measured: Results) -> str:
    """Labels by the OpenVINO provider beside those by the CPU provider."""
    found = measured["machine"]
    processor = f"{found['processor']}, {found['processor_class']}"
    rows = []
    for model, answers in measured["answers"].items():
        pairs = list(zip(answers[CPU], answers[PROVIDER], strict=True))
        sure = [pair for pair in pairs if pair[0][1] >= SURE]
        decided = f"{measured['decided'][model] / len(pairs):.0%}"
        parts = (("all", pairs, decided), (f"score {SURE} or more", sure, ABSENT))
        for title, some, again in parts:
            rows.append([f"`{model}`", title, *_label_cells(some), again, processor])
    head = ["model", measured["pictures"], "same label", "share", f"goal ≥ {SAME:.1%}"]
    head += ["largest difference of a score", "highest score where labels differ"]
    head += ["decided by the CPU provider", "processor"]
    return table(head, rows)


def _label_cells(pairs: list[tuple[Answer, Answer]]) -> list[str]:
    if not pairs:
        return ["0 of 0", *[ABSENT] * 4]
    other = [ours[1] for ours, theirs in pairs if ours[0] != theirs[0]]
    share = 1 - len(other) / len(pairs)
    return [
        f"{len(pairs) - len(other):,} of {len(pairs):,}",
        f"{share:.1%}",
        "met" if share >= SAME else "**missed**",
        f"{max(abs(ours[1] - theirs[1]) for ours, theirs in pairs):.2f}",
        f"{max(other):.2f}" if other else ABSENT,
    ]


def _difference(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.2g}" if value else "0"
