"""The small JPEG files of the decoder's unit tests: one picture in forms with the same coefficients.

`fixtures.py TOOLS PICTURES OUT`, with the folder of libjpeg-turbo's `cjpeg` and `jpegtran`; OUT is
`crates/classifier/src/decode/jpeg/fixtures`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from make import CHROMA_FIRST, SEPARATE, Maker
from PIL import Image


def main() -> None:
    """Write the files."""
    tools, pictures, out = map(Path, sys.argv[1:])
    maker = Maker(tools, out)
    photo = Image.open(pictures / "coffee.png").convert("RGB").resize((33, 21))
    plain = maker.cjpeg(photo)
    files = {
        "plain": plain,
        "progressive": maker.jpegtran(plain, "-progressive"),
        "restarts": maker.jpegtran(plain, "-restart", "1"),
        "arithmetic": maker.jpegtran(plain, "-arithmetic"),
        "arithmetic-progressive": maker.jpegtran(plain, "-arithmetic", "-progressive"),
        "lossless-12-bits": maker.cjpeg(photo, "-lossless", "1", "-precision", "12"),
        "lossless": maker.cjpeg(photo, "-lossless", "1"),
        "grey-9x7": maker.cjpeg(photo.convert("L").resize((9, 7))),
    }
    for name, scans in (("separate", SEPARATE), ("chroma-first", CHROMA_FIRST)):
        script = out / "scans.txt"
        script.write_text(scans)
        files[name] = maker.jpegtran(plain, "-scans", str(script))
        script.unlink()
    for name, content in files.items():
        (out / f"{name}.jpg").write_bytes(content)


if __name__ == "__main__":
    main()
