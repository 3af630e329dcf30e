"""Put the serving input before a plain float classifier: uint8 NHWC in, normalization inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from glimpse_models.data.normalization import IMAGENET, Normalization
from glimpse_models.errors import UserError
from glimpse_models.graph.io import refuse_external_data

INT8 = frozenset(
    (
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
    )
)
"""ONNX's operators of quantized models."""

RESHAPES = ("to_rows", "to_pixels")
"""Nodes of the serving input that undo each other: every pixel stays where it is."""


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
    classes: int,
    normalization: Normalization = IMAGENET,
    side: int | None = None,
) -> onnx.ModelProto:
    """`image` uint8 `[N, side, side, 3]` → `logits` float32 `[N, classes]`, around a float model.

    The model has one input, `[N, 3, side, side]` or `[N, side, side, 3]`, and its first output is
    `[N, classes]`; a softmax at its end is taken off, because the service applies its own.
    """
    refuse_external_data(model)
    # Whatever the model calls its tensors, they are not called as ours are.
    wrapped: onnx.ModelProto = compose.add_prefix(model, "net/")
    graph = wrapped.graph
    inputs = plain_inputs(wrapped)
    if len(inputs) != 1:
        raise UserError(
            f"the model has {len(inputs)} inputs; a classifier of pictures has one: export it without the others"
        )
    kind = inputs[0].type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        name = TensorProto.DataType.Name(kind).lower()
        raise UserError(
            f"the model's input is {name}; export it with float32 input, in float32 precision"
        )
    channels_last, side = _shape(inputs[0], side)
    _output(graph, classes)
    front = _front(graph, inputs[0].name, normalization, channels_last, side)
    nodes = [*front, *graph.node]
    del graph.node[:], graph.value_info[:]
    graph.input.remove(inputs[0])
    graph.node.extend(nodes)
    graph.input.insert(
        0, helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3])
    )
    try:
        onnx.checker.check_model(wrapped)
    except onnx.checker.ValidationError as error:
        raise UserError(
            f"the model is not valid ONNX: {error}; export it with standard operators only"
        ) from error
    return wrapped


def _shape(value: onnx.ValueInfoProto, side: int | None) -> tuple[bool, int]:
    """Whether channels come last, and the input's side."""
    dims = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
    if len(dims) != 4 or 3 not in (dims[1], dims[3]):
        raise UserError(
            f"the model's input is {dims}; a classifier of RGB pictures takes [N, 3, H, W] or [N, H, W, 3]"
        )
    channels_last = dims[1] != 3
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
    return channels_last, sides.pop()


def _front(
    graph: onnx.GraphProto,
    old_input: str,
    normalization: Normalization,
    channels_last: bool,
    side: int,
) -> list[onnx.NodeProto]:
    """Normalise whole rows of `side` × 3 values: ONNX Runtime is ten times slower at three by three."""
    std = np.array(normalization.std, dtype=np.float64)
    constants = {
        "input_scale": np.tile((1 / (255 * std)).astype(np.float32), side),
        "input_shift": np.tile((-np.array(normalization.mean) / std).astype(np.float32), side),
        "as_rows": np.array([0, 0, -1]),
        "as_pixels": np.array([0, 0, -1, 3]),
    }
    front, last = [], "image"
    if normalization.bgr:
        constants["bgr"] = np.array([2, 1, 0])
        front.append(
            helper.make_node("Gather", [last, "bgr"], ["image_bgr"], axis=3, name="to_bgr")
        )
        last = "image_bgr"
    graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in constants.items()
    )
    pixels = old_input if channels_last else "image_pixels"
    front += [
        helper.make_node("Reshape", [last, "as_rows"], ["image_rows"], name=RESHAPES[0]),
        helper.make_node(
            "Cast", ["image_rows"], ["image_float"], to=TensorProto.FLOAT, name="to_float"
        ),
        helper.make_node("Mul", ["image_float", "input_scale"], ["image_scaled"], name="scale"),
        helper.make_node("Add", ["image_scaled", "input_shift"], ["image_shifted"], name="shift"),
        helper.make_node("Reshape", ["image_shifted", "as_pixels"], [pixels], name=RESHAPES[1]),
    ]
    if not channels_last:
        front.append(
            helper.make_node("Transpose", [pixels], [old_input], perm=[0, 3, 1, 2], name="to_nchw")
        )
    return front


def resize(model: onnx.ModelProto, side: int) -> None:
    """Make a wrapped model take pictures of another side; only for networks that can."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value = dims[2].dim_value = side
    for tensor in model.graph.initializer:
        if tensor.name in ("input_scale", "input_shift"):
            channels = numpy_helper.to_array(tensor)[:3]
            tensor.CopyFrom(numpy_helper.from_array(np.tile(channels, side), tensor.name))
    # Inferred shapes of the old side; onnxruntime infers them anew.
    del model.graph.value_info[:]


def _output(graph: onnx.GraphProto, classes: int) -> None:
    """Name the first output `logits`, without softmax, and drop the others."""
    dims = graph.output[0].type.tensor_type.shape.dim
    found = dims[-1].dim_value if dims else 0
    if found and found != classes:
        raise UserError(
            f"the model has {found} classes, but there are {classes} labels; give the labels it was trained with"
        )
    old = graph.output[0].name
    last = next((node for node in graph.node if old in node.output), None)
    if last is not None and last.op_type == "Softmax":
        graph.node.remove(last)
        old = last.input[0]
    for node in graph.node:
        node.output[:] = ["logits" if name == old else name for name in node.output]
        node.input[:] = ["logits" if name == old else name for name in node.input]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]))
