"""The command line itself, before any step."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize(
    ("words", "package"),
    [(("train", "--help"), "torch"), (("list", "--of", "s3://models/colours"), "boto3")],
)
def test_a_missing_package_is_named_with_what_installs_it(
    words: tuple[str, ...], package: str
) -> None:
    # Without what is installed, as where the virtual environment is not activated.
    command = [sys.executable, "-ES", "-m", "glimpse_models", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{words[0]}: the package {package} is not installed")
    assert len(done.stderr.splitlines()) == 1
    set_up = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")[2].splitlines()
    assert all(line.strip() in done.stderr for line in set_up)
