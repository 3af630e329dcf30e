"""The serving preprocessing, in Pillow: torchvision's evaluation transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from glimpse_models.errors import UserError


@dataclass(frozen=True)
class InputSpec:
    """Side of the square input and of the resized shorter side, in pixels."""

    side: int
    resize: int

    def __post_init__(self) -> None:
        # Pillow fills with black what a crop takes from outside.
        if self.resize < self.side:
            raise UserError(
                f"--resize {self.resize} is below the input side {self.side}: it must cover the crop"
            )


def fit(picture: Image.Image, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """`[side, side, 3]`: shorter side resized with antialiased bilinear, centre cropped.

    The arithmetic of torchvision's `Resize` and `CenterCrop`, which on Pillow pictures call these
    very functions; a test holds them against each other.
    """
    width, height = picture.size
    if width <= height:
        size = (spec.resize, spec.resize * height // width)
    else:
        size = (spec.resize * width // height, spec.resize)
    left, top = (round((side - spec.side) / 2) for side in size)
    resized = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + spec.side, top + spec.side)))
