"""Class activation maps: the further output `class_maps`, which does not slow plain runs.

With global average pooling followed by one linear layer, the layer applied to every position of the
last feature map is an exact class activation map: its mean over the positions is the logit. It is
computed in an `If` that the optional input `explain` (a bool, false when not given) switches on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.graph.wrap import RESHAPES

OUTPUT = "class_maps"

Nodes = dict[str, onnx.NodeProto]

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
    producer = {name: node for node in graph.node for name in node.output}
    end = _linear_head(producer)
    if end is None or any(value.name == "class_maps" for value in graph.output):
        return False
    features, gemm, classes_first = end
    then = helper.make_graph(
        _maps(producer, features, gemm, classes_first),
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
            ["class_maps"],
            name="explain_if",
            then_branch=then,
            else_branch=other,
        )
    )
    graph.initializer.append(numpy_helper.from_array(np.array(False), "explain"))
    graph.input.append(helper.make_tensor_value_info("explain", TensorProto.BOOL, []))
    graph.output.append(_output("class_maps"))
    return True


def cell_centres(model: onnx.ModelProto) -> tuple[int, float] | None:
    """The centres of the map's cells in the input: their stride, and the first one, in pixels.

    Cell i of a row is centred at `first + stride * i`, which for a ResNet is half a cell before the
    middle of the i-th of equal parts. Computed from the receptive fields, back from the pooling;
    nothing where the network has a layer that this function does not know.
    """
    producer = {name: node for node in model.graph.node for name in node.output}
    sizes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    end = _linear_head(producer)
    name, layers = end[0] if end else "", list[tuple[int, int, int]]()
    while (node := producer.get(name)) is not None:
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
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


def _linear_head(producer: Nodes) -> tuple[str, onnx.NodeProto, bool] | None:
    """The feature map, the linear layer, and whether its weights are `[C, K]`; or nothing."""
    gemm = producer.get("logits")
    if gemm is None or gemm.op_type != "Gemm":
        return None
    settings = {setting.name: helper.get_attribute_value(setting) for setting in gemm.attribute}
    if (
        settings.get("alpha", 1.0) != 1
        or settings.get("beta", 1.0) != 1
        or settings.get("transA", 0)
    ):
        return None
    name = gemm.input[0]
    # Back over flattening and rounding to the pooling.
    while (node := producer.get(name)) is not None:
        if node.op_type == "GlobalAveragePool":
            return _before_rounding(producer, node.input[0]), gemm, bool(settings.get("transB", 0))
        if node.op_type not in (
            "Flatten",
            "Reshape",
            "Squeeze",
            "QuantizeLinear",
            "DequantizeLinear",
        ):
            return None
        name = node.input[0]
    return None


def _before_rounding(producer: Nodes, name: str) -> str:
    """The quantized tensor behind a DequantizeLinear: taking the float one would break its fusion."""
    node = producer.get(name)
    return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name


def _maps(
    producer: Nodes, features: str, gemm: onnx.NodeProto, classes_first: bool
) -> list[onnx.NodeProto]:
    """Feature map → linear layer at each position, as a 1 × 1 convolution."""
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

    here = floats(features, "features")
    weights = floats(gemm.input[1], "weights")
    if not classes_first:
        nodes.append(helper.make_node("Transpose", [weights], ["explain_turned"], perm=[1, 0]))
        weights = "explain_turned"
    bias = [floats(gemm.input[2], "bias")] if len(gemm.input) > 2 else []
    shape = numpy_helper.from_array(np.array([0, 0, 1, 1], np.int64))
    nodes += [
        helper.make_node("Constant", [], ["explain_shape"], value=shape),
        helper.make_node("Reshape", [weights, "explain_shape"], ["explain_kernel"]),
        helper.make_node("Conv", [here, "explain_kernel", *bias], ["maps"], kernel_shape=[1, 1]),
    ]
    return nodes


def remove_rounding(model: onnx.ModelProto) -> None:
    """Take the rounding to 8 bits out between the feature map and the logits, as for a check.

    What is left are the logits that the maps are the parts of.
    """
    producer = {name: node for node in model.graph.node for name in node.output}
    gemm = producer.get("logits")
    name = gemm.input[0] if gemm is not None else ""
    while (node := producer.get(name)) is not None and node.op_type != "GlobalAveragePool":
        before = producer.get(node.input[0])
        if node.op_type == "DequantizeLinear" and before and before.op_type == "QuantizeLinear":
            node.op_type, node.input[:] = "Identity", before.input[:1]
            del node.attribute[:]
        name = node.input[0]
