"""template.yaml as Python values, with CloudFormation's short forms read as their long ones."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"

Node = Any  # a value of the template: a mapping, a list or a scalar


class Loader(yaml.SafeLoader):
    """YAML in which `!Ref X` is `{"Ref": "X"}`, and `!GetAtt X.Arn` is `{"Fn::GetAtt": ["X", "Arn"]}`."""


def short_form(loader: Loader, suffix: str, node: yaml.Node) -> Node:
    """The long form of `!suffix node`."""
    key = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {key: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {key: loader.construct_sequence(node, deep=True)}
    return {key: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def parse(path: Path = TEMPLATE) -> dict[str, Node]:
    """The template as it is written."""
    template: dict[str, Node] = yaml.load(path.read_text(encoding="utf-8"), Loader)
    return template


def load(path: Path = TEMPLATE) -> dict[str, Node]:
    """The template with `Globals` merged into each function, as SAM does it."""
    return with_globals(parse(path))


def with_globals(written: dict[str, Node]) -> dict[str, Node]:
    """A template with `Globals` merged into each function."""
    template = copy.deepcopy(written)
    shared = template.pop("Globals", {}).get("Function", {})
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"] = merged(shared, resource["Properties"])
    return template


def merged(shared: Node, own: Node) -> Node:
    """Mappings are merged key by key; any other value of its own replaces the shared one."""
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    both = {key: merged(shared[key], own[key]) for key in shared.keys() & own.keys()}
    return copy.deepcopy(shared) | own | both


def of_type(template: dict[str, Node], kind: str) -> dict[str, Node]:
    """Properties of every resource of one type, by logical id."""
    found = {name: node for name, node in template["Resources"].items() if node["Type"] == kind}
    return {name: node.get("Properties", {}) for name, node in found.items()}
