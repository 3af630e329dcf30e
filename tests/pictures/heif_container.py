"""HEIF containers taken apart and put together: what encoders do not write, made of what they do."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

Property = tuple[bytes, bytes]


@dataclass
class Coded:
    """One coded picture: an item of an encoder's file."""

    kind: bytes
    size: tuple[int, int]
    configuration: Property
    data: bytes


@dataclass
class Container:
    """The items of a file to be written; the first is the primary one."""

    brands: list[bytes]
    items: list[tuple[bytes, bytes, list[Property]]] = field(default_factory=list)
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    in_meta: set[int] = field(default_factory=set)

    def add(self, kind: bytes, data: bytes, properties: list[Property]) -> int:
        self.items.append((kind, data, properties))
        return len(self.items)

    def add_coded(self, coded: Coded, properties: list[Property] = []) -> int:
        return self.add(coded.kind, coded.data, [coded.configuration, extents(*coded.size), *properties])

    def add_grid(
        self, tiles: list[Coded], rows: int, columns: int, size: tuple[int, int], properties: list[Property] = []
    ) -> int:
        data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
        grid = self.add(b"grid", data, [extents(*size), *properties])
        self.in_meta.add(grid)
        self.references.append((b"dimg", grid, [self.add_coded(tile) for tile in tiles]))
        return grid

    def refer(self, kind: bytes, start: int, *to: int) -> None:
        self.references.append((kind, start, list(to)))

    def write(self) -> bytes:
        head = box(b"ftyp", self.brands[0], struct.pack(">I", 0), *self.brands)
        # The offsets have the same length whatever they are, so that a first writing says where data begins.
        start = len(head) + len(self._meta(0)) + 8
        data = b"".join(data for number, (_, data, _) in self._numbered() if number not in self.in_meta)
        return head + self._meta(start) + box(b"mdat", data)

    def _numbered(self) -> Iterator[tuple[int, tuple[bytes, bytes, list[Property]]]]:
        return enumerate(self.items, 1)

    def _meta(self, start: int) -> bytes:
        entries = [
            full(b"infe", 2, 0, struct.pack(">HH", number, 0), kind, b"\0") for number, (kind, _, _) in self._numbered()
        ]
        locations, inside = b"", b""
        for number, (_, data, _) in self._numbered():
            construction = int(number in self.in_meta)
            offset = len(inside) if construction else start
            locations += struct.pack(">HHHHII", number, construction, 0, 1, offset, len(data))
            if construction:
                inside += data
            else:
                start += len(data)
        stored: list[Property] = []
        associations = b""
        for number, (_, _, properties) in self._numbered():
            associations += struct.pack(">HB", number, len(properties))
            for one in properties:
                if one not in stored:
                    stored.append(one)
                essential = one[0] in (b"hvcC", b"av1C", b"irot", b"imir", b"clap")
                associations += struct.pack(">B", essential << 7 | stored.index(one) + 1)
        references = [
            box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to)) for kind, number, to in self.references
        ]
        return full(
            b"meta",
            0,
            0,
            full(b"hdlr", 0, 0, struct.pack(">I", 0), b"pict", bytes(12), b"\0"),
            full(b"pitm", 0, 0, struct.pack(">H", 1)),
            full(b"iinf", 0, 0, struct.pack(">H", len(entries)), *entries),
            *([full(b"iref", 0, 0, *references)] if references else []),
            box(
                b"iprp",
                box(b"ipco", *(box(*one) for one in stored)),
                full(b"ipma", 0, 0, struct.pack(">I", len(self.items)), associations),
            ),
            *([box(b"idat", inside)] if inside else []),
            full(b"iloc", 1, 0, struct.pack(">HH", 0x4400, len(self.items)), locations),
        )


def box(kind: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I", 8 + len(joined)) + kind + joined


def full(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def extents(width: int, height: int) -> Property:
    return b"ispe", struct.pack(">III", 0, width, height)


def rotation(quarters: int) -> Property:
    """Quarter turns against the clock."""
    return b"irot", bytes([quarters])


def mirror(axis: int) -> Property:
    """0 exchanges top and bottom, 1 left and right."""
    return b"imir", bytes([axis])


def clean_aperture(size: tuple[int, int], offset: tuple[int, int]) -> Property:
    """A crop; the offset is that of its centre from the picture's, in half pixels."""
    return b"clap", struct.pack(">IIIIiIiI", size[0], 1, size[1], 1, offset[0], 2, offset[1], 2)


def nclx(matrix: int, full_range: bool, primaries: int = 1) -> Property:
    return b"colr", b"nclx" + struct.pack(">HHHB", primaries, 13, matrix, full_range << 7)


def auxiliary(kind: str) -> Property:
    return b"auxC", bytes(4) + kind.encode() + b"\0"


ALPHA = auxiliary("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
GAIN_MAP = auxiliary("urn:com:apple:photo:2020:aux:hdrgainmap")


def take_apart(file: bytes) -> list[Coded]:
    """The coded pictures of an encoder's file, in the order of their items."""
    meta = dict(boxes(dict(boxes(file))[b"meta"][4:]))
    stored = list(boxes(dict(boxes(meta[b"iprp"]))[b"ipco"]))
    properties = associations(dict(boxes(meta[b"iprp"]))[b"ipma"])
    places = locations(meta[b"iloc"])
    coded = []
    for _, entry in boxes(meta[b"iinf"][6:]):
        (number,) = struct.unpack(">H", entry[4:6])
        kind = entry[8:12]
        if kind not in (b"hvc1", b"av01"):
            continue
        own = [stored[index - 1] for index in properties[number]]
        configuration = next(one for one in own if one[0] in (b"hvcC", b"av1C"))
        size = struct.unpack(">II", dict(own)[b"ispe"][4:12])
        coded.append(Coded(kind, size, configuration, b"".join(file[at : at + count] for at, count in places[number])))
    return coded


def boxes(content: bytes) -> Iterator[Property]:
    while content:
        size, kind = struct.unpack(">I4s", content[:8])
        yield kind, content[8:size]
        content = content[size:]


def associations(content: bytes) -> dict[int, list[int]]:
    wide, (count,), at = content[3] & 1, struct.unpack(">I", content[4:8]), 8
    found: dict[int, list[int]] = {}
    for _ in range(count):
        number, listed = struct.unpack(">HB", content[at : at + 3])
        at += 3
        step = 2 if wide else 1
        indices = [int.from_bytes(content[at + step * one : at + step * (one + 1)]) for one in range(listed)]
        found[number] = [index & (0x7FFF if wide else 0x7F) for index in indices]
        at += step * listed
    return found


def locations(content: bytes) -> dict[int, list[tuple[int, int]]]:
    version = content[0]
    sizes, count = struct.unpack(">HH", content[4:8])
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    at = 8

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(content[at - size : at])

    found = {}
    for _ in range(count):
        item = number(2)
        number(2 if version else 0)
        number(2)
        base = number(base_size)
        found[item] = [(base + number(offset_size), number(length_size)) for _ in range(number(2))]
    return found
