"""What there is to reach: other products of the same library, another engine, the processor itself."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.errors import UserError
from glimpse_models.research.settings import as_the_service, open_session

SIDE = 1024
"""Of the matrices whose product stands for what the library can do."""
WARM_UP = 5
RUNS = 30

# Runs in an environment with OpenVINO: compiles the model as the Python server of the peers does, and
# answers each line of standard input with the seconds of a run.
ENGINE = """import sys, time
import numpy, openvino
model = openvino.Core().compile_model(sys.argv[1], "CPU", {"PERFORMANCE_HINT": "LATENCY"})
shape = [int(size) for size in sys.argv[2].split(",")]
pixels = numpy.random.default_rng(1).integers(0, 256, shape, dtype=numpy.uint8)
request = model.create_infer_request()
for _ in sys.stdin:
    started = time.perf_counter()
    request.infer({"image": pixels})
    print(time.perf_counter() - started, flush=True)
"""


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
    session = open_session(model.SerializeToString(), as_the_service, threads)
    dtype = np.uint8 if integers else np.float32
    left = np.random.default_rng(2).integers(0, 128, (SIDE, SIDE)).astype(dtype)
    times = []
    for _ in range(WARM_UP + RUNS):
        started = time.perf_counter()
        session.run(None, {"a": left})
        times.append(time.perf_counter() - started)
    return float(SIDE**3 / np.median(times[WARM_UP:]))


def processor_rate(program: Path, threads: int) -> tuple[str | None, float | None]:
    """The instruction that the example `peak` knows here, and its multiplications a second."""
    output = _output([str(program), str(threads)])
    found: dict[str, Any] = json.loads(output)
    return found["instruction"], found["rate"]


@contextmanager
def engine(python: Path, model: Path, shape: tuple[int, ...]) -> Iterator[Callable[[], float]]:
    """Runs of OpenVINO in a process of its own: a function that gives the seconds of one."""
    words = [str(python), "-c", ENGINE, str(model), ",".join(map(str, shape))]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _runs(process.stdin, process.stdout)
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()


def _runs(questions: IO[str], answers: IO[str]) -> Callable[[], float]:
    def run() -> float:
        with suppress(BrokenPipeError):
            questions.write("\n")
            questions.flush()
        line = answers.readline()
        if not line:
            raise UserError("OpenVINO does not run the model; --openvino names its interpreter")
        return float(line)

    return run


def _output(words: list[str]) -> str:
    try:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{words[0]} does not run: {error}") from error
