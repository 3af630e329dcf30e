"""The plots of docs/performance.md, as small SVG files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import matplotlib as mpl
import numpy as np
from glimpse_scaling.plots import STYLE
from matplotlib.figure import Figure

from glimpse_peers import cost, peers
from glimpse_peers.cells import NOT_MEASURED
from glimpse_peers.pictures import KINDS
from glimpse_peers.results import Results
from glimpse_peers.statistics import Spread, spread
from glimpse_peers.tables import PLACES


def cold(results: Results, figure: Figure) -> bool:
    """Cold starts by peer."""
    measured = results.get("starts", {}).get("cold")
    if not measured:
        return False
    bars = {
        PLACES[place]: {key: spread(samples) for key, samples in measured[place].items()}
        for place in PLACES
        if place in measured
    }
    _bars(figure, bars, "cold start, ms")
    return True


def warm(results: Results, figure: Figure) -> bool:
    """Warm requests by peer and picture."""
    measured = results.get("starts", {}).get("warm")
    if not measured:
        return False
    bars = {
        kind: {
            key: spread(list(chain.from_iterable(by_kind.get(kind, []))))
            for key, by_kind in measured.items()
        }
        for kind in KINDS
    }
    _bars(figure, bars, "warm request, ms")
    return True


def throughput(results: Results, figure: Figure) -> bool:
    """Answers a second by clients."""
    measured = results.get("throughput")
    if not measured:
        return False
    axes = figure.subplots()
    for key, name in _names().items():
        if by_clients := measured.get(key):
            rates = [np.median([seen["rate"] for seen in rounds]) for rounds in by_clients.values()]
            axes.plot([int(clients) for clients in by_clients], rates, marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="closed-loop clients", ylabel="answers a second")
    axes.set_ylim(bottom=0)
    axes.legend()
    return True


def growth(results: Results, figure: Figure) -> bool:
    """Time by picture, batch and bundle."""
    measured = results.get("growth")
    if not measured:
        return False
    left, middle, right = figure.subplots(1, 3)
    names = _names()
    for axes, what, label in (
        (left, "picture", "megapixels"),
        (middle, "batch", "pictures in a request"),
    ):
        for key, by_size in measured[what].items():
            at = [float(size) for size in by_size]
            axes.plot(
                at, [np.median(times) for times in by_size.values()], marker="o", label=names[key]
            )
        axes.set(xlabel=label, ylabel="a request, ms")
        axes.legend()
    for place, by_name in measured["bundle"].items():
        at = [measured["bundle_bytes"][name] / 1e6 for name in by_name]
        right.plot(
            at, [np.median(times) for times in by_name.values()], marker="o", label=PLACES[place]
        )
    right.set(xlabel="bundle, MB", ylabel="cold start of the function, ms")
    right.legend()
    return True


def quotas(results: Results, figure: Figure) -> bool:
    """Latency against dollars by memory size."""
    measured = results.get("quotas")
    if not measured or "absent" in measured:
        return False
    axes = figure.subplots()
    names = _names()
    for key, by_size in measured.items():
        points = cost.points(by_size)
        axes.plot(
            [p.small_ms for p in points], [p.dollars for p in points], marker="o", label=names[key]
        )
        for point in points:
            axes.annotate(f" {point.memory_mb} MB", (point.small_ms, point.dollars))
    axes.set(xlabel="a small picture, mean ms", ylabel="dollars for a million")
    axes.set_ylim(bottom=0)
    axes.legend()
    return True


PLOTS: dict[str, tuple[Callable[[Results, Figure], bool], tuple[float, float]]] = {
    "performance-cold": (cold, (9.0, 4.6)),
    "performance-warm": (warm, (9.0, 4.6)),
    "performance-throughput": (throughput, (6.5, 3.8)),
    "performance-growth": (growth, (11.0, 3.6)),
    "performance-quotas": (quotas, (6.5, 3.8)),
}


def draw(results: Results, folder: Path) -> None:
    """Write every plot into `folder`; one whose part was not measured says so."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, (plot, size) in PLOTS.items():
            figure = Figure(figsize=size, layout="constrained")
            if not plot(results, figure):
                figure = Figure(figsize=(6.5, 1.0))
                figure.text(0.5, 0.5, NOT_MEASURED, ha="center", va="center")
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _bars(figure: Figure, groups: dict[str, dict[str, Spread | None]], label: str) -> None:
    """Horizontal bars by peer, one colour a group, quartiles as whiskers; the axis is logarithmic."""
    axes = figure.subplots()
    present = [
        (key, name)
        for key, name in _names().items()
        if any(key in group for group in groups.values())
    ]
    height = 0.8 / max(1, len(groups))
    for number, (group, values) in enumerate(groups.items()):
        found = [
            (row, spread_) for row, (key, _) in enumerate(present) if (spread_ := values.get(key))
        ]
        at = [row + (number - (len(groups) - 1) / 2) * height for row, _ in found]
        middle = [one.median for _, one in found]
        whiskers = [
            [one.median - one.low for _, one in found],
            [one.high - one.median for _, one in found],
        ]
        axes.barh(at, middle, height, xerr=whiskers, label=group, error_kw={"linewidth": 0.8})
    axes.set_yticks(range(len(present)), [name for _, name in present])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.legend()


def _names() -> dict[str, str]:
    lite = peers.function().with_model("imagenet-lite", "imagenet-lite")
    return {peer.key: peer.name for peer in [*peers.everybody(), lite]}
