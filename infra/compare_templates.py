"""Compare what CloudFormation is given for two versions of template.yaml, after SAM's transform.

    git show TAG:template.yaml >/tmp/old.yaml
    target/venv-tools/bin/python infra/compare_templates.py /tmp/old.yaml template.yaml

Prints one line per difference, with the path of the value; the exit status is 1 where there is any. Every
value of a parameter that a condition reads is tried.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from template import Node, parse

# SAM's translator asks boto3 for a region and sends nothing.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

PARAMETERS = ({}, {"Architecture": "arm64"}, {"DeploymentType": "AllAtOnce"}, {"Access": "jwt"})


def transformed(path: Path, parameters: dict[str, str]) -> dict[str, Any]:
    """The template that SAM's transform makes, with packages already uploaded."""
    template = json.loads(json.dumps(parse(path)))
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource["Properties"]:
                resource["Properties"][key] = "s3://bucket/key"
    result: dict[str, Any] = Translator({}, Parser()).translate(template, parameters)
    return result


def differences(old: Node, new: Node, path: str = "") -> Iterator[str]:
    """One line for each value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{path}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{path}/{number}")
    elif old != new:
        yield f"{path}: {json.dumps(old)} -> {json.dumps(new)}"


def main() -> int:
    """Compare for each set of parameters."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    arguments = parser.parse_args()
    logging.disable()
    found = dict.fromkeys(
        line
        for parameters in PARAMETERS
        for line in differences(
            transformed(arguments.old, parameters), transformed(arguments.new, parameters)
        )
    )
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
