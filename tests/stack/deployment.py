"""The stack: packages made of this machine's builds, `sam deploy`, `sam delete`, and its parts."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import overlay
from emulator import Emulator

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / "target" / "venv-tools" / "bin" / "sam"
TEMPLATE_0_1_0 = ROOT / "tests" / "upgrading" / "template-0.1.0.yaml"
STACK = "glimpse-stack-test"
BINARIES = {"HttpFunction": "bootstrap", "EventsFunction": "s3-events"}
# Tries before the dead-letter queue; fewer than the default, to save time.
MAX_RECEIVE_COUNT = 3


def binaries() -> dict[str, Path]:
    """What cargo built for each function.

    Where GLIMPSE_STACK_BUILD names a folder, such as .aws-sam/build: what `sam build` put there.
    """
    if built := os.environ.get("GLIMPSE_STACK_BUILD"):
        return {function: Path(built) / function / "bootstrap" for function in BINARIES}
    return {
        function: ROOT / "target" / "debug" / name
        for function, name in BINARIES.items()
    }


def packages(folder: Path) -> overlay.Packages:
    """Packages as `sam build` lays them out, of binaries without their symbols."""
    functions = {}
    for function, binary in binaries().items():
        package = functions[function] = folder / function
        package.mkdir(parents=True)
        subprocess.run(["strip", "-o", package / "bootstrap", binary], check=True)
    library = ROOT / "target" / "onnxruntime" / platform.machine()
    layer = folder / "layer"
    layer.mkdir(parents=True)
    shutil.copy(library / "LICENSE", layer)
    return overlay.Packages(
        functions, layer, library / "libonnxruntime.so", folder / "cache"
    )


class Deployment:
    """The stack in one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.template = emulator.folder / "template.json"
        self.template_0_1_0 = emulator.folder / "template-0.1.0.json"
        made = packages(emulator.folder / "packages")
        overlay.write(made, self.template)
        # Another folder, so that there is something to update even where the templates are the same.
        old = replace(made, cache=made.cache.with_name("cache-0.1.0"))
        overlay.write(old, self.template_0_1_0, TEMPLATE_0_1_0)
        self.s3 = emulator.client("s3")
        self.sqs = emulator.client("sqs")
        self.functions = emulator.client("lambda")
        self.logs = emulator.client("logs")
        self.outputs: dict[str, str] = {}
        self.outputs_0_1_0: dict[str, str] = {}

    def deploy(self, template: Path | None = None, **parameters: str) -> None:
        """`sam deploy --config-env dev`, with some parameters of the test's."""
        config = tomllib.loads((ROOT / "samconfig.toml").read_text())["dev"]["deploy"][
            "parameters"
        ]
        values = dict(pair.split("=", 1) for pair in config["parameter_overrides"])
        values |= {
            "MaxReceiveCount": str(MAX_RECEIVE_COUNT),
            "AlarmEmail": "ops@example.com",
        }
        pairs = [f"{name}={value}" for name, value in (values | parameters).items()]
        file = str(template or self.template)
        self._sam("deploy", "--template-file", file, "--parameter-overrides", *pairs)
        stacks = self.emulator.client("cloudformation").describe_stacks(
            StackName=STACK
        )["Stacks"]
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}

    def delete(self) -> None:
        """`sam delete`."""
        self._sam("delete", "--no-prompts")

    def publish_model(self, version: str | None = None) -> None:
        """Put the default bundle into the model bucket, where the stack looks for it.

        A stack that is updated keeps the prefix of 0.1.0, whatever the template's new default is.
        Another `version` goes under a prefix of its own.
        """
        folder = ROOT / "models" / "default"
        bundle = json.loads((folder / "bundle.json").read_bytes())
        bundle["version"] = version or bundle["version"]
        prefix = f"default/{version}" if version else self.model_prefix()
        for name in (*bundle["files"], "bundle.json"):
            body = (folder / name).read_bytes()
            if name == "bundle.json":
                body = json.dumps(bundle).encode()
            key = f"{prefix}/{name}"
            self.s3.put_object(
                Bucket=self.outputs["ModelBucketName"], Key=key, Body=body
            )

    def model_prefix(self) -> str:
        """The prefix of the model that the stack serves."""
        return self.outputs["ModelUri"].split("/", 3)[3]

    def invoke(self, event: Path) -> dict[str, Any]:
        """The HTTP function's answer to a sample event."""
        answer = self.functions.invoke(
            FunctionName=self.outputs["HttpFunctionArn"], Payload=event.read_bytes()
        )
        response: dict[str, Any] = json.loads(answer["Payload"].read())
        response["executed_version"] = answer["ExecutedVersion"]
        return response

    def log_lines(self, function: str) -> list[str]:
        """What a function, `http` or `events`, has logged."""
        pages = self.logs.get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=f"/aws/lambda/{STACK}-{function}")
        return [event["message"] for page in found for event in page["events"]]

    def waiting(self, queue: str) -> int:
        """Messages of a queue, seen and unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[f"{queue}Url"], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def result(self, key: str) -> bytes | None:
        """The result object of an upload, if it is there."""
        uploads = self.outputs["UploadsBucketName"]
        try:
            answer = self.s3.get_object(
                Bucket=self.outputs["ResultsBucketName"], Key=f"{uploads}/{key}.json"
            )
        except self.s3.exceptions.NoSuchKey:
            return None
        body: bytes = answer["Body"].read()
        return body

    def _sam(self, command: str, *arguments: str) -> None:
        log = self.emulator.folder / f"sam-{command}.log"
        run = [
            str(SAM),
            command,
            "--config-env",
            "dev",
            "--stack-name",
            STACK,
            *arguments,
        ]
        environment = self.emulator.environment() | {"SAM_CLI_TELEMETRY": "0"}
        with log.open("wb") as output:
            status = subprocess.run(
                [*run, "--config-file", str(ROOT / "samconfig.toml")],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if status != 0:
            raise RuntimeError(f"sam {command} failed:\n{log.read_text()}")
