"""Put the serving input before a plain float classifier: uint8 NHWC in, normalisation inside."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

from glimpse_models.errors import Refused


def wrap(
    model: onnx.ModelProto, side: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> onnx.ModelProto:
    """`image` uint8 `[N, side, side, 3]` → `logits` float32 `[N, C]`, around a float NCHW model.

    The model has one input `[N, 3, side, side]`, for pictures of `mean` and `std` in 0…1, and its
    first output is `[N, C]`.
    """
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    graph = wrapped.graph
    initialised = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialised]
    if len(inputs) != 1:
        raise Refused(f"the model has {len(inputs)} inputs; a classifier of pictures has one")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in graph.initializer):
        raise Refused("the model has external data; save it as one file first")
    old_input, old_output = inputs[0].name, graph.output[0].name
    scale = (1 / (255 * np.array(std, dtype=np.float64))).astype(np.float32).reshape(1, 3, 1, 1)
    shift = (-np.array(mean) / np.array(std)).astype(np.float32).reshape(1, 3, 1, 1)
    graph.initializer.extend(
        [numpy_helper.from_array(scale, "input_scale"), numpy_helper.from_array(shift, "input_shift")]
    )
    front = [
        helper.make_node("Transpose", ["image"], ["image_nchw"], perm=[0, 3, 1, 2], name="to_nchw"),
        helper.make_node("Cast", ["image_nchw"], ["image_float"], to=TensorProto.FLOAT, name="to_float"),
        helper.make_node("Mul", ["image_float", "input_scale"], ["image_scaled"], name="scale"),
        helper.make_node("Add", ["image_scaled", "input_shift"], [old_input], name="shift"),
    ]
    for node in graph.node:
        node.output[:] = ["logits" if name == old_output else name for name in node.output]
        node.input[:] = ["logits" if name == old_output else name for name in node.input]
    nodes = [*front, *graph.node]
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3]))
    classes = graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]))
    onnx.checker.check_model(wrapped, full_check=True)
    return wrapped
