"""Offline graph optimization: the graph as ONNX Runtime runs it, which makes sessions start sooner.

A QDQ graph puts int8 operators in terms of float ones, and ONNX Runtime fuses them whenever it
makes a session. Here that is done once. The optimized graph is for serving: what changes a model
(checkpoints, another input side, quantization, class activation maps) reads the QDQ form.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session, random_pictures
from glimpse_models.graph.stem import space_to_depth
from glimpse_models.graph.wrap import is_optimized

# Its blocked layouts are those of the processor that optimizes; all else holds for every processor.
HARDWARE_BOUND = ["NchwcTransformer"]
BLOCKED_DOMAIN = "com.microsoft.nchwc"

BATCHES = (1, 2, 5)  # of pictures, on which both graphs must give the same bits


def refuse_other_forms(model: bytes) -> None:
    """Only graphs in QDQ form gain by being optimized offline."""
    graph = onnx.load_model_from_string(model)
    if is_optimized(graph):
        raise UserError("the graph is optimized already")
    if not any(node.op_type == "DequantizeLinear" for node in graph.graph.node):
        raise UserError("the graph is not in QDQ form, the only one to gain by being optimized")


def optimize_graph(model: bytes) -> bytes:
    """What ONNX Runtime makes of it for the CPU; the same for the same version and input.

    A stem as ResNet's is computed over blocks of pixels, with the same sums.
    """
    import onnxruntime

    deep = space_to_depth(onnx.load_model_from_string(model))
    if deep is not None:
        model = deep.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(written)
        onnxruntime.InferenceSession(
            model,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=HARDWARE_BOUND,
        )
        optimized = written.read_bytes()
    domains = {node.domain for node in onnx.load_model_from_string(optimized).graph.node}
    if BLOCKED_DOMAIN in domains:
        raise UserError("the optimized graph has layouts that only this processor runs fast")
    return optimized


def is_portable(model: bytes) -> bool:
    """Whether ONNX Runtime optimizes the graph alike on all processors.

    It fuses int8 activations on ARM alone, and has its own operators for 16-bit floats there.
    """
    graph = onnx.load_model_from_string(model).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    zero_points = {
        types.get(node.input[2])
        for node in graph.node
        if node.op_type == "QuantizeLinear" and len(node.input) > 2
    }
    return TensorProto.INT8 not in zero_points and TensorProto.FLOAT16 not in types.values()


def require_same_outputs(source: bytes, optimized: bytes) -> None:
    """Every output of both graphs, to the bit; where the graph makes maps itself, with those too."""
    sessions = [open_session(model) for model in (source, optimized)]
    names = [value.name for value in sessions[0].get_outputs()]
    if [value.name for value in sessions[1].get_outputs()] != names:
        raise UserError("the optimized graph gives other outputs than model.onnx")
    for count in BATCHES:
        pixels = random_pictures(sessions[0], count)
        for extra in _switches(sessions[0]):
            before, after = (session.run(None, {"image": pixels, **extra}) for session in sessions)
            for name, old, new in zip(names, before, after, strict=True):
                if not np.array_equal(old, new):
                    raise UserError(f"the optimized graph gives other {name} than model.onnx")


def _switches(session: Any) -> list[dict[str, Any]]:
    """What may be given beside the picture: nothing, or that class activation maps are wanted."""
    optional = [value.name for value in session.get_overridable_initializers()]
    return [{}, {"explain": np.array(True)}] if "explain" in optional else [{}]
