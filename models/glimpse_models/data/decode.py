"""From a picture's file to upright RGB, as the service decodes it."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from glimpse_models.data import jpeg
from glimpse_models.errors import UserError

# What the service decodes; the content decides, not the name.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")

JPEG = b"\xff\xd8\xff"  # how a JPEG begins

BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339  # tags of TIFF
SIGNED = 2  # a sample format


def open_picture(path: Path) -> Image.Image:
    """Upright RGB from a file; one that cannot be read is refused by its name."""
    try:
        return decode(path)
    except Exception as error:  # decoders raise whatever the broken part of a file raises
        why = str(error) or type(error).__name__
        raise UserError(
            f"{path} cannot be read as a picture ({why}); repair or remove it, or name the run that left it out (--run)"
        ) from error


def decode(path: Path) -> Image.Image:
    """Upright RGB; raises what Pillow raises, and refuses a JPEG with pixels missing or broken.

    A JPEG whose pixels are all there needs no end marker, as in the service and in browsers.
    """
    content = path.read_bytes()
    is_jpeg = content.startswith(JPEG)
    if is_jpeg and (why := jpeg.fault(content)):
        raise ValueError(why)
    try:
        return _decoded(content)
    except OSError:
        if not is_jpeg:
            raise
        return _decoded(content + jpeg.END)


def _decoded(content: bytes) -> Image.Image:
    _register_heif()
    try:
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:  # which names a place in memory
        what = "not an image of a known format" if content else "an empty file"
        raise UnidentifiedImageError(what) from error
    with opened as picture:
        return to_rgb(picture)


@cache
def _register_heif() -> None:
    """HEIC, by libheif without its encoder."""
    import pi_heif

    pi_heif.register_heif_opener()


def to_rgb(picture: Image.Image) -> Image.Image:
    """Upright RGB: orientation applied, alpha over white, wide samples scaled to 8 bits."""
    upright = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        upright = Image.fromarray(_narrow(np.asarray(upright), _sample_format(picture)))
    if picture.format == "BMP" and upright.mode == "RGBA" and _is_clear(upright):
        return upright.convert("RGB")  # alpha that no program wrote
    if upright.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, rgba)
    return upright.convert("RGB")


def _is_clear(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() == (0, 0)


def _sample_format(picture: Image.Image) -> tuple[int, bool]:
    """Bits of a sample, and whether it is signed: 16 and not, unless a TIFF says otherwise."""
    tags = getattr(picture, "tag_v2", {})
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    return int(bits), tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED


def _narrow(samples: npt.NDArray[Any], sample_format: tuple[int, bool]) -> npt.NDArray[np.uint8]:
    """Samples scaled from their range to 0…255, rounded; floats from 0…1."""
    if samples.dtype.kind == "f":
        if not (np.isfinite(samples).all() and samples.min() >= 0 and samples.max() <= 1):
            raise ValueError("its float samples are not in 0…1")
        scaled: npt.NDArray[np.uint8] = (samples * 255).round().astype(np.uint8)
        return scaled
    bits, signed = sample_format
    wide = samples.astype(np.int64) & (2**bits - 1)
    if signed:
        wide = (wide + 2 ** (bits - 1)) & (2**bits - 1)
    highest = 2**bits - 1
    narrow: npt.NDArray[np.uint8] = ((2 * 255 * wide + highest) // (2 * highest)).astype(np.uint8)
    return narrow
