"""Holds the engine's pixels of all pictures in folders against the reference.

    tests/pictures/compare FOLDER...

Prints for each folder how many are the same, differ, are refused by the engine (by name as an unsupported
variant, or otherwise), by both, or by the reference alone; then lists all that are not the same.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from engine import Decoded, Engine
from reference import NoPicture, Reference, read

SAME, DIFFERS, NAMED, REFUSED, BOTH, ALONE = (
    "same",
    "differs",
    "refused by us by name",
    "refused by us",
    "refused by both",
    "refused by the reference alone",
)

SIGNATURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0",
    b"MM\0+",
)  # fmt: skip


def is_ours(start: bytes) -> bool:
    """Whether a file begins like one of our formats."""
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return start.startswith(SIGNATURES) or webp or start[4:8] == b"ftyp"


def difference(one: Decoded, other: Reference) -> str | None:
    """How the pixels differ; `None` where they are the same within the reference's tolerance."""
    assert one.pixels is not None
    if one.pixels.shape != other.pixels.shape:
        return f"shape {one.pixels.shape} instead of {other.pixels.shape}"
    off = np.abs(one.pixels.astype(np.int16) - other.pixels)
    if off.mean() <= other.tolerance:
        return None
    return f"mean {off.mean():.3f}, most {off.max()}, of {(off > 0).mean():.1%} of samples"


def judge(engine: Engine, path: Path) -> tuple[str, str]:
    """The verdict about a file, and its reason."""
    ours = engine.decode(path)
    try:
        expected = read(path.read_bytes())
    except NoPicture as reason:
        return (ALONE if ours.code is None else BOTH), str(reason)
    if ours.code is not None:
        named = "is not supported" in ours.said["detail"]
        return (NAMED if named else REFUSED), f"{ours.code}: {ours.said['detail']}"
    differs = difference(ours, expected)
    return (SAME, "") if differs is None else (DIFFERS, f"{expected.format}: {differs}")


def main(folders: list[str]) -> int:
    """Compare each folder; 1 where a picture differs or only the reference refuses it."""
    engine, bad = Engine(), False
    for folder in folders:
        counts: Counter[str] = Counter()
        rows = []
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            with path.open("rb") as file:
                if not is_ours(file.read(16)):
                    continue
            verdict, reason = judge(engine, path.absolute())
            counts[verdict] += 1
            if verdict not in (SAME, BOTH):
                rows.append(f"  {verdict}: {path.relative_to(folder)}: {reason}")
        print(f"{folder}: " + ", ".join(f"{counts[v]} {v}" for v in (SAME, DIFFERS, NAMED, REFUSED, BOTH, ALONE)))
        print("\n".join(sorted(rows)))
        bad |= counts[DIFFERS] + counts[ALONE] > 0
    engine.close()
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
