"""Least privilege in template.yaml: every statement of every policy, and who may call what.

    target/venv-tools/bin/python infra/policy_test.py

A rule gives the reasons for which it refuses a statement. That the rules can refuse is tested too.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"

Node = Any  # a value of the template: a mapping, a list or a scalar
Statement = dict[str, Node]

# Actions for which AWS offers no resource to name (Service Authorization Reference).
WITHOUT_RESOURCES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}

# A resource is one that the template names: `Something.Arn`, or an ARN with a parameter in it.
NAMED = re.compile(r"\$\{(?!AWS::)[A-Za-z0-9]+(\.Arn)?\}")


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` is `{"Ref": "X"}`."""


def short_form(loader: Loader, suffix: str, node: yaml.Node) -> Node:
    """The long form of `!suffix node`."""
    key = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {key: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {key: loader.construct_sequence(node, deep=True)}
    return {key: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def listed(value: Node) -> list[Node]:
    """IAM takes one value or a list of them."""
    return value if isinstance(value, list) else [value]


def statements(node: Node, path: str = "") -> Iterator[tuple[str, Statement]]:
    """Every policy statement below `node`, with the path that leads to it."""
    if isinstance(node, dict):
        if node.get("Effect") in {"Allow", "Deny"}:
            yield f"{path}/{node.get('Sid', '')}", node
        for key, value in node.items():
            yield from statements(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from statements(value, f"{path}/{number}")


def text(resource: Node) -> str:
    """A resource as `Fn::Sub` would write it, so that one rule reads all forms."""
    match resource:
        case str():
            return resource
        case {"Fn::Sub": str(pattern)}:
            return pattern
        case {"Fn::GetAtt": str(name)}:
            return f"${{{name}}}"
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case _:
            return f"*{resource}"  # no form that these rules can judge: refuse it


def too_wide(statement: Statement) -> list[str]:
    """Why an Allow statement allows more than it should."""
    if statement["Effect"] != "Allow":
        return []
    reasons: list[str] = [
        key for key in ("NotAction", "NotResource", "NotPrincipal") if key in statement
    ]
    actions = [str(action) for action in listed(statement.get("Action", "*"))]
    reasons += [f"wildcard in action {action}" for action in actions if "*" in action]
    if "Principal" in statement:
        return reasons + wide_principal(statement["Principal"])
    if set(actions) <= WITHOUT_RESOURCES:
        return reasons
    for resource in map(text, listed(statement.get("Resource", "*"))):
        reasons.extend(wide_resource(resource))
        # A bucket of ours holds several things; a function gets one prefix, and only to read.
        if resource.startswith("${ModelBucket.Arn}"):
            if resource != "${ModelBucket.Arn}/${ModelPrefix}/*":
                reasons.append(f"{resource} is more than the one bundle")
            if actions != ["s3:GetObject"]:
                reasons.append(f"{actions} on the model, which is only read")
    return reasons


def wide_resource(resource: str) -> list[str]:
    """A resource names one thing; `/*` at the end means the objects below it."""
    if "*" in resource.removesuffix("/*"):
        return [f"wildcard in resource {resource}"]
    return [] if NAMED.search(resource) else [f"{resource} names nothing of this stack"]


def wide_principal(principal: Node) -> list[str]:
    """A role trusts one service."""
    service = principal.get("Service") if isinstance(principal, dict) else None
    named = isinstance(service, str) and service.endswith(".amazonaws.com")
    return [] if named and len(principal) == 1 else [f"principal {principal}"]


def load() -> dict[str, Node]:
    """The resources of the template."""
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)
    resources: dict[str, Node] = template["Resources"]
    return resources


class Template(unittest.TestCase):
    """What the template must keep to."""

    resources = load()

    def of_type(self, kind: str) -> dict[str, Node]:
        """Properties of every resource of one type."""
        found = {name: node for name, node in self.resources.items() if node["Type"] == kind}
        return {name: node.get("Properties", {}) for name, node in found.items()}

    def test_no_statement_allows_more_than_it_should(self) -> None:
        found = list(statements(self.resources))
        self.assertGreaterEqual(len(found), 5, "the walk has missed statements")
        for path, statement in found:
            with self.subTest(path):
                self.assertEqual(too_wide(statement), [])

    def test_no_role_has_a_managed_policy(self) -> None:
        for name, role in self.of_type("AWS::IAM::Role").items():
            with self.subTest(name):
                self.assertNotIn("ManagedPolicyArns", role)

    def test_every_function_has_a_role_of_its_own(self) -> None:
        """Where there is none, SAM makes one with a managed policy, which names no log group."""
        functions = self.of_type("AWS::Serverless::Function")
        for name, function in functions.items():
            with self.subTest(name):
                self.assertEqual(function["Role"], {"Fn::GetAtt": f"{name}Role.Arn"})
                self.assertNotIn("Policies", function)

    def test_a_service_may_call_a_function_only_for_a_named_source(self) -> None:
        for name, permission in self.of_type("AWS::Lambda::Permission").items():
            with self.subTest(name):
                self.assertEqual(permission["Action"], "lambda:InvokeFunction")
                self.assertRegex(text(permission["SourceArn"]), NAMED)

    def test_every_bucket_is_private_encrypted_and_refuses_plain_http(self) -> None:
        policies = self.of_type("AWS::S3::BucketPolicy").values()
        for name, bucket in self.of_type("AWS::S3::Bucket").items():
            with self.subTest(name):
                self.assertTrue(all(bucket["PublicAccessBlockConfiguration"].values()))
                self.assertIn("BucketEncryption", bucket)
                own = [policy for policy in policies if policy["Bucket"] == {"Ref": name}]
                denied = [s for _, s in statements(own) if s["Effect"] == "Deny"]
                conditions = [statement.get("Condition") for statement in denied]
                self.assertIn({"Bool": {"aws:SecureTransport": "false"}}, conditions)


class Rules(unittest.TestCase):
    """That the rules refuse what they are for."""

    def test_what_is_too_wide_is_refused(self) -> None:
        model = {"Fn::Sub": "${ModelBucket.Arn}/${ModelPrefix}/*"}
        for action, resource in (
            ("*", model),
            ("s3:Get*", model),
            (["s3:GetObject", "s3:PutObject"], model),
            ("s3:GetObject", "*"),
            ("s3:GetObject", "arn:aws:s3:::*"),
            ("s3:GetObject", "arn:aws:s3:::somebody-elses/*"),
            ("s3:GetObject", {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}),
            ("s3:GetObject", {"Fn::Sub": "${ModelBucket.Arn}/*"}),
            ("s3:GetObject", {"Fn::GetAtt": "ModelBucket.Arn"}),
            ("s3:GetObject", {"Fn::Join": ["", ["arn:aws:s3:::", "*"]]}),
            ("logs:PutLogEvents", {"Fn::Sub": "arn:aws:logs:*:*:log-group:${Logs}"}),
            (["xray:PutTraceSegments", "s3:GetObject"], "*"),
        ):
            statement = {"Effect": "Allow", "Action": action, "Resource": resource}
            with self.subTest(action=action, resource=resource):
                self.assertNotEqual(too_wide(statement), [])
        everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
        self.assertNotEqual(too_wide(everyone), [])
        inverse = {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": model}
        self.assertNotEqual(too_wide(inverse), [])

    def test_what_is_narrow_is_not(self) -> None:
        for action, resource in (
            ("s3:GetObject", {"Fn::Sub": "${ModelBucket.Arn}/${ModelPrefix}/*"}),
            ("logs:PutLogEvents", {"Fn::GetAtt": "HttpFunctionLogs.Arn"}),
            (sorted(WITHOUT_RESOURCES), "*"),
        ):
            statement = {"Effect": "Allow", "Action": action, "Resource": resource}
            self.assertEqual(too_wide(statement), [])


if __name__ == "__main__":
    unittest.main(buffer=True)
