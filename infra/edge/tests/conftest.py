"""The packages under test, and the boxes that they are installed in."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from box import ROOT, Box

EDGE = ROOT / "infra/edge"
ARCH = platform.machine()
VERSIONS = ("1.0.0", "1.1.0")


@pytest.fixture(scope="session")
def packages() -> Path:
    """A folder with the package in two versions, of the binary that cargo built last for tests."""
    out = ROOT / "target/edge/test"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    binary = out / "glimpse"
    subprocess.run(["strip", "-o", binary, ROOT / "target/debug/glimpse"], check=True)
    for version in VERSIONS:
        command: list[str | Path] = [
            EDGE / "package.py",
            "--arch",
            ARCH,
            "--binary",
            binary,
            "--version",
            version,
        ]
        subprocess.run([*command, "--out", out], check=True)
    return out


@pytest.fixture(scope="session")
def debs(packages: Path) -> list[str]:
    """The same as .debs, oldest first."""
    for version in VERSIONS:
        tree = packages / f"glimpse-{version}-{ARCH}-linux"
        subprocess.run([EDGE / "deb", tree, "--compress-type=gz", "--fast"], check=True)
    return sorted(path.name for path in packages.glob("glimpse_*.deb"))


@pytest.fixture(scope="session")
def provider(packages: Path) -> str:
    """The name of the package of OpenVINO, beside the others."""
    if not (ROOT / "target/openvino" / ARCH).is_dir():
        pytest.skip(f"there is no OpenVINO for {ARCH}")
    command: list[str | Path] = [EDGE / "provider.py", "--version", "1.0.0", "--fast"]
    subprocess.run([*command, "--out", packages], check=True)
    return f"glimpse-openvino-1.0.0-{ARCH}-linux"


@pytest.fixture
def box(packages: Path) -> Iterator[Box]:
    """A freshly booted Debian without a network."""
    made = subprocess.run([EDGE / "debian-root"], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(made.stdout.strip())
    with Box(packages) as booted:
        yield booted
