"""Where a run of a bundle's model spends its time, and what is left to gain.

ONNX Runtime's own profile gives the share of each operator. What the processor could do is measured
with the same library: its products of large matrices of the same types. Settings of the session run
in turns with those of the service, so that other load on the machine affects all alike.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tqdm import tqdm

from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, random_pictures

LOGITS = "logits"
WARM_UP = 5
SIDE = 1024
"""Of the matrices whose product stands for what the processor can do."""

WEIGHTS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "QLinearConv": 3, "ConvInteger": 1}
"""Operators that convolve, and which of their inputs has the weights `[out, in, …]`."""
PRODUCTS = ("MatMul", "Gemm", "FusedMatMul", "QGemm", "QLinearMatMul", "MatMulInteger")
"""Operators whose first input is `[…, K]`, of which each output is a sum over K."""

PAUSE = 0.004
"""Seconds between two runs: threads of the one before may still spin."""

Event = dict[str, Any]


@dataclass(frozen=True)
class OperatorOptions:
    """A bundle, and how often it runs."""

    bundle: Path
    batch: int = 1
    threads: int = 0
    runs: int = 30
    rounds: int = 7


def _spins_on(_options: Any, _threads: int) -> None:
    """ONNX Runtime's default: threads spin for a while after a run."""


def _as_the_service(options: Any, _threads: int) -> None:
    options.add_session_config_entry("session.force_spinning_stop", "1")


def _never_spins(options: Any, _threads: int) -> None:
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")


def _unpacked(options: Any, _threads: int) -> None:
    """Weights that are laid out anew are not in the profile."""
    options.add_session_config_entry("session.disable_prepacking", "1")


def _pinned(options: Any, threads: int) -> None:
    _as_the_service(options, threads)
    # The calling thread is the first, and not ONNX Runtime's.
    others = ";".join(str(number) for number in range(2, threads + 1))
    options.add_session_config_entry("session.intra_op_thread_affinities", others)


def _without_arena(options: Any, threads: int) -> None:
    _as_the_service(options, threads)
    options.enable_cpu_mem_arena = False


def _without_pattern(options: Any, threads: int) -> None:
    _as_the_service(options, threads)
    options.enable_mem_pattern = False


def _small_blocks(options: Any, threads: int) -> None:
    _as_the_service(options, threads)
    options.add_session_config_entry("session.dynamic_block_base", "4")


def _denormals_are_zero(options: Any, threads: int) -> None:
    _as_the_service(options, threads)
    options.add_session_config_entry("session.set_denormal_as_zero", "1")


SETTINGS: dict[str, Callable[[Any, int], None]] = {
    "as the service": _as_the_service,
    "threads spin after runs": _spins_on,
    "threads never spin": _never_spins,
    "threads pinned": _pinned,
    "no arena": _without_arena,
    "no memory pattern": _without_pattern,
    "work in smaller blocks": _small_blocks,
    "denormals are zero": _denormals_are_zero,
}


def operators(options: OperatorOptions) -> None:
    """Print the shares of the operators, the part of what the library reaches, and the settings."""
    model = load_onnx(options.bundle / "model.onnx").SerializeToString()
    threads = options.threads or len(os.sched_getaffinity(0))
    print(f"{threads} threads, runs of {options.batch}; load average before: {_load()}")
    _print_shares(profile(model, threads, options.batch, options.runs), options.runs)
    times = compare(model, threads, options)
    shapes = profile(model, threads, options.batch, 1, _unpacked)
    _print_reached(shapes, times["as the service"], threads)
    print(f"\n{'setting':26}ratio to the service's (lowest to highest of {options.rounds} rounds)")
    service = np.array(times["as the service"])
    for name, found in times.items():
        ratios = np.array(found) / service
        print(f"{name:26}{np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})")
    print(f"load average after: {_load()}")


