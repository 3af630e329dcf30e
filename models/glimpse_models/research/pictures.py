"""Synthetic pictures of every kind that the service must decode, written by Pillow and pypng."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import png
from PIL import ExifTags, Image

Pixels = npt.NDArray[np.uint8]
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """One picture file; `lossless` when every correct decoder gives the very same pixels."""

    file: str
    lossless: bool
    write: Write


def kinds() -> Iterator[Kind]:
    """All of them, in a fixed order and with fixed content."""
    yield from _orientations()
    yield from _sizes()
    yield from _modes()
    yield from _sixteen_bits()
    yield from _formats()


def scene(width: int, height: int) -> Pixels:
    """`[height, width, 3]`: gradients, a disc and fine texture; no symmetry, so a wrong turn shows."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x + 0.5) / width, (y + 0.5) / height
    pixels = np.stack([255 * x, 255 * y, 127 + 120 * np.sin(9 * x + 14 * y)], axis=-1)
    pixels[(x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.03] = (250, 240, 30)
    pixels[(x > 0.6) & (y > 0.75)] = (15, 20, 160)
    noise = np.random.default_rng((width, height)).normal(0, 6, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def picture(width: int, height: int) -> Image.Image:
    """The scene as a Pillow picture."""
    return Image.fromarray(scene(width, height))


def alpha_picture(width: int, height: int) -> Image.Image:
    """The scene with an alpha channel that runs from clear to opaque."""
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    alpha = np.broadcast_to(ramp, (height, width))
    return Image.fromarray(np.dstack([scene(width, height), alpha]), "RGBA")


def _save(image: Image.Image, **options: object) -> Write:
    return lambda path: image.save(path, **options)  # type: ignore[arg-type]


def _bytes(content: bytes) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _orientations() -> Iterator[Kind]:
    for value in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = value
        image = picture(150, 100)
        yield Kind(f"orientation-{value}.jpg", False, _save(image, quality=95, exif=exif))
        yield Kind(f"orientation-{value}.png", True, _save(image, exif=exif))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = picture(120, 90)
    yield Kind("orientation-6.webp", True, _save(turned, lossless=True, exif=exif))
    yield Kind("orientation-6.tiff", True, _save(turned, tiffinfo={274: 6}))


def _sizes() -> Iterator[Kind]:
    sizes = (
        *((1, 1), (2, 3), (7, 5), (1, 40), (33, 64), (63, 65), (64, 64), (65, 63), (255, 257)),
        *((224, 224), (256, 256), (500, 375), (375, 500), (641, 427), (427, 641), (900, 120)),
        (120, 500),
    )
    for width, height in sizes:
        yield Kind(f"size-{width}x{height}.png", True, _save(picture(width, height)))
    for width, height in ((500, 375), (375, 500), (17, 31)):
        yield Kind(f"size-{width}x{height}.jpg", False, _save(picture(width, height), quality=90))


def _modes() -> Iterator[Kind]:
    image, clear = picture(190, 130), alpha_picture(190, 130)
    grey = image.convert("L")
    palette = image.quantize(64, dither=Image.Dither.NONE)
    yield Kind("alpha.png", True, _save(clear))
    yield Kind("alpha-grey.png", True, _save(clear.convert("LA")))
    yield Kind("alpha.webp", True, _save(clear, lossless=True, exact=True))
    yield Kind("alpha.tiff", True, _save(clear))
    yield Kind("grey.png", True, _save(grey))
    yield Kind("grey.jpg", False, _save(grey, quality=95))
    yield Kind("grey.tiff", True, _save(grey))
    yield Kind("black-and-white.png", True, _save(grey.convert("1")))
    yield Kind("palette.png", True, _save(palette))
    yield Kind("palette-clear-entry.png", True, _save(palette, transparency=3))
    yield Kind("rgb-clear-colour.png", True, _save(image, transparency=(250, 240, 30)))
    yield Kind("palette.gif", True, _save(palette))
    yield Kind("palette-clear-entry.gif", True, _save(palette, transparency=3))
    yield Kind("palette.bmp", True, _save(palette))
    yield Kind("cmyk.jpg", False, _save(image.convert("CMYK"), quality=95))


def _sixteen_bits() -> Iterator[Kind]:
    exact = scene(190, 130).astype(np.uint32) * 257
    noise = np.random.default_rng(16).integers(0, 100, exact.shape)
    wide = np.minimum(exact + noise, 65535).astype(np.uint16)
    alpha = np.full((*wide.shape[:2], 1), 30000, dtype=np.uint16)
    grey = wide[:, :, :1]
    for name, samples in (
        ("grey", grey),
        ("grey-alpha", np.concatenate([grey, alpha], axis=2)),
        ("rgb", wide),
        ("rgb-alpha", np.concatenate([wide, alpha], axis=2)),
    ):
        yield Kind(f"16-bit-{name}.png", True, _bytes(png16(samples)))


def _formats() -> Iterator[Kind]:
    image = picture(210, 140)
    frames = [picture(80, 60).quantize(32), picture(60, 80).resize((80, 60)).quantize(32)]
    yield Kind("plain.bmp", True, _save(image))
    yield Kind("plain.tiff", True, _save(image))
    yield Kind("lzw.tiff", True, _save(image, compression="tiff_lzw"))
    yield Kind("lossless.webp", True, _save(image, lossless=True))
    yield Kind("lossy.webp", False, _save(image, quality=90))
    yield Kind("progressive.jpg", False, _save(image, quality=90, progressive=True))
    yield Kind("full-chroma.jpg", False, _save(image, quality=95, subsampling=0))
    yield Kind("interlaced.png", True, _bytes(png8_interlaced(image)))
    yield Kind("animated.gif", True, _save(frames[0], save_all=True, append_images=frames[1:]))


def png16(samples: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of `[H, W, 1…4]`: Pillow writes 16 bits only in grey."""
    height, width, channels = samples.shape
    writer = png.Writer(
        width, height, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=16
    )
    file = io.BytesIO()
    writer.write(file, samples.reshape(height, -1).tolist())
    return file.getvalue()


def png8_interlaced(image: Image.Image) -> bytes:
    """An Adam7 PNG, which Pillow reads but does not write."""
    pixels = np.asarray(image.convert("RGB"))
    writer = png.Writer(image.width, image.height, greyscale=False, interlace=True)
    file = io.BytesIO()
    writer.write_array(file, pixels.ravel().tolist())
    return file.getvalue()
