"""The whole stack, deployed by `sam deploy` into an emulator that checks every permission.

    make test-stack

The tests run in the order in which they are written: the last ones deploy a new model, go back, and
remove the stack.
"""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import OLD_BUCKETS, OLD_KEY, PICTURE, ROOT, Before, eventually
from deployment import MAX_RECEIVE_COUNT, STACK, Deployment
from emulator import REGION
from template import load, of_type

EVENT = ROOT / "events" / "http-api-v2.json"
Upload = Callable[[str, bytes], dict[str, Any]]


def call(
    stack: Deployment,
    method: str,
    url: str,
    body: bytes = b"",
    *,
    signed: bool = True,
    **headers: str,
) -> tuple[int, bytes]:
    """Status and body of a request to the HTTP API, or to an address that it gave."""
    named = {"content-type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, url, data=body, headers=named)
    if signed:
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    # Not every resolver knows the names below localhost; the emulator goes by the header.
    at = urllib.parse.urlsplit(url)
    sent = {**dict(request.headers), "Host": at.netloc}
    here = at._replace(netloc=f"localhost:{at.port}").geturl()
    trust = ssl.create_default_context(cafile=str(stack.emulator.certificate))
    prepared = urllib.request.Request(here, body or None, sent, method=method)
    try:
        with urllib.request.urlopen(prepared, timeout=60, context=trust) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def metrics(lines: list[str]) -> set[tuple[str, frozenset[str]]]:
    """Every metric that embedded-format lines announce, with each set of its dimensions."""
    found = set()
    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "Glimpse"
            for metric in directive["Metrics"]:
                found |= {
                    (metric["Name"], frozenset(d)) for d in directive["Dimensions"]
                }
    return found


def test_a_stack_of_0_1_0_is_updated_in_place(deployment: Deployment) -> None:
    """The fixture deployed that version's template first, and then this one's over it."""
    kept = {name: deployment.outputs.get(name) for name in deployment.outputs_0_1_0}
    assert kept == deployment.outputs_0_1_0
    for bucket in OLD_BUCKETS:
        body = deployment.s3.get_object(Bucket=deployment.outputs[bucket], Key=OLD_KEY)[
            "Body"
        ]
        assert body.read() == b"old"


def test_without_a_model_a_request_gets_model_unavailable(
    before_the_model: Before,
) -> None:
    assert before_the_model.http["statusCode"] == 503
    assert json.loads(before_the_model.http["body"])["code"] == "model_unavailable"


def test_without_a_model_an_upload_is_retried_as_configured_and_kept(
    before_the_model: Before,
) -> None:
    assert before_the_model.tries == MAX_RECEIVE_COUNT
    assert before_the_model.dead == 1
    assert before_the_model.left == 0
    assert before_the_model.result is None


def test_a_dead_letter_that_is_moved_back_is_classified(
    stack: Deployment, before_the_model: Before
) -> None:
    result = json.loads(eventually(lambda: stack.result(before_the_model.key)))
    assert result["predictions"]
    assert stack.waiting("DeadLetterQueue") == 0


def test_the_function_answers_as_the_alias(stack: Deployment) -> None:
    response = stack.invoke(EVENT)
    assert response["statusCode"] == 200
    assert json.loads(response["body"])["label"]
    # 0.1.0 was the first.
    assert response["executed_version"] == "2"


def test_the_api_answers_those_who_may_ask(stack: Deployment) -> None:
    predict = f"{stack.outputs['Endpoint']}/predict"
    picture = PICTURE.read_bytes()
    status, _ = call(
        stack, "POST", predict, picture, signed=False, content_type="image/jpeg"
    )
    assert status == 403
    status, body = call(stack, "POST", predict, picture, content_type="image/jpeg")
    assert status == 200
    assert json.loads(body)["label"] == json.loads(stack.invoke(EVENT)["body"])["label"]


def test_an_upload_gets_the_label_that_the_api_gives(
    stack: Deployment, upload: Upload
) -> None:
    result = upload("cat.jpg", PICTURE.read_bytes())
    assert result["label"] == json.loads(stack.invoke(EVENT)["body"])["label"]
    assert result["source"]["bucket"] == stack.outputs["UploadsBucketName"]
    assert result["source"]["version_id"]


def test_a_key_may_be_anything(upload: Upload) -> None:
    key = "summer 2026/a+b & 100%/猫.jpg"
    assert upload(key, PICTURE.read_bytes())["source"]["key"] == key


def test_a_file_that_is_not_a_picture_gets_an_error_record_and_no_retry(
    stack: Deployment, upload: Upload
) -> None:
    picture = PICTURE.read_bytes()
    assert (
        upload("cut.jpg", picture[: len(picture) // 2])["error"]["code"]
        == "corrupt_image"
    )
    assert (
        upload("notes.txt", b"no picture")["error"]["code"]
        == "unsupported_image_format"
    )
    assert eventually(lambda: stack.waiting("UploadsQueue") == 0 or None)
    assert stack.waiting("DeadLetterQueue") == 0


def test_an_event_that_comes_twice_changes_nothing(
    stack: Deployment, upload: Upload
) -> None:
    key = "twice.jpg"
    source = upload(key, PICTURE.read_bytes())["source"]
    first = versions(stack, key)
    for _ in range(2):
        notify(stack, key, source["etag"], source["sequencer"], source["version_id"])
    assert eventually(lambda: stack.waiting("UploadsQueue") == 0 or None)
    assert versions(stack, key) == first
    assert stack.waiting("DeadLetterQueue") == 0


def test_an_upload_that_is_gone_gets_a_record_of_that(stack: Deployment) -> None:
    notify(stack, "gone.jpg", "d41d8cd98f00b204e9800998ecf8427e", "0055AED6DCD90281E5")
    result = json.loads(eventually(lambda: stack.result("gone.jpg")))
    assert result["error"]["code"] == "not_found"


def notify(
    stack: Deployment, key: str, etag: str, sequencer: str, version: str | None = None
) -> None:
    """Put a message into the queue as S3 does."""
    named = {"key": key, "eTag": etag, "sequencer": sequencer}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventVersion": "2.1",
        "awsRegion": REGION,
        "s3": {
            "bucket": {"name": stack.outputs["UploadsBucketName"]},
            "object": named | ({"versionId": version} if version else {}),
        },
    }
    body = json.dumps({"Records": [record]})
    stack.sqs.send_message(QueueUrl=stack.outputs["UploadsQueueUrl"], MessageBody=body)


def versions(stack: Deployment, key: str) -> list[tuple[str, str]]:
    """Every version of the result of an upload."""
    name = f"{stack.outputs['UploadsBucketName']}/{key}.json"
    found = stack.s3.list_object_versions(
        Bucket=stack.outputs["ResultsBucketName"], Prefix=name
    )
    return [(version["VersionId"], version["ETag"]) for version in found["Versions"]]


def test_a_task_of_a_back_fill_finds_its_result(
    stack: Deployment, upload: Upload
) -> None:
    """The output that docs/backfill.md names is the function that S3 Batch Operations calls."""
    key = "filled.jpg"
    upload(key, PICTURE.read_bytes())
    first = versions(stack, key)
    bucket = f"arn:aws:s3:::{stack.outputs['UploadsBucketName']}"
    task = {"taskId": "t", "s3Key": key, "s3VersionId": None, "s3BucketArn": bucket}
    job = {
        "invocationSchemaVersion": "1.0",
        "invocationId": "i",
        "job": {"id": "j"},
        "tasks": [task],
    }
    answer = stack.functions.invoke(
        FunctionName=stack.outputs["EventsFunctionArn"], Payload=json.dumps(job)
    )
    result = json.loads(answer["Payload"].read())["results"][0]
    assert result["resultCode"] == "Succeeded"
    assert versions(stack, key) == first


def test_nothing_is_lost_of_many_uploads(stack: Deployment) -> None:
    """Pictures, broken ones and no pictures, all at once: a result for each, and empty queues."""
    picture = PICTURE.read_bytes()
    kinds = [picture, picture + b"trailing", picture[:4000], b"", b"text"]
    keys = {f"many/{number:02}": kinds[number % len(kinds)] for number in range(30)}
    for key, body in keys.items():
        stack.s3.put_object(
            Bucket=stack.outputs["UploadsBucketName"], Key=key, Body=body
        )
    for number, key in enumerate(keys):
        result = json.loads(eventually(partial(stack.result, key)))
        assert ("label" in result) == (number % len(kinds) < 2), result
    assert eventually(lambda: stack.waiting("UploadsQueue") == 0 or None)
    assert stack.waiting("DeadLetterQueue") == 0


def test_a_client_uploads_by_the_address_that_it_is_given(stack: Deployment) -> None:
    picture = PICTURE.read_bytes()
    announcement = json.dumps(
        {"content_type": "image/jpeg", "content_length": len(picture)}
    )
    endpoint = stack.outputs["Endpoint"]
    status, answer = call(stack, "POST", f"{endpoint}/uploads", announcement.encode())
    assert status == 201, answer
    ticket = json.loads(answer)

    def result() -> dict[str, Any] | None:
        status, answer = call(stack, "GET", endpoint + ticket["result"])
        assert status in {200, 202}, answer
        return json.loads(answer) if status == 200 else None

    assert result() is None
    headers = {
        name.replace("-", "_"): value for name, value in ticket["headers"].items()
    }
    status, answer = call(stack, "PUT", ticket["url"], picture, signed=False, **headers)
    assert status == 200, answer

    assert (
        eventually(result)["label"] == json.loads(stack.invoke(EVENT)["body"])["label"]
    )


def test_alarms_and_dashboard_ask_for_what_the_functions_tell(
    stack: Deployment,
) -> None:
    template = load()
    told = {name: metrics(stack.log_lines(name)) for name in ("http", "events")}
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    asked = {
        name: alarm
        for name, alarm in alarms.items()
        if alarm.get("Namespace") == "Glimpse"
    }
    assert len(asked) == 2
    for name, alarm in asked.items():
        dimensions = frozenset(dimension["Name"] for dimension in alarm["Dimensions"])
        function = "http" if name.startswith("Http") else "events"
        assert (alarm["MetricName"], dimensions) in told[function]
    body = of_type(template, "AWS::CloudWatch::Dashboard")["Dashboard"][
        "DashboardBody"
    ]["Fn::Sub"]
    # Rows of the Glimpse namespace: the name stands after the namespace or after ".".
    widgets = [
        w["properties"]["metrics"]
        for w in json.loads(body)["widgets"]
        if w["type"] == "metric"
    ]
    rows = [row for rows in widgets if rows[0][0] == "Glimpse" for row in rows]
    names = {row[1] for row in rows if row[0] in ("Glimpse", ".")}
    assert names >= {
        "DecodeMs",
        "InferMs",
        "RequestMs",
        "ColdStart",
        "ModelLoadMs",
        "Predictions",
    }
    everything = told["http"] | told["events"]
    assert names <= {name for name, sets in everything if sets == {"FunctionName"}}
    assert re.search(r"\{Glimpse,FunctionName,Code\} MetricName=.{2}Errors", body)
    assert ("Errors", frozenset({"FunctionName", "Code"})) in everything


def test_no_log_line_holds_a_key(stack: Deployment) -> None:
    lines = "\n".join(stack.log_lines("events") + stack.log_lines("http"))
    assert "twice.jpg" not in lines
    assert "many/0" not in lines


def test_a_new_model_is_a_new_version_and_the_old_one_a_deployment_away(
    stack: Deployment,
) -> None:
    iam = stack.emulator.client("iam")
    role = role_of(stack)
    first = json.loads(stack.invoke(EVENT)["body"])["model"]["version"]
    old = stack.model_prefix()
    stack.publish_model("9.9.9")
    for version, prefix in (("9.9.9", "default/9.9.9"), (first, old)):
        stack.deploy(ModelPrefix=prefix)
        response = stack.invoke(EVENT)
        assert json.loads(response["body"])["model"]["version"] == version
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert [p for p in policies if p.startswith("Read")] == [
            f"ReadModel={prefix.replace('/', '=')}"
        ]
    assert response["executed_version"] == "4"
    published = stack.functions.list_versions_by_function(
        FunctionName=function_name(stack)
    )
    assert {v["Version"] for v in published["Versions"]} == {
        "$LATEST",
        "1",
        "2",
        "3",
        "4",
    }


def test_code_goes_back_by_the_alias(stack: Deployment) -> None:
    name = function_name(stack)
    stack.functions.update_alias(FunctionName=name, Name="live", FunctionVersion="1")
    response = stack.invoke(EVENT)
    assert (response["statusCode"], response["executed_version"]) == (200, "1")


def function_name(stack: Deployment) -> str:
    """The HTTP function's name, of its alias's ARN."""
    return stack.outputs["HttpFunctionArn"].split(":")[6]


def role_of(stack: Deployment) -> str:
    """The HTTP function's role."""
    configuration = stack.functions.get_function_configuration(
        FunctionName=function_name(stack)
    )
    role: str = configuration["Role"]
    return role.rsplit("/", 1)[-1]


def test_what_people_put_in_outlives_the_stack(stack: Deployment) -> None:
    stack.delete()
    buckets = {bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]}
    for kept in ("ModelBucketName", "UploadsBucketName", "ResultsBucketName"):
        assert stack.outputs[kept] in buckets
    assert stack.result("cat.jpg")
    functions = stack.functions.list_functions()["Functions"]
    assert not [f for f in functions if f["FunctionName"].startswith(STACK)]
