"""Class activation maps: where their cells look, and the logits that they are the parts of."""

from __future__ import annotations

from typing import Any

import onnx

from glimpse_models.graph.front import RESHAPES
from glimpse_models.graph.head import Nodes, find_head, producers, settings_of

# Layers that keep every spatial position.
ALIGNED = (
    *("Add", "Mul", "Sub", "Div", "Relu", "Clip", "Sigmoid", "HardSwish", "BatchNormalization"),
    *("QuantizeLinear", "DequantizeLinear", "Identity", "Transpose", "Cast", "Gather"),
)


def cell_centres(model: onnx.ModelProto) -> tuple[int, float] | None:
    """The centres of the map's cells in the input: their stride, and the first one, in pixels.

    Cell i of a row is centred at `first + stride * i`, which for a ResNet is half a cell before the
    middle of the i-th of equal parts. Computed from the receptive fields, back from the pooling;
    nothing where the network has a layer that this function does not know.
    """
    producer = producers(model)
    sizes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    head = find_head(model)
    name, layers = head.features if head else "", list[tuple[int, int, int]]()
    while (node := producer.get(name)) is not None:
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            given = settings_of(node)
            kernel = given.get("kernel_shape") or _kernel(producer, sizes, node)
            if given.get("auto_pad", b"NOTSET") != b"NOTSET" or not kernel:
                return None
            reach = (kernel[-1] - 1) * given.get("dilations", [1])[-1]
            before = given.get("pads", [0, 0, 0, 0])[1]
            layers.append((given.get("strides", [1])[-1], reach, before))
        elif node.op_type not in ALIGNED and node.name not in RESHAPES:
            return None
        name = next((value for value in node.input if value in producer or value == "image"), "")
    if name != "image":
        return None
    stride, first = 1, 0.5
    for step, reach, before in reversed(layers):
        first += (reach / 2 - before) * stride
        stride *= step
    return stride, first


def _kernel(producer: Nodes, sizes: dict[str, Any], node: onnx.NodeProto) -> list[int]:
    name = node.input[1]
    while name in producer:
        name = producer[name].input[0]
    return list(sizes.get(name, []))[2:]


def remove_rounding(model: onnx.ModelProto) -> None:
    """Take the rounding to 8 bits out between the feature map and the logits, as for a check.

    What is left are the logits that the maps are the parts of.
    """
    producer, head = producers(model), find_head(model)
    name = "logits"
    while head is not None and name != head.features and (node := producer.get(name)) is not None:
        before = producer.get(node.input[0])
        if node.op_type == "DequantizeLinear" and before and before.op_type == "QuantizeLinear":
            node.op_type, node.input[:] = "Identity", before.input[:1]
            del node.attribute[:]
        given = [value for value in node.input if value in producer]
        name = given[0] if given else ""
