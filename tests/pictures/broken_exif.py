"""EXIF blocks that cannot be read: they turn nothing, and no picture is refused for them."""

from __future__ import annotations

from collections.abc import Iterator

from files import Named, image, riff, saved, with_chunk
from files import chunk as png_chunk

# Orientation 6 in a directory of one entry, in both byte orders.
LITTLE = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
BIG = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def blocks() -> Iterator[Named]:
    """What cameras, editors and broken copies leave."""
    yield "empty", b""
    yield "no-header", b"something else entirely"
    yield "wrong-number", LITTLE.replace(b"*", b"+")
    yield "header-alone", LITTLE[:8]
    yield "directory-beyond-the-block", LITTLE[:4] + b"\xff\xff\xff\x7f" + LITTLE[8:]
    yield "directory-in-the-header", LITTLE[:4] + b"\2\0\0\0" + LITTLE[8:]
    yield "too-many-entries", LITTLE[:8] + b"\xff\xff" + LITTLE[10:]
    yield "cut-entry", LITTLE[:15]
    yield "unknown-type", LITTLE[:12] + b"\x63\0" + LITTLE[14:]
    yield "text-as-orientation", LITTLE[:12] + b"\2\0" + LITTLE[14:]
    yield "values-beyond-the-block", LITTLE[:14] + b"\xff\0\0\0\xff\xff\xff\x7f" + LITTLE[22:]
    yield "four-billion-values", LITTLE[:14] + b"\xff\xff\xff\xff" + LITTLE[18:]
    yield "no-values", LITTLE[:14] + bytes(4) + LITTLE[18:]
    yield "orientation-0", LITTLE[:18] + b"\0\0" + LITTLE[20:]
    yield "orientation-9", LITTLE[:18] + b"\x09\0" + LITTLE[20:]
    yield "orientation-65535", LITTLE[:18] + b"\xff\xff" + LITTLE[20:]
    yield "directory-that-is-its-own-next", LITTLE[:18] + b"\1\0\0\0\x08\0\0\0"
    yield "other-byte-order", b"MM" + LITTLE[2:]
    yield "zeros", bytes(64)
    yield "all-ones", b"\xff" * 64
    for length in (1, 7, 9, len(BIG) - 9):
        yield f"cut-at-{length}", BIG[:length]


def broken_exif() -> Iterator[Named]:
    """Each block in each format that has one; where it can be read in part, the reference says how."""
    jpeg, png = saved(image(), "JPEG", quality=95), saved(image(), "PNG")
    webp = saved(image(), "WEBP", lossless=True)
    vp8l = webp[webp.index(b"VP8L") + 8 :]
    for name, block in blocks():
        for prefix in (b"Exif\0\0", b"Exif\0", b""):
            content = prefix + block
            segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content
            yield f"{name}-{len(prefix)}.jpg", jpeg[:2] + segment + jpeg[2:]
            yield f"{name}-{len(prefix)}-after-jfif.jpg", jpeg[:20] + segment + jpeg[20:]
        yield f"{name}.png", with_chunk(png, png_chunk(b"eXIf", block))
        sides = (image().width - 1).to_bytes(3, "little") + (image().height - 1).to_bytes(3, "little")
        extended = b"\x08\0\0\0" + sides
        yield f"{name}.webp", riff((b"VP8X", extended), (b"VP8L", vp8l), (b"EXIF", block))
