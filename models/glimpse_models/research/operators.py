"""Where a run of a bundle's model spends its time, and what is left to gain.

ONNX Runtime's own profile gives the share of each operator. Settings of the session, other forms of the
graph and OpenVINO run in turns with the service's, so that other load on the machine affects all alike.
What the library and the processor could do is measured beside that.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tqdm import tqdm

from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, random_pictures
from glimpse_models.research import limits, record
from glimpse_models.research.settings import (
    SERVICE,
    SETTINGS,
    Change,
    as_the_service,
    open_session,
    unpacked,
)
from glimpse_models.research.variants import VARIANTS

LOGITS = "logits"
WARM_UP = 5
OPENVINO = "OpenVINO"

WEIGHTS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "QLinearConv": 3, "ConvInteger": 1}
"""Operators that convolve, and which of their inputs has the weights `[out, in, …]`."""
PRODUCTS = ("MatMul", "Gemm", "FusedMatMul", "QGemm", "QLinearMatMul", "MatMulInteger")
"""Operators whose first input is `[…, K]`, of which each output is a sum over K."""

PAUSE = 0.004
"""Seconds between two runs: threads of the one before may still spin."""

Event = dict[str, Any]


@dataclass(frozen=True)
class OperatorOptions:
    """A bundle, how often it runs, and what it is compared with."""

    bundle: Path
    batch: int = 1
    threads: int = 0
    runs: int = 30
    rounds: int = 7
    openvino: Path | None = None
    peak: Path | None = None
    json: Path | None = None


@dataclass
class Report:
    """What was found; times in seconds, a median for each round."""

    threads: int
    batch: int
    multiplications: int = 0
    integers: bool = True
    operators: dict[str, float] = field(default_factory=dict)
    """Microseconds of a run by operator."""
    nodes: dict[str, float] = field(default_factory=dict)
    settings: dict[str, list[float]] = field(default_factory=dict)
    graphs: dict[str, list[float]] = field(default_factory=dict)
    """Other forms of the graph; those that it does not have are absent."""
    differences: dict[str, float] = field(default_factory=dict)
    """The largest difference of a logit, in standard deviations of the logits."""
    openvino: list[float] = field(default_factory=list)
    library_rate: float = 0.0
    instruction: str | None = None
    processor_rate: float | None = None

    @property
    def service(self) -> list[float]:
        """The runs that all others are compared with."""
        return self.settings[SERVICE]

    @property
    def rate(self) -> float:
        """Multiplications a second of the service's runs."""
        return self.multiplications / float(np.median(self.service))


def operators(options: OperatorOptions) -> None:
    """Print the shares of the operators, what is reached, and what could be otherwise."""
    path = options.bundle / "model.onnx"
    model = load_onnx(path)
    content = model.SerializeToString()
    threads = options.threads or len(os.sched_getaffinity(0))
    print(f"{threads} threads, runs of {options.batch}; load average before: {_load()}")
    report = Report(threads, options.batch)
    _share(report, profile(content, threads, options.batch, options.runs), options.runs)
    _print_shares(report)
    _compare(report, model, path, options)
    shapes = profile(content, threads, options.batch, 1, unpacked)
    report.multiplications = sum(multiplications(event) for event in shapes)
    if not report.multiplications:
        raise UserError("the model neither convolves nor multiplies matrices")
    report.integers = any(e["args"]["op_name"] in ("QLinearConv", "QGemm") for e in shapes)
    report.library_rate = limits.matrix_rate(threads, report.integers)
    if options.peak is not None:
        report.instruction, report.processor_rate = limits.processor_rate(options.peak, threads)
    _print_reached(report)
    _print_ratios(report, options.rounds)
    print(f"load average after: {_load()}")
    if options.json is not None:
        record.write(options.json, vars(report))


