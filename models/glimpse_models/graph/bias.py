"""Bias correction (Nagel et al. 2019): the mean error of rounded weights, taken out of the biases.

Rounding a layer's weights shifts the mean of each of its outputs by the error of the weights times
the mean input. Networks with few weights per output, such as depthwise ones, lose most by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.graph.head import settings_of
from glimpse_models.graph.io import open_session

MEANS = "mean of "

Values = npt.NDArray[np.float32]
Shifts = dict[str, Values]


def bias_shifts(
    model: onnx.ModelProto, quantized: onnx.ModelProto, pictures: Iterable[npt.NDArray[np.uint8]]
) -> Shifts:
    """What to add to the bias of each convolution and Gemm, by the node's name."""
    errors = _weight_errors(model, quantized)
    layers = {node.name: node for node in model.graph.node if node.name in errors}
    means = _mean_inputs(model, {node.input[0] for node in layers.values()}, pictures)
    return {name: _shift(node, errors[name], means[node.input[0]]) for name, node in layers.items()}


def shift_biases(model: onnx.ModelProto, shifts: Mapping[str, Values]) -> None:
    """Add the shifts to the biases of the nodes that they name; a node without a bias gets one."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        shift = shifts.get(node.name)
        if shift is None:
            continue
        own = f"{node.name}/corrected_bias"  # a bias may belong to several nodes
        bias = numpy_helper.to_array(constants[node.input[2]]) if _has_bias(node) else 0
        graph.initializer.append(numpy_helper.from_array((bias + shift).astype(np.float32), own))
        node.input[:] = [*node.input[:2], own]
    used = {name for node in graph.node for name in node.input}
    for name in [name for name in constants if name not in used]:
        graph.initializer.remove(constants[name])


def _is_plain(node: onnx.NodeProto) -> bool:
    """A convolution, or a Gemm that is a linear layer."""
    if node.op_type == "Gemm":
        settings = settings_of(node)
        factors = (settings.get("alpha", 1.0), settings.get("beta", 1.0))
        return factors == (1, 1) and not settings.get("transA", 0)
    return node.op_type == "Conv"


def _has_bias(node: onnx.NodeProto) -> bool:
    return len(node.input) > 2 and bool(node.input[2])


def _weight_errors(model: onnx.ModelProto, quantized: onnx.ModelProto) -> dict[str, Values]:
    """Weights minus rounded weights of each node whose weights and bias are constants."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded = _rounded_weights(quantized)
    errors = {}
    for node in model.graph.node:
        if node.name not in rounded or not _is_plain(node):
            continue
        if node.input[1] in constants and (not _has_bias(node) or node.input[2] in constants):
            weights = numpy_helper.to_array(constants[node.input[1]])
            errors[node.name] = (weights - rounded[node.name]).astype(np.float32)
    return errors


def _rounded_weights(quantized: onnx.ModelProto) -> dict[str, Values]:
    """The weights as the QDQ model dequantizes them, by the name of the node that takes them."""
    constants = {tensor.name: tensor for tensor in quantized.graph.initializer}
    producer = {name: node for node in quantized.graph.node for name in node.output}
    found = {}
    for node in quantized.graph.node:
        before = producer.get(node.input[1]) if len(node.input) > 1 else None
        if before is None or before.op_type != "DequantizeLinear":
            continue
        if before.input[0] not in constants:
            continue
        values, scale = (numpy_helper.to_array(constants[name]) for name in before.input[:2])
        axis = next((entry.i for entry in before.attribute if entry.name == "axis"), 1)
        shape = [1] * values.ndim
        if scale.ndim:
            shape[axis] = -1
        # Symmetric: weights have no zero point.
        found[node.name] = values.astype(np.float32) * scale.reshape(shape)
    return found


def _mean_inputs(
    model: onnx.ModelProto, names: set[str], pictures: Iterable[npt.NDArray[np.uint8]]
) -> dict[str, Values]:
    """The mean of each tensor per channel, over batch and places."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ordered = sorted(names)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ordered
    )
    session = open_session(watched.SerializeToString())
    sums, count = {name: np.zeros(1) for name in ordered}, 0
    for batch in pictures:
        for name, values in zip(ordered, session.run(ordered, {"image": batch}), strict=True):
            places = tuple(range(2, values.ndim))
            sums[name] = sums[name] + values.mean(axis=places, dtype=np.float64).sum(axis=0)
        count += len(batch)
    return {name: (total / count).astype(np.float32) for name, total in sums.items()}


def _shift(node: onnx.NodeProto, error: Values, mean: Values) -> Values:
    """`[outputs]`: the error of the weights times the mean input."""
    settings = settings_of(node)
    if node.op_type == "Gemm":
        by_output = error if settings.get("transB", 0) else error.T
        return (by_output @ mean).astype(np.float32)
    groups = settings.get("group", 1)
    per_group = error.sum(axis=tuple(range(2, error.ndim))).reshape(groups, -1, error.shape[1])
    shift: Values = np.einsum("goi,gi->go", per_group, mean.reshape(groups, -1)).ravel()
    return shift
