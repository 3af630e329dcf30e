"""Write one sample event per HTTP trigger, each with the same picture in it.

    python3 events/generate.py

The shapes are those that AWS documents for each trigger; account, API and address are its
documentation's examples. The picture is `chelsea.jpg` beside this file, or the JPEG that
`--picture` names. Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

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


def main() -> int:
    """Write every event and print its name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=HERE / "chelsea.jpg", help="a JPEG file")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write into")
    arguments = parser.parse_args()
    jpeg = arguments.picture.read_bytes()
    if not jpeg.startswith(b"\xff\xd8\xff"):
        print(f"{arguments.picture} is no JPEG file", file=sys.stderr)
        return 1
    encoded = base64.b64encode(jpeg).decode()
    for name, event in events(encoded, len(jpeg)).items():
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


def several(single: dict[str, str]) -> dict[str, list[str]]:
    """The multi-value form of headers or parameters."""
    return {name: [value] for name, value in single.items()}


if __name__ == "__main__":
    sys.exit(main())
