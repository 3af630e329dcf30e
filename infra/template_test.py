"""What template.yaml must keep to beyond least privilege: times, alarms, versions, documentation.

    target/venv-tools/bin/python infra/template_test.py

What SAM's transform makes of it is looked at as well. The template for container images keeps to all of it, too.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import tomllib
import unittest
from collections.abc import Iterator
from typing import Any

from image_template import with_images
from template import TEMPLATE, Node, load, of_type, parse, with_globals

# SAM's translator asks boto3 for it, and needs nothing of AWS.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

FUNCTIONS = ("HttpFunction", "EventsFunction")
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
IMAGES = with_images({name: f"{REPOSITORY}/{name.lower()}:1" for name in FUNCTIONS})


def references(node: Node) -> Iterator[str]:
    """Every name that `Ref`, `Fn::Sub` or a condition of `Fn::If` below `node` uses."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from re.findall(r"\$\{([A-Za-z0-9]+)\}", text)
            if key == "Fn::If":
                yield value[0]
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def translated(written: dict[str, Node], **parameters: str) -> dict[str, Any]:
    """The resources that CloudFormation is given, as SAM's transform writes them."""
    template = copy.deepcopy(written)
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource["Properties"]:
                resource["Properties"][key] = "s3://bucket/key"
    resources: dict[str, Any] = Translator({}, Parser()).translate(template, parameters)[
        "Resources"
    ]
    return resources


