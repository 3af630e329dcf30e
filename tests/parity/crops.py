"""Cut real pictures into crops of many sizes, orientations and encodings.

    python tests/parity/crops.py target/pictures OUT

Every crop is a file as cameras, browsers and image libraries write them; the same ones each time.
Needs Pillow. The Rust parity test classifies them and compares with the Python reference.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

from PIL import ExifTags, Image

COUNT = 480
SEED = 20260801

# What to save instead of the crop, and Pillow's options for it.
Encoding = Callable[[Image.Image, random.Random], tuple[Image.Image, dict[str, int | bool]]]


def main() -> None:
    """Write `COUNT` crops below the folder OUT, named by number, picture and encoding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="the folder of pictures to cut")
    parser.add_argument("out", type=Path, help="the folder to write into")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(SEED)
    suffixes = {".png", ".jpg"}
    files = sorted(path for path in arguments.pictures.iterdir() if path.suffix in suffixes)
    pictures = [(path.stem, Image.open(path).convert("RGB")) for path in files]
    encodings = list(ENCODINGS.items())
    for number in range(COUNT):
        name, picture = pictures[number % len(pictures)]
        encoding, encode = encodings[(number // len(pictures)) % len(encodings)]
        exif = Image.Exif()
        if chance.random() < 0.5:
            exif[ExifTags.Base.Orientation] = chance.randint(1, 8)
        path = arguments.out / f"{number:03}-{name}-{encoding}"
        image, options = encode(crop(picture, chance), chance)
        image.save(path, exif=exif, **options)  # type: ignore[arg-type]


def crop(picture: Image.Image, chance: random.Random) -> Image.Image:
    """A part of the picture, seldom square, sometimes enlarged as a phone's picture would be."""
    width, height = (chance.randint(min(48, side), side) for side in picture.size)
    left = chance.randint(0, picture.width - width)
    top = chance.randint(0, picture.height - height)
    part = picture.crop((left, top, left + width, top + height))
    if chance.random() < 0.25:
        factor = chance.uniform(1.5, 3)
        size = (round(width * factor), round(height * factor))
        part = part.resize(size, Image.Resampling.LANCZOS)
    return part


def quality(chance: random.Random) -> int:
    """From what messengers send to what cameras keep."""
    return chance.randint(60, 97)


def with_alpha(image: Image.Image) -> Image.Image:
    """Clear at the top, opaque at the bottom."""
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


ENCODINGS: dict[str, Encoding] = {
    "baseline.jpg": lambda image, chance: (
        image,
        {"quality": quality(chance), "subsampling": chance.choice((0, 1, 2))},
    ),
    "plain.png": lambda image, _: (image, {"compress_level": 1}),
    "lossy.webp": lambda image, chance: (image, {"quality": quality(chance)}),
    "progressive.jpg": lambda image, chance: (
        image,
        {"quality": quality(chance), "progressive": True},
    ),
    "alpha.png": lambda image, _: (with_alpha(image), {"compress_level": 1}),
    "lossless.webp": lambda image, _: (image, {"lossless": True, "method": 0}),
    "grey.jpg": lambda image, chance: (image.convert("L"), {"quality": quality(chance)}),
    "palette.png": lambda image, chance: (image.quantize(chance.choice((16, 64, 256))), {}),
}


if __name__ == "__main__":
    main()
