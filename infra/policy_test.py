"""Least privilege in template.yaml: every statement of every policy, and who may call what.

    target/venv-tools/bin/python infra/policy_test.py

A rule gives the reasons for which it refuses a statement. That the rules can refuse is tested too.
"""

from __future__ import annotations

import copy
import re
import unittest
from collections.abc import Iterator

from template import Node, load, of_type

Statement = dict[str, Node]

# Actions for which AWS offers no resource to name, or knows only all of them (Service Authorization
# Reference; CodeDeploy asks for several alarms in one call).
WITHOUT_RESOURCES = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudwatch:DescribeAlarms",
}

# A resource is one that the template names: `Something`, `Something.Arn`, or an ARN with a parameter
# in it.
NAMED = re.compile(r"\$\{(?!AWS::)[A-Za-z0-9]+(\.Arn|\.Alias)?\}")

READ = {"s3:GetObject", "s3:GetObjectVersion"}
EXISTING = "arn:${AWS::Partition}:s3:::${ExistingBucket}"

# What may be done with S3, and where: no other place, and nothing else there.
GRANTS = {
    "${ModelBucket.Arn}/${ModelPrefix}/*": {"s3:GetObject"},
    "${UploadsBucket.Arn}/*": READ,
    "${UploadsBucket.Arn}/uploads/*": {"s3:GetObject", "s3:PutObject"},
    "${UploadsBucket.Arn}": {"s3:ListBucket"},
    "${ResultsBucket.Arn}/${UploadsBucket}/*": {"s3:GetObject", "s3:PutObject"},
    "${ResultsBucket.Arn}/${UploadsBucket}/uploads/*": {"s3:GetObject"},
    "${ResultsBucket.Arn}": {"s3:ListBucket"},
    "${ResultsBucket.Arn}/_backfill/manifests/*": READ,
    "${ResultsBucket.Arn}/_backfill/inventory/*": READ | {"s3:PutObject"},
    "${ResultsBucket.Arn}/_backfill/reports/*": {"s3:PutObject"},
    "arn:${AWS::Partition}:s3:::${PictureBucket}/*": {"s3:GetObject"},
    f"{EXISTING}/*": READ,
    EXISTING: {"s3:ListBucket"},
    "${ResultsBucket.Arn}/${ExistingBucket}/*": {"s3:GetObject", "s3:PutObject"},
}

# Services that act for whoever asks them; only for this account, then.
DEPUTIES = {
    "s3.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "batchoperations.s3.amazonaws.com",
}
OWN_ACCOUNT = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


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
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
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
        reasons += wide_principal(statement)
        if actions == ["sts:AssumeRole"]:  # a role's trust names no resource
            return reasons
    if set(actions) <= WITHOUT_RESOURCES:
        return reasons
    for resource in map(text, listed(statement.get("Resource", "*"))):
        reasons += wide_resource(resource)
        if any(action.startswith("s3:") for action in actions):
            more = set(actions) - GRANTS.get(resource, set())
            reasons += [f"{sorted(more)} on {resource} is for nobody"] if more else []
    return reasons


def wide_resource(resource: str) -> list[str]:
    """A resource names one thing; `/*` means the objects below it, `:*` a function's versions."""
    named = resource.removesuffix("/*")
    if re.fullmatch(r"\$\{[A-Za-z0-9]+Function\.Arn\}:\*", resource):
        named = resource.removesuffix(":*")
    if "*" in named:
        return [f"wildcard in resource {resource}"]
    return [] if NAMED.search(resource) else [f"{resource} names nothing of this stack"]


def wide_principal(statement: Statement) -> list[str]:
    """A policy trusts one service; one that acts for others, only for this account."""
    principal = statement["Principal"]
    service = principal.get("Service") if isinstance(principal, dict) else None
    if not isinstance(service, str) or not service.endswith(".amazonaws.com") or len(principal) > 1:
        return [f"principal {principal}"]
    if service in DEPUTIES and statement.get("Condition", {}).get("StringEquals") != OWN_ACCOUNT:
        return [f"{service} may act for another account"]
    return []


