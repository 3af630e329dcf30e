"""Large JPEG files from small pictures: `large.py PICTURES OUT`.

Enlarged to sides and saved with qualities, chroma sampling and scans that cameras and editors use.
"""

from __future__ import annotations

import sys
from itertools import cycle, product
from pathlib import Path

from PIL import Image

SHORTER_SIDES = (587, 603, 1101)
MOST_PIXELS = 2_500_000
FORMS = [
    {"quality": 92, "subsampling": 2},
    {"quality": 85, "subsampling": 0},
    {"quality": 75, "subsampling": 2, "progressive": True},
    {"quality": 95, "subsampling": 1},
]


def main() -> None:
    """Write one file for each picture."""
    pictures, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    kinds = cycle(product(FORMS, SHORTER_SIDES))
    for path, (form, side) in zip(sorted(pictures.iterdir()), kinds, strict=False):
        picture = Image.open(path)
        exif = picture.getexif()
        pixels = picture.width * picture.height
        factor = min(side / min(picture.size), (MOST_PIXELS / pixels) ** 0.5)
        size = (round(picture.width * factor), round(picture.height * factor))
        large = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
        large.save(out / f"{path.stem}.jpg", exif=exif, **form)


if __name__ == "__main__":
    main()
