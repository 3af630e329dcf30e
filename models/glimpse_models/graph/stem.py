"""ResNet's first convolution over blocks of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from glimpse_models.graph.editor import Editor, set_attributes
from glimpse_models.graph.front import CONSTANT_ROWS, RESHAPES
from glimpse_models.graph.io import input_side

PLAIN = ([7, 7], [2, 2], [3, 3, 3, 3])
DEEP = ([4, 4], [1, 1], [2, 2, 1, 1])
"""Kernel, strides and pads over pixels, and over blocks of them."""


@dataclass(frozen=True)
class Stem:
    """The first convolution and the names of its constants."""

    node: onnx.NodeProto
    is_deep: bool
    weights: str
    weight_scale: str
    bias: str
    bias_scale: str


def space_to_depth(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A stem of 4 × 4 over 2 × 2 pixels as 12 channels, in place of 7 × 7 with a stride of 2 over 3.

    The sums are the same, so the answers are. Wider rows suit the processor better.
    """
    graph = Editor.copy(model)
    stem = stem_of(graph)
    side = input_side(model)
    # Blocks need an even side.
    if stem is None or stem.is_deep or side % 2 or "as_pixels" not in graph.constants:
        return None
    weights = graph.constants[stem.weights]
    # One row and one column of zeros before them: eight are two by four.
    padded = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0)))
    outputs, channels = weights.shape[:2]
    blocks = padded.reshape(outputs, channels, 4, 2, 4, 2).transpose(0, 3, 5, 1, 2, 4)
    graph.put(stem.weights, blocks.reshape(outputs, 4 * channels, 4, 4))
    kernel, strides, pads = DEEP
    set_attributes(stem.node, kernel_shape=kernel, strides=strides, pads=pads)
    half = side // 2
    graph.put("as_blocks", np.array([0, half, 2, half, 2, channels]))
    graph.put("as_pixels", np.array([0, 0, -1, 4 * channels]))
    first = next(node for node in graph.nodes if node.name == RESHAPES[0])
    blocked = [
        helper.make_node(
            "Reshape", [first.input[0], "as_blocks"], ["image_blocks"], name="to_blocks"
        ),
        helper.make_node(
            "Transpose", ["image_blocks"], ["image_deep"], perm=[0, 1, 3, 2, 4, 5], name="to_depth"
        ),
    ]
    first.input[0] = "image_deep"
    place = graph.nodes.index(first)
    for name in CONSTANT_ROWS:
        # A row of blocks holds two rows of pixels.
        graph.put(name, np.tile(graph.constants[name][:channels], 4 * half))
    return graph.done([*graph.nodes[:place], *blocked, *graph.nodes[place:]])


def stem_of(graph: Editor) -> Stem | None:
    """The first convolution, where it is as ResNet's, with int8 weights and the serving input."""
    node = next((node for node in graph.nodes if node.op_type == "Conv"), None)
    names = {node.name for node in graph.nodes}
    if node is None or len(node.input) < 3 or not set(RESHAPES) <= names:
        return None
    given = {attribute.name: list(attribute.ints) for attribute in node.attribute}
    found = (given.get("kernel_shape"), given.get("strides"), given.get("pads"))
    weights, bias = (graph.producer.get(name) for name in node.input[1:])
    if found not in (PLAIN, DEEP) or weights is None or bias is None:
        return None
    zeros = [graph.constants.get(name) for name in weights.input[2:]]
    if any(zero is None or zero.any() for zero in zeros):
        return None
    return Stem(node, found == DEEP, *weights.input[:2], *bias.input[:2])
