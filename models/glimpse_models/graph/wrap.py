"""Put the serving input before a plain float classifier: uint8 NHWC in, normalization inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from glimpse_models.data.normalization import IMAGENET, Normalization
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.front import CONSTANT_ROWS, InputShape, front_nodes
from glimpse_models.graph.io import refuse_external_data
from glimpse_models.graph.repair import repair, upgraded
from glimpse_models.graph.scores import end_in_logits

INT8 = frozenset(
    (
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
    )
)
"""ONNX's operators of quantized models."""


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether any of it is in int8."""
    return any(node.op_type in INT8 for node in model.graph.node)


def is_optimized(model: onnx.ModelProto) -> bool:
    """Whether its convolutions are ONNX Runtime's own, which the step `optimize` leaves."""
    return any(
        (node.domain, node.op_type) == ("com.microsoft", "QLinearConv") for node in model.graph.node
    )


def refuse_optimized(model: onnx.ModelProto, path: Path) -> None:
    """Steps that change a model know ONNX's operators."""
    if is_optimized(model):
        raise UserError(
            f"{path} is optimized for ONNX Runtime, which is for serving only; give the model it was made of"
        )


def is_wrapped(model: onnx.ModelProto) -> bool:
    """It takes `image`, uint8: the serving input."""
    inputs = plain_inputs(model)
    return (
        len(inputs) == 1
        and inputs[0].name == "image"
        and inputs[0].type.tensor_type.elem_type == TensorProto.UINT8
    )


def plain_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that a caller must give: older files list their weights among the inputs too."""
    initialised = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initialised]


def wrap(
    model: onnx.ModelProto,
    labels: int,
    normalization: Normalization = IMAGENET,
    side: int | None = None,
    task: str = SINGLE,
) -> onnx.ModelProto:
    """`image` uint8 `[N, side, side, 3]` → `logits` float32 `[N, classes]`, around a float model.

    The model has one input, `[N, 3, side, side]` or `[N, side, side, 3]`, or with one channel for
    grey pictures, in float32 or float16. Its first output is `[N, classes]`, logits or scores.
    """
    refuse_external_data(model)
    # Whatever the model calls its tensors, they are not called as ours are.
    wrapped: onnx.ModelProto = compose.add_prefix(model, "net/")
    repair(wrapped)
    graph = wrapped.graph
    if len(graph.input) != 1:
        raise UserError(
            f"the model has {len(graph.input)} inputs; a classifier of pictures has one: export it without the others"
        )
    old = graph.input[0]
    shape = _input_shape(old, side)
    nodes = [*front_nodes(graph, old.name, shape, normalization), *graph.node]
    del graph.node[:], graph.value_info[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", shape.side, shape.side, 3])
    )
    end_in_logits(wrapped, labels, task)
    try:
        onnx.checker.check_model(wrapped)
    except onnx.checker.ValidationError as error:
        raise UserError(
            f"the model is not valid ONNX: {error}; export it with standard operators only"
        ) from error
    return upgraded(wrapped)


def _input_shape(value: onnx.ValueInfoProto, side: int | None) -> InputShape:
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        name = TensorProto.DataType.Name(kind).lower()
        raise UserError(f"the model's input is {name}; export it with float32 or float16 input")
    dims = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
    if len(dims) != 4 or not {dims[1], dims[3]} & {1, 3}:
        raise UserError(
            f"the model's input is {dims}; a classifier of pictures takes [N, 3, H, W] or [N, H, W, 3], or one channel of grey"
        )
    channels_last = dims[1] not in (1, 3)
    height, width = dims[1:3] if channels_last else dims[2:4]
    sides = {size for size in (height, width, side) if size is not None}
    if len(sides) > 1:
        asked = f", and --side asks for {side}" if side else ""
        raise UserError(
            f"the model's input is {height} × {width}{asked}; it must be one square: export it for that side"
        )
    if not sides:
        raise UserError(
            "the model's input has a dynamic height and width; say which side it was trained for with --side"
        )
    grey = (dims[3] if channels_last else dims[1]) == 1
    return InputShape(sides.pop(), channels_last, grey)


def resize(model: onnx.ModelProto, side: int) -> None:
    """Make a wrapped model take pictures of another side; only for networks that can."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    old = dims[1].dim_value
    dims[1].dim_value = dims[2].dim_value = side
    for tensor in model.graph.initializer:
        if tensor.name in CONSTANT_ROWS:
            channels = numpy_helper.to_array(tensor)
            channels = channels[: len(channels) // old]
            tensor.CopyFrom(numpy_helper.from_array(np.tile(channels, side), tensor.name))
    # Inferred shapes of the old side; onnxruntime infers them anew.
    del model.graph.value_info[:]
