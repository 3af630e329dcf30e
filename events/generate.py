"""Write one sample event per trigger, each with the same picture in it or naming it.

    python3 events/generate.py

The shapes are those that AWS documents for each trigger; account, API and address are its
documentation's examples. The picture is `coffee.jpg` beside this file, or the JPEG that
`--picture` names. Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

HERE = Path(__file__).resolve().parent

Event = dict[str, Any]

ACCOUNT = "123456789012"
API = "a1b2c3d4e5"
API_HOST = f"{API}.execute-api.eu-west-1.amazonaws.com"
URL_ID = "abcdefghijklmnopqrstuvwxyz012345"
CLIENT = "192.0.2.44"
AGENT = "curl/8.5.0"
TRACE = "Root=1-67f0c1a2-3b4c5d6e7f8091a2b3c4d5e6"
REQUEST_ID = "JKJaXmPLvHcESHA="
REGION = "eu-west-1"
BUCKET = "glimpse-pictures"
# What a key may well hold, and what must come through every way of encoding it.
KEY = "drinks + food/Espresso (\u5496\u5561) 100%.jpg"
SEQUENCER = "0055AED6DCD90281E5"
BATCH_JOB = "f3cc4f60-61f6-4a2b-8a21-d07600c373ce"
TIME = "2026-11-01T12:00:00.000Z"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:glimpse-uploads"


def main() -> int:
    """Write every event and print its name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=HERE / "coffee.jpg", help="a JPEG file")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write into")
    arguments = parser.parse_args()
    jpeg = arguments.picture.read_bytes()
    if not jpeg.startswith(b"\xff\xd8\xff"):
        print(f"{arguments.picture} is not a JPEG file", file=sys.stderr)
        return 1
    encoded = base64.b64encode(jpeg).decode()
    for name, event in (events(encoded, len(jpeg)) | s3_events(jpeg)).items():
        path = arguments.out / name
        path.write_text(json.dumps(event, indent=2) + "\n", encoding="utf-8")
        print(path.name)
    return 0


def events(encoded: str, jpeg_bytes: int) -> dict[str, Event]:
    """Each event under its file's name."""
    body = json.dumps({"image_data": encoded})
    return {
        "http-api-v2.json": http_api(headers("application/json", len(body)), body),
        "http-api-v2-raw.json": http_api(
            headers("image/jpeg", jpeg_bytes), encoded, is_base64=True
        ),
        "rest-api-v1.json": rest_api(body),
        "function-url.json": function_url(headers("application/json", len(body)), body),
        "alb.json": alb(body),
    }


def headers(content_type: str, content_length: int, host: str = API_HOST) -> dict[str, str]:
    """What a client's headers are by the time that the function sees them."""
    return {
        "accept": "*/*",
        "content-length": str(content_length),
        "content-type": content_type,
        "host": host,
        "user-agent": AGENT,
        "x-amzn-trace-id": TRACE,
        "x-forwarded-for": CLIENT,
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }


def http_api(request_headers: dict[str, str], body: str, *, is_base64: bool = False) -> Event:
    """API Gateway HTTP API, payload format 2.0, on the route `$default`."""
    return payload_v2(API_HOST, API, request_headers, body, is_base64=is_base64)


def function_url(request_headers: dict[str, str], body: str) -> Event:
    """A Lambda function URL: payload format 2.0 as well."""
    host = f"{URL_ID}.lambda-url.eu-west-1.on.aws"
    return payload_v2(host, URL_ID, {**request_headers, "host": host}, body, is_base64=False)


