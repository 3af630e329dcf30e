"""Scales of sums without ties, so that every processor gives the same 8-bit numbers.

ONNX Runtime adds two quantized tensors in float32, on ARM with fused multiplications and on x86-64
without. Where a sum is a half but for the error of float32, the one rounds up and the other down, and
the layers that follow multiply the difference. Two tensors of 8 bits have 65,536 sums: of scales that
are at most 0.2 % larger, the one is taken whose sums all stay farthest from a half.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from glimpse_models.graph.head import producers

SCALES = 1000
STEP = 2e-6
ACTIVATIONS = ("Relu", "Clip")

Values = npt.NDArray[np.float64]
Constants = dict[str, npt.NDArray[Any]]
Overrides = dict[str, list[dict[str, Any]]]
"""Scale and zero point by the tensor's name, as onnxruntime's `TensorQuantOverrides` takes them."""


def scales_without_ties(model: onnx.ModelProto) -> Overrides:
    """Of each quantized sum of two quantized tensors, in the order of the graph of a QDQ model."""
    producer = producers(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found: Overrides = {}
    nodes = list(model.graph.node)
    for node in (node for node in nodes if node.op_type == "Add"):
        rounded = _rounding(nodes, node.output[0])
        terms = [_levels(producer.get(name), constants) for name in node.input]
        if rounded is None or any(term is None for term in terms):
            continue
        first, second = (term for term in terms if term is not None)
        scale, zero = rounded.input[1:3]
        sums = np.add.outer(first, second).ravel()
        settled = settle(sums, constants[scale], constants[zero])
        constants[scale] = settled  # further sums may be of this one
        found[rounded.input[0]] = [{"scale": settled, "zero_point": constants[zero]}]
    return found


def settle(
    sums: Values, scale: npt.NDArray[np.float32], zero: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Of the scale and those a little larger, the one whose sums stay farthest from a half."""
    scales = (scale * (1 + STEP * np.arange(SCALES))).astype(np.float32)
    margins = [_margin(sums / np.float64(one) + zero) for one in scales]
    return np.full_like(scale, scales[np.argmax(margins)])


def _margin(sums: Values) -> float:
    """How near to a half the nearest is; what is under 0 or over 255 is cut off, whatever it is."""
    inside = sums[(sums > 0) & (sums < 255)]
    return float(np.abs(inside - np.floor(inside) - 0.5).min(initial=0.5))


def _levels(node: onnx.NodeProto | None, constants: Constants) -> Values | None:
    """The numbers that a tensor with one scale can have after it was quantized."""
    if node is None or node.op_type != "DequantizeLinear":
        return None
    scale, zero = (constants[name] for name in node.input[1:3])
    if scale.size != 1:
        return None
    limits = np.iinfo(zero.dtype)
    numbers = np.arange(limits.min, limits.max + 1, dtype=np.float64)
    found: Values = (numbers - zero.item()) * scale.item()
    return found


def _rounding(nodes: list[onnx.NodeProto], output: str) -> onnx.NodeProto | None:
    """What quantizes the output, or what an activation makes of it."""
    users = {user.op_type: user for user in nodes if output in user.input}
    for activation in ACTIVATIONS:
        if activation in users:
            return _rounding(nodes, users[activation].output[0])
    return users.get("QuantizeLinear")