class Template(unittest.TestCase):
    """Promises of the template."""

    template = load()
    resources = template["Resources"]
    parameters = template["Parameters"]

    def test_every_parameter_is_described_grouped_and_used(self) -> None:
        interface = self.template["Metadata"]["AWS::CloudFormation::Interface"]
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(self.parameters))
        used = set(references([self.template["Conditions"], self.template["Resources"]]))
        for name, parameter in self.parameters.items():
            with self.subTest(name):
                self.assertIn(name, used)
                self.assertGreater(len(parameter["Description"]), 20)
                self.assertIn("Default", parameter, "one command must deploy a working stack")

    def test_pages_that_may_upload_may_ask_for_the_address_and_the_result(self) -> None:
        api = self.resources["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"]
        self.assertEqual(api[0], "HasUploadOrigins")
        self.assertEqual(api[1]["AllowOrigins"], {"Ref": "UploadOrigins"})
        self.assertEqual(api[1]["AllowMethods"], ["GET", "POST"])
        self.assertLessEqual({"authorization", "content-type"}, set(api[1]["AllowHeaders"]))

    def test_the_default_model_is_the_one_that_comes_with_the_code(self) -> None:
        bundle = json.loads((TEMPLATE.parent / "models" / "default" / "bundle.json").read_text())
        default = self.parameters["ModelPrefix"]["Default"]
        self.assertEqual(default, f"default/{bundle['version']}")

    def test_production_pins_the_default_model(self) -> None:
        config = tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text())
        pairs = config["prod"]["deploy"]["parameters"]["parameter_overrides"]
        values = dict(pair.split("=", 1) for pair in pairs)
        description = (TEMPLATE.parent / "models" / "default" / "bundle.json").read_bytes()
        self.assertEqual(values["ModelPrefix"], self.parameters["ModelPrefix"]["Default"])
        self.assertEqual(values["ModelSha256"], hashlib.sha256(description).hexdigest())

    def test_samconfig_sets_parameters_to_values_that_they_take(self) -> None:
        config = tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text())
        for stage in ("dev", "prod"):
            for pair in config[stage]["deploy"]["parameters"]["parameter_overrides"]:
                name, value = pair.split("=", 1)
                allowed = self.parameters[name].get("AllowedValues", [value])
                with self.subTest(f"{stage}: {pair}"):
                    self.assertIn(value, map(str, allowed))

    def test_a_message_stays_hidden_for_six_times_the_functions_timeout(self) -> None:
        """Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
        times = self.template["Mappings"]["EventsTimes"]
        self.assertEqual(set(times), set(self.parameters["EventsTimeout"]["AllowedValues"]))
        for timeout, row in times.items():
            self.assertGreaterEqual(row["VisibilityTimeout"], 6 * int(timeout))

    def test_a_message_is_kept_longer_once_it_is_dead(self) -> None:
        """It keeps its age, and would be gone on arrival."""
        queues = of_type(self.template, "AWS::SQS::Queue")
        dead, live = queues["DeadLetterQueue"], queues["UploadsQueue"]
        self.assertGreater(dead["MessageRetentionPeriod"], live["MessageRetentionPeriod"])

    def test_every_function_goes_back_on_all_its_alarms(self) -> None:
        for name in FUNCTIONS:
            role = name.removesuffix("Function")
            preference = self.resources[name]["Properties"]["DeploymentPreference"]
            condition, alarms, none = preference["Alarms"]["Fn::If"]
            self.assertEqual((condition, none), ("IsGradual", [{"Ref": "AWS::NoValue"}]))
            own = {f"{role}{kind}Alarm" for kind in ("Errors", "Duration", "Model")}
            self.assertLessEqual(own, {alarm["Ref"] for alarm in alarms})

    def test_every_alarm_notifies_the_topic_and_is_on_the_dashboard(self) -> None:
        dashboard = self.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        for name, alarm in of_type(self.template, "AWS::CloudWatch::Alarm").items():
            with self.subTest(name):
                self.assertEqual(alarm["AlarmActions"], [{"Ref": "AlarmTopic"}])
                self.assertEqual(alarm["TreatMissingData"], "notBreaching", "idle is no fault")
                self.assertIn(f"${{{name}.Arn}}", dashboard)

    def test_the_dashboard_is_json_and_shows_what_the_template_has(self) -> None:
        body = self.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        self.assertGreater(len(json.loads(body)["widgets"]), 5)
        names = {name.split(".")[0] for name in re.findall(r"\$\{([A-Za-z0-9.]+)\}", body)}
        self.assertLessEqual(names, set(self.resources))

    def test_a_new_value_of_a_parameter_is_a_new_version(self) -> None:
        """The version's description names the parameters that the function depends on, and no other.

        Lambda refuses to publish a version of what has not changed.
        """
        unversioned = {"ReservedConcurrentExecutions", "DeploymentPreference", "Events"}
        conditions = self.template["Conditions"]
        for name in FUNCTIONS:
            function = dict(self.resources[name]["Properties"])
            described = set(references(function.pop("VersionDescription")))
            kept = {key: value for key, value in function.items() if key not in unversioned}
            used = set(references(kept))
            for condition in used & set(conditions):
                used |= set(references(conditions[condition]))
            with self.subTest(name):
                self.assertEqual(described, used & set(self.parameters))

    def test_a_versions_description_fits(self) -> None:
        """Lambda takes 256 characters."""
        longest = {"ModelSha256": 64, "PictureBucket": 63, "ModelPrefix": 80}
        self.assertEqual(self.parameters["ModelPrefix"]["MaxLength"], longest["ModelPrefix"])
        for name, parameter in self.parameters.items():
            values = parameter.get("AllowedValues", [parameter.get("MaxValue", "")])
            longest.setdefault(name, max(len(str(value)) for value in values))
        for name in FUNCTIONS:
            text = self.resources[name]["Properties"]["VersionDescription"]["Fn::Sub"]
            size = len(re.sub(r"\$\{([A-Za-z0-9]+)\}", lambda m: "x" * longest[m[1]], text))
            self.assertLessEqual(size, 256)

    def test_a_new_model_keeps_the_old_ones_policy_until_the_end(self) -> None:
        """Another name makes CloudFormation replace it: the old one goes after the traffic went."""
        for name in FUNCTIONS:
            needed = name.replace("Function", "ModelPolicy")
            self.assertEqual(self.resources[name]["DependsOn"], needed)
            policy = self.resources[needed]
            self.assertEqual(policy["Type"], "AWS::IAM::RolePolicy")
            self.assertEqual(policy["Properties"]["RoleName"], {"Ref": f"{name}Role"})
            self.assertIn("ModelPrefix", set(references(policy["Properties"]["PolicyName"])))


class ImagesTemplate(Template):
    """The same promises of the template for container images, and those that SnapStart asks for."""

    template = with_globals(IMAGES)
    resources = template["Resources"]
    parameters = template["Parameters"]

    def test_only_the_packages_differ_from_those_of_zips(self) -> None:
        """Whatever else changes in template.yaml changes here, too."""
        zips, images = load()["Resources"], self.resources
        layers = {"OnnxRuntimeX86Layer", "OnnxRuntimeArmLayer"}
        self.assertEqual(zips.keys() - images.keys(), layers)
        self.assertLessEqual(images.keys(), zips.keys())
        packaging = {"Handler", "Runtime", "Layers", "CodeUri", "PackageType", "ImageUri"}
        packaging |= {"SnapStart", "VersionDescription"}
        for name, resource in images.items():
            with self.subTest(name):
                if name not in FUNCTIONS:
                    self.assertEqual(resource, zips[name])
                    continue
                properties, others = resource["Properties"], zips[name]["Properties"]
                differing = {
                    key
                    for key in properties.keys() | others.keys()
                    if properties.get(key) != others.get(key)
                }
                self.assertEqual(differing, packaging)

    def test_snapstart_is_refused_with_what_lambda_refuses(self) -> None:
        """Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html."""
        rule = self.template["Rules"]["SnapStartHasLimits"]
        self.assertTrue(holds(rule["RuleCondition"], {"SnapStart": "on"}))
        self.assertFalse(holds(rule["RuleCondition"], {"SnapStart": "off"}))
        asserted = [assertion["Assert"] for assertion in rule["Assertions"]]
        for values, right in (
            ({"EphemeralStorageSize": "512", "ModelSha256": "0" * 64}, True),
            ({"EphemeralStorageSize": "513", "ModelSha256": "0" * 64}, False),
            ({"EphemeralStorageSize": "512", "ModelSha256": ""}, False),
        ):
            with self.subTest(**values):
                self.assertEqual(all(holds(condition, values) for condition in asserted), right)
        for name in FUNCTIONS:
            # A parameter for it would have to be refused by that rule as well.
            self.assertNotIn("ProvisionedConcurrencyConfig", self.resources[name]["Properties"])
            self.assertNotIn("FileSystemConfigs", self.resources[name]["Properties"])

    def test_snapstart_is_off_until_there_is_a_model(self) -> None:
        """The first deployment makes the bucket, and a version without its model fails."""
        self.assertEqual(self.parameters["SnapStart"]["Default"], "off")


def holds(condition: Node, values: dict[str, str]) -> bool:
    """Whether a rule's condition holds for these values of parameters."""
    ((function, arguments),) = condition.items()
    if function == "Fn::Not":
        return not holds(arguments[0], values)
    if function != "Fn::Equals":
        raise ValueError(function)
    one, other = (values[a["Ref"]] if isinstance(a, dict) else a for a in arguments)
    return bool(one == other)


