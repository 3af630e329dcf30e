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

Save = Callable[[Image.Image, Path, random.Random, Image.Exif], None]


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
        encoding, save = encodings[(number // len(pictures)) % len(encodings)]
        exif = Image.Exif()
        if chance.random() < 0.5:
            exif[ExifTags.Base.Orientation] = chance.randint(1, 8)
        path = arguments.out / f"{number:03}-{name}-{encoding}"
        save(crop(picture, chance), path, chance, exif)


def crop(picture: Image.Image, chance: random.Random) -> Image.Image:
    """A part of the picture, seldom square, sometimes enlarged as a phone's picture would be."""
    width, height = (chance.randint(min(48, side), side) for side in picture.size)
    left = chance.randint(0, picture.width - width)
    top = chance.randint(0, picture.height - height)
    part = picture.crop((left, top, left + width, top + height))
    if chance.random() < 0.25:
        factor = chance.uniform(1.5, 3)
        part = part.resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    return part


def _jpeg(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    quality, subsampling = chance.randint(60, 97), chance.choice((0, 1, 2))
    image.save(path, quality=quality, subsampling=subsampling, exif=exif)


def _progressive(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.save(path, quality=chance.randint(60, 97), progressive=True, exif=exif)


def _grey(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.convert("L").save(path, quality=chance.randint(60, 97), exif=exif)


def _png(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.save(path, compress_level=1, exif=exif)


def _alpha(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    alpha = Image.linear_gradient("L").resize(image.size)
    image.putalpha(alpha)
    image.save(path, compress_level=1, exif=exif)


def _palette(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.quantize(chance.choice((16, 64, 256))).save(path)


def _webp(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.save(path, quality=chance.randint(60, 97), exif=exif)


def _lossless(image: Image.Image, path: Path, chance: random.Random, exif: Image.Exif) -> None:
    image.save(path, lossless=True, method=0, exif=exif)


ENCODINGS: dict[str, Save] = {
    "baseline.jpg": _jpeg,
    "plain.png": _png,
    "lossy.webp": _webp,
    "progressive.jpg": _progressive,
    "alpha.png": _alpha,
    "lossless.webp": _lossless,
    "grey.jpg": _grey,
    "palette.png": _palette,
}


if __name__ == "__main__":
    main()
