"""Scales of sums without ties, so that every processor rounds the sums of 8-bit tensors alike.

ONNX Runtime adds two quantized tensors in float32, on ARM with fused multiplications and on x86-64
without. Where a sum is a half but for the error of float32, the one rounds up and the other down, and
the layers that follow multiply the difference. Two tensors of 8 bits have 65,536 sums: of scales that
are at most 0.2 % larger, the one is taken whose sums all stay farthest from a half.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

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


class Rounded(NamedTuple):
    """How a tensor is held in 8 bits: the least number that it can have, zero point and scale."""

    least: int
    zero: int
    scale: float

    @property
    def values(self) -> Values:
        """All 256 that the tensor can have."""
        return (np.arange(self.least, self.least + 256, dtype=np.float64) - self.zero) * self.scale


def scales_without_ties(model: onnx.ModelProto) -> Overrides:
    """Of each quantized sum of two quantized tensors, in the order of the graph of a QDQ model."""
    producer = producers(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found: Overrides = {}
    nodes = list(model.graph.node)
    for node in (node for node in nodes if node.op_type == "Add"):
        after = _rounding(nodes, node.output[0])
        first, second = (_rounded(producer.get(name), constants) for name in node.input)
        own = _rounded(after, constants)
        if after is None or first is None or second is None or own is None:
            continue
        scale, zero = after.input[1:3]
        # Further sums may be of this one.
        constants[scale] = np.full_like(constants[scale], settle(first, second, own))
        found[after.input[0]] = [{"scale": constants[scale], "zero_point": constants[zero]}]
    return found


@cache  # a model is quantized several times where nodes are kept in float
def settle(first: Rounded, second: Rounded, own: Rounded) -> float:
    """Of the scale and those a little larger, the one whose sums stay farthest from a half."""
    scales = (np.float32(own.scale) * (1 + STEP * np.arange(SCALES))).astype(np.float32)
    sums = np.add.outer(first.values, second.values).ravel()
    margins = [_margin(sums / one + own.zero, own.least) for one in scales.astype(np.float64)]
    return float(scales[np.argmax(margins)])


def _margin(sums: Values, least: int) -> float:
    """How near to a half the nearest is of those that are not cut off."""
    inside = sums[(sums > least) & (sums < least + 255)]
    return float(np.abs(inside - np.floor(inside) - 0.5).min(initial=0.5))


def _rounded(node: onnx.NodeProto | None, constants: Constants) -> Rounded | None:
    """What the node quantizes to or dequantizes from, where that has 8 bits and one scale."""
    if node is None or node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return None
    scale, zero = (constants[name] for name in node.input[1:3])
    if scale.size != 1 or zero.dtype.itemsize != 1:
        return None
    return Rounded(int(np.iinfo(zero.dtype).min), int(zero.item()), float(scale.item()))


def _rounding(nodes: list[onnx.NodeProto], output: str) -> onnx.NodeProto | None:
    """What quantizes the output, or what an activation makes of it."""
    users = {user.op_type: user for user in nodes if output in user.input}
    for activation in ACTIVATIONS:
        if activation in users:
            return _rounding(nodes, users[activation].output[0])
    return users.get("QuantizeLinear")
