"""The entry `input` of `bundle.json`: what the service takes, as in `bundle/input.rs` of the crate `glimpse-classifier`."""

from __future__ import annotations

from typing import Any

from glimpse_models.bundle.fields import flag, integer, list_of, object_of, one_of, refuse
from glimpse_models.data.preprocess import CROPS, FILTERS, MODES

MAX_SIDE = 4096

_PIXELS = integer(1, MAX_SIDE)


def _size(path: str, found: Any) -> None:
    """One number, or height and width."""
    if isinstance(found, list):
        list_of(_PIXELS, 2)(path, found)
    else:
        _PIXELS(path, found)


_FORM = object_of(
    {
        "height": _PIXELS,
        "width": _PIXELS,
        "resize": object_of(
            {"mode": one_of(*MODES), "size": _size},
            {"filter": one_of(*FILTERS), "antialias": flag},
            {"fill": list_of(integer(0, 255), 3)},
        ),
    },
    {"channels": integer(3, 3), "crop": one_of(*CROPS)},
)

_FORM_1 = object_of(
    {
        "height": _PIXELS,
        "width": _PIXELS,
        "resize_shorter_side": _PIXELS,
        "interpolation": one_of("bilinear-antialias"),
    }
)


def check_input(path: str, found: Any) -> None:
    """Refuse other types and ranges than the documented ones, and what contradicts itself."""
    _FORM(path, found)
    height, width, resize = found["height"], found["width"], found["resize"]
    size, crop, shorter = resize["size"], found.get("crop"), resize["mode"] == "shorter-side"
    tall, wide = size if isinstance(size, list) else (size, size)
    if shorter and isinstance(size, list):
        raise refuse(f"{path}.resize.size", size, "one number, as the mode shorter-side needs")
    if crop == "none" and shorter:
        raise refuse(
            f"{path}.crop", crop, "center: the mode shorter-side keeps the ratio of the sides"
        )
    if crop == "none" and (tall, wide) != (height, width):
        expected = f"{height} × {width}, the input's sides, as crop none needs"
        raise refuse(f"{path}.resize.size", size, expected)
    # In the mode shorter-side, both sides of the picture are at least `size`.
    if min(tall, wide) < max(height, width) if shorter else tall < height or wide < width:
        expected = f"at least the input's {height} × {width} pixels, which are cropped from it"
        raise refuse(f"{path}.resize.size", size, expected)
    if resize.get("fill") is not None and resize["mode"] != "letterbox":
        raise refuse(f"{path}.resize.fill", resize["fill"], "left out, as only letterbox fills")
    if resize.get("filter") == "lanczos" and not resize.get("antialias", True):
        raise refuse(f"{path}.resize.antialias", False, "true, as the filter lanczos needs")


def input_from_1(found: Any) -> dict[str, Any]:
    """The entry of schema version 1, which knew torchvision's evaluation transform alone, in the form of version 2."""
    _FORM_1("input", found)
    return {
        "height": found["height"],
        "width": found["width"],
        "channels": 3,
        "resize": {
            "mode": "shorter-side",
            "size": found["resize_shorter_side"],
            "filter": "bilinear",
            "antialias": True,
        },
        "crop": "center",
    }
