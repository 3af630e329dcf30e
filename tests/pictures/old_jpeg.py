"""Old-style JPEG in TIFF (TIFF 6.0, section 22), as writers spread its parts over the file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

SHORT, LONG = 3, 4
# Of the stream, of a row of blocks, and its tables.
FORMAT, LENGTH, RESTART, Q_TABLES, DC_TABLES, AC_TABLES = 513, 514, 515, 519, 520, 521

Values = tuple[int, int | tuple[int, ...]]


def old_jpegs(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    """The same picture with its parts in different places."""
    for mode, subsampling in (("RGB", "4:4:4"), ("RGB", "4:2:2"), ("RGB", "4:2:0"), ("L", "4:4:4")):
        name = f"{mode}-{subsampling.replace(':', '')}"
        file = encoded(picture.convert(mode), subsampling)
        head, scan = file[: scan_at(file)], file[scan_at(file) :]
        yield f"old-jpeg-{name}-whole.tif", whole(picture, mode, file)
        yield f"old-jpeg-{name}-no-length.tif", whole(picture, mode, file, length=None)
        yield f"old-jpeg-{name}-head-apart.tif", apart(picture, mode, head, [scan])
        if mode == "RGB":
            yield f"old-jpeg-{name}-tables.tif", tables(picture, file, subsampling)
            rows = 16 if subsampling == "4:2:0" else 8
            restarted = encoded(picture.convert(mode), subsampling, restart_marker_rows=1)
            head, scan = restarted[: scan_at(restarted)], restarted[scan_at(restarted) : -2]
            yield f"old-jpeg-{name}-strips.tif", apart(picture, mode, head, strips(scan), rows)


def encoded(picture: Image.Image, subsampling: str, **options: int) -> bytes:
    """A baseline JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, subsampling=subsampling, **options)
    return file.getvalue()


def segments(file: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of each segment up to the scan's header."""
    place = 2
    while True:
        marker, length = file[place + 1], int.from_bytes(file[place + 2 : place + 4])
        yield marker, file[place + 4 : place + 2 + length], place + 2 + length
        place += 2 + length
        if marker == 0xDA:
            return


def scan_at(file: bytes) -> int:
    """Where the scan's data begins."""
    return next(end for marker, _, end in segments(file) if marker == 0xDA)


def strips(scan: bytes) -> list[bytes]:
    """A scan's data cut at its restart markers, without these."""
    parts, start = [], 0
    for place in range(len(scan) - 1):
        if scan[place] == 0xFF and 0xD0 <= scan[place + 1] <= 0xD7:
            parts.append(scan[start:place])
            start = place + 2
    return [*parts, scan[start:]]


def whole(picture: Image.Image, mode: str, file: bytes, length: int | None = -1) -> bytes:
    """The strip and the stream are one file."""
    tags: dict[int, Values] = {FORMAT: (LONG, 8), 273: (LONG, 8), 279: (LONG, len(file))}
    if length is not None:
        tags[LENGTH] = (LONG, len(file))
    return container(picture, mode, file, tags, picture.height)


def apart(picture: Image.Image, mode: str, head: bytes, scans: list[bytes], rows: int = 0) -> bytes:
    """The stream has the tables and headers, strips have the data."""
    offsets, place = [], 8 + len(head)
    for scan in scans:
        offsets.append(place)
        place += len(scan)
    tags: dict[int, Values] = {
        FORMAT: (LONG, 8),
        LENGTH: (LONG, len(head)),
        273: (LONG, tuple(offsets)),
        279: (LONG, tuple(map(len, scans))),
    }
    return container(picture, mode, head + b"".join(scans), tags, rows or picture.height)


def tables(picture: Image.Image, file: bytes, subsampling: str) -> bytes:
    """Tables where tags say, no header anywhere."""
    found: dict[tuple[int, int], bytes] = {}
    for marker, content, _ in segments(file):
        while marker in (0xDB, 0xC4) and content:
            length = 65 if marker == 0xDB else 17 + sum(content[1:17])
            found[marker, content[0]] = content[1:length]
            content = content[length:]
    data = file[scan_at(file) :]
    places = {}
    for key, table in found.items():
        places[key] = 8 + len(data)
        data += table
    factors = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}[subsampling]
    tags: dict[int, Values] = {
        273: (LONG, 8),
        279: (LONG, len(file) - scan_at(file)),
        530: (SHORT, factors),
        512: (SHORT, 1),
    }
    for tag, marker, kind in ((Q_TABLES, 0xDB, 0), (DC_TABLES, 0xC4, 0), (AC_TABLES, 0xC4, 0x10)):
        tags[tag] = (LONG, tuple(places[marker, kind | component] for component in (0, 1, 1)))
    return container(picture, "RGB", data, tags, picture.height)


def container(picture: Image.Image, mode: str, data: bytes, tags: dict[int, Values], rows: int) -> bytes:
    """The data, then a directory."""
    channels = 1 if mode == "L" else 3
    tags = {
        256: (SHORT, picture.width),
        257: (SHORT, picture.height),
        258: (SHORT, (8,) * channels),
        259: (SHORT, 6),
        262: (SHORT, 1 if mode == "L" else 6),
        277: (SHORT, channels),
        278: (LONG, rows),
        **tags,
    }
    start = 8 + len(data) + len(data) % 2
    behind, extra = start + 2 + 12 * len(tags) + 4, b""
    entries = b""
    for tag, (kind, value) in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}{'HI'[kind - SHORT]}", *values)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack("<I", behind + len(extra))
        entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", start) + data + bytes(len(data) % 2)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4) + extra
