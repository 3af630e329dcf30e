"""JPEG pictures of every kind, whole and damaged, with the pixels that Pillow gives for them.

`make.py TOOLS PICTURES OUT` writes OUT/<name>.jpg, the expected RGB rows as OUT/<name>.rgb, and
OUT/cases.json. TOOLS is the folder of libjpeg-turbo's `cjpeg` and `jpegtran`. Where the right answer
is not Pillow's, the case says why:

* a picture whose samples are all there needs no end marker;
* one with missing scan data is refused, where Pillow fills it with grey;
* samples of more or fewer than 8 bits, which Pillow refuses, are scaled by their range.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = [(1, 1), (2, 3), (9, 7), (16, 16), (17, 33), (65, 129), (200, 133)]
SAMPLINGS = [
    *("2x2", "2x1", "1x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2"),
    *("1x1,2x2,2x2", "2x2,1x1,2x2", "2x2,2x1,1x2"),
]
SEPARATE = "0: 0-63, 0, 0;\n1: 0-63, 0, 0;\n2: 0-63, 0, 0;\n"
CHROMA_FIRST = "1: 0-63, 0, 0;\n0: 0-63, 0, 0;\n2: 0-63, 0, 0;\n"
PAIR = "0: 0-63, 0, 0;\n1, 2: 0-63, 0, 0;\n"
UNREFINED = "0, 1, 2: 0-0, 0, 1;\n0: 1-63, 0, 2;\n1: 1-63, 0, 1;\n2: 1-63, 0, 1;\n"


@dataclass
class Case:
    """`answer`: "pixels", "corrupt" or "variant"; `denominator`: of the scale."""

    name: str
    answer: str
    width: int = 0
    height: int = 0
    denominator: int = 1


class Maker:
    """Writes files and remembers the cases."""

    def __init__(self, tools: Path, out: Path) -> None:
        self.tools = tools
        self.out = out
        self.cases: list[Case] = []

    def add(self, name: str, content: bytes, expected: Image.Image | None = None) -> bytes:
        """A picture with Pillow's pixels, or with `expected`."""
        image = expected or Image.open(io.BytesIO(content))
        pixels = image.convert("RGB")
        self._write(Case(name, "pixels", *pixels.size), content, pixels)
        return content

    def add_scaled(self, name: str, content: bytes, denominator: int) -> None:
        """A picture with the pixels of Pillow's `draft`."""
        image = Image.open(io.BytesIO(content))
        wanted = (image.width // denominator, image.height // denominator)
        image.draft(None, wanted)
        full = Image.open(io.BytesIO(content)).size
        assert image.size == tuple(-(-side // denominator) for side in full), name
        pixels = image.convert("RGB")
        self._write(Case(name, "pixels", *pixels.size, denominator), content, pixels)

    def refuse(self, name: str, content: bytes, answer: str) -> None:
        """A picture that gets no label."""
        self._write(Case(name, answer), content, None)

    def cjpeg(self, image: Image.Image, *options: str, scans: str = "") -> bytes:
        """`image`, encoded by libjpeg-turbo."""
        buffer = io.BytesIO()
        image.save(buffer, "PPM")
        return self.cjpeg_ppm(buffer.getvalue(), *options, scans=scans)

    def cjpeg_ppm(self, ppm: bytes, *options: str, scans: str = "") -> bytes:
        """A portable pixmap, encoded by libjpeg-turbo."""
        script = self.out / "scans.txt"
        script.write_text(scans)
        more = ["-scans", str(script)] if scans else []
        run = [self.tools / "cjpeg", *options, *more]
        return subprocess.run(run, input=ppm, stdout=subprocess.PIPE, check=True).stdout

    def jpegtran(self, content: bytes, *options: str) -> bytes:
        """The same coefficients in another form."""
        run = [self.tools / "jpegtran", *options]
        return subprocess.run(run, input=content, stdout=subprocess.PIPE, check=True).stdout

    def _write(self, case: Case, content: bytes, pixels: Image.Image | None) -> None:
        (self.out / f"{case.name}.jpg").write_bytes(content)
        if pixels is not None:
            (self.out / f"{case.name}.rgb").write_bytes(pixels.tobytes())
        self.cases.append(case)


def encode(image: Image.Image, **options: object) -> bytes:
    """`image`, encoded by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def add_from_pillow(maker: Maker, photo: Image.Image) -> None:
    """Sizes, modes, qualities, subsampling, progressive or not."""
    for size, quality, progressive in product(SIZES, (20, 75, 100), (False, True)):
        options = {"quality": quality, "progressive": progressive}
        name = f"{size[0]}x{size[1]}-q{quality}{'-progressive' if progressive else ''}"
        small = photo.resize(size)
        for subsampling in (0, 1, 2):
            content = encode(small, subsampling=subsampling, **options)
            maker.add(f"rgb-{subsampling}-{name}", content)
        maker.add(f"grey-{name}", encode(small.convert("L"), **options))
        cmyk = encode(small.convert("CMYK"), **options)
        maker.add(f"cmyk-{name}", cmyk)
        adobe = cmyk.index(b"Adobe") + 11
        maker.add(f"ycck-{name}", cmyk[:adobe] + b"\2" + cmyk[adobe + 1 :])
    plain = encode(photo, quality=80)
    maker.add("restarts", encode(photo, restart_marker_blocks=3))
    maker.add("adobe-rgb", encode(photo, keep_rgb=True))
    maker.add("exif-comment-profile", encode(photo, comment=b"\xff\xd9 no end", exif=b"Exif\0\0II*\0"))
    for denominator, progressive, subsampling in product((2, 4, 8), (False, True), (0, 1, 2)):
        for size in ((200, 133), (203, 131), (801, 641)):
            content = encode(photo.resize(size), progressive=progressive, subsampling=subsampling)
            kind = f"{size[0]}x{size[1]}-{subsampling}{'-progressive' if progressive else ''}"
            maker.add_scaled(f"scaled-{denominator}-{kind}", content, denominator)
    for denominator in (2, 4, 8):
        maker.add_scaled(f"scaled-{denominator}-grey", encode(photo.convert("L")), denominator)
    maker.add("plain", plain)


def add_from_libjpeg(maker: Maker, photo: Image.Image) -> None:
    """What Pillow does not write: sampling, scan scripts, arithmetic coding, lossless."""
    for sampling in SAMPLINGS:
        for form in ("-baseline", "-progressive", "-arithmetic"):
            content = maker.cjpeg(photo, form, "-sample", sampling)
            maker.add(f"sampling-{sampling.replace(',', '_')}{form}", content)
        content = maker.cjpeg(photo, "-sample", sampling, scans=SEPARATE)
        maker.add(f"separate-{sampling.replace(',', '_')}", content)
    maker.add("separate-4x4", maker.cjpeg(photo, "-sample", "4x4", scans=SEPARATE))
    maker.add("chroma-first", maker.cjpeg(photo, scans=CHROMA_FIRST))
    maker.add("chroma-pair", maker.cjpeg(photo, scans=PAIR))
    maker.add("unrefined", maker.cjpeg(photo, scans=UNREFINED))
    plain = maker.cjpeg(photo)
    for form in (["-arithmetic"], ["-arithmetic", "-progressive"], ["-progressive"], ["-restart", "1"]):
        maker.add("same" + "".join(form), maker.jpegtran(plain, *form))
    maker.add("smooth", maker.cjpeg(photo, "-smooth", "50"))
    maker.add("rgb", maker.cjpeg(photo, "-rgb"))
    for predictor in range(1, 8):
        content = maker.cjpeg(photo, "-lossless", str(predictor))
        maker.add(f"lossless-{predictor}", content, photo)
    maker.add("lossless-grey", maker.cjpeg(photo.convert("L"), "-lossless", "4"), photo.convert("L"))
    flat = Image.new("RGB", (300, 200), (200, 30, 60))
    maker.add("flat-arithmetic", maker.cjpeg(flat.crop((0, 0, 16, 16)), "-arithmetic"))


def add_wide_samples(maker: Maker, photo: Image.Image) -> None:
    """Lossless samples of 2 to 16 bits, scaled by their range; 12 bits lossy near those of 8."""
    rgb = np.asarray(photo).astype(np.uint32)
    for bits in (*range(2, 8), *range(9, 17)):
        most = (1 << bits) - 1
        samples = (rgb * most + np.arange(rgb.size).reshape(rgb.shape) % 200) // 255
        samples = np.minimum(samples, most)
        scaled = ((samples * 255 + most // 2) // most).astype(np.uint8)
        wide = samples.astype(">u2" if bits > 8 else "u1").tobytes()
        ppm = f"P6 {photo.width} {photo.height} {most}\n".encode() + wide
        content = maker.cjpeg_ppm(ppm, "-precision", str(bits), "-lossless", "1")
        maker.add(f"lossless-{bits}-bits", content, Image.fromarray(scaled))


def add_damages(maker: Maker, photo: Image.Image) -> None:
    """Cut, padded and broken files of each kind."""
    kinds = {
        "baseline": maker.cjpeg(photo),
        "restarts": maker.cjpeg(photo, "-restart", "1"),
        "progressive": maker.cjpeg(photo, "-progressive"),
        "separate": maker.cjpeg(photo, scans=SEPARATE),
        "arithmetic": maker.cjpeg(photo, "-arithmetic"),
        "arithmetic-progressive": maker.cjpeg(photo, "-arithmetic", "-progressive"),
        "lossless": maker.cjpeg(photo, "-lossless", "1"),
    }
    for kind, content in kinds.items():
        whole = photo if kind == "lossless" else Image.open(io.BytesIO(content))
        for percent in (15, 30, 50, 70, 85):
            cut = content[: len(content) * percent // 100]
            maker.refuse(f"cut-{percent}-{kind}", cut, "corrupt")
            if percent <= 50 or not kind.startswith("arithmetic"):
                maker.refuse(f"cut-{percent}-{kind}-with-end", cut + b"\xff\xd9", "corrupt")
        segment = content.index(b"\xff\xda")
        junk = content[:segment] + b"\0\x13\x37 junk" + content[segment:]
        maker.add(f"junk-{kind}", junk)
        maker.add(f"trailer-{kind}", content + b"\0" * 300 + b"trailer \xff\xd8\xff", whole)
        if not kind.startswith("arithmetic"):
            # An arithmetic encoder may leave zeros out at the end, so only the end marker shows
            # that a file is whole.
            maker.add(f"no-end-{kind}", content[:-2], whole)
            maker.add(f"no-end-padded-{kind}", content[:-2] + bytes(512), whole)
            maker.add(f"padding-before-end-{kind}", content[:-2] + bytes(64) + b"\xff\xd9", whole)
    restarts = kinds["restarts"]
    at = restarts.index(b"\xff\xd3")
    maker.refuse("restart-missing", restarts[:at] + restarts[at + 2 :], "corrupt")
    maker.refuse("restart-wrong", restarts[:at] + b"\xff\xd6" + restarts[at + 2 :], "corrupt")
    separate = kinds["separate"]
    scans = [at for at in range(len(separate)) if separate.startswith(b"\xff\xda", at)]
    maker.refuse("scan-missing", separate[: scans[1]] + separate[scans[2] :], "corrupt")


def add_variants(maker: Maker, photo: Image.Image) -> None:
    """What is refused by its name."""
    content = maker.cjpeg(photo)
    frame = content.index(b"\xff\xc0")
    height = frame + 5
    maker.refuse("height-after-scan", content[:height] + b"\0\0" + content[height + 2 :], "variant")
    for marker, name in ((0xC5, "hierarchical"), (0xC7, "hierarchical-lossless"), (0xF7, "ls")):
        changed = content[: frame + 1] + bytes([marker]) + content[frame + 2 :]
        maker.refuse(name, changed, "variant")
    lossless = maker.cjpeg(photo, "-lossless", "1")
    at = lossless.index(b"\xff\xc3")
    maker.refuse("lossless-arithmetic", lossless[:at] + b"\xff\xcb" + lossless[at + 2 :], "variant")
    two = content[: frame + 9] + b"\2" + content[frame + 10 : frame + 16]
    two = two[: frame + 2] + b"\0\x0e" + two[frame + 4 :]
    maker.refuse("two-components", two + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + content[-500:], "variant")


def main() -> None:
    """Write everything."""
    tools, pictures, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    maker = Maker(tools, out)
    photo = Image.open(pictures / "coffee.png").convert("RGB").resize((200, 133))
    add_from_pillow(maker, photo)
    add_from_libjpeg(maker, photo)
    add_wide_samples(maker, photo)
    add_damages(maker, photo)
    add_variants(maker, photo)
    names = [case.name for case in maker.cases]
    assert len(set(names)) == len(names)
    (out / "cases.json").write_text(json.dumps([asdict(case) for case in maker.cases]))


if __name__ == "__main__":
    main()
