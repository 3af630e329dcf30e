"""A graph's inputs and outputs, held against the bundle format as in `contract.rs` of the crate `glimpse-classifier`, and a run of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session

FLOATS = "tensor(float)"


def sides_of(model: bytes, classes: int) -> tuple[int, int]:
    """Run the model as the service would; gives the height and width of its input."""
    session = open_session(model)
    height, width = _input_sides(session)
    _check_outputs(session, classes)
    for count in (1, 2):
        _try(session, np.zeros((count, height, width, 3), np.uint8), classes)
    return height, width


def _input_sides(session: Any) -> tuple[int, int]:
    inputs = session.get_inputs()
    image = inputs[0] if len(inputs) == 1 else None
    if (
        image is None
        or image.name != "image"
        or image.type != "tensor(uint8)"
        or len(image.shape) != 4
    ):
        raise UserError(
            f"the model takes {_listed(inputs)}; the service needs image, uint8 [N, H, W, 3]"
        )
    batch, height, width, channels = image.shape
    if not isinstance(height, int) or not isinstance(width, int) or channels != 3:
        raise UserError(
            f"the model's input is {image.shape}; the service needs RGB of a fixed height and width: give --side"
        )
    if isinstance(batch, int):
        raise UserError(
            f"the model's input is {image.shape}; export it with a dynamic batch axis, which the service needs"
        )
    return height, width


def _check_outputs(session: Any, classes: int) -> None:
    outputs = {output.name: output for output in session.get_outputs()}
    if "logits" not in outputs:
        raise UserError(
            "the model has no output logits; give the plain float model, which is then wrapped"
        )
    logits = outputs["logits"]
    if logits.type != FLOATS or len(logits.shape) != 2 or not isinstance(logits.shape[1], int):
        raise UserError(
            f"logits are declared as {logits.type} {logits.shape}; the service needs float32 [N, C] with C known"
        )
    if logits.shape[1] != classes:
        raise UserError(
            f"logits have {logits.shape[1]} columns, but there are {classes} labels; give the labels it was trained with"
        )
    for name, rank in (("features", 4), ("embedding", 2)):
        output = outputs.get(name)
        if output is not None and not _has_channels(output, rank):
            raise UserError(
                f"{name} are declared as {output.type} {output.shape}; the service needs float32 "
                f"with {rank} axes, the second of known length"
            )
    maps = outputs.get("class_maps")
    if maps is not None and not (
        _has_switch(session) and maps.type == FLOATS and len(maps.shape) == 4
    ):
        raise UserError(
            "the output class_maps must be float32 [N, C, h, w], made where the optional input explain, "
            "bool [], is true; make the bundle with --no-class-maps"
        )


def _has_channels(output: Any, rank: int) -> bool:
    shape = output.shape
    known = len(shape) == rank and isinstance(shape[1], int) and shape[1] > 0
    return output.type == FLOATS and known


def _has_switch(session: Any) -> bool:
    return any(
        (value.name, value.type, list(value.shape)) == ("explain", "tensor(bool)", [])
        for value in session.get_overridable_initializers()
    )


def _try(session: Any, pixels: np.ndarray, classes: int) -> None:
    count = len(pixels)
    try:
        logits = session.run(["logits"], {"image": pixels})[0]
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise UserError(
            f"the model fails on {count} pictures at once ({error}); export it with a dynamic batch axis"
        ) from error
    if logits.shape != (count, classes):
        raise UserError(
            f"logits are {list(logits.shape)} for {count} pictures, but there are {classes} labels; "
            "give the labels it was trained with, and export it with a dynamic batch axis"
        )
    if not np.isfinite(logits).all():
        raise UserError(
            "the logits of a black picture are not finite; the training or the export went wrong"
        )


def _listed(values: list[Any]) -> str:
    return ", ".join(f"{value.name} {value.type} {value.shape}" for value in values) or "nothing"
