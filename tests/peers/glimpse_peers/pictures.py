"""The pictures: parts of freely licensed photographs, scaled, with a grain as cameras have it.

Scaled alone, a large picture would be smoother than any photograph, and its file smaller.
"""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from glimpse_peers import places

SMALL = "500 × 375 JPEG"
UNSURE = "500 × 375 JPEG, close labels"
"""The model has no class for this picture: two labels are close, and the CPU provider decides."""
LARGE = "12-megapixel JPEG"
CLOSE = "12-megapixel JPEG, close labels"
"""The same picture: Glimpse decodes it again at full scale."""
HEIC = "12-megapixel HEIC"
SURE = "coffee.png"
"""The model is sure of this photograph: one run gives its label, whichever provider runs."""
NO_CLASS = "astronaut.png"
KINDS = (SMALL, UNSURE, LARGE, CLOSE, HEIC)

GRAIN = 5.0
QUALITY = 85
HEIC_QUALITY = 60
TILE = 512
"""Of a phone's HEIC files, which are grids of such pictures."""
# Runs where there is an encoder; Pillow has none.
ENCODE = """import io, sys
from PIL import Image
from pillow_heif import register_heif_opener
from heif_container import Container, take_apart
register_heif_opener()
whole, side = Image.open(sys.argv[1]), int(sys.argv[4])
across, down = -(-whole.width // side), -(-whole.height // side)
tiles = []
for at in range(across * down):
    left, top = at % across * side, at // across * side
    coded = io.BytesIO()
    whole.crop((left, top, left + side, top + side)).save(coded, "HEIF", quality=int(sys.argv[3]))
    tiles += take_apart(coded.getvalue())
container = Container([b"heic", b"mif1"])
container.add_grid(tiles, down, across, whole.size)
open(sys.argv[2], "wb").write(container.write())"""


def jpeg(width: int, height: int, source: str = SURE, quality: int = QUALITY) -> bytes:
    """A JPEG of that size, 4:2:0, made once."""
    path = places.PICTURES / f"{Path(source).stem}-{width}x{height}-{quality}.jpg"
    if not path.exists():
        encoded = io.BytesIO()
        _picture(width, height, source).save(encoded, "JPEG", quality=quality, subsampling=2)
        _write(path, encoded.getvalue())
    return path.read_bytes()


def heic(width: int, height: int, source: str = NO_CLASS) -> bytes:
    """A HEIC file of that size, a grid as a phone's, made once with the OpenVINO peer's environment."""
    path = places.PICTURES / f"{Path(source).stem}-{width}x{height}-{TILE}.heic"
    if not path.exists():
        pixels = places.PICTURES / "pixels.png"
        pixels.parent.mkdir(parents=True, exist_ok=True)
        _picture(width, height, source).save(pixels, compress_level=1)
        partial = path.with_name("partial.heic")
        python = places.python("peer-openvino")
        words = [str(python), "-c", ENCODE, str(pixels), str(partial), str(HEIC_QUALITY), str(TILE)]
        subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(places.CONTAINERS)})
        pixels.unlink()
        partial.replace(path)
    return path.read_bytes()


def kinds() -> dict[str, bytes]:
    """The pictures that peers are compared with."""
    return {
        SMALL: jpeg(500, 375),
        UNSURE: jpeg(500, 375, NO_CLASS),
        LARGE: jpeg(4000, 3000),
        CLOSE: jpeg(4000, 3000, NO_CLASS),
        HEIC: heic(4000, 3000),
    }


def _picture(width: int, height: int, source: str) -> Image.Image:
    with Image.open(places.TARGET / "pictures" / source) as opened:
        whole = opened.convert("RGB")
    # The largest part with the wanted sides.
    scale = min(whole.width / width, whole.height / height)
    box = (0.0, 0.0, width * scale, height * scale)
    scaled = whole.resize((width, height), Image.Resampling.BICUBIC, box=box)
    grain = np.random.default_rng(7).standard_normal((height, width, 1), dtype=np.float32) * GRAIN
    pixels = np.asarray(scaled, dtype=np.float32) + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(path)
