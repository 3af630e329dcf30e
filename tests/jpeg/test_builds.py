"""The C part of the JPEG decoder gives Pillow's pixels without NASM and on 64-bit ARM too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = {0: "pixels", 1: "corrupt"}


def tools() -> Path:
    """The folder of `cjpeg` and `jpegtran`, which cargo built together with libjpeg-turbo."""
    built = sorted(ROOT.glob("target/debug/build/turbojpeg-sys-*/out/bin/jpegtran"))
    if not built:
        pytest.skip("cargo has not built libjpeg-turbo")
    return built[0].parent


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind with the pixels that Pillow gives."""
    folder = tmp_path_factory.mktemp("pictures")
    script = [ROOT / "tests/jpeg/make.py", tools(), ROOT / "target/pictures", folder]
    subprocess.run([sys.executable, *script], check=True)
    return folder


def test_the_engine_without_simd_gives_the_same_pixels(pictures: Path, tmp_path: Path) -> None:
    build("without-nasm")
    log = (ROOT / "target/jpeg/without-nasm/library/jconfig.h").read_text()
    assert "#define WITH_SIMD 1" not in log
    check([ROOT / "target/jpeg/without-nasm/pixels"], pictures, tmp_path)


def test_64_bit_arm_gives_the_same_pixels(pictures: Path, tmp_path: Path) -> None:
    installed = subprocess.run([ROOT / "infra/tools/build-tools", "zig"], check=False)
    if installed.returncode != 0:
        pytest.skip("zig cannot be installed")
    build("aarch64")
    emulator = shutil.which("qemu-aarch64-static")
    if not emulator and os.getuid() == 0 and shutil.which("apt-get"):
        subprocess.run([ROOT / "infra/tools/apt-install", "qemu-user-static"], check=False)
        emulator = shutil.which("qemu-aarch64-static")
    if not emulator:
        pytest.skip("there is no qemu-aarch64-static, and only root can install it")
    check([emulator, ROOT / "target/jpeg/aarch64/pixels"], pictures, tmp_path)


def test_without_cmake_the_error_names_the_command_that_installs_it() -> None:
    # Neither `cmake` nor the environment of `infra/tools/build-tools` in sight.
    wrapper = "/proc/self/fd/0"
    with (ROOT / "infra/tools/cmake").open() as script:
        found = subprocess.run(
            ["/bin/sh", wrapper, "--version"],
            stdin=script,
            env={"PATH": "/nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 1
    assert "pip install cmake" in found.stderr


def build(kind: str) -> None:
    """Compile libjpeg-turbo and the C part."""
    subprocess.run([ROOT / "tests/jpeg/build", kind], check=True)


def check(program: list[Path | str], pictures: Path, folder: Path) -> None:
    """Every picture has the answer and the pixels that its case names."""
    cases = json.loads((pictures / "cases.json").read_text())
    by_scale = defaultdict(list)
    for case in cases:
        by_scale[case["denominator"]].append(case)
    wrong = []
    for denominator, some in by_scale.items():
        files = [pictures / f"{case['name']}.jpg" for case in some]
        command = [*program, str(denominator), folder, *files]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for number, (case, line) in enumerate(zip(some, output.splitlines(), strict=True)):
            answer = OUTCOMES.get(int(line.split()[0]), "variant")
            same = answer == case["answer"]
            if same and answer == "pixels":
                found = (folder / f"{number}.rgb").read_bytes()
                same = found == (pictures / f"{case['name']}.rgb").read_bytes()
            if not same:
                wrong.append((case["name"], case["answer"], line))
    assert len(cases) >= 500
    assert not wrong