def profile(
    model: bytes,
    threads: int,
    batch: int,
    runs: int,
    change: Callable[[Any, int], None] = _as_the_service,
) -> list[Event]:
    """What ONNX Runtime records of each operator in `runs` runs for the logits."""
    with tempfile.TemporaryDirectory() as folder:
        session = _open(model, change, threads, profile=Path(folder) / "profile")
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


def compare(model: bytes, threads: int, options: OperatorOptions) -> dict[str, list[float]]:
    """Seconds of a run under each setting: the median of each round, all in turns."""
    sessions = {name: _open(model, change, threads) for name, change in SETTINGS.items()}
    pixels = random_pictures(next(iter(sessions.values())), options.batch)
    for session in sessions.values():
        for _ in range(WARM_UP):
            session.run([LOGITS], {"image": pixels})
    found: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in tqdm(range(options.rounds), desc="settings", unit="round", disable=None):
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(options.runs):
            for name, session in sessions.items():
                time.sleep(PAUSE)
                started = time.perf_counter()
                session.run([LOGITS], {"image": pixels})
                times[name].append(time.perf_counter() - started)
        for name, own in times.items():
            found[name].append(float(np.median(own)))
    return found


def matrix_rate(threads: int, integers: bool) -> float:
    """Multiplications a second of the library's product of large matrices: uint8 × int8, or float32."""
    weights = np.random.default_rng(1).integers(-64, 64, (SIDE, SIDE), dtype=np.int8)
    kind, output, operator = (
        (TensorProto.UINT8, TensorProto.INT32, "MatMulInteger")
        if integers
        else (TensorProto.FLOAT, TensorProto.FLOAT, "MatMul")
    )
    if not integers:
        weights = weights.astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", kind, [SIDE, SIDE])],
        [helper.make_tensor_value_info("c", output, [SIDE, SIDE])],
        [numpy_helper.from_array(weights, "b")],
    )
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    session = _open(model.SerializeToString(), _as_the_service, threads)
    dtype = np.uint8 if integers else np.float32
    left = np.random.default_rng(2).integers(0, 128, (SIDE, SIDE)).astype(dtype)
    times = []
    for _ in range(WARM_UP + 30):
        started = time.perf_counter()
        session.run(None, {"a": left})
        times.append(time.perf_counter() - started)
    return float(SIDE**3 / np.median(times[WARM_UP:]))


def _print_shares(events: list[Event], runs: int) -> None:
    total = sum(event["dur"] for event in events)
    time_of, count_of = Counter[str](), Counter[str]()
    for event in events:
        name = event["args"]["op_name"]
        time_of[name] += event["dur"]
        count_of[name] += 1
    print(f"\n{'operator':26}{'nodes':>6}{'share':>9}")
    for name, spent in time_of.most_common():
        print(f"{name:26}{count_of[name] / runs:6.0f}{spent / total:9.1%}")
    slowest = Counter[str]()
    for event in events:
        slowest[event["name"].removesuffix("_kernel_time")] += event["dur"]
    print(f"\n{'slowest nodes':60}{'share':>9}")
    for name, spent in slowest.most_common(5):
        print(f"{name[:58]:60}{spent / total:9.1%}")


def _print_reached(events: list[Event], times: list[float], threads: int) -> None:
    """`events` are those of one run, with the shapes of the weights."""
    work = sum(multiplications(event) for event in events)
    if not work:
        raise UserError("the model neither convolves nor multiplies matrices")
    integers = any(event["args"]["op_name"] in ("QLinearConv", "QGemm") for event in events)
    rate, best = work / float(np.median(times)), matrix_rate(threads, integers)
    kind = "uint8 × int8" if integers else "float32"
    print(
        f"\n{work / 1e9:.2f} G multiplications a run; {rate / 1e9:.0f} G a second, "
        f"{rate / best:.0%} of what ONNX Runtime reaches in products of {kind} matrices of "
        f"{SIDE} × {SIDE} here ({best / 1e9:.0f} G a second)"
    )


def _open(
    model: bytes,
    change: Callable[[Any, int], None],
    threads: int,
    profile: Path | None = None,
) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    change(options, threads)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _load() -> str:
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())
