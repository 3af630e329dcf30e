"""One emulator and one stack for all tests; what is true only before there is a model is seen first."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra"))

from deployment import SAM, Deployment, binaries  # noqa: E402
from emulator import Emulator  # noqa: E402

FOLDER = ROOT / "target" / "stack"
PICTURE = ROOT / "events" / "coffee.jpg"
# Put into a stack of 0.1.0, before it is updated; under no prefix that classifies it.
OLD_KEY = "kept-from-0.1.0"
OLD_BUCKETS = ("ModelBucketName", "ResultsBucketName")
# Not a promise about speed: when to give up.
PATIENCE_SECONDS = 120

T = TypeVar("T")


def eventually(look: Callable[[], T | None]) -> T:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The emulator with the stack in it, and no model yet."""
    if reason := why_not():
        with (ROOT / "target" / "skipped-tests.txt").open("a") as skipped:
            skipped.write(f"the stack in an emulator: {reason}\n")
        pytest.skip(reason)
    emulator = Emulator(FOLDER)
    try:
        deployment = Deployment(emulator)
        deployment.deploy(deployment.template_0_1_0)
        deployment.outputs_0_1_0 = deployment.outputs
        for bucket in OLD_BUCKETS:
            deployment.s3.put_object(
                Bucket=deployment.outputs[bucket], Key=OLD_KEY, Body=b"old"
            )
        deployment.deploy()
        # A message that failed is handed out again after that, on AWS after minutes.
        deployment.sqs.set_queue_attributes(
            QueueUrl=deployment.outputs["UploadsQueueUrl"],
            Attributes={"VisibilityTimeout": "2"},
        )
        yield deployment
    finally:
        emulator.stop()


def why_not() -> str | None:
    """What this machine lacks."""
    for tool in ("openssl", "strip"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    missing = [str(binary) for binary in binaries().values() if not binary.exists()]
    if missing:
        return f"{', '.join(missing)} is not built"
    return None if SAM.exists() else "infra/tools/install was not run"


@dataclass(frozen=True)
class Before:
    """What happened to the first upload and the first request, while there was no model."""

    key: str
    http: dict[str, Any]
    dead: int
    tries: int
    left: int
    result: bytes | None


@pytest.fixture(scope="session")
def before_the_model(deployment: Deployment) -> Before:
    """An upload that cannot be classified, until the queue has given up on it."""
    key = "first.jpg"
    deployment.s3.put_object(
        Bucket=deployment.outputs["UploadsBucketName"],
        Key=key,
        Body=PICTURE.read_bytes(),
    )
    http = deployment.invoke(ROOT / "events" / "http-api-v2.json")
    dead = eventually(lambda: deployment.waiting("DeadLetterQueue") or None)
    message = deployment.sqs.receive_message(
        QueueUrl=deployment.outputs["DeadLetterQueueUrl"],
        VisibilityTimeout=0,
    )["Messages"][0]
    named = json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"]
    lines = deployment.log_lines("events")
    return Before(
        key=named,
        http=http,
        dead=dead,
        tries=sum('"Code":"model_unavailable"' in line for line in lines),
        left=deployment.waiting("UploadsQueue"),
        result=deployment.result(key),
    )


@pytest.fixture(scope="session")
def stack(deployment: Deployment, before_the_model: Before) -> Deployment:
    """The stack with its model, and the dead letters handed out again."""
    assert before_the_model.dead
    deployment.publish_model()
    # What `aws sqs start-message-move-task` does, which the emulator lacks.
    dead = deployment.outputs["DeadLetterQueueUrl"]
    for message in deployment.sqs.receive_message(QueueUrl=dead)["Messages"]:
        deployment.sqs.send_message(
            QueueUrl=deployment.outputs["UploadsQueueUrl"], MessageBody=message["Body"]
        )
        deployment.sqs.delete_message(
            QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"]
        )
    return deployment


@pytest.fixture
def upload(stack: Deployment) -> Callable[[str, bytes], dict[str, Any]]:
    """Put an object into the uploads bucket, and wait for its result."""

    def put(key: str, body: bytes) -> dict[str, Any]:
        stack.s3.put_object(
            Bucket=stack.outputs["UploadsBucketName"], Key=key, Body=body
        )
        result: dict[str, Any] = json.loads(eventually(lambda: stack.result(key)))
        return result

    return put