class Translated(unittest.TestCase):
    """What SAM's transform makes of it."""

    written = parse()
    resources = translated(written)

    def of_type(self, kind: str) -> dict[str, Node]:
        """Properties of every resource of one type."""
        return of_type({"Resources": self.resources}, kind)

    def test_no_role_is_made_behind_our_back(self) -> None:
        self.assertEqual(
            set(self.of_type("AWS::IAM::Role")), set(of_type(load(), "AWS::IAM::Role"))
        )

    def test_everything_calls_the_alias_and_not_the_newest_code(self) -> None:
        alias = {name: {"Ref": f"{name}Aliaslive"} for name in FUNCTIONS}
        mapping = self.of_type("AWS::Lambda::EventSourceMapping")["EventsFunctionUploads"]
        self.assertEqual(mapping["FunctionName"], alias["EventsFunction"])
        self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        integration = self.of_type("AWS::ApiGatewayV2::Integration")["HttpApiIntegration"]
        self.assertEqual(integration["IntegrationUri"], alias["HttpFunction"])
        permission = self.of_type("AWS::Lambda::Permission")["HttpApiPermission"]
        self.assertEqual(permission["FunctionName"], alias["HttpFunction"])

    def test_a_version_outlives_its_replacement(self) -> None:
        """So that one can go back to it."""
        versions = [r for r in self.resources.values() if r["Type"] == "AWS::Lambda::Version"]
        self.assertEqual(len(versions), len(FUNCTIONS))
        for version in versions:
            self.assertEqual(version["DeletionPolicy"], "Retain")
            self.assertEqual(version["UpdateReplacePolicy"], "Retain")

    def test_traffic_moves_as_the_parameter_says(self) -> None:
        group = self.of_type("AWS::CodeDeploy::DeploymentGroup")["HttpFunctionDeploymentGroup"]
        self.assertIn("Canary10Percent5Minutes", json.dumps(group["DeploymentConfigName"]))
        self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
        at_once = translated(self.written, DeploymentType="AllAtOnce")
        config = at_once["HttpFunctionDeploymentGroup"]["Properties"]["DeploymentConfigName"]
        self.assertIn("AllAtOnce", json.dumps(config))

    def test_another_bundle_is_another_version(self) -> None:
        """CloudFormation replaces a version whose description changes."""
        for name, version in self.of_type("AWS::Lambda::Version").items():
            with self.subTest(name):
                self.assertLessEqual(
                    {"ModelPrefix", "ModelSha256"}, set(references(version["Description"]))
                )


class ImagesTranslated(Translated):
    """The same of the template for container images."""

    written = IMAGES
    resources = translated(written)

    def test_a_published_version_has_a_snapshot_where_the_parameter_says_so(self) -> None:
        for name in FUNCTIONS:
            function = self.of_type("AWS::Lambda::Function")[name]
            self.assertEqual(function["PackageType"], "Image")
            self.assertEqual(function["Code"], {"ImageUri": f"{REPOSITORY}/{name.lower()}:1"})
            applied = function["SnapStart"]["ApplyOn"]["Fn::If"]
            self.assertEqual(applied, ["UsesSnapStart", "PublishedVersions", "None"])
            for zips in ("Handler", "Runtime", "Layers"):
                self.assertNotIn(zips, function)

    def test_another_image_is_another_version(self) -> None:
        """SAM names a version after its function's properties."""
        images = {name: f"{REPOSITORY}/{name.lower()}:2" for name in FUNCTIONS}
        others = translated(with_images(images))
        kind = "AWS::Lambda::Version"
        versions = {name for name, node in others.items() if node["Type"] == kind}
        self.assertEqual(versions & set(self.of_type(kind)), set())


if __name__ == "__main__":
    unittest.main(buffer=True)
