"""Every name of 0.1.0 works, or fails with a sentence that names its successor, as docs/upgrading.md says.

make test-upgrading
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from glimpse_models.cli.main import AUTHOR_STEPS, MODULES, USER_STEPS, main
from template import load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GLIMPSE = ROOT / "target/debug/glimpse"
OLD = tomllib.loads((HERE / "names-0.1.0.toml").read_text())
OLD_TEMPLATE = load(HERE / "template-0.1.0.yaml")
TEMPLATE = load()
# What outlives a deployment: another type or name would be another, empty resource.
KEPT = (
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::Serverless::Function",
    "AWS::ApiGatewayV2::Api",
)

FLAGS = [(verb, flag) for verb, flags in OLD["flags"].items() for flag in flags]
OPTIONS = [
    (step, option) for step, options in OLD["steps"].items() for option in options
]


def documented() -> dict[str, str]:
    """Old name → the cell with its successor, from the tables of docs/upgrading.md."""
    rows = re.findall(
        r"^\| `([^`]+)` \| ([^|]+) \|", (ROOT / "docs/upgrading.md").read_text(), re.M
    )
    return dict(rows)


SUCCESSORS = documented()


def successor(*names: str) -> str:
    """The first code word of the cell that docs/upgrading.md gives for one of the names."""
    cell = next((SUCCESSORS[name] for name in names if name in SUCCESSORS), None)
    assert cell is not None, (
        f"{names[0]} is gone, and docs/upgrading.md does not say what replaces it"
    )
    match = re.search(r"`([^`]+)`", cell)
    return match[1] if match else cell.strip()


def glimpse(*words: str, **environment: str) -> str:
    """What `glimpse` prints."""
    run = subprocess.run(
        [GLIMPSE, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run.stdout + run.stderr


@pytest.fixture(scope="session")
def help_texts() -> dict[str, str]:
    """The help of each verb."""
    return {verb: glimpse(verb, "--help") for verb in OLD["flags"]}


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_a_flag_works_or_names_its_successor(
    verb: str, flag: str, help_texts: dict[str, str]
) -> None:
    if re.search(rf"(?<![\w-]){flag}(?![\w-])", help_texts[verb]):
        return
    said = glimpse(verb, flag)
    accepted = "unexpected argument" not in said  # a hidden alias
    assert accepted or successor(f"glimpse {verb} {flag}", flag) in said


def parser_of(step: str) -> argparse.ArgumentParser:
    """The command line of a step."""
    parser = argparse.ArgumentParser()
    importlib.import_module(
        f"glimpse_models.cli.{MODULES.get(step, step)}"
    ).add_arguments(parser)
    return parser


@pytest.mark.parametrize("step", OLD["steps"])
def test_a_step_works_or_names_its_successor(
    step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if step in USER_STEPS or step in AUTHOR_STEPS:
        return
    assert main([step]) != 0
    assert successor(step) in capsys.readouterr().err


@pytest.mark.parametrize(("step", "option"), OPTIONS)
def test_an_option_of_a_step_works_or_names_its_successor(
    step: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = step
    if step not in USER_STEPS and step not in AUTHOR_STEPS:
        now = successor(step).split()[-1]
    if any(option in action.option_strings for action in parser_of(now)._actions):
        return
    assert main([now, option, "x"]) != 0
    assert successor(f"{step} {option}", option).split()[-1] in capsys.readouterr().err


@pytest.mark.parametrize("variable", OLD["variables"])
def test_a_variable_is_read_or_has_a_successor(variable: str) -> None:
    """`crates/` and `functions/` read it by its full name."""
    sources = (
        path for top in ("crates", "functions") for path in (ROOT / top).rglob("*.rs")
    )
    if any(f'"{variable}"' in path.read_text(encoding="utf-8") for path in sources):
        return
    assert successor(variable) in glimpse("classify", "nothing", **{variable: "1"})


@pytest.mark.parametrize("target", OLD["make"])
def test_a_make_target_is_there_or_has_a_successor(target: str) -> None:
    if re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) is None:
        assert successor(f"make {target}")


@pytest.mark.parametrize("metric", OLD["metrics"])
def test_a_metric_is_there_or_has_a_successor(metric: str) -> None:
    sources = (
        path for top in ("crates", "functions") for path in (ROOT / top).rglob("*.rs")
    )
    if not any(f'"{metric}"' in path.read_text(encoding="utf-8") for path in sources):
        assert successor(metric)


@pytest.mark.parametrize("name", OLD_TEMPLATE["Parameters"])
def test_a_parameter_takes_the_values_that_it_took(name: str) -> None:
    old, new = OLD_TEMPLATE["Parameters"][name], TEMPLATE["Parameters"].get(name)
    if new is None:
        assert successor(name)
        return
    assert new["Type"] == old["Type"]
    assert set(map(str, old.get("AllowedValues", []))) <= set(
        map(str, new.get("AllowedValues", []))
    )
    assert new.get("MinValue", 0) <= old.get("MinValue", 0) or SUCCESSORS.get(name)
    assert new.get("MaxValue", old.get("MaxValue")) == old.get(
        "MaxValue"
    ) or SUCCESSORS.get(name)


@pytest.mark.parametrize("name", OLD_TEMPLATE["Outputs"])
def test_an_output_is_still_there(name: str) -> None:
    assert name in TEMPLATE["Outputs"] or successor(name)


def kept(template: dict[str, Any]) -> dict[str, str]:
    """The resources whose loss would be noticed."""
    return {k: v["Type"] for k, v in template["Resources"].items() if v["Type"] in KEPT}


def test_what_holds_data_or_is_called_by_name_keeps_its_logical_id() -> None:
    assert kept(OLD_TEMPLATE).items() <= kept(TEMPLATE).items()
