"""Give a model the further output `embedding`, float32 `[N, D]`: what its head sees of a picture.

That is the pooled feature vector before the first layer of the head, not normalised. In a quantized
model it is dequantized by a node of its own, so that the layer after it stays fused in int8.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from glimpse_models.graph.scores import ONE_CLASS

OUTPUT = "embedding"
POOLING = ("GlobalAveragePool", "ReduceMean")
# On the way back from the logits: the layers of a head, and what changes no value or rounds it.
LAYERS = ("Gemm", "MatMul")
BETWEEN = ("Add", "Relu", "Clip", "HardSwish", "Dropout")
KEEPING = ("Flatten", "Reshape", "Squeeze", "Identity", "Cast")
ROUNDING = ("QuantizeLinear", "DequantizeLinear")


def add_embedding(model: onnx.ModelProto) -> bool:
    """Add the output where the model pools its features before a head; says whether it did."""
    graph = model.graph
    if any(value.name == OUTPUT for value in graph.output):
        return False
    producer = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    features = _pooled(producer, constants)
    if features is None:
        return False
    node = producer[features]
    copy = onnx.NodeProto()
    if node.op_type == "DequantizeLinear":
        copy.CopyFrom(node)
    else:
        copy.CopyFrom(helper.make_node("Cast", [features], [OUTPUT], to=TensorProto.FLOAT))
    copy.name = copy.output[0] = OUTPUT
    graph.node.append(copy)
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", None]))
    return True


def set_width(model: onnx.ModelProto, width: int) -> None:
    """Declare D, which a run has shown."""
    for value in model.graph.output:
        if value.name == OUTPUT:
            value.type.tensor_type.shape.dim[1].dim_value = width


def pooling_of(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The node that pools the features, if nothing but a head is between it and the logits."""
    producer = {name: node for node in model.graph.node for name in node.output}
    found = _pooling(producer, {tensor.name for tensor in model.graph.initializer})
    return found[0] if found and found[1] else None


def _pooled(producer: dict[str, onnx.NodeProto], constants: set[str]) -> str | None:
    """The input of the head's first layer, if nothing but the head is between it and the logits."""
    found = _pooling(producer, constants)
    return found[1] if found else None


def _pooling(
    producer: dict[str, onnx.NodeProto], constants: set[str]
) -> tuple[onnx.NodeProto, str | None] | None:
    """The pooling, and the input of the head's first layer."""
    name, entered = "logits", None
    while (node := producer.get(name)) is not None:
        if node.op_type in POOLING:
            return node, entered
        if node.op_type in LAYERS:
            entered = node.input[0]
        elif node.name != ONE_CLASS and node.op_type not in (*BETWEEN, *KEEPING, *ROUNDING):
            return None
        # A bias may be added from either side.
        name = next((given for given in node.input if given not in constants), "")
    return None
