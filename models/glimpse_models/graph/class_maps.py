"""Class activation maps: the further output `class_maps`, which does not slow plain runs.

With global average pooling followed by one linear layer, the layer applied to every position of the
last feature map is an exact class activation map: its mean over the positions is the logit. It is
computed in an `If` that the optional input `explain` (a bool, false when not given) switches on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.graph.front import RESHAPES
from glimpse_models.graph.head import Head, Nodes, find_head, producers, settings_of

OUTPUT = "class_maps"

# Layers that keep every spatial position.
ALIGNED = (
    *("Add", "Mul", "Sub", "Div", "Relu", "Clip", "Sigmoid", "HardSwish", "BatchNormalization"),
    *("QuantizeLinear", "DequantizeLinear", "Identity", "Transpose", "Cast", "Gather"),
)


def add_class_maps(model: onnx.ModelProto) -> bool:
    """Add input and output where the model's end allows it; says whether it did.

    `class_maps` is float32 `[N, C, h, w]` when `explain` is true and empty otherwise.
    """
    graph = model.graph
    head = find_head(model)
    if head is None or any(value.name == OUTPUT for value in graph.output):
        return False
    then = helper.make_graph(
        _maps(producers(model), head),
        "explained",
        [],
        [_output("maps")],
    )
    nothing = numpy_helper.from_array(np.zeros((0, 0, 0, 0), np.float32))
    other = helper.make_graph(
        [helper.make_node("Constant", [], ["no_maps"], value=nothing)],
        "plain",
        [],
        [_output("no_maps")],
    )
    graph.node.append(
        helper.make_node(
            "If",
            ["explain"],
            [OUTPUT],
            name="explain_if",
            then_branch=then,
            else_branch=other,
        )
    )
    graph.initializer.append(numpy_helper.from_array(np.array(False), "explain"))
    graph.input.append(helper.make_tensor_value_info("explain", TensorProto.BOOL, []))
    graph.output.append(_output(OUTPUT))
    return True


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


def _output(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None, None, None])


def _before_rounding(producer: Nodes, name: str) -> str:
    """The quantized tensor behind a DequantizeLinear: taking the float one would break its fusion."""
    node = producer.get(name)
    return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name


def _maps(producer: Nodes, head: Head) -> list[onnx.NodeProto]:
    """Feature map → linear layer at each position, as a 1 × 1 convolution, in float32."""
    nodes: list[onnx.NodeProto] = []

    def floats(name: str, wanted: str) -> str:
        """The float tensor of `name`; inside the branch, so that it costs nothing outside."""
        for node in producer.values():
            if node.op_type == "DequantizeLinear" and name in (node.output[0], node.input[0]):
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                copy.name = copy.output[0] = f"explain_{wanted}"
                nodes.append(copy)
                return f"explain_{wanted}"
        return name

    here = floats(_before_rounding(producer, head.features), "features")
    weights = floats(head.weights, "weights")
    if not head.classes_first:
        nodes.append(helper.make_node("Transpose", [weights], ["explain_turned"], perm=[1, 0]))
        weights = "explain_turned"
    bias = [] if head.bias is None else [floats(head.bias, "bias")]
    nodes += [
        _constant("explain_shape", np.array([0, 0, 1, 1], np.int64)),
        helper.make_node("Reshape", [weights, "explain_shape"], ["explain_kernel"]),
        helper.make_node(
            "Conv", [here, "explain_kernel", *bias], ["explain_maps"], kernel_shape=[1, 1]
        ),
    ]
    last = "explain_maps"
    if head.columns is not None:
        nodes += [
            _constant("explain_columns_shape", np.array([1, 2, 1, 1], np.int64)),
            helper.make_node(
                "Reshape", [head.columns, "explain_columns_shape"], ["explain_columns"]
            ),
            helper.make_node("Mul", [last, "explain_columns"], ["explain_both"]),
        ]
        last = "explain_both"
    nodes.append(helper.make_node("Cast", [last], ["maps"], to=TensorProto.FLOAT))
    return nodes


def _constant(name: str, value: npt.NDArray[np.int64]) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


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
