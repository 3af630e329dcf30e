"""JPEG that Pillow opens although pixels are missing or broken; the service refuses it.

Pillow does not show libjpeg's warnings. `simplejpeg` shows the first one, so whatever causes a harmless
one is taken out of the file before. `damages.json` beside the service's decoder lists what is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

START = b"\xff\xd8"
END = b"\xff\xd9"
SCAN = 0xDA
PROGRESSIVE = (0xC2, 0xCA)
SEQUENTIAL = (0xC0, 0xC1, 0xC9)
LOSSLESS = (0xC3, 0xCB)
FRAMES = (*SEQUENTIAL, *PROGRESSIVE, *LOSSLESS)
ARITHMETIC_PROGRESSIVE = 0xCA
# Say nothing about pixels: APP0 to APP15, and comments.
APPLICATION = (*range(0xE0, 0xF0), 0xFE)
COEFFICIENTS = 64
# How libjpeg's warnings about pixels begin; whatever else it reports, Pillow refuses too.
WARNINGS = ("Corrupt JPEG data", "Inconsistent progression", "Premature end")
# Behind the last sample of a scan, or where a marker is missing.
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")


@dataclass(frozen=True)
class Segment:
    """A marker, what its segment holds, and the entropy-coded data behind it."""

    marker: int
    content: bytes = b""
    data: bytes = b""

    def with_parameters(self, parameters: bytes) -> Segment:
        """A scan with other spectral selection and approximation."""
        return replace(self, content=self.content[:-3] + parameters)

    def written(self) -> bytes:
        """As it stands in a file."""
        length = (len(self.content) + 2).to_bytes(2, "big")
        return bytes((0xFF, self.marker)) + length + self.content + self.data


def fault(jpeg: bytes) -> str | None:
    """What is missing or broken; nothing where the service decodes what Pillow opens."""
    segments = list(_segments(jpeg))
    frame = next((one for one in segments if one.marker in FRAMES), None)
    if frame is None or len(frame.content) < 6:
        return None  # Pillow says what it is
    ended = segments[-1].marker == END[1]
    if _lacks_scans(frame, [one.content for one in segments if one.marker == SCAN], ended):
        return "scans are missing"
    kept = [one for one in segments if one.marker not in (*APPLICATION, START[1], END[1])]
    if frame.marker in SEQUENTIAL:
        # Only progressive files choose these; some encoders write others.
        kept = [one.with_parameters(b"\0\x3f\0") if one.marker == SCAN else one for one in kept]
    warning = _warning(kept, frame)
    if warning and (found := EXTRANEOUS.search(warning)):
        warning = _warning(_without(kept, int(found[1]), int(found[2], 16)), frame)
    return warning


def _warning(segments: list[Segment], frame: Segment) -> str | None:
    """The first that says something about pixels."""
    import simplejpeg

    # An eighth of the size, and grey: the same entropy-coded data at less work.
    grey: dict[str, Any] = {"colorspace": "GRAY", "min_height": 1, "min_width": 1}
    options = {"colorspace": "RGB"} if frame.marker in LOSSLESS else grey
    try:
        jpeg = START + b"".join(one.written() for one in segments) + END
        simplejpeg.decode_jpeg(jpeg, strict=True, **options)
    except ValueError as error:
        if str(error).startswith(WARNINGS):
            return str(error)
    return None


def _without(segments: list[Segment], count: int, marker: int) -> list[Segment]:
    """Without `count` bytes at the end of the first scan that `marker` follows."""
    following = [*(one.marker for one in segments[1:]), END[1]]
    for at, (scan, behind) in enumerate(zip(segments, following, strict=True)):
        if behind == marker and len(scan.data) >= count:
            cut = replace(scan, data=scan.data[: len(scan.data) - count])
            return [*segments[:at], cut, *segments[at + 1 :]]
    return segments


def _segments(jpeg: bytes) -> Iterator[Segment]:
    """Up to the end marker, without junk between them."""
    at = 0
    while (found := _next_marker(jpeg, at)) is not None:
        marker, at = jpeg[found + 1], found + 2
        if marker in (START[1], END[1]):
            yield Segment(marker)
            if marker == END[1]:
                return
            continue
        end = at + int.from_bytes(jpeg[at : at + 2], "big")
        if end < at + 2 or end > len(jpeg):
            return
        behind = end
        if marker == SCAN:
            following = _next_marker(jpeg, end)
            behind = len(jpeg) if following is None else following
        yield Segment(marker, jpeg[at + 2 : end], jpeg[end:behind])
        at = behind


def _next_marker(jpeg: bytes, at: int) -> int | None:
    """Where the next marker stands that is not part of entropy-coded data."""
    while 0 <= (at := jpeg.find(b"\xff", at)) < len(jpeg) - 1:
        marker = jpeg[at + 1]
        if marker not in (0x00, 0x01, 0xFF) and not 0xD0 <= marker <= 0xD7:
            return at
        at += 1 if marker == 0xFF else 2
    return None


def _lacks_scans(frame: Segment, scans: list[bytes], ended: bool) -> bool:
    """Whether scans never came: of a component, or with coefficients of a progressive file."""
    components = frame.content[6 : 6 + 3 * frame.content[5] : 3]
    # Low bits that are still to come, -1 where nothing of a coefficient came.
    bits = {component: [-1] * COEFFICIENTS for component in components}
    for scan in scans:
        if not scan or len(scan) < 4 + 2 * scan[0]:
            continue
        first, last, low = scan[-3], min(scan[-2], COEFFICIENTS - 1), scan[-1] & 15
        if frame.marker not in PROGRESSIVE:
            first, last, low = 0, COEFFICIENTS - 1, 0
        for component in scan[1 : 1 + 2 * scan[0] : 2]:
            if component in bits and first <= last:
                bits[component][first : last + 1] = [low] * (last + 1 - first)
    to_come = {left for of_component in bits.values() for left in of_component}
    # An encoder may leave low bits out, but then the file has its end.
    strict = not ended or frame.marker == ARITHMETIC_PROGRESSIVE
    return -1 in to_come or (strict and max(to_come, default=0) > 0)
