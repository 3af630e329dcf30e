"""Blank HEIC and AVIF pictures, each coded as one: `blank_heif.py FOLDER ENDING SIDE…`."""

import sys
from pathlib import Path

import pillow_heif
from PIL import Image


def main() -> None:
    pillow_heif.register_heif_opener()
    folder, ending = Path(sys.argv[1]), sys.argv[2]
    options = {"speed": 10} if ending == "avif" else {"enc_params": {"preset": "ultrafast"}}
    for side in map(int, sys.argv[3:]):
        blank = Image.new("RGB", (side, side), (90, 120, 60))
        blank.save(folder / f"{side}.{ending}", quality=1, **options)


if __name__ == "__main__":
    main()
