"""The plots of docs/scaling.md, as small SVG files that are the same on every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from glimpse_scaling import bill, machines
from glimpse_scaling.bill import Rates
from glimpse_scaling.scenarios import BURST, MEMORY_MB, STEP_SECONDS, Scenarios
from glimpse_scaling.service import Service

STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "glimpse",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.5,
}


def steady(runs: Scenarios, figure: Figure) -> None:
    """Latency and concurrency by rate."""
    left, right = figure.subplots(1, 2)
    rates = [run.rate for run in runs.steady]
    _logarithmic(left, "pictures a second", "latency, ms")
    for name, percent in (("p50", 50), ("p99", 99)):
        line = [run.settled.percentile(percent) * 1e3 for run in runs.steady]
        left.plot(rates, line, marker="o", label=f"{name}, settled")
    line = [run.all.percentile(99) * 1e3 for run in runs.steady]
    left.plot(rates, line, marker=".", linestyle=":", label="p99 with the start from nothing")
    left.legend()
    _logarithmic(right, "pictures a second", "requests in flight")
    right.plot(rates, [run.all.peak for run in runs.steady], marker="o", label="most, at the start")
    mean = [rate * runs.service.mean for rate in rates]
    right.plot(rates, mean, linestyle="--", label="mean by Little's law")
    right.axhline(runs.quotas.lambda_concurrency, color="black", linewidth=0.8)
    right.text(1, runs.quotas.lambda_concurrency * 1.15, "account's default quota")
    right.legend(loc="lower right")


def steps(runs: Scenarios, figure: Figure) -> None:
    """Requests in flight and waiting clients after a step."""
    left, right = figure.subplots(1, 2)
    at = np.linspace(0, STEP_SECONDS / 2, 201)
    for name, run in runs.steps.items():
        left.plot(at, run.in_flight(at), label=name)
        right.plot(at, run.waiting(at) - run.in_flight(at), label=name)
    left.set(xlabel="seconds after the step", ylabel="requests in flight")
    right.set(xlabel="seconds after the step", ylabel="clients waiting to try again")
    left.legend()


def bursts(runs: Scenarios, figure: Figure) -> None:
    """Uploads that wait, by how the queue is read."""
    axes = figure.subplots()
    at = np.linspace(0, 2 * BURST.seconds + 5, 251)
    for name, run in runs.bursts.items():
        axes.plot(at, run.waiting(at), label=name)
    axes.set_yscale("symlog", linthresh=100)
    axes.set(xlabel="seconds; 1,000 uploads a second for the first 60", ylabel="pictures waiting")
    axes.legend()


def cost(runs: Scenarios, figure: Figure) -> None:
    """Dollars a month by rate."""
    axes = figure.subplots()
    _logarithmic(axes, "pictures a second", "dollars a month")
    at = np.geomspace(0.001, 10_000, 141)
    rates = Rates(runs.prices, "x86_64")
    million = bill.over_http(rates, MEMORY_MB, runs.service).total
    keras = machines.keras(rates, runs.measured)
    own = machines.own_server(rates, Service.on(2.0, runs.measured))
    lines: dict[str, Callable[[float], float]] = {
        "Glimpse on Lambda, HTTP API": lambda rate: machines.month_by_use(rate, million),
        "Flask + Keras on machines": keras.month,
        "Glimpse's own server on machines": own.month,
    }
    for name, month in lines.items():
        axes.plot(at, [month(float(rate)) for rate in at], label=name)
    axes.legend()


PLOTS: dict[str, tuple[Callable[[Scenarios, Figure], None], tuple[float, float]]] = {
    "scaling-steady": (steady, (9.0, 3.6)),
    "scaling-steps": (steps, (9.0, 3.6)),
    "scaling-bursts": (bursts, (6.5, 3.8)),
    "scaling-cost": (cost, (6.5, 3.8)),
}


def draw(runs: Scenarios, folder: Path) -> None:
    """Write every plot into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, (plot, size) in PLOTS.items():
            figure = Figure(figsize=size, layout="constrained")
            plot(runs, figure)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _logarithmic(axes: Axes, x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set(xlabel=x, ylabel=y)
