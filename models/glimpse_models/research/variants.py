"""Other forms of a quantized graph, to see what each is worth.

Each takes a model in QDQ form with the serving input and gives a copy, or None where the graph has no
such part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from glimpse_models.graph.front import CONSTANT_ROWS, RESHAPES

ZERO_POINT = 114
"""The mean of ImageNet's pictures in levels: the padding of a graph whose normalization is folded."""
LARGEST_WEIGHT = 64
"""Weights take 7 bits, as `quantize` makes them."""
STEM = ([7, 7], [2, 2], [3, 3, 3, 3])
"""Kernel, strides and pads of ResNet's first convolution."""

Variant = Callable[[onnx.ModelProto], onnx.ModelProto | None]


def space_to_depth(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A stem of 4 × 4 over 2 × 2 pixels as 12 channels, in place of 7 × 7 with a stride of 2 over 3.

    The sums are the same, so the answers are. Wider rows suit the processor better.
    """
    graph = _Graph.copy(model)
    stem = graph.stem()
    if stem is None or "as_pixels" not in graph.constants:
        return None
    side = graph.side
    weights = graph.constants[stem.weights]
    # One row and one column of zeros before them: eight are two by four.
    padded = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0)))
    outputs, channels = weights.shape[:2]
    blocks = padded.reshape(outputs, channels, 4, 2, 4, 2).transpose(0, 3, 5, 1, 2, 4)
    graph.put(stem.weights, blocks.reshape(outputs, 4 * channels, 4, 4))
    _set(stem.node, kernel_shape=[4, 4], strides=[1, 1], pads=[2, 2, 1, 1])
    half = side // 2
    graph.put("as_blocks", np.array([0, half, 2, half, 2, channels]))
    graph.put("as_pixels", np.array([0, 0, -1, 4 * channels]))
    blocked = [
        helper.make_node("Reshape", ["image", "as_blocks"], ["image_blocks"], name="to_blocks"),
        helper.make_node(
            "Transpose",
            ["image_blocks"],
            ["image_deep"],
            perm=[0, 1, 3, 2, 4, 5],
            name="to_depth",
        ),
    ]
    first = next(node for node in graph.nodes if node.name == RESHAPES[0])
    first.input[0] = "image_deep"
    for name in CONSTANT_ROWS:
        # A row of blocks holds two rows of pixels.
        graph.put(name, np.tile(graph.constants[name][:channels], 4 * half))
    return graph.done([*blocked, *graph.nodes])


def folded_normalization(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The picture's bytes are the first convolution's input; its weights hold the normalization.

    Padding is one level for all channels then, so answers differ where a border counts.
    """
    graph = _Graph.copy(model)
    stem = graph.stem()
    if stem is None or any(name not in graph.constants for name in (*CONSTANT_ROWS, "as_pixels")):
        return None
    channels = int(graph.constants["as_pixels"][-1])
    scale, shift = (graph.constants[name][:channels].astype(np.float64) for name in CONSTANT_ROWS)
    weights = graph.constants[stem.weights].astype(np.float64)
    weights *= graph.constants[stem.weight_scale].reshape(-1, 1, 1, 1)
    sums = weights.sum(axis=(2, 3)) @ (scale * ZERO_POINT + shift)
    weights *= scale.reshape(1, -1, 1, 1)
    new_scale = np.abs(weights).max(axis=(1, 2, 3)) / LARGEST_WEIGHT
    rounded = np.rint(weights / new_scale.reshape(-1, 1, 1, 1)).astype(np.int8)
    bias = graph.constants[stem.bias] * graph.constants[stem.bias_scale].astype(np.float64)
    graph.put(stem.weights, rounded)
    graph.put(stem.weight_scale, new_scale.astype(np.float32))
    graph.put(stem.bias, np.rint((bias + sums) / new_scale).astype(np.int32))
    graph.put(stem.bias_scale, new_scale.astype(np.float32))
    graph.put("level", np.array(1, np.float32))
    graph.put("level_zero", np.array(ZERO_POINT, np.uint8))
    graph.put("as_pixels", np.array([0, 0, 0, -1]))
    rows = next(node for node in graph.nodes if node.name == RESHAPES[0])
    dequantized = graph.producer[stem.node.input[0]]
    dequantized.input[:] = ["image_planes", "level", "level_zero"]
    front = [
        helper.make_node("Reshape", [rows.input[0], "as_pixels"], ["image_flat"], name="to_flat"),
        helper.make_node(
            "Transpose", ["image_flat"], ["image_planes"], perm=[0, 3, 1, 2], name="to_planes"
        ),
    ]
    place = graph.nodes.index(rows)
    return graph.done([*graph.nodes[:place], *front, *graph.nodes[place:]])


def both(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A stem over blocks of pixels with the normalization folded into it."""
    deep = space_to_depth(model)
    return None if deep is None else folded_normalization(deep)


def float_additions(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Residual sums stay in float along the shortcut; convolutions are in int8 as before."""
    graph = _Graph.copy(model)
    changed = False
    for node in graph.nodes:
        if node.op_type != "Add":
            continue
        for place, name in enumerate(node.input):
            source = graph.before_rounding(name)
            if source is not None and graph.producer[source].op_type == "Add":
                node.input[place] = source
                changed = True
    return graph.done(graph.nodes) if changed else None


def float_pooling(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Pooling of floats between int8 convolutions."""
    graph = _Graph.copy(model)
    changed = False
    for node in [node for node in graph.nodes if node.op_type in ("MaxPool", "GlobalAveragePool")]:
        for user in graph.users(node.output[0]):
            if user.op_type == "QuantizeLinear":
                # ONNX Runtime takes a pool of floats for one of bytes where both scales are equal.
                scale = f"{user.input[1]}_apart"
                graph.put(scale, graph.constants[user.input[1]] * np.float32(1 + 1e-6))
                user.input[1] = scale
                changed = True
                if node.op_type == "GlobalAveragePool":
                    _bypass(graph, user)
    return graph.done(graph.nodes) if changed else None


VARIANTS: dict[str, Variant] = {
    "space-to-depth stem": space_to_depth,
    "normalization folded": folded_normalization,
    "both": both,
    "residual sums in float": float_additions,
    "pooling in float": float_pooling,
}


@dataclass(frozen=True)
class _Stem:
    """The first convolution and the names of its constants."""

    node: onnx.NodeProto
    weights: str
    weight_scale: str
    bias: str
    bias_scale: str


class _Graph:
    """A graph whose nodes and constants are changed in place."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.constants: dict[str, npt.NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.producer = {name: node for node in self.nodes for name in node.output}

    @classmethod
    def copy(cls, model: onnx.ModelProto) -> _Graph:
        copied = onnx.ModelProto()
        copied.CopyFrom(model)
        return cls(copied)

    @property
    def side(self) -> int:
        return int(self.model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)

    def put(self, name: str, values: npt.NDArray[Any]) -> None:
        self.constants[name] = values

    def users(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if name in node.input]

    def before_rounding(self, name: str) -> str | None:
        """What was quantized and dequantized to give `name`."""
        after = self.producer.get(name)
        if after is None or after.op_type != "DequantizeLinear":
            return None
        rounded = self.producer.get(after.input[0])
        if rounded is None or rounded.op_type != "QuantizeLinear":
            return None
        return rounded.input[0] if rounded.input[0] in self.producer else None

    def stem(self) -> _Stem | None:
        """The first convolution, where it is as ResNet's, with int8 weights and the serving input."""
        node = next((node for node in self.nodes if node.op_type == "Conv"), None)
        names = {node.name for node in self.nodes}
        if node is None or len(node.input) < 3 or not set(RESHAPES) <= names:
            return None
        given = {attribute.name: list(attribute.ints) for attribute in node.attribute}
        found = (given.get("kernel_shape"), given.get("strides"), given.get("pads"))
        weights, bias = (self.producer.get(name) for name in node.input[1:])
        is_resnets = found == STEM or found == ([4, 4], [1, 1], [2, 2, 1, 1])
        if not is_resnets or weights is None or bias is None:
            return None
        return _Stem(node, weights.input[0], weights.input[1], bias.input[0], bias.input[1])

    def done(self, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
        """The model of these nodes, without those that nothing needs."""
        graph = self.model.graph
        needed, kept = {value.name for value in graph.output}, []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        copies = []
        for node in reversed(kept):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copies.append(copy)
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(copies)
        graph.initializer.extend(
            numpy_helper.from_array(values, name)
            for name, values in self.constants.items()
            if name in needed
        )
        onnx.checker.check_model(self.model)
        return self.model


def _bypass(graph: _Graph, rounding: onnx.NodeProto) -> None:
    """Take what was rounded for what it was rounded to."""
    for after in graph.users(rounding.output[0]):
        for user in graph.users(after.output[0]):
            user.input[:] = [
                rounding.input[0] if name == after.output[0] else name for name in user.input
            ]


def _set(node: onnx.NodeProto, **attributes: list[int]) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    made = [helper.make_attribute(name, value) for name, value in attributes.items()]
    copies = [onnx.AttributeProto.FromString(one.SerializeToString()) for one in [*kept, *made]]
    del node.attribute[:]
    node.attribute.extend(copies)
