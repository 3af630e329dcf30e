"""The command line itself, before any step."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, glimpse, ok, refused

PACKAGE = ROOT / "glimpse_models"


@pytest.mark.parametrize("words", [("train", "--help"), ("list", "--of", "s3://models/colours")])
def test_a_missing_package_is_named_with_what_installs_it(words: tuple[str, ...]) -> None:
    # Without what is installed, as where the virtual environment is not activated.
    command = [sys.executable, "-ES", "-m", "glimpse_models", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{words[0]}: the package numpy is not installed")
    assert len(done.stderr.splitlines()) == 1
    set_up = (ROOT / "README.md").read_text(encoding="utf-8")
    assert done.stderr.split("once: ")[1].split(";")[0] in set_up


@pytest.mark.parametrize(
    ("words", "successor"),
    [
        (("fuse", "--bundle", "b", "--version", "2", "--out", "o"), "optimize"),
        (("unfold", "--bundle", "b", "--data", "d", "--out", "o"), "to-checkpoint"),
        (("train", "--data", "d", "--out", "o", "--hide", "0.3"), "--hide-and-seek"),
        (("train", "--data", "d", "--out", "o", "--hide=0.3"), "--hide-and-seek"),
        (("train", "--data", "d", "--out", "o", "--augment", "origin"), "--augment legacy"),
        (("train", "--data", "d", "--out", "o", "--augment=origin"), "--augment legacy"),
        (("average", "--weights", "a", "b", "--parts", "0.5", "0.5", "--out", "o"), "--shares"),
    ],
)
def test_an_old_name_answers_with_the_new_one(words: tuple[str, ...], successor: str) -> None:
    assert f"is called {successor} now" in refused(*words)


def test_the_old_script_answers_with_the_new_step() -> None:
    done = subprocess.run(
        [ROOT / "make-bundle", "data", "out", "run"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "glimpse-models build" in done.stderr


def test_the_help_lists_steps_for_users_apart_from_those_for_authors() -> None:
    said = ok("--help")
    users, authors = said.split("for the authors of this repository:")
    assert [f"\n  {step}" in users for step in ("build", "train", "publish")] == [True] * 3
    assert [f"\n  {step}" in authors for step in ("overhead", "fixtures", "average")] == [True] * 3
    unknown = glimpse("trian")
    assert unknown.code == 2
    assert "unknown step trian" in unknown.err


def test_every_step_has_help() -> None:
    from glimpse_models.cli.main import AUTHOR_STEPS, USER_STEPS

    for step in {**USER_STEPS, **AUTHOR_STEPS}:
        assert f"usage: glimpse-models {step}" in ok(step, "--help")


def imports_of(path: Path) -> set[str]:
    """The modules of this package that a module imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glimpse_models"):
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                found.add(inner if module_file(inner) else str(node.module))
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("glimpse_models")}
    return found


def module_file(module: str) -> Path | None:
    path = ROOT / f"{module.replace('.', '/')}.py"
    return path if path.is_file() else None


ROOMS = (
    *("errors", "data", "train", "graph", "bundle", "measure", "registry", "sources", "pipeline"),
    *("research", "cli"),
)


def test_rooms_import_only_those_before_them_and_modules_have_no_circle() -> None:
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): imports_of(path)
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert len(graph) > 60
    for module, imported in graph.items():
        rooms = [ROOMS.index(name.split(".")[1]) for name in (module, *sorted(imported))]
        assert max(rooms) == rooms[0], f"{module} imports a room that comes after its own"
    left = dict(graph)
    while left:
        leaves = [name for name, imported in left.items() if not imported & left.keys()]
        assert leaves, f"a circle among {sorted(left)}"
        for name in leaves:
            del left[name]


def test_the_package_installs_with_its_data_and_its_command(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.in", "glimpse_models"):
        copy = subprocess.run(["cp", "-r", ROOT / name, source / name], check=False)
        assert copy.returncode == 0
    subprocess.run(
        [
            *pip,
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--target",
            tmp_path / "installed",
            source,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    done = subprocess.run(
        [tmp_path / "installed" / "bin" / "glimpse-models", "evaluate", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: glimpse-models evaluate" in done.stdout
    assert (tmp_path / "installed/glimpse_models/data/picture_files.json").is_file()
