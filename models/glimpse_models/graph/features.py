"""The further output `features`, float32 `[N, D, h, w]`: what global average pooling takes in.

Class activation maps and embeddings are made of it: with one linear layer behind the pooling, the
layer at every position is an exact map, whose mean is the logit. In a quantized model the output is
dequantized by a node of its own, so that the nodes around it stay fused in int8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.graph.embedding import pooling_of
from glimpse_models.graph.head import Nodes, find_head, is_global_pooling, producers, settings_of

OUTPUT = "features"
SWITCH = "explain"

Floats = npt.NDArray[np.float32]


def add_features(model: onnx.ModelProto) -> bool:
    """Add the output where the model pools its features `[N, D, h, w]`; says whether it did."""
    graph = model.graph
    producer = producers(model)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    pooling = pooling_of(model)
    if pooling is None or not is_global_pooling(pooling, producer, constants):
        return False
    source = pooling.input[0]
    copy = onnx.NodeProto()
    maker = producer.get(source)
    if maker is not None and maker.op_type == "DequantizeLinear":
        copy.CopyFrom(maker)
    else:
        copy.CopyFrom(helper.make_node("Cast", [source], [OUTPUT], to=TensorProto.FLOAT))
    copy.name = copy.output[0] = OUTPUT
    graph.node.append(copy)
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", *"Dhw"]))
    return True


def set_shape(model: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    """Declare D, h and w, which a run has shown."""
    for value in model.graph.output:
        if value.name == OUTPUT:
            for dim, size in zip(value.type.tensor_type.shape.dim[1:], shape[1:], strict=True):
                dim.dim_value = size


def head_of(model: onnx.ModelProto) -> tuple[Floats, Floats] | None:
    """Weights `[C, D]` and bias `[C]` of the one linear layer behind the pooling, if there is one."""
    head = find_head(model)
    if head is None:
        return None
    producer = producers(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = _values(producer, constants, head.weights)
    weights = weights if head.classes_first else weights.T
    bias = None if head.bias is None else _values(producer, constants, head.bias).ravel()
    bias = np.zeros(len(weights), np.float32) if bias is None else bias
    if head.columns is not None:  # one logit, times these
        columns = constants[head.columns].astype(np.float32).ravel()
        weights, bias = columns[:, None] * weights[:1], columns * bias[:1]
    return np.ascontiguousarray(weights), np.broadcast_to(bias, len(weights)).copy()


def _values(producer: Nodes, constants: dict[str, npt.NDArray[np.generic]], name: str) -> Floats:
    """A constant as float32, dequantized where it is in int8."""
    if name in constants:
        return constants[name].astype(np.float32)
    node = producer[name]
    if node.op_type != "DequantizeLinear":
        return _values(producer, constants, node.input[0])
    whole, scale = (constants[given].astype(np.float32) for given in node.input[:2])
    zero = constants[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.float32(0)
    if scale.ndim and scale.size > 1:
        axis = settings_of(node).get("axis", 1) % whole.ndim
        shape = [-1 if side == axis else 1 for side in range(whole.ndim)]
        scale, zero = scale.reshape(shape), np.broadcast_to(zero, scale.size).reshape(shape)
    found: Floats = ((whole - zero) * scale).astype(np.float32)
    return found


def remove_features(model: onnx.ModelProto) -> None:
    """Take the output out."""
    _remove(model, (OUTPUT,))


def remove_switch(model: onnx.ModelProto) -> None:
    """Take out what schema version 1 had instead: the optional input and maps made in an `If`."""
    _remove(model, ("class_maps", "embedding", SWITCH))


def _remove(model: onnx.ModelProto, names: tuple[str, ...]) -> None:
    graph = model.graph
    for node in [node for node in graph.node if node.output and node.output[0] in names]:
        graph.node.remove(node)
    for value in [one for one in graph.output if one.name in names]:
        graph.output.remove(value)
    for value in [one for one in graph.input if one.name in names]:
        graph.input.remove(value)
    for tensor in [one for one in graph.initializer if one.name in names]:
        graph.initializer.remove(tensor)
