"""Reading ONNX files and opening sessions: refusals that say what is wrong with the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from glimpse_models.errors import UserError


def load_onnx(path: Path) -> onnx.ModelProto:
    """The model, if it is one file of ONNX."""
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's exceptions have no common base
        raise UserError(f"{path} is not an ONNX file: {error}; export the model to ONNX") from error
    refuse_external_data(model)
    return model


def refuse_external_data(model: onnx.ModelProto) -> None:
    """A bundle's model is one file."""
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise UserError(
            "the model keeps weights in external data; make it one file: onnx.save(onnx.load('model.onnx'), 'one.onnx')"
        )


def open_session(
    model: Path | bytes, threads: int = 0, change: Callable[[Any], None] | None = None
) -> Any:
    """An ONNX Runtime session on the CPU; refuses what the runtime cannot load.

    `change` gets the session's options before it is opened.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if change is not None:
        change(options)
    try:
        source = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        name = "the model" if isinstance(model, bytes) else model
        raise UserError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load {name}: {error}. Export the model again with "
            "standard operators (opset 13 to 21) only"
        ) from error


def random_pictures(session: Any, count: int) -> np.ndarray:
    """Pictures of noise, uint8 `[count, H, W, 3]` as the session takes them; the same every time."""
    _, height, width, channels = session.get_inputs()[0].shape
    shape = (count, height, width, channels)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def input_side(model: onnx.ModelProto) -> int:
    """The side of a model with the serving input, in pixels."""
    return int(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)


def output_names(model: onnx.ModelProto) -> set[str]:
    """What the model can be asked for."""
    return {value.name for value in model.graph.output}
