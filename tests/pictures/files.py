"""Pictures of every format, variant, orientation and damage, made by independent encoders."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from old_jpeg import old_jpegs
from PIL import Image

WIDTH, HEIGHT = 61, 47

Named = tuple[str, bytes]


def scene(channels: int = 3, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Gradients, edges and noise, the same at each call."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    noise = np.random.default_rng(7).integers(0, 24, (height, width))
    planes = [x * 4, y * 5, (x * y) // 9, 255 - (x + y)]
    stacked = np.stack([np.clip(plane + noise, 0, 255) for plane in planes[:channels]], axis=2)
    stacked[10:20, 10:30] = np.array([250, 20, 30, 128][:channels])
    return stacked.astype(np.uint8)


def image(mode: str = "RGB") -> Image.Image:
    """The scene as a Pillow image."""
    if mode in ("RGBA", "CMYK"):
        return Image.fromarray(scene(4), mode)
    if mode == "LA":
        grey = scene(4)
        return Image.fromarray(np.ascontiguousarray(grey[..., [0, 3]]), "LA")
    return Image.fromarray(scene()).convert(mode)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> bytes:
    """EXIF that states an orientation alone, without a prefix."""
    return b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + struct.pack("<H", orientation) + bytes(6)


def xmp(orientation: int) -> bytes:
    """XMP that states an orientation alone."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
    ) % orientation


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def with_chunk(png: bytes, added: bytes, *, at_the_end: bool = False) -> bytes:
    """A PNG with one more chunk, behind the header or before the end."""
    place = len(png) - 12 if at_the_end else 33
    return png[:place] + added + png[place:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of chunks."""
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def pngs() -> Iterator[Named]:
    """PNG files."""
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA"):
        yield f"{mode}.png", saved(image(mode), "PNG")
    for bits in (1, 2, 4):
        few = image("L").quantize(1 << bits)
        yield f"palette-{bits}.png", saved(few, "PNG", bits=bits)
    yield "transparent-index.png", saved(image("P"), "PNG", transparency=3)
    yield "transparent-grey.png", saved(image("L"), "PNG", transparency=20)
    yield "transparent-colour.png", saved(image(), "PNG", transparency=(250, 20, 30))
    for channels in (1, 2, 3, 4):
        wide = scene(channels).astype(np.uint16) * 257 + 40
        yield f"16-bit-{channels}.png", imagecodecs.png_encode(wide.squeeze())
    frames = [image(), image().rotate(90, expand=False)]
    yield "animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield (
        "default-image.png",
        saved(frames[1], "PNG", save_all=True, append_images=frames[:1], default_image=True),
    )
    whole = saved(image(), "PNG")
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 20)))
    yield "profile.png", with_chunk(whole, profile)
    yield "unknown-chunk.png", with_chunk(whole, chunk(b"ABCD", b"text"))
    yield "no-end.png", whole[:-12]
    data = whole.index(b"IDAT")
    length = struct.unpack(">I", whole[data - 4 : data])[0]
    broken = bytearray(whole)
    broken[data + 4 + length] ^= 0xFF
    yield "data-checksum.png", bytes(broken)
    yield from keyed_pngs()


def keyed_pngs() -> Iterator[Named]:
    """PNG files whose transparency is at its place and whole, or is not."""
    for bits in (1, 2, 4, 8, 16):
        file = raw_png(bits, 0, bytes(range(0, 250, 3)))
        for key in (0, 1, 3, 6, 99, 0x1234):
            if key >= 1 << bits:
                break
            yield f"key-{bits}-{key}.png", with_chunk(file, chunk(b"tRNS", struct.pack(">H", key)))
        key = chunk(b"tRNS", b"\0\1")
        yield f"key-{bits}-behind.png", with_chunk(file, key, at_the_end=True)
        for length in (0, 1, 3, 6):
            yield f"key-{bits}-length-{length}.png", with_chunk(file, chunk(b"tRNS", bytes(length)))
        yield f"key-{bits}-checksum.png", with_chunk(file, key[:-1] + b"?")
    palette = chunk(b"PLTE", bytes(range(100, 112)))
    for length in (0, 1, 4, 5, 16, 256, 300):
        file = with_chunk(raw_png(2, 3, b"\x1b" * 40), chunk(b"tRNS", bytes([0, 128, 255, 9] * 75)[:length]))
        yield f"key-palette-{length}.png", with_chunk(file, palette)


def raw_png(bits: int, kind: int, samples: bytes, width: int = 9) -> bytes:
    """A PNG of rows without filters."""
    stride = (width * bits + 7) // 8
    rows = [samples[at : at + stride] for at in range(0, len(samples) - stride + 1, stride)]
    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gifs() -> Iterator[Named]:
    """GIF files."""
    plain = saved(image("P"), "GIF")
    yield "plain.gif", plain
    yield "grey.gif", saved(image("L"), "GIF")
    yield "transparent.gif", saved(image("P"), "GIF", transparency=5)
    small = bytearray(plain)
    small[6:10] = struct.pack("<HH", 10, 10)
    yield "screen-10x10.gif", bytes(small)
    large = bytearray(plain)
    large[6:10] = struct.pack("<HH", WIDTH + 9, HEIGHT + 5)
    yield "screen-larger.gif", bytes(large)
    yield "interlaced.gif", saved(image("P"), "GIF", interlace=1)
    behind = 13 + (3 << (plain[10] & 7) + 1)
    control = b"!\xf9\x04\x01\0\0\x05\0"
    for name, junk in (("zero", b"\0"), ("block", b"\x70\x04\xf1\x5d")):
        yield f"junk-{name}.gif", plain[:behind] + junk + control + junk + plain[behind:]
    yield "two-controls.gif", plain[:behind] + control + control.replace(b"\1", b"\0") + plain[behind:]
    frames = [image("P"), image("P").rotate(180)]
    yield "animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def bmps() -> Iterator[Named]:
    """BMP files: by Pillow, and 32-bit ones with each header."""
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", saved(image(mode), "BMP")
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    for name, alpha in (("zero", 0), ("full", 255), ("half", 128)):
        pixels = scene(4)
        pixels[..., 3] = alpha
        rows = np.ascontiguousarray(pixels[::-1][..., [2, 1, 0, 3]]).tobytes()
        headers = {
            "v1": struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 32, 0, 0, 0, 0, 0, 0),
            "v3": struct.pack("<IiiHHIIiiII", 56, WIDTH, HEIGHT, 1, 32, 3, 0, 0, 0, 0, 0) + masks,
            "v4": struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, 0, 0, 0, 0, 0)
            + masks
            + bytes(52),
            "v5": struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 32, 3, 0, 0, 0, 0, 0)
            + masks
            + bytes(68),
        }
        for version, header in headers.items():
            start = 14 + len(header)
            file = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
            yield f"{version}-alpha-{name}.bmp", file + header + rows


def webps() -> Iterator[Named]:
    """WebP files."""
    for mode in ("RGB", "RGBA"):
        yield f"lossless-{mode}.webp", saved(image(mode), "WEBP", lossless=True, exact=True)
        yield f"lossy-{mode}.webp", saved(image(mode), "WEBP", quality=80)
    sides = struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    lossless = saved(image("RGBA"), "WEBP", lossless=True, exact=True)
    picture = lossless[lossless.index(b"VP8L") + 8 :]
    for flags in (0, 0x10):
        extended = (b"VP8X", bytes([flags, 0, 0, 0]) + sides)
        yield f"extended-{flags}.webp", riff(extended, (b"VP8L", picture))
        opaque = saved(image(), "WEBP", lossless=True)
        yield f"extended-opaque-{flags}.webp", riff(extended, (b"VP8L", opaque[20:]))
        for place, metadata in enumerate(((b"EXIF", exif(6)), (b"XMP ", xmp(6)))):
            yield f"unannounced-{flags}-{place}.webp", riff(extended, (b"VP8L", opaque[20:]), metadata)
    frames = [image(), image().rotate(180)]
    yield (
        "animated.webp",
        saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
    )


def jpegs() -> Iterator[Named]:
    """JPEG files; tests/jpeg has the rare ones."""
    for mode in ("L", "RGB", "CMYK"):
        yield f"{mode}.jpg", saved(image(mode), "JPEG", quality=90)
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        options = {"subsampling": sampling, "quality": 85}
        yield f"{sampling}.jpg", saved(image(), "JPEG", **options)
        yield f"{sampling}-progressive.jpg", saved(image(), "JPEG", progressive=True, **options)
    whole = saved(image(), "JPEG")
    yield "no-end.jpg", whole[:-2]


def heifs() -> Iterator[Named]:
    """HEIC and AVIF files."""
    for mode in ("RGB", "RGBA"):
        yield f"{mode}.heic", saved(image(mode), "HEIF", quality=90)
        yield f"{mode}.avif", saved(image(mode), "AVIF", quality=90)


TYPES: dict[str, Callable[[NDArray[np.uint8]], NDArray[Any]]] = {
    "u8": lambda p: p,
    "u16": lambda p: p.astype(np.uint16) * 257 + 60,
    "u32": lambda p: p.astype(np.uint32) * 16843009,
    "u64": lambda p: p.astype(np.uint64) * 0x0101010101010101,
    "i64": lambda p: (p.astype(np.int64) - 90) * 2**55,
    "i8": lambda p: (p.astype(np.int16) - 128).astype(np.int8),
    "i16": lambda p: p.astype(np.int16) * 120,
    "i32": lambda p: (p.astype(np.int32) - 90) * 8_000_000,
    "f16": lambda p: (p / 255).astype(np.float16),
    "f32": lambda p: (p / 255).astype(np.float32),
    "f32-255": lambda p: p.astype(np.float32),
    "f32-any": lambda p: p.astype(np.float32) * 9 - 500,
    "f64": lambda p: p / 255.0,
}


def tiff(samples: NDArray[Any], **options: Any) -> bytes:
    """The file that tifffile writes."""
    file = io.BytesIO()
    writer = {key: options.pop(key) for key in ("bigtiff", "byteorder") if key in options}
    options.setdefault("photometric", "rgb" if samples.ndim == 3 else "minisblack")
    options.setdefault("metadata", None)
    with tifffile.TiffWriter(file, **writer) as out:
        out.write(samples, **options)
    return file.getvalue()


def tiffs() -> Iterator[Named]:
    """TIFF files."""
    for name, convert in TYPES.items():
        colour, grey = convert(scene()), convert(scene()[..., 0])
        for order in "<>":
            label = f"{name}-{'little' if order == '<' else 'big'}"
            yield f"{label}-rgb.tif", tiff(colour, byteorder=order)
            yield f"{label}-grey.tif", tiff(grey, byteorder=order)
            yield f"{label}-white-is-zero.tif", tiff(grey, byteorder=order, photometric="miniswhite")
            yield f"{label}-lzw-tiled.tif", tiff(colour, byteorder=order, compression="lzw", tile=(16, 32))
            yield (
                f"{label}-planar-deflate.tif",
                tiff(
                    np.ascontiguousarray(np.moveaxis(colour, -1, 0)),
                    byteorder=order,
                    planarconfig="separate",
                    compression="zlib",
                    rowsperstrip=5,
                ),
            )
            # tifffile has no prediction of 64-bit integers.
            if name in ("u64", "i64"):
                continue
            # Prediction of integers by differences, of floats by bytes.
            yield (
                f"{label}-predicted.tif",
                tiff(colour, byteorder=order, compression="zlib", predictor=True),
            )
    yield "bigtiff.tif", tiff(scene(), bigtiff=True)
    yield "packbits.tif", tiff(scene(), compression="packbits", rowsperstrip=7)
    for bits in (2, 4, 12):
        depth = scene()[..., 0].astype(np.uint16) >> 8 - min(bits, 8)
        samples = depth.astype(np.uint8) if bits < 8 else depth * 16
        yield f"{bits}-bit.tif", tiff(samples, bitspersample=bits)
    for alpha in ("unassalpha", "assocalpha", "unspecified"):
        samples = scene(4)
        if alpha == "assocalpha":
            samples[..., :3] = samples[..., :3].astype(np.uint16) * samples[..., 3:] // 255
        yield f"{alpha}.tif", tiff(samples, extrasamples=[alpha])
        yield f"{alpha}-16.tif", tiff(samples.astype(np.uint16) * 257, extrasamples=[alpha])
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        yield f"pillow-{mode}.tif", saved(image(mode), "TIFF")
        if mode not in ("LA", "RGBA"):
            yield f"pillow-{mode}-lzw.tif", saved(image(mode), "TIFF", compression="tiff_lzw")
    for name in ("group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw"):
        yield f"bilevel-{name}.tif", saved(image("1"), "TIFF", compression=name)
    for options, name in ((1, "2d"), (2, "uncompressed"), (4, "aligned"), (5, "2d-aligned")):
        file = saved(image("1"), "TIFF", compression="group3", tiffinfo={292: options})
        yield f"group3-{name}.tif", file
    for mode in ("L", "RGB", "YCbCr"):
        yield f"jpeg-{mode}.tif", saved(image(mode), "TIFF", compression="jpeg", quality=90)
    reversed_bits = bytearray(saved(image("L"), "TIFF"))
    yield "fill-order-2.tif", fill_order_2(bytes(reversed_bits))
    for across, down in ((1, 1), (2, 1), (2, 2), (4, 2)):
        yield f"ycbcr-{across}x{down}.tif", ycbcr(across, down)
    for label, options in {
        "zstd": {},
        "zstd-predicted": {"predictor": True},
        "zstd-tiled": {"tile": (16, 32)},
        "zstd-strips": {"rowsperstrip": 7},
    }.items():
        yield f"{label}.tif", tiff(scene(), compression="zstd", **options)
    wide = np.arange(1 << 16, dtype=np.uint16)
    colours = np.stack([wide, wide[::-1], wide ^ 0x5555])
    indices = scene()[..., 0].astype(np.uint16) * 257
    yield "palette-16.tif", tiff(indices, photometric="palette", colormap=colours)
    yield "no-colour-space-grey.tif", unstated(scene()[..., 0], 1)
    yield "no-colour-space-rgb.tif", unstated(scene(), 3)
    yield "no-colour-space-inks.tif", unstated(scene(4), 4, {332: 1})
    yield from old_jpegs(image())
    pages = saved(image(), "TIFF", save_all=True, append_images=[image().rotate(180)])
    yield "pages.tif", pages


def unstated(samples: NDArray[np.uint8], channels: int, tags: dict[int, Any] | None = None) -> bytes:
    """A TIFF that does not say what its samples mean."""
    bits = (8,) * channels if channels > 1 else 8
    sides = {256: samples.shape[1], 257: samples.shape[0]}
    return directory({**sides, 258: bits, 277: channels, **(tags or {})}, samples.tobytes())


def fill_order_2(file: bytes) -> bytes:
    """An uncompressed TIFF of Pillow with its bits reversed, and the tag that says so."""
    with tifffile.TiffFile(io.BytesIO(file)) as read:
        page = read.pages[0]
        samples = page.asarray()
    table = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    return directory(
        {256: samples.shape[1], 257: samples.shape[0], 258: 8, 262: 1, 266: 2, 277: 1},
        samples.tobytes().translate(table),
    )


def ycbcr(across: int, down: int) -> bytes:
    """A TIFF whose pixels share their chroma: TIFF 6.0, section 21."""
    pixels = np.asarray(image("YCbCr"))
    units = bytearray()
    for top in range(0, HEIGHT, down):
        for left in range(0, WIDTH, across):
            block = pixels[top : top + down, left : left + across]
            luma = np.zeros((down, across), np.uint8)
            luma[: block.shape[0], : block.shape[1]] = block[..., 0]
            units += luma.tobytes() + bytes([block[0, 0, 1], block[0, 0, 2]])
    # Packed, because Pillow reads only packed strips of this kind.
    tags = {259: 8, 258: (8, 8, 8), 262: 6, 277: 3, 530: (across, down)}
    return directory({256: WIDTH, 257: HEIGHT, **tags}, zlib.compress(bytes(units)))


def directory(tags: dict[int, Any], data: bytes) -> bytes:
    """A TIFF of one strip; values are SHORT, those that do not fit stand behind."""
    height = tags[257]
    tags = dict(sorted({259: 1, **tags, 273: 0, 278: height, 279: len(data)}.items()))
    count = len(tags)
    extra_at = 8 + 2 + 12 * count + 4
    entries, extra = bytearray(), bytearray()
    long_values = []
    for tag, value in tags.items():
        values = value if isinstance(value, tuple) else (value,)
        if tag in (273, 279):
            long_values.append((len(entries), tag))
            entries += struct.pack("<HHII", tag, 4, 1, value)
        elif len(values) <= 2:
            packed = struct.pack(f"<{len(values)}H", *values).ljust(4, b"\0")
            entries += struct.pack("<HHI", tag, 3, len(values)) + packed
        else:
            entries += struct.pack("<HHII", tag, 3, len(values), extra_at + len(extra))
            extra += struct.pack(f"<{len(values)}H", *values) + bytes(len(values) % 2 * 2)
    start = extra_at + len(extra)
    for place, tag in long_values:
        if tag == 273:
            entries[place + 8 : place + 12] = struct.pack("<I", start)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", count)
    return head + bytes(entries) + bytes(4) + bytes(extra) + data


def turned() -> Iterator[Named]:
    """Each orientation, wherever it may stand."""
    png, jpeg = saved(image(), "PNG"), saved(image(), "JPEG", quality=95)
    webp = saved(image(), "WEBP", lossless=True)
    for turn in range(1, 9):
        raw = exif(turn)
        yield f"{turn}-exif.jpg", saved(image(), "JPEG", quality=95, exif=b"Exif\0\0" + raw)
        header = b"http://ns.adobe.com/xap/1.0/\0" + xmp(turn)
        segment = b"\xff\xe1" + struct.pack(">H", len(header) + 2) + header
        yield f"{turn}-xmp.jpg", jpeg[:2] + segment + jpeg[2:]
        for at_the_end in (False, True):
            place = "after" if at_the_end else "before"
            for prefix, name in ((b"", "exif"), (b"Exif\0\0", "prefixed-exif")):
                added = chunk(b"eXIf", prefix + raw)
                yield f"{turn}-{name}-{place}.png", with_chunk(png, added, at_the_end=at_the_end)
            text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(raw), raw.hex().encode())
            yield (
                f"{turn}-raw-profile-{place}.png",
                with_chunk(png, chunk(b"tEXt", text), at_the_end=at_the_end),
            )
            packed = b"Raw profile type exif\0\0" + zlib.compress(text.split(b"\0", 1)[1])
            yield (
                f"{turn}-packed-profile-{place}.png",
                with_chunk(png, chunk(b"zTXt", packed), at_the_end=at_the_end),
            )
            keyword = b"XML:com.adobe.xmp\0"
            for name, text in (
                (b"tEXt", keyword + xmp(turn)),
                (b"zTXt", keyword + b"\0" + zlib.compress(xmp(turn))),
            ):
                yield (
                    f"{turn}-xmp-{name.decode()}-{place}.png",
                    with_chunk(png, chunk(name, text), at_the_end=at_the_end),
                )
            itxt = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turn)
            yield (
                f"{turn}-xmp-{place}.png",
                with_chunk(png, chunk(b"iTXt", itxt), at_the_end=at_the_end),
            )
        size = struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
        for prefix, name in ((b"", "exif"), (b"Exif\0\0", "prefixed-exif")):
            extended = (b"VP8X", b"\x08\0\0\0" + size)
            yield (
                f"{turn}-{name}.webp",
                riff(extended, (b"VP8L", webp[20:]), (b"EXIF", prefix + raw)),
            )
        extended = (b"VP8X", b"\x04\0\0\0" + size)
        yield f"{turn}-xmp.webp", riff(extended, (b"VP8L", webp[20:]), (b"XMP ", xmp(turn)))
        tag = (274, "H", 1, turn, True)
        yield f"{turn}.tif", tiff(scene(), extratags=[tag])
        several = (274, "H", 2, (turn, 1), True)
        yield f"{turn}-first.tif", tiff(scene(), extratags=[several])
        both = b"Exif\0\0" + raw[:14] + b"\2\0\0\0" + raw[18:20] + b"\1\0" + raw[22:]
        yield f"{turn}-first.jpg", saved(image(), "JPEG", quality=95, exif=both)


def damaged(name: str, file: bytes) -> Iterator[Named]:
    """A file cut off, and one with bytes behind it."""
    for parts in (3, 2):
        yield f"cut-{parts}-{name}", file[: len(file) // parts]
    yield f"cut-tenth-{name}", file[: len(file) * 9 // 10]
    yield f"cut-end-{name}", file[: len(file) - max(len(file) // 50, 4)]
    for few in (1, 3):
        yield f"cut-{few}-bytes-{name}", file[:-few]
    yield f"tail-{name}", file + b"bytes behind the picture" * 3
    for part in (3, 5, 7, 9):
        changed = bytearray(file)
        changed[len(file) * part // 10] ^= 0x24
        yield f"changed-{part}-{name}", bytes(changed)


GROUPS: dict[str, Callable[[], Iterator[Named]]] = {
    "PNG": pngs,
    "GIF": gifs,
    "BMP": bmps,
    "WebP": webps,
    "JPEG": jpegs,
    "TIFF": tiffs,
    "orientation": turned,
}
