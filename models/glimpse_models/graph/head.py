"""Finds the head of a network: global average pooling, then one linear layer to the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper, numpy_helper

from glimpse_models.graph.scores import ONE_CLASS

Nodes = dict[str, onnx.NodeProto]

# Between pooling and linear layer: flattening, and rounding to 8 bits.
FLATTENING = ("Flatten", "Reshape", "Squeeze", "Identity", "Dropout", "Cast")
ROUNDING = ("QuantizeLinear", "DequantizeLinear")
# Between linear layer and logits.
AFTER = ("Identity", "Cast", "Flatten", "Reshape", "Squeeze")


@dataclass(frozen=True)
class Head:
    """Names of tensors: `features` `[N, K, h, w]` that pooling takes, weights and bias of the layer.

    `weights` is `[C, K]` where `classes_first`, else `[K, C]`. `columns` multiplies the one logit of
    a network with one class. `pooled` is what the layer takes.
    """

    features: str
    pooled: str
    weights: str
    bias: str | None
    classes_first: bool
    columns: str | None


def producers(model: onnx.ModelProto) -> Nodes:
    """The node that makes each tensor."""
    return {name: node for node in model.graph.node for name in node.output}


def find_head(model: onnx.ModelProto) -> Head | None:
    """The head, or nothing where the network ends otherwise."""
    producer = producers(model)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    name, columns = "logits", None
    if (node := producer.get(name)) is not None and node.name == ONE_CLASS:
        name, columns = node.input
    name = _back_over(producer, name, AFTER)
    layer = _linear(producer, constants, name)
    if layer is None:
        return None
    pooled, weights, bias, classes_first = layer
    pooling = producer.get(_back_over(producer, pooled, (*FLATTENING, *ROUNDING)))
    if pooling is None or not is_global_pooling(pooling, producer, constants):
        return None
    return Head(pooling.input[0], pooled, weights, bias, classes_first, columns)


def settings_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Its attributes by name."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _back_over(producer: Nodes, name: str, operators: tuple[str, ...]) -> str:
    """The tensor that these operators came from."""
    while (node := producer.get(name)) is not None and node.op_type in operators:
        name = node.input[0]
    return name


def _linear(
    producer: Nodes, constants: dict[str, onnx.TensorProto], name: str
) -> tuple[str, str, str | None, bool] | None:
    """Input, weights and bias of a Gemm, or of a MatMul with or without an Add."""
    node = producer.get(name)
    if node is None:
        return None
    if node.op_type == "Gemm":
        settings = settings_of(node)
        if (settings.get("alpha", 1.0), settings.get("beta", 1.0)) != (1, 1):
            return None
        if settings.get("transA", 0):
            return None
        bias = node.input[2] if len(node.input) > 2 else None
        return node.input[0], node.input[1], bias, bool(settings.get("transB", 0))
    bias = None
    if node.op_type == "Add":
        sides = [given for given in node.input if _is_constant(producer, constants, given)]
        if len(sides) != 1:
            return None
        bias = sides[0]
        rest = next(given for given in node.input if given != bias)
        node = producer.get(_back_over(producer, rest, ROUNDING))
    if node is None or node.op_type != "MatMul":
        return None
    if not _is_constant(producer, constants, node.input[1]):
        return None
    return node.input[0], node.input[1], bias, False


def _is_constant(producer: Nodes, constants: dict[str, onnx.TensorProto], name: str) -> bool:
    """Whether a tensor is an initializer, or one that is dequantized."""
    return _back_over(producer, name, ("DequantizeLinear", "Identity", "Cast")) in constants


def is_global_pooling(
    node: onnx.NodeProto, producer: Nodes, constants: dict[str, onnx.TensorProto]
) -> bool:
    """Whether it is the mean over the places of `[N, D, h, w]`."""
    if node.op_type == "GlobalAveragePool":
        return True
    if node.op_type != "ReduceMean":
        return False
    axes = settings_of(node).get("axes")
    if axes is None and len(node.input) > 1:
        name = node.input[1]
        maker = producer.get(name)
        if name in constants:
            axes = numpy_helper.to_array(constants[name]).tolist()
        elif (
            maker is not None and maker.op_type == "Constant" and maker.attribute[0].name == "value"
        ):
            axes = numpy_helper.to_array(maker.attribute[0].t).tolist()
    return axes is not None and {axis % 4 for axis in axes} == {2, 3}