def payload_v2(
    host: str, api: str, request_headers: dict[str, str], body: str, *, is_base64: bool
) -> Event:
    """The event that HTTP APIs and function URLs share."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/predict",
        "rawQueryString": "top_k=3",
        "queryStringParameters": {"top_k": "3"},
        "headers": request_headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": api,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": "POST",
                "path": "/predict",
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": AGENT,
            },
            "requestId": REQUEST_ID,
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1793534400000,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def rest_api(body: str) -> Event:
    """API Gateway REST API, payload format 1.0, proxy resource, stage `prod`."""
    request_headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Host": API_HOST,
        "User-Agent": AGENT,
        "X-Amzn-Trace-Id": TRACE,
        "X-Forwarded-For": CLIENT,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    query = {"top_k": "3"}
    return {
        "resource": "/{proxy+}",
        "path": "/predict",
        "httpMethod": "POST",
        "headers": request_headers,
        "multiValueHeaders": several(request_headers),
        "queryStringParameters": query,
        "multiValueQueryStringParameters": several(query),
        "pathParameters": {"proxy": "predict"},
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": API_HOST,
            "domainPrefix": API,
            "extendedRequestId": REQUEST_ID,
            "httpMethod": "POST",
            "identity": {"sourceIp": CLIENT, "userAgent": AGENT},
            "path": "/prod/predict",
            "protocol": "HTTP/1.1",
            "requestId": "4f5a6b7c-8d9e-4f0a-9b1c-2d3e4f5a6b7c",
            "requestTime": "01/Nov/2026:12:00:00 +0000",
            "requestTimeEpoch": 1793534400000,
            "resourceId": "x1y2z3",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def alb(body: str) -> Event:
    """An Application Load Balancer's target group, without multi-value headers."""
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}"
                ":targetgroup/glimpse/73e2d6bc24d8a067"
            }
        },
        "httpMethod": "POST",
        "path": "/predict",
        "queryStringParameters": {"top_k": "3"},
        "headers": headers(
            "application/json", len(body), "glimpse-1234567890.eu-west-1.elb.amazonaws.com"
        ),
        "body": body,
        "isBase64Encoded": False,
    }


def s3_events(jpeg: bytes) -> dict[str, Event]:
    """Each event that names the picture in S3, under its file's name."""
    notification = s3_notification(jpeg)
    return {
        "s3-notification.json": notification,
        "s3-in-sqs.json": in_sqs(notification),
        "s3-through-sns.json": through_sns(notification),
        "s3-in-sns-in-sqs.json": in_sqs(sns_envelope(notification)),
        "s3-restored.json": restored(notification),
        "s3-through-eventbridge.json": through_eventbridge(jpeg),
        "s3-through-cloudtrail.json": through_cloudtrail(jpeg),
        "s3-batch-1.0.json": batch_1_0(),
        "s3-batch-2.0.json": batch_2_0(),
    }


def s3_notification(jpeg: bytes) -> Event:
    """What S3 itself sends; the key is encoded as in a form."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": TIME,
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
                "requestParameters": {"sourceIPAddress": CLIENT},
                "responseElements": {
                    "x-amz-request-id": "C3D13FE58DE4C810",
                    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": BUCKET,
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": f"arn:aws:s3:::{BUCKET}",
                    },
                    "object": {
                        "key": quote_plus(KEY, safe="/"),
                        "size": len(jpeg),
                        "eTag": etag(jpeg),
                        "sequencer": SEQUENCER,
                    },
                },
            }
        ]
    }


def in_sqs(notification: Event) -> Event:
    """The same in a message of a queue, as the event source mapping hands it over."""
    body = json.dumps(notification)
    return {
        "Records": [
            {
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1793534400000",
                    "SenderId": "AIDAEXAMPLE",
                    "ApproximateFirstReceiveTimestamp": "1793534400100",
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:glimpse-uploads",
                "awsRegion": REGION,
            }
        ]
    }


def through_sns(notification: Event) -> Event:
    """The same as SNS hands it to a function that subscribes to a topic."""
    envelope = sns_envelope(notification)
    envelope |= {"MessageAttributes": {}, "Subject": "Amazon S3 Notification"}
    # An event for a function spells these otherwise than a message for a queue.
    envelope["SigningCertUrl"] = envelope.pop("SigningCertURL")
    envelope["UnsubscribeUrl"] = envelope.pop("UnsubscribeURL")
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{TOPIC}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "Sns": envelope,
            }
        ]
    }


def sns_envelope(notification: Event) -> Event:
    """What SNS puts around a message, unless raw delivery is switched on."""
    return {
        "Type": "Notification",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "TopicArn": TOPIC,
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(notification),
        "Timestamp": TIME,
        "SignatureVersion": "1",
        "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7fUQ",
        "SigningCertURL": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService.pem",
        "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe",
    }


def restored(notification: Event) -> Event:
    """S3's notification that an archived object can be read again."""
    (record,) = notification["Records"]
    restore = {
        "restoreEventData": {
            "lifecycleRestorationExpiryTime": "2026-11-08T00:00:00.000Z",
            "lifecycleRestoreStorageClass": "GLACIER",
        }
    }
    return {
        "Records": [
            record | {"eventName": "ObjectRestore:Completed", "glacierEventData": restore},
        ]
    }


