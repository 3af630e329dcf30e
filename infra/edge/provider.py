#!/usr/bin/env python3
"""Make the package of an execution provider: target/edge/glimpse-openvino-VERSION-x86_64-linux.tar.gz and a .deb.

    infra/edge/provider.py [--provider openvino] [--arch x86_64] [--version 1.2.3]

Holds the provider's libraries with their licences, the settings of the service, install.sh, a
CycloneDX SBOM and SHA256SUMS. The same inputs give the same archive. The .deb is made where dpkg-deb is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from package import HERE, ROOT, checksums, pack

sys.path.append(str(HERE.parent))
import sbom

ARCH = "x86_64"
PROVIDERS = ("openvino",)
PLUGIN = "libonnxruntime_providers_openvino_plugin.so"
# What is packed: wheel, the library that stands for it, licence.
COMPONENTS = (
    ("onnxruntime-ep-openvino", PLUGIN, "MIT"),
    ("openvino", "libopenvino.so.*", "Apache-2.0"),
)
CONTROL = """Package: glimpse-{provider}
Version: {version}-1
Architecture: amd64
Maintainer: The Glimpse maintainers <maintainers@glimpse.invalid>
Section: utils
Priority: optional
Depends: glimpse, libc6 (>= 2.28), libstdc++6
Description: Runs the models of Glimpse by {title}
 Libraries of {title} as an execution provider of ONNX Runtime, and the settings that let the service
 glimpse use them.
"""
TITLES = {"openvino": "OpenVINO"}
POSTINST = """#!/bin/sh
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl try-restart glimpse.service
"""


def main() -> None:
    """Stage, describe, pack; prints the paths of what was made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, default=PROVIDERS[0])
    parser.add_argument(
        "--arch", choices=[ARCH], default=ARCH, help="the package index has no other"
    )
    parser.add_argument("--version", default=sbom.workspace_version())
    parser.add_argument("--out", type=Path, default=ROOT / "target/edge")
    parser.add_argument("--fast", action="store_true", help="a larger .deb, for tests")
    arguments = parser.parse_args()
    provider, version = arguments.provider, arguments.version
    tree = arguments.out / f"glimpse-{provider}-{version}-{ARCH}-linux"
    shutil.rmtree(tree, ignore_errors=True)
    stage(tree, provider)
    sbom.write(
        tree / "sbom.cdx.json",
        sbom.empty(f"glimpse-{provider}", sbom.source_date()),
        f"glimpse-{provider}",
        version,
        [
            sbom.wheel(*pinned(package), next((tree / "lib").glob(library)), licence)
            for package, library, licence in COMPONENTS
        ],
    )
    checksums(tree)
    print(pack(tree))
    if shutil.which("dpkg-deb"):
        print(deb(tree, provider, version, "-Zgzip" if arguments.fast else "-Zxz"))


def pinned(package: str) -> list[str]:
    """The package and its version."""
    pins = (HERE.parent / f"fetch/{package}.txt").read_text()
    return pins.split()[0].split("==")


def stage(tree: Path, provider: str) -> None:
    """Copy every part to where it is in the package."""
    fetched, own = ROOT / "target" / provider / ARCH, HERE / provider
    if not fetched.is_dir():
        sys.exit(f"{fetched} is not there; run infra/fetch/fetch.py {provider}")
    for part in ("lib", "licenses"):
        shutil.copytree(fetched / part, tree / part)
    for path in own.iterdir():
        shutil.copyfile(path, tree / path.name)
    shutil.copyfile(ROOT / "docs/edge.md", tree / "README.md")
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name == "install.sh" else 0o644)


def deb(tree: Path, provider: str, version: str, compression: str) -> Path:
    """The same as a .deb, for the .deb of glimpse."""
    name = f"glimpse-{provider}"
    made = tree.parent / f"{name}_{version}-1_amd64.deb"
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        lib, about = root / "usr/lib" / name, root / "usr/share/doc" / name
        shutil.copytree(tree / "lib", lib)
        shutil.copytree(tree / "licenses", about / "licenses")
        for file in ("README.md", "sbom.cdx.json"):
            shutil.copyfile(tree / file, about / file)
        settings = root / f"usr/lib/systemd/system/glimpse.service.d/{provider}.conf"
        settings.parent.mkdir(parents=True)
        text = (tree / "glimpse.service.conf").read_text()
        settings.write_text(text.replace("@LIB@", f"/usr/lib/{name}"))
        control = root / "DEBIAN"
        control.mkdir()
        words = {"provider": provider, "version": version, "title": TITLES[provider]}
        (control / "control").write_text(CONTROL.format(**words))
        for script in ("postinst", "postrm"):
            (control / script).write_text(POSTINST)
        for path in root.rglob("*"):
            program = path.is_dir() or (path.parent == control and path.name != "control")
            path.chmod(0o755 if program else 0o644)
        root.chmod(0o755)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(sbom.source_date())}
        command = ["dpkg-deb", "--root-owner-group", compression, "--build", str(root), str(made)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return made


if __name__ == "__main__":
    main()