class Template(unittest.TestCase):
    """What the template must keep to."""

    template = load()
    resources = template["Resources"]

    def of_type(self, kind: str) -> dict[str, Node]:
        """Properties of every resource of one type."""
        return of_type(self.template, kind)

    def test_no_statement_allows_more_than_it_should(self) -> None:
        found = list(statements(self.resources))
        self.assertGreaterEqual(len(found), 30, "the walk has missed statements")
        for path, statement in found:
            with self.subTest(path):
                self.assertEqual(too_wide(statement), [])

    def test_every_grant_is_used(self) -> None:
        """A grant that no statement needs would let one in later."""
        allowed = [s for _, s in statements(self.resources) if s["Effect"] == "Allow"]
        used = {text(r) for s in allowed for r in listed(s.get("Resource", []))}
        self.assertEqual(set(GRANTS) - used, set())

    def test_no_role_has_a_managed_policy(self) -> None:
        for name, role in self.of_type("AWS::IAM::Role").items():
            with self.subTest(name):
                self.assertNotIn("ManagedPolicyArns", role)

    def test_every_function_has_roles_of_its_own(self) -> None:
        """Where there is none, SAM makes one with a managed policy, which names no log group."""
        functions = self.of_type("AWS::Serverless::Function")
        self.assertEqual(set(functions), {"HttpFunction", "EventsFunction"})
        for name, function in functions.items():
            with self.subTest(name):
                self.assertEqual(function["Role"], {"Fn::GetAtt": [f"{name}Role", "Arn"]})
                self.assertNotIn("Policies", function)
                deployer = function["DeploymentPreference"]["Role"]
                self.assertEqual(deployer, {"Fn::GetAtt": ["DeploymentRole", "Arn"]})

    def test_a_service_may_call_a_function_only_for_a_named_source(self) -> None:
        for name, permission in self.of_type("AWS::Lambda::Permission").items():
            with self.subTest(name):
                self.assertEqual(permission["Action"], "lambda:InvokeFunction")
                self.assertRegex(text(permission["SourceArn"]), NAMED)

    def test_every_bucket_is_private_encrypted_and_versioned(self) -> None:
        for name, bucket in self.of_type("AWS::S3::Bucket").items():
            with self.subTest(name):
                self.assertTrue(all(bucket["PublicAccessBlockConfiguration"].values()))
                self.assertIn("BucketEncryption", bucket)
                self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})

    def test_every_queue_is_encrypted(self) -> None:
        for name, queue in self.of_type("AWS::SQS::Queue").items():
            with self.subTest(name):
                self.assertIs(queue["SqsManagedSseEnabled"], True)

    def test_an_upload_address_takes_one_object(self) -> None:
        """The bucket refuses a PUT below uploads/ that does not say `if-none-match`."""
        policy = self.resources["UploadsBucketPolicy"]["Properties"]["PolicyDocument"]
        (statement,) = [one for one in policy["Statement"] if one["Sid"] == "OnlyOnce"]
        self.assertEqual((statement["Effect"], statement["Principal"]), ("Deny", "*"))
        self.assertEqual(text(statement["Resource"]), "${UploadsBucket.Arn}/uploads/*")
        self.assertEqual(statement["Condition"], {"Null": {"s3:if-none-match": "true"}})

    def test_bucket_queue_and_topic_refuse_what_comes_in_plain(self) -> None:
        policies = [
            policy
            for kind in ("S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy")
            for policy in self.of_type(f"AWS::{kind}").values()
        ]
        for kind in ("S3::Bucket", "SQS::Queue", "SNS::Topic"):
            for name in self.of_type(f"AWS::{kind}"):
                with self.subTest(name):
                    self.assertTrue(any(refuses_plain(policy, name) for policy in policies))


def refuses_plain(policy: Node, name: str) -> bool:
    """Whether a resource policy is that of `name` and denies all that comes without TLS."""
    of = [policy.get("Bucket"), *policy.get("Queues", []), *policy.get("Topics", [])]
    denied = [s for _, s in statements(policy) if s["Effect"] == "Deny" and s["Principal"] == "*"]
    without_tls = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Ref": name} in of and any(
        s.get("Condition") == without_tls and is_all_of(name, s["Action"], s["Resource"])
        for s in denied
    )


