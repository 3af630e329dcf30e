"""`make deny` where the database of advisories cannot be fetched."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script, beside a cargo-deny that fetches nothing and finds nothing."""
    tools = tmp_path / "target/tools/bin"
    for folder in (tools, tmp_path / "infra/tools"):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "infra/check-dependencies", tmp_path / "infra")
    for path, command in {
        tmp_path / "infra/tools/cargo-install": "true",
        tools / "cargo-deny": 'case " $* " in *" fetch "*) exit 1 ;; esac',
    }.items():
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)
    return tmp_path


def check(copy: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "CARGO_HOME": str(copy / "cargo")} | variables
    command = [copy / "infra/check-dependencies"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_advisories_that_cannot_be_fetched_are_counted_as_skipped_once(copy: Path) -> None:
    skipped = copy / "target/skipped-tests.txt"
    skipped.write_text("another test: its reason\n")
    for _ in range(2):
        done = check(copy)
        assert done.returncode == 0
        assert done.stderr.startswith("skipped make deny: advisories are not checked")
    lines = skipped.read_text().splitlines()
    assert [line.split(": ")[0] for line in lines] == ["another test", "make deny"]


def test_a_release_does_not_go_on_without_them(copy: Path) -> None:
    done = check(copy, REQUIRE_ADVISORIES="1")
    assert done.returncode == 1
    assert "advisories are not checked" in done.stderr


def test_a_copy_of_the_database_is_used(copy: Path) -> None:
    database = copy / "cargo/advisory-dbs/db"
    database.mkdir(parents=True)
    (database / "RUSTSEC-2026-0001.md").touch()
    done = check(copy)
    assert done.returncode == 0
    assert "the last copy" in done.stderr
    assert not (copy / "target/skipped-tests.txt").exists()
