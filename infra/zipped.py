"""A folder as a zip whose bytes depend on the names and contents of its files alone.

python3 infra/zipped.py FOLDER ZIP
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import IO

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


def write(folder: Path, target: Path | IO[bytes]) -> None:
    """Zip all files below `folder`, executable where they are."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
