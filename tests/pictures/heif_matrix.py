"""HEIC and AVIF files of every variant that is decoded or refused by name, and what is right for each.

usage: heif_matrix.py PICTURE FOLDER

Encoders are libheif with x265 (pillow-heif) and libavif (Pillow, imagecodecs); the pixels that are right are
those that libheif and libavif decode, after `exif_transpose`, over white. What encoders do not write is put
together from what they do (`heif_container.py`). Writes the files, a PNG beside each that is a picture, and
`cases.json`.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
from heif_container import (
    ALPHA,
    GAIN_MAP,
    Coded,
    Container,
    auxiliary,
    clean_aperture,
    mirror,
    nclx,
    rotation,
    take_apart,
)
from PIL import Image, ImageOps

ORIENTATION = 274
HEIC, AVIF = [b"heic", b"mif1", b"heic"], [b"avif", b"mif1", b"avif", b"miaf"]

pillow_heif.register_heif_opener()


class Matrix:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: list[dict[str, object]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def picture(self, name: str, file: bytes, right: Image.Image | None = None, frames: int = 1) -> None:
        """A file that shows what the reference decodes, or `right` where the reference knows less."""
        (self.folder / name).write_bytes(file)
        shown = right or ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
        over_white(shown).save(self.folder / f"{name}.png")
        self.cases.append({"name": name, "frames": frames})

    def refused(self, name: str, file: bytes, code: str, mentions: str = "") -> None:
        (self.folder / name).write_bytes(file)
        self.cases.append({"name": name, "code": code, "mentions": mentions})

    def close(self) -> None:
        (self.folder / "cases.json").write_text(json.dumps(self.cases, indent=1))


def over_white(picture: Image.Image) -> Image.Image:
    """As every format is shown: transparency is white."""
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def save(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    if format == "AVIF":
        options = {"speed": 9, "quality": 90, **options}
    picture.save(file, format, **options)
    return file.getvalue()


def heic(picture: Image.Image, **options: object) -> bytes:
    return save(picture, "HEIF", **{"quality": 85, **options})


def avif(picture: Image.Image, **options: object) -> bytes:
    return save(picture, "AVIF", **options)


def deep_heic(picture: Image.Image, bits: int, **options: object) -> bytes:
    wide = (np.asarray(picture).astype("<u2") * 257).tobytes()
    made = pillow_heif.from_bytes("RGB;16", picture.size, wide)
    file = io.BytesIO()
    made.save(file, quality=90, save_to_12bit=bits == 12, **options)
    return file.getvalue()


def deep_avif(picture: Image.Image, bits: int, layout: str) -> bytes:
    samples = np.asarray(picture).astype("<u2") << (bits - 8)
    return imagecodecs.avif_encode(samples, bitspersample=bits, pixelformat=layout, level=90, speed=9)


def translucent(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    ramp = (np.add.outer(np.arange(height), np.arange(width)) % 256).astype("u1")
    made = picture.copy()
    made.putalpha(Image.fromarray(ramp))
    return made


def samplings(matrix: Matrix, photo: Image.Image) -> None:
    for width, height in ((photo.width, photo.height), (photo.width - 1, photo.height - 1), (65, 63), (1, 1), (2, 3)):
        small = photo.resize((width, height))
        for chroma in (420, 422, 444):
            matrix.picture(f"{width}x{height}-{chroma}.heic", heic(small, chroma=chroma))
            name = ":".join(str(chroma))
            matrix.picture(f"{width}x{height}-{chroma}.avif", avif(small, subsampling=name))
    matrix.picture("grey.heic", heic(photo.convert("L")))
    matrix.picture("grey.avif", avif(photo.convert("L")))
    matrix.picture("lossless.heic", heic(photo, quality=-1, chroma=444, matrix_coefficients=0))
    matrix.picture("lossless.avif", avif(photo, quality=100, subsampling="4:4:4"))
    matrix.picture("named.jpg", heic(photo))


def depths(matrix: Matrix, photo: Image.Image) -> None:
    for bits in (10, 12):
        for chroma in (420, 422, 444):
            matrix.picture(f"{bits}bit-{chroma}.heic", deep_heic(photo, bits, chroma=chroma))
            matrix.picture(f"{bits}bit-{chroma}.avif", deep_avif(photo, bits, str(chroma)))


def colours(matrix: Matrix, photo: Image.Image) -> None:
    for number in (1, 5, 6, 9):
        for full in (0, 1):
            for saved in (True, False):
                options = {"matrix_coefficients": number, "full_range_flag": full, "save_nclx_profile": saved}
                where = "nclx" if saved else "vui"
                matrix.picture(f"matrix{number}-full{full}-{where}.heic", heic(photo, **options))
    for range in ("full", "limited"):
        matrix.picture(f"{range}.avif", avif(photo, range=range))
    # The container overrides the stream: the same samples under another matrix and range.
    (coded,) = take_apart(heic(photo, matrix_coefficients=1, full_range_flag=0, save_nclx_profile=False))
    matrix.picture("override.heic", container(HEIC, coded, nclx(9, True)))
    (coded,) = take_apart(avif(photo, range="limited"))
    matrix.picture("override.avif", container(AVIF, coded, nclx(1, True)))
    matrix.refused("matrix14.heic", container(HEIC, coded_heic(photo), nclx(14, True)), *feature("matrix"))


def grids(matrix: Matrix, photo: Image.Image) -> None:
    for side in (64, 128):
        matrix.picture(f"grid{side}.heic", heic(photo, tile_size=side))
    matrix.picture("grid-422.heic", heic(photo, tile_size=64, chroma=422))
    matrix.picture("grid-vui.heic", heic(photo, tile_size=64, save_nclx_profile=False, matrix_coefficients=1))
    # A grid whose last tiles reach over its edges, in both codecs, upright and turned.
    for brands, encode, name in ((HEIC, coded_heic, "heic"), (AVIF, coded_avif, "avif")):
        tiles = [encode(photo.crop((x, y, x + 128, y + 128))) for y in (0, 128) for x in (0, 128)]
        for turn in ([], [rotation(1)], [rotation(3), mirror(0)], [clean_aperture((150, 90), (-20, 16)), rotation(1)]):
            file = Container(brands)
            file.add_grid(tiles, 2, 2, (200, 150), turn)
            kinds = "-".join(kind.decode() for kind, _ in turn) or "upright"
            right = photo_of(tiles, (200, 150), brands, turn)
            matrix.picture(f"grid-{kinds}.{name}", file.write(), right)
        short = Container(brands)
        short.add_grid(tiles[:3], 2, 2, (200, 150))
        matrix.refused(f"grid-short.{name}", short.write(), "corrupt_image")
        wide = Container(brands)
        wide.add_grid(tiles, 2, 2, (257, 150))
        matrix.refused(f"grid-wide.{name}", wide.write(), "corrupt_image")


def views(matrix: Matrix, photo: Image.Image) -> None:
    for brands, coded, name in ((HEIC, coded_heic(photo), "heic"), (AVIF, coded_avif(photo), "avif")):
        plain = decoded(container(brands, coded))
        for quarters in range(4):
            for axis in (None, 0, 1):
                turn = [rotation(quarters)] + ([] if axis is None else [mirror(axis)])
                right = turned(plain, turn)
                matrix.picture(f"irot{quarters}-imir{axis}.{name}", container(brands, coded, *turn), right)
        for size, offset in (((100, 51), (-30, 14)), ((101, 50), (9, -11)), ((photo.width, photo.height), (0, 0))):
            crop = clean_aperture(size, offset)
            right = turned(plain, [crop])
            matrix.picture(f"clap{size[0]}x{size[1]}.{name}", container(brands, coded, crop), right)
        after = [rotation(1), clean_aperture((80, 100), (5, -8))]
        matrix.picture(f"clap-after-irot.{name}", container(brands, coded, *after), turned(plain, after))
        matrix.refused(f"clap0.{name}", container(brands, coded, clean_aperture((0, 10), (0, 0))), "corrupt_image")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        matrix.picture(f"exif{orientation}.avif", avif(photo, exif=exif))
    # EXIF without `irot`: libheif's readers ignore it, as the container has the word.
    matrix.picture("exif-alone.heic", with_exif(coded_heic(photo), HEIC, 6), decoded(container(HEIC, coded_heic(photo))))
    matrix.picture("exif-alone.avif", with_exif(coded_avif(photo), AVIF, 6), decoded(container(AVIF, coded_avif(photo))))


def auxiliaries(matrix: Matrix, photo: Image.Image) -> None:
    clear = translucent(photo)
    matrix.picture("alpha.heic", heic(clear))
    matrix.picture("alpha.avif", avif(clear))
    matrix.picture("alpha-premultiplied.avif", avif(clear, alpha_premultiplied=True))
    for brands, encode, name in ((HEIC, coded_heic, "heic"), (AVIF, coded_avif, "avif")):
        colour, grey = encode(photo), encode(photo.convert("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM))
        for kind, word in ((GAIN_MAP, "gain"), (auxiliary("urn:mpeg:hevc:2015:auxid:2"), "depth")):
            file = Container(brands)
            main = file.add_coded(colour)
            file.refer(b"auxl", file.add_coded(grey, [kind]), main)
            file.refer(b"thmb", file.add_coded(encode(photo.resize((64, 48)))), main)
            matrix.picture(f"{word}.{name}", file.write(), decoded(container(brands, colour)))
        # Alpha of an item of its own, over a grid.
        tiles = [encode(photo.crop((x, 0, x + 128, 128))) for x in (0, 96)]
        file = Container(brands)
        grid = file.add_grid(tiles, 1, 2, (224, 128))
        cover = encode(photo.convert("L").resize((224, 128)))
        file.refer(b"auxl", file.add_coded(cover, [ALPHA]), grid)
        right = photo_of(tiles, (224, 128), brands, [])
        right.putalpha(decoded(container(brands, cover)).convert("L"))
        matrix.picture(f"alpha-grid.{name}", file.write(), right)
    matrix.picture("thumbnail.heic", heic(photo, thumbnails=[64]))


def sequences(matrix: Matrix, photo: Image.Image) -> None:
    others = [photo.rotate(90).resize(photo.size), photo.rotate(180)]
    matrix.picture("sequence.avif", avif(photo, save_all=True, append_images=others, duration=100), frames=3)
    matrix.picture("collection.heic", heic(photo, save_all=True, append_images=others))


def refusals(matrix: Matrix, photo: Image.Image) -> None:
    for brands, coded, name in ((HEIC, coded_heic(photo), "heic"), (AVIF, coded_avif(photo), "avif")):
        file = container(brands, coded)
        matrix.refused(f"cut.{name}", file[: len(file) // 2], "corrupt_image")
        matrix.refused(f"head.{name}", file[:40], "corrupt_image")
        for lie in ((photo.width * 2, photo.height), (photo.width, photo.height - 2), (30000, 30000)):
            lying = Coded(coded.kind, lie, coded.configuration, coded.data)
            code = "image_too_large" if lie[0] == 30000 else "corrupt_image"
            matrix.refused(f"ispe{lie[0]}x{lie[1]}.{name}", container(brands, lying), code)
        unknown = Container(brands)
        unknown.add_coded(coded, [(b"hvcC" if name == "avif" else b"av1C", b"")])
        matrix.picture(f"other-configuration.{name}", unknown.write(), decoded(file))
    jpeg = save(photo, "JPEG")
    other = Container([b"mif1", b"mif1"])
    other.add(b"jpeg", jpeg, [(b"ispe", struct.pack(">III", 0, *photo.size))])
    matrix.refused("jpeg.heif", other.write(), *feature("JPEG inside HEIF"))
    overlay = Container(HEIC)
    overlay.add(b"iovl", bytes(20), [(b"ispe", struct.pack(">III", 0, *photo.size))])
    matrix.refused("overlay.heic", overlay.write(), *feature("overlays"))


def container(brands: list[bytes], coded: Coded, *properties: tuple[bytes, bytes]) -> bytes:
    file = Container(brands)
    file.add_coded(coded, list(properties))
    return file.write()


def with_exif(coded: Coded, brands: list[bytes], orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = Container(brands)
    main = file.add_coded(coded)
    file.refer(b"cdsc", file.add(b"Exif", struct.pack(">I", 6) + exif.tobytes(), []), main)
    return file.write()


def coded_heic(picture: Image.Image) -> Coded:
    return take_apart(heic(picture, matrix_coefficients=6, full_range_flag=1))[0]


def coded_avif(picture: Image.Image) -> Coded:
    return take_apart(avif(picture))[0]


def decoded(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def photo_of(tiles: list[Coded], size: tuple[int, int], brands: list[bytes], view: list[tuple[bytes, bytes]]) -> Image.Image:
    """What a grid of two columns shows: its tiles beside each other, cut off at its edges."""
    whole = Image.new("RGB", size)
    for number, tile in enumerate(tiles):
        whole.paste(decoded(container(brands, tile)), (number % 2 * tile.size[0], number // 2 * tile.size[1]))
    return turned(whole, view)


def turned(picture: Image.Image, view: list[tuple[bytes, bytes]]) -> Image.Image:
    """Crop, rotation and mirroring as the container says, in its order."""
    for kind, content in view:
        if kind == b"irot":
            picture = picture.rotate(90 * content[0], expand=True)
        elif kind == b"imir":
            picture = ImageOps.mirror(picture) if content[0] else ImageOps.flip(picture)
        else:
            width, _, height, _, x, _, y, _ = struct.unpack(">IIIIiIiI", content)
            left = (x + picture.width - width) // 2
            top = (y + picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))
    return picture


def feature(words: str) -> tuple[str, str]:
    return "unsupported_image_format", words


PARTS: list[Callable[[Matrix, Image.Image], None]] = [
    samplings,
    depths,
    colours,
    grids,
    views,
    auxiliaries,
    sequences,
    refusals,
]


def main() -> None:
    source, folder = sys.argv[1:]
    photo = Image.open(source).convert("RGB").resize((240, 180))
    matrix = Matrix(Path(folder))
    for part in PARTS:
        part(matrix, photo)
    matrix.close()
    print(f"{len(matrix.cases)} files")


if __name__ == "__main__":
    main()
