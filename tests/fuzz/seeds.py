"""Small files to start fuzzing from: a few variants of each format, and a bundle's description.

usage: seeds.py FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pictures"))

import numpy as np
from files import tiff
from heif_container import ALPHA, Container, clean_aperture, mirror, rotation
from heif_matrix import AVIF, HEIC, avif, coded_avif, coded_heic, deep_avif, deep_heic, heic, save, translucent
from old_jpeg import old_jpegs
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    folder = Path(sys.argv[1])
    noise = np.random.default_rng(1).integers(0, 255, (24, 32, 3)).astype("u1")
    picture = Image.fromarray(noise).resize((40, 30))
    for target, files in pictures(picture).items():
        for number, file in enumerate(files):
            write(folder / target / str(number), file)
    write(folder / "bundle" / "default", (ROOT / "models/default/bundle.json").read_bytes())


def pictures(picture: Image.Image) -> dict[str, list[bytes]]:
    grey, palette, clear = picture.convert("L"), picture.convert("P"), translucent(picture)
    bilevel, wide = picture.convert("1"), Image.fromarray(np.asarray(grey).astype("u2") * 257)
    animation = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    return {
        "jpeg": [
            save(picture, "JPEG"),
            save(picture, "JPEG", progressive=True, subsampling=0),
            save(grey, "JPEG", restart_marker_blocks=2),
            save(picture.convert("CMYK"), "JPEG"),
        ],
        "png": [save(one, "PNG") for one in (picture, grey, palette, clear, bilevel, wide)]
        + [save(picture, "PNG", **animation)],
        "webp": [save(picture, "WEBP"), save(clear, "WEBP", lossless=True), save(picture, "WEBP", **animation)],
        "gif": [save(palette, "GIF"), save(picture, "GIF", **animation)],
        "bmp": [save(one, "BMP") for one in (picture, grey, palette, bilevel, clear)],
        "tiff": [
            save(one, "TIFF", compression=compression)
            for one in (picture, grey, palette, clear)
            for compression in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate")
        ]
        + [save(bilevel, "TIFF", compression=name) for name in ("group3", "group4")]
        + [save(wide, "TIFF"), save(picture, "TIFF", compression="jpeg"), save(picture, "TIFF", **animation)]
        + [file for _, file in old_jpegs(picture)]
        + [tiff(np.asarray(picture), compression="zstd"), tiff(np.asarray(grey).astype("u8") << 56)],
        "heic": heif_files(picture, HEIC)
        + [heic(picture, chroma=422), heic(picture, quality=-1, chroma=444), deep_heic(picture, 10, chroma=420)],
        "avif": heif_files(picture, AVIF)
        + [deep_avif(picture, 10, "420"), deep_avif(picture, 12, "444"), avif(picture, subsampling="4:2:2")]
        + [avif(picture, **animation)],
    }


def heif_files(picture: Image.Image, brands: list[bytes]) -> list[bytes]:
    encode, coded = (heic, coded_heic) if brands is HEIC else (avif, coded_avif)
    grid = Container(brands)
    tiles = [coded(picture.crop((x, 0, x + 64, 64))) for x in (0, 20)]
    main = grid.add_grid(tiles, 1, 2, (100, 50), [clean_aperture((80, 40), (1, 2)), rotation(1), mirror(0)])
    grid.refer(b"auxl", grid.add_coded(coded(picture.convert("L")), [ALPHA]), main)
    return [encode(picture), encode(picture.convert("L")), encode(translucent(picture)), grid.write()]


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