def through_cloudtrail(jpeg: bytes) -> Event:
    """EventBridge's copy of CloudTrail's line for the call that put the picture."""
    return {
        "version": "0",
        "id": "c4a8b1d2-05d4-b198-2fde-7ededc63b103",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-01T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": {"type": "IAMUser", "accountId": ACCOUNT, "userName": "example"},
            "eventTime": "2026-11-01T12:00:00Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": "PutObject",
            "awsRegion": REGION,
            "sourceIPAddress": CLIENT,
            "userAgent": AGENT,
            "requestParameters": {
                "bucketName": BUCKET,
                "Host": f"{BUCKET}.s3.{REGION}.amazonaws.com",
                "key": KEY,
            },
            "responseElements": {"x-amz-server-side-encryption": "AES256"},
            "additionalEventData": {"bytesTransferredIn": len(jpeg), "bytesTransferredOut": 0},
            "requestID": "C3D13FE58DE4C810",
            "eventID": "ff6f8e8f-1c3a-4f8a-9d3f-6f6f7b1f6f4e",
            "readOnly": False,
            "resources": [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{BUCKET}/{KEY}"}],
            "eventType": "AwsApiCall",
            "managementEvent": False,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Data",
        },
    }


def through_eventbridge(jpeg: bytes) -> Event:
    """EventBridge's `Object Created`; the key stands there as it is."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-01T12:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:s3:::{BUCKET}"],
        "detail": {
            "version": "0",
            "bucket": {"name": BUCKET},
            "object": {
                "key": KEY,
                "size": len(jpeg),
                "etag": etag(jpeg),
                "sequencer": SEQUENCER,
            },
            "request-id": "C3D13FE58DE4C810",
            "requester": ACCOUNT,
            "source-ip-address": CLIENT,
            "reason": "PutObject",
        },
    }


def batch_1_0() -> Event:
    """One task of S3 Batch Operations, invocation schema 1.0."""
    return batch("1.0", {"id": BATCH_JOB}, {"s3BucketArn": f"arn:aws:s3:::{BUCKET}"})


def batch_2_0() -> Event:
    """The same in invocation schema 2.0, with the job's arguments."""
    job = {"id": BATCH_JOB, "userArguments": {"reason": "back-fill"}}
    return batch("2.0", job, {"s3Bucket": BUCKET})


def batch(schema: str, job: Event, bucket: Event) -> Event:
    """What both schemas share; the key is encoded as in the manifest."""
    return {
        "invocationSchemaVersion": schema,
        "invocationId": "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",
        "job": job,
        "tasks": [
            {
                "taskId": "dGFza2lkZ29lc2hlcmUK",
                "s3Key": quote_plus(KEY, safe="/"),
                "s3VersionId": None,
            }
            | bucket
        ],
    }


def etag(content: bytes) -> str:
    """What S3 gives an object that was put in one piece, without a key of KMS."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def several(single: dict[str, str]) -> dict[str, list[str]]:
    """The multi-value form of headers or parameters."""
    return {name: [value] for name, value in single.items()}


if __name__ == "__main__":
    sys.exit(main())
