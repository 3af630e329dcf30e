"""Other forms of a quantized graph, to see what each is worth.

Each takes a model in QDQ form with the serving input and gives a copy, or None where the graph has no
such part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper

from glimpse_models.graph.editor import Editor
from glimpse_models.graph.front import CONSTANT_ROWS, RESHAPES
from glimpse_models.graph.stem import space_to_depth, stem_of

ZERO_POINT = 114
"""The mean of ImageNet's pictures in levels: the padding of a graph whose normalization is folded."""
LARGEST_WEIGHT = 64
"""Weights take 7 bits, as `quantize` makes them."""
Variant = Callable[[onnx.ModelProto], onnx.ModelProto | None]


def folded_normalization(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The picture's bytes are the first convolution's input; its weights hold the normalization.

    Padding is one level for all channels then, so answers differ where a border counts.
    """
    graph = Editor.copy(model)
    stem = stem_of(graph)
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
    graph = Editor.copy(model)
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
    graph = Editor.copy(model)
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


def _bypass(graph: Editor, rounding: onnx.NodeProto) -> None:
    """Take what was rounded for what it was rounded to."""
    for after in graph.users(rounding.output[0]):
        for user in graph.users(after.output[0]):
            user.input[:] = [
                rounding.input[0] if name == after.output[0] else name for name in user.input
            ]
