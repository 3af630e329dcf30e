"""Print the zipped sizes of what `sam build` made; fail when one is over its limit.

    python3 infra/package-size.py

Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import zipped

BUILD = Path(__file__).resolve().parents[1] / ".aws-sam" / "build"
MB = 1_000_000

# Folder of the build → most bytes of its zip.
LIMITS = {
    "HttpFunction": 15 * MB // 2,
    "EventsFunction": 13 * MB // 2,
    "OnnxRuntimeX86Layer": 16 * MB,
    "OnnxRuntimeArmLayer": 16 * MB,
}


def main() -> int:
    """Measure every part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=BUILD, help="the folder that sam built into")
    build: Path = parser.parse_args().build
    missing = [name for name in LIMITS if not (build / name).is_dir()]
    if missing:
        print(f"{build} lacks {', '.join(missing)}; run infra/sam-build", file=sys.stderr)
        return 1
    sizes = {name: zipped_bytes(build / name) for name in LIMITS}
    for name, size in sizes.items():
        verdict = "ok" if size <= LIMITS[name] else "TOO LARGE"
        print(f"{name:20} {size / MB:6.2f} MB of {LIMITS[name] / MB:.1f} MB  {verdict}")
    return int(any(size > LIMITS[name] for name, size in sizes.items()))


def zipped_bytes(folder: Path) -> int:
    """Size of the folder as a zip like the one that `sam deploy` uploads."""
    with tempfile.TemporaryFile() as target:
        zipped.write(folder, target)
        return target.tell()


if __name__ == "__main__":
    sys.exit(main())
