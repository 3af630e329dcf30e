#!/usr/bin/env python3
"""Put the edge package together from what is built: target/edge/glimpse-VERSION-ARCH-linux.tar.gz.

    infra/edge/package.py --arch x86_64 --binary target/release/glimpse [--model imagenet-lite]

Holds the binary, ONNX Runtime, a model, install.sh, the systemd unit, the Greengrass recipe,
the Containerfile, licences, a CycloneDX SBOM and SHA256SUMS. The same inputs give the same bytes: names
are sorted, and times are those of the commit (or SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import shutil
import sys
import tarfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
import sbom

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GREENGRASS = {"x86_64": "amd64", "aarch64": "aarch64"}
# name in the package → where it comes from; a folder with all that is in it.
PARTS = {
    "install.sh": HERE / "install.sh",
    "glimpse.service": HERE / "glimpse.service",
    "glimpse.env": HERE / "glimpse.env",
    "recipe.yaml": HERE / "recipe.yaml",
    "Containerfile": HERE / "Containerfile",
    "README.md": ROOT / "docs/edge.md",
    "licenses/LICENSE": ROOT / "LICENSE",
    "licenses/LICENSE-APACHE": ROOT / "LICENSE-APACHE",
    "licenses/LICENSE-MIT": ROOT / "LICENSE-MIT",
}


def main() -> None:
    """Stage the package's tree, describe it, and pack it; prints the archive's path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=GREENGRASS, required=True)
    parser.add_argument("--binary", type=Path, required=True, help="the program glimpse")
    parser.add_argument(
        "--model",
        default="default",
        help="a folder below models/, or the path of a bundle (default: %(default)s)",
    )
    parser.add_argument(
        "--version", default=sbom.workspace_version(), help="default: the workspace's"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "target/edge")
    arguments = parser.parse_args()
    name = f"glimpse-{arguments.version}-{arguments.arch}-linux"
    tree = arguments.out / name
    shutil.rmtree(tree, ignore_errors=True)
    stage(tree, arguments.arch, arguments.binary, bundle(arguments.model))
    fill(tree / "recipe.yaml", arguments.version)
    describe(tree, arguments.version, arguments.arch)
    checksums(tree)
    print(pack(tree))


def describe(tree: Path, version: str, arch: str) -> None:
    """Write the bill of materials of the package staged in `tree`."""
    library = next((tree / "lib").glob("libonnxruntime.so.*"))
    parts = [sbom.runtime(library), sbom.model(tree / "model")]
    document = sbom.crates_of_binary("functions/edge", arch, sbom.source_date())
    sbom.write(tree / "sbom.cdx.json", document, "glimpse", version, parts)


def bundle(name: str) -> Path:
    """The folder of a committed bundle, or of one that a path names."""
    folders = [ROOT / "models" / name, Path(name)]
    found = next((folder for folder in folders if (folder / "bundle.json").is_file()), None)
    if found is None:
        sys.exit(f"{name} is neither a folder below models/ nor a bundle; MODEL names one of them")
    return found


def stage(tree: Path, arch: str, binary: Path, model: Path) -> None:
    """Copy every part to where it is in the package."""
    runtime = ROOT / "target/onnxruntime" / arch
    if not binary.is_file():
        sys.exit(f"{binary} is not there; build it with cargo build --package glimpse-edge")
    library = next(runtime.glob("libonnxruntime.so.*"), None)
    if library is None:
        sys.exit(f"{runtime} is empty; run infra/fetch/fetch.py onnxruntime --arch {arch}")
    jpeg = sbom.crate_source("turbojpeg-sys") / "libjpeg-turbo"
    ring = sbom.crate_source("ring")
    parts = PARTS | {
        "bin/glimpse": binary,
        "model": model,
        f"lib/{library.name}": library,
        "licenses/onnxruntime-LICENSE": runtime / "LICENSE",
        "licenses/onnxruntime-ThirdPartyNotices.txt": runtime / "ThirdPartyNotices.txt",
        "licenses/libjpeg-turbo-LICENSE.md": jpeg / "LICENSE.md",
        "licenses/libjpeg-turbo-README.ijg": jpeg / "README.ijg",
        "licenses/BoringSSL-LICENSE": ring / "LICENSE-BoringSSL",
        "licenses/fiat-crypto-LICENSE": ring / "third_party/fiat/LICENSE",
    }
    for inside, source in parts.items():
        target = tree / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    (tree / "lib/libonnxruntime.so").symlink_to(library.name)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.name in ("glimpse", "install.sh")
            path.chmod(0o755 if executable else 0o644)


def fill(recipe: Path, version: str) -> None:
    """Name the version in the Greengrass recipe."""
    recipe.write_text(recipe.read_text().replace("@VERSION@", version))


def checksums(tree: Path) -> None:
    """Write SHA256SUMS over all files, as sha256sum -c reads it."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    )
    (tree / "SHA256SUMS").write_text("".join(lines))


def pack(tree: Path) -> Path:
    """Make the archive beside the tree, and its checksum beside the archive."""
    archive = tree.with_name(tree.name + ".tar.gz")
    partial = archive.with_suffix(".part")
    when = sbom.source_date()

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = when
        return member

    with (
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=when) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted([tree, *tree.rglob("*")]):
            tar.add(path, path.relative_to(tree.parent), recursive=False, filter=plain)
    partial.replace(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.with_name(archive.name + ".sha256").write_text(f"{digest}  {archive.name}\n")
    return archive


if __name__ == "__main__":
    main()
