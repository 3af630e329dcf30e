"""The serving preprocessing, in Pillow and NumPy: the geometry that `bundle.json` describes.

With antialiasing, and for the nearest pixel, it is Pillow's; without, it is PyTorch's interpolation,
which TensorFlow and Keras do too (but for the edges of bicubic).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from glimpse_models.errors import UserError

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
MODES = ("shorter-side", "squash", "letterbox")
CROPS = ("center", "center-floor", "none")
CUBIC = -0.75
"""Keys' `a` of PyTorch's bicubic interpolation without antialiasing."""

Pixels = npt.NDArray[np.uint8]
Fill = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """How a picture gets to an input of any side; `InputSpec` has the fields' meanings."""

    mode: str = "shorter-side"
    filter: str = "bilinear"
    antialias: bool = True
    fill: Fill = (0, 0, 0)
    crop: str = "center"

    def at(self, side: int, resize: int | None = None) -> InputSpec:
        """For an input of `side` pixels; resized to that too unless `resize` says otherwise."""
        return InputSpec(side, resize or side, **dataclasses.asdict(self))


EVALUATION = Geometry()
"""torchvision's evaluation transform."""


@dataclass(frozen=True)
class InputSpec:
    """Side of the square input, in pixels, and how a picture gets there.

    `resize` is the shorter side in the mode `shorter-side`, and the side of the square that `squash`
    and `letterbox` resize to. `crop` keeps the centre, or all; where the margin is odd, `center` rounds
    its half to even, as torchvision does, and `center-floor` down, as transformers does.
    """

    side: int
    resize: int
    mode: str = "shorter-side"
    filter: str = "bilinear"
    antialias: bool = True
    fill: Fill = (0, 0, 0)
    crop: str = "center"

    @property
    def geometry(self) -> Geometry:
        """Without the sides."""
        return Geometry(self.mode, self.filter, self.antialias, self.fill, self.crop)

    def __post_init__(self) -> None:
        for name, known in (("mode", MODES), ("filter", tuple(FILTERS)), ("crop", CROPS)):
            if getattr(self, name) not in known:
                raise UserError(
                    f"the {name} {getattr(self, name)} is not known; give {' or '.join(known)}"
                )
        # Pillow fills with black what a crop takes from outside.
        if self.resize < self.side:
            raise UserError(
                f"--resize {self.resize} is below the input side {self.side}: it must cover the crop"
            )
        if self.crop == "none" and self.mode == "shorter-side":
            raise UserError("the mode shorter-side keeps the ratio of the sides: it needs a crop")
        if self.crop == "none" and self.resize != self.side:
            raise UserError(
                f"without a crop, --resize {self.resize} must be the input side {self.side}"
            )
        if self.filter == "lanczos" and not self.antialias:
            raise UserError("the filter lanczos is always antialiased; leave --no-antialias out")
        if len(self.fill) != 3 or not all(0 <= level <= 255 for level in self.fill):
            raise UserError(f"the fill {self.fill} is not three levels of 0 to 255")


def fit(picture: Image.Image, spec: InputSpec) -> Pixels:
    """`[side, side, 3]`: resized and cropped as `spec` says.

    In the mode `shorter-side` with antialiased bilinear, the arithmetic of torchvision's `Resize` and
    `CenterCrop`, which on Pillow pictures call these very functions; tests hold every mode against
    Pillow, torchvision and PyTorch.
    """
    resized = _resized(picture, _size(picture.size, spec), spec)
    if spec.mode == "letterbox":
        resized = _padded(resized, spec)
    width, height = resized.size
    left, top = (_half(side - spec.side, spec.crop) for side in (width, height))
    return np.asarray(resized.crop((left, top, left + spec.side, top + spec.side)))


def _half(margin: int, crop: str) -> int:
    return margin // 2 if crop == "center-floor" else round(margin / 2)


def _size(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """What the picture is resized to, as torchvision's `Resize` or Pillow's `ImageOps.contain`."""
    width, height = size
    side = spec.resize
    if spec.mode == "squash" or width == height:
        return side, side
    if spec.mode == "shorter-side":
        return (side, side * height // width) if width < height else (side * width // height, side)
    if width > height:
        return side, max(1, round(height / width * side))
    return max(1, round(width / height * side)), side


def _padded(picture: Image.Image, spec: InputSpec) -> Image.Image:
    """As Pillow's `ImageOps.pad`."""
    if picture.size == (spec.resize, spec.resize):
        return picture
    square = (spec.resize, spec.resize)
    return ImageOps.pad(picture, square, Image.Resampling.NEAREST, spec.fill)


def _resized(picture: Image.Image, size: tuple[int, int], spec: InputSpec) -> Image.Image:
    if spec.antialias or spec.filter == "nearest":
        return picture.resize(size, FILTERS[spec.filter])
    pixels = np.asarray(picture).astype(np.float64)
    down = _weights(picture.height, size[1], spec.filter)
    across = _weights(picture.width, size[0], spec.filter)
    found = np.einsum("yh,hwc->ywc", down, pixels)
    found = np.einsum("xw,ywc->yxc", across, found)
    return Image.fromarray(found.round().clip(0, 255).astype(np.uint8))


def _weights(before: int, after: int, name: str) -> npt.NDArray[np.float64]:
    """`[after, before]` of `torch.nn.functional.interpolate(align_corners=False)`."""
    places = (np.arange(after) + 0.5) * (before / after) - 0.5
    if name == "bilinear":
        places = places.clip(0)
    left = np.floor(places)
    weights = np.zeros((after, before))
    for step in (0, 1) if name == "bilinear" else (-1, 0, 1, 2):
        distance = np.abs(places - left - step)
        share = 1 - distance if name == "bilinear" else _cubic(distance)
        column = (left + step).clip(0, before - 1).astype(np.int64)
        np.add.at(weights, (np.arange(after), column), share)
    return weights


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * CUBIC
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