def is_all_of(name: str, action: Node, resource: Node) -> bool:
    """Whether these are every use of `name`, and of what a bucket holds."""
    resources = resource if isinstance(resource, list) else [resource]
    whole = {"Fn::GetAtt": [name, "Arn"]} in resources or {"Ref": name} in resources
    if action == "s3:*":
        return whole and {"Fn::Sub": f"${{{name}.Arn}}/*"} in resources
    # A topic's policy takes no wildcard, and publishing is what may be done with it.
    return whole and action in ("sqs:*", "sns:Publish")


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
            ("s3:GetObject", {"Fn::GetAtt": ["ModelBucket", "Arn"]}),
            ("s3:GetObject", {"Fn::Join": ["", ["arn:aws:s3:::", "*"]]}),
            ("s3:PutObject", {"Fn::Sub": "${UploadsBucket.Arn}/*"}),
            ("s3:PutObject", {"Fn::Sub": "${ResultsBucket.Arn}/*"}),
            ("s3:DeleteObject", {"Fn::Sub": "${ResultsBucket.Arn}/${UploadsBucket}/*"}),
            ("s3:PutObject", {"Fn::Sub": "${ResultsBucket.Arn}/_backfill/manifests/*"}),
            ("sqs:SendMessage", {"Fn::Sub": "arn:aws:sqs:*:*:${UploadsQueue}"}),
            ("sqs:ReceiveMessage", "*"),
            ("lambda:InvokeFunction", "*"),
            ("lambda:InvokeFunction", {"Fn::Sub": "${Anything.Arn}:*"}),
            ("lambda:UpdateAlias", {"Fn::Sub": "arn:aws:lambda:*:*:function:${HttpFunction}"}),
            ("logs:PutLogEvents", {"Fn::Sub": "arn:aws:logs:*:*:log-group:${Logs}"}),
            (["xray:PutTraceSegments", "s3:GetObject"], "*"),
            (["cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"], "*"),
        ):
            statement = {"Effect": "Allow", "Action": action, "Resource": resource}
            with self.subTest(action=action, resource=resource):
                self.assertNotEqual(too_wide(statement), [])
        inverse = {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": model}
        self.assertNotEqual(too_wide(inverse), [])

    def test_a_principal_that_is_too_wide_is_refused(self) -> None:
        queue = {"Fn::GetAtt": ["UploadsQueue", "Arn"]}
        send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
        own = {"StringEquals": OWN_ACCOUNT}
        for principal, condition in (
            ("*", own),
            ({"AWS": "*"}, own),
            ({"Service": "s3.amazonaws.com"}, {}),
            ({"Service": "s3.amazonaws.com"}, {"StringLike": OWN_ACCOUNT}),
            ({"Service": "s3.amazonaws.com", "AWS": "123456789012"}, own),
            ({"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}, own),
        ):
            statement = send | {"Principal": principal, "Condition": condition}
            with self.subTest(principal=principal, condition=condition):
                self.assertNotEqual(too_wide(statement), [])

    def test_every_statement_that_is_widened_is_refused(self) -> None:
        """The rules see each statement of the template: none can get a wildcard unnoticed."""
        allowed = [(p, s) for p, s in statements(load()) if s["Effect"] == "Allow"]
        for path, statement in allowed:
            for key in ("Action", "Resource"):
                if key not in statement or statement[key] == "*":
                    continue
                wider = copy.deepcopy(statement) | {key: "*"}
                with self.subTest(path, key=key):
                    actions = set(listed(statement["Action"]))
                    harmless = key == "Resource" and actions <= WITHOUT_RESOURCES
                    self.assertTrue(harmless or too_wide(wider))

    def test_a_narrow_statement_is_accepted(self) -> None:
        for action, resource in (
            ("s3:GetObject", {"Fn::Sub": "${ModelBucket.Arn}/${ModelPrefix}/*"}),
            ("logs:PutLogEvents", {"Fn::GetAtt": ["HttpFunctionLogs", "Arn"]}),
            ("lambda:InvokeFunction", {"Ref": "EventsFunction.Alias"}),
            (sorted(WITHOUT_RESOURCES), "*"),
        ):
            statement = {"Effect": "Allow", "Action": action, "Resource": resource}
            self.assertEqual(too_wide(statement), [])

    def test_a_policy_without_tls_is_noticed(self) -> None:
        whole = [{"Fn::GetAtt": ["B", "Arn"]}, {"Fn::Sub": "${B.Arn}/*"}]
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": whole}
        policy = {"Bucket": {"Ref": "B"}, "PolicyDocument": {"Statement": [deny]}}
        self.assertFalse(refuses_plain(policy, "B"))
        deny["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
        self.assertTrue(refuses_plain(policy, "B"))
        self.assertFalse(refuses_plain(policy, "C"))
        for key, narrow in (("Action", "s3:GetObject"), ("Resource", whole[:1])):
            document = {"Statement": [{**deny, key: narrow}]}
            self.assertFalse(refuses_plain({**policy, "PolicyDocument": document}, "B"))


if __name__ == "__main__":
    unittest.main(buffer=True)
