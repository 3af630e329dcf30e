"""Pictures that are dear to decode, for `cargo run --release --example cost`.

Each is of about 12 megapixels, of noise or a photograph's detail, or as flat as it can be: the
example prints what each takes per pixel and per byte.
"""

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageFile

SIDES = (4032, 3024)
PHOTOGRAPH = Path(__file__).parents[2] / "target" / "pictures" / "astronaut.png"


def photograph(size: tuple[int, int]) -> Image.Image:
    """A photograph, enlarged, with the grain of a sensor."""
    picture = (
        Image.open(PHOTOGRAPH).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    )
    grain = np.random.default_rng(1).normal(0, 4, (size[1], size[0], 1))
    return Image.fromarray(
        np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
    )


def noise(size: tuple[int, int], channels: int, kind: type = np.uint8) -> np.ndarray:
    top = np.iinfo(kind).max
    shape = (size[1], size[0], channels)
    return np.random.default_rng(2).integers(0, top, shape, dtype=kind, endpoint=True)


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png16(samples: np.ndarray, interlaced: bool) -> bytes:
    """16 bits RGBA, every row with Paeth's filter, the slowest; Adam7 if `interlaced`."""
    height, width, _ = samples.shape
    big = samples.astype(">u2")
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    rows = bytearray()
    for x, y, across, down in passes if interlaced else [(0, 0, 1, 1)]:
        for row in big[y::down, x::across]:
            # Whatever the bytes are, they unfilter to some picture.
            rows += b"\x04" + row.tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, int(interlaced))
    packed = zlib.compress(bytes(rows), 1)
    signature = b"\x89PNG\r\n\x1a\n"
    return (
        signature
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def save(picture: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, samples, photometric="rgb", **options)
    return file.getvalue()


def files(size: tuple[int, int]):
    photo = photograph(size)
    noisy = Image.fromarray(noise(size, 3))
    flat = Image.new("RGB", size)
    for name, picture in [("photo", photo), ("noise", noisy), ("flat", flat)]:
        yield f"{name}.jpg", save(picture, "JPEG", quality=90)
        yield (
            f"{name}-progressive.jpg",
            save(picture, "JPEG", quality=90, progressive=True),
        )
        yield (
            f"{name}-444-progressive.jpg",
            save(picture, "JPEG", quality=95, progressive=True, subsampling=0),
        )
        yield f"{name}.png", save(picture, "PNG", compress_level=1)
        yield f"{name}.webp", save(picture, "WEBP", quality=85, method=0)
        yield (
            f"{name}-lossless.webp",
            save(picture, "WEBP", lossless=True, method=0, quality=20),
        )
        yield (
            f"{name}.gif",
            save(picture.quantize(256, method=Image.Quantize.FASTOCTREE), "GIF"),
        )
        yield f"{name}.bmp", save(picture, "BMP")
        yield f"{name}-lzw.tif", save(picture, "TIFF", compression="tiff_lzw")
    transparent = photo.copy()
    transparent.putalpha(Image.fromarray(noise(size, 1)[..., 0]))
    yield "alpha.webp", save(transparent, "WEBP", quality=85, method=0)
    wide = noise(size, 4, np.uint16)
    level = np.zeros_like(wide)
    for name, samples in [("noise", wide), ("flat", level)]:
        yield f"{name}-16.png", png16(samples, interlaced=False)
        yield f"{name}-16-interlaced.png", png16(samples, interlaced=True)
        yield (
            f"{name}-16-predictor.tif",
            tiff(samples[..., :3], compression="zlib", predictor=True),
        )
    yield (
        "float.tif",
        tiff(noise(size, 3).astype(np.float32), compression="zlib", predictor=True),
    )


def modern(size: tuple[int, int], name: str):
    photo = photograph(size)
    for form, ending in [("HEIF", "heic"), ("AVIF", "avif")]:
        for quality in [50, 90] if size == SIDES else [60]:
            # Telephones write tiles of 512 pixels, as HEIF's grid.
            file = BytesIO()
            photo.save(file, form, quality=quality)
            yield f"{name}-{quality}.{ending}", file.getvalue()


def main() -> None:
    pillow_heif.register_heif_opener()
    ImageFile.MAXBLOCK = 1 << 26  # a whole progressive JPEG of noise
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for size, name in [(SIDES, "12"), ((5712, 4284), "24"), ((8064, 6048), "48")]:
        for file, content in modern(size, name):
            (folder / file).write_bytes(content)
    for name, content in files(SIDES):
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
