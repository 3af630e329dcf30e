"""The serving input in front of a network: uint8 NHWC in, normalization inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.data.normalization import Normalization
from glimpse_models.errors import UserError

RESHAPES = ("to_rows", "to_pixels")
"""Nodes that undo each other: every pixel stays where it is."""

CONSTANT_ROWS = ("input_scale", "input_shift")
"""Constants that have one value per pixel and channel of a row."""

# Of RGB in 1/65536, as Pillow's `convert("L")` weighs them; sums of them are exact in float32.
LUMA = (19595, 38470, 7471)
LUMA_UNIT = 65536

KEPT_IN_FLOAT = ("shift", "to_grey", "round_up")
"""Nodes of operators that quantization would take."""


@dataclass(frozen=True)
class InputShape:
    """Of the network: a square of `side` pixels."""

    side: int
    channels_last: bool
    grey: bool = False


def front_nodes(
    graph: onnx.GraphProto, old_input: str, shape: InputShape, normalization: Normalization
) -> list[onnx.NodeProto]:
    """Nodes from `image` to the network's input; their constants are added to the graph."""
    nodes, last = [], "image"
    constants: dict[str, np.ndarray] = {}
    if normalization.bgr:
        constants["bgr"] = np.array([2, 1, 0])
        nodes.append(
            helper.make_node("Gather", [last, "bgr"], ["image_bgr"], axis=3, name="to_bgr")
        )
        last = "image_bgr"
    if shape.grey:
        last = _grey(nodes, constants, last)
    last = _normalized(nodes, constants, last, shape, normalization)
    if not shape.channels_last:
        nodes.append(
            helper.make_node("Transpose", [last], ["image_nchw"], perm=[0, 3, 1, 2], name="to_nchw")
        )
    nodes[-1].output[0] = old_input
    graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in constants.items()
    )
    return nodes


def _grey(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], last: str) -> str:
    """RGB → whole levels of grey, float `[N, H, W, 1]`, as Pillow rounds them."""
    constants |= {
        "luma": np.array(LUMA, np.float32).reshape(3, 1),
        "half_a_level": np.array(LUMA_UNIT / 2, np.float32),
        "luma_unit": np.array(1 / LUMA_UNIT, np.float32),
    }
    nodes += [
        helper.make_node("Cast", [last], ["image_rgb"], to=TensorProto.FLOAT, name="rgb_to_float"),
        helper.make_node("MatMul", ["image_rgb", "luma"], ["image_sum"], name="to_grey"),
        helper.make_node("Add", ["image_sum", "half_a_level"], ["image_up"], name="round_up"),
        helper.make_node("Mul", ["image_up", "luma_unit"], ["image_levels"], name="to_levels"),
        helper.make_node("Floor", ["image_levels"], ["image_grey"], name="round_down"),
    ]
    return "image_grey"


def _normalized(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    last: str,
    shape: InputShape,
    normalization: Normalization,
) -> str:
    """Whole rows of values at a time: ONNX Runtime is ten times slower at three by three."""
    mean, std = (np.array(values, np.float64) for values in (normalization.mean, normalization.std))
    if shape.grey:
        if len(set(normalization.mean)) > 1 or len(set(normalization.std)) > 1:
            raise UserError(
                "a model of grey pictures has one mean and one deviation; give --normalise unit, symmetric or bytes"
            )
        mean, std = mean[:1], std[:1]
    constants |= {
        "input_scale": np.tile((1 / (255 * std)).astype(np.float32), shape.side),
        "input_shift": np.tile((-mean / std).astype(np.float32), shape.side),
        "as_rows": np.array([0, 0, -1]),
        "as_pixels": np.array([0, 0, -1, len(mean)]),
    }
    nodes += [
        helper.make_node("Reshape", [last, "as_rows"], ["image_rows"], name=RESHAPES[0]),
        helper.make_node(
            "Cast", ["image_rows"], ["image_float"], to=TensorProto.FLOAT, name="to_float"
        ),
        helper.make_node("Mul", ["image_float", "input_scale"], ["image_scaled"], name="scale"),
        helper.make_node("Add", ["image_scaled", "input_shift"], ["image_shifted"], name="shift"),
        helper.make_node(
            "Reshape", ["image_shifted", "as_pixels"], ["image_pixels"], name=RESHAPES[1]
        ),
    ]
    return "image_pixels"