def profile(
    model: bytes, threads: int, batch: int, runs: int, change: Change = as_the_service
) -> list[Event]:
    """What ONNX Runtime records of each operator in `runs` runs for the logits."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(model, change, threads, Path(folder) / "profile")
        pixels = random_pictures(session, batch)
        for _ in range(WARM_UP + runs):
            session.run([LOGITS], {"image": pixels})
        events = json.loads(Path(session.end_profiling()).read_text())
    begun = sorted(event["ts"] for event in events if event["name"] == "model_run")
    measured = begun[WARM_UP]
    return [
        event
        for event in events
        if event["cat"] == "Node"
        and event["name"].endswith("_kernel_time")
        and event["ts"] >= measured
    ]


def multiplications(event: Event) -> int:
    """Multiplications of one operator, with their additions; 0 where it has none to speak of."""
    arguments = event["args"]
    operator = arguments["op_name"]
    inputs, outputs = (
        [next(iter(shape.values())) for shape in arguments[which]]
        for which in ("input_type_shape", "output_type_shape")
    )
    if operator in WEIGHTS:
        return int(np.prod(outputs[0]) * np.prod(inputs[WEIGHTS[operator]][1:]))
    if operator in PRODUCTS:
        return int(np.prod(outputs[0]) * inputs[0][-1])
    return 0


def _compare(report: Report, model: onnx.ModelProto, path: Path, options: OperatorOptions) -> None:
    """Settings, forms of the graph and OpenVINO in turns: the median of each round."""
    content, threads = model.SerializeToString(), report.threads
    sessions = {name: open_session(content, change, threads) for name, change in SETTINGS.items()}
    pixels = random_pictures(sessions[SERVICE], options.batch)
    expected = sessions[SERVICE].run([LOGITS], {"image": pixels})[0]
    graphs = {}
    for name, make in VARIANTS.items():
        made = make(model)
        if made is None:
            continue
        graphs[name] = open_session(made.SerializeToString(), as_the_service, threads)
        found = graphs[name].run([LOGITS], {"image": pixels})[0]
        report.differences[name] = float(np.abs(found - expected).max() / expected.std())
    with ExitStack() as stack:
        runs = {name: _timed(one, pixels) for name, one in {**sessions, **graphs}.items()}
        if options.openvino is not None:
            runs[OPENVINO] = stack.enter_context(
                limits.engine(options.openvino, path, pixels.shape)
            )
        found = _in_turns(runs, options)
    report.openvino = found.pop(OPENVINO, [])
    report.settings = {name: found[name] for name in sessions}
    report.graphs = {name: found[name] for name in graphs}


def _timed(session: Any, pixels: np.ndarray) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        session.run([LOGITS], {"image": pixels})
        return time.perf_counter() - started

    return run


def _in_turns(
    runs: dict[str, Callable[[], float]], options: OperatorOptions
) -> dict[str, list[float]]:
    for run in runs.values():
        for _ in range(WARM_UP):
            run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in tqdm(range(options.rounds), desc="in turns", unit="round", disable=None):
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(options.runs):
            for name, run in runs.items():
                time.sleep(PAUSE)
                times[name].append(run())
        for name, own in times.items():
            found[name].append(float(np.median(own)))
    return found


def _share(report: Report, events: list[Event], runs: int) -> None:
    for event in events:
        name, node = event["args"]["op_name"], event["name"].removesuffix("_kernel_time")
        for spent, of in ((report.operators, name), (report.nodes, node)):
            spent[of] = spent.get(of, 0.0) + event["dur"] / runs


def _print_shares(report: Report) -> None:
    total = sum(report.operators.values())
    for head, spent, most in (
        ("operator", report.operators, len(report.operators)),
        ("slowest nodes", report.nodes, 5),
    ):
        print(f"\n{head:60}{'share':>9}")
        for name, took in Counter(spent).most_common(most):
            print(f"{name[:58]:60}{took / total:9.1%}")


def _print_reached(report: Report) -> None:
    kind = "uint8 × int8" if report.integers else "float32"
    print(
        f"\n{report.multiplications / 1e9:.2f} G multiplications a run; "
        f"{report.rate / 1e9:.0f} G a second, {report.rate / report.library_rate:.0%} of what ONNX "
        f"Runtime reaches in products of {kind} matrices of {limits.SIDE} × {limits.SIDE} here "
        f"({report.library_rate / 1e9:.0f} G a second)"
    )
    if report.processor_rate is not None and report.integers:
        print(
            f"{report.rate / report.processor_rate:.0%} of what the processor reaches with "
            f"{report.instruction} alone ({report.processor_rate / 1e9:.0f} G a second)"
        )


def _print_ratios(report: Report, rounds: int) -> None:
    service = np.array(report.service)
    tables = {"setting": report.settings, "form of the graph": report.graphs}
    if report.openvino:
        tables["engine"] = {OPENVINO: report.openvino}
    for head, times in tables.items():
        print(f"\n{head:26}ratio to the service's (lowest to highest of {rounds} rounds)")
        for name, found in times.items():
            ratios = np.array(found) / service
            line = f"{name:26}{np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})"
            differs = report.differences.get(name)
            print(line + (f", logits differ by {differs:.2g} σ at most" if differs else ""))


def _load() -> str:
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())
