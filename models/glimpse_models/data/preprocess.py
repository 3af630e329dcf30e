"""The serving preprocessing, in Pillow: torchvision's evaluation transform on any picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

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


def open_picture(path: Path) -> Image.Image:
    """Upright RGB from a file."""
    try:
        with Image.open(path) as picture:
            return to_rgb(picture)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read as a picture ({error}); repair or remove it"
        ) from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Upright RGB: EXIF orientation applied, alpha over white, 16 bits scaled to 8."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16") or picture.mode == "I":
        wide = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray(((wide + 128) // 257).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, rgba)
    return picture.convert("RGB")


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
