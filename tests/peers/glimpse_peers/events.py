"""Requests as bytes: what a server gets, and what a function's event looks like around it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

EMPTY = "empty"
"""The key of the peer whose answers have no label."""


def body(*encoded: bytes) -> bytes:
    """`{"image_data": …}`, or a batch where there are several pictures."""
    texts = [base64.b64encode(picture).decode() for picture in encoded]
    content: dict[str, str | Sequence[str]]
    content = {"image_data": texts[0]} if len(texts) == 1 else {"images": texts}
    return json.dumps(content).encode()


def event(request: bytes) -> bytes:
    """An HTTP API event (payload 2.0) with that body."""
    http = {
        "method": "POST",
        "path": "/predict",
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "benchmark",
    }
    context = {
        "accountId": "123456789012",
        "apiId": "example",
        "domainName": "example.execute-api.eu-west-1.amazonaws.com",
        "domainPrefix": "example",
        "http": http,
        "requestId": "example-request-id",
        "routeKey": "$default",
        "stage": "$default",
        "time": "01/Jan/2026:00:00:00 +0000",
        "timeEpoch": 1_767_225_600_000,
    }
    return json.dumps(
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/predict",
            "rawQueryString": "",
            "headers": {
                "host": "example.execute-api.eu-west-1.amazonaws.com",
                "content-type": "application/json",
            },
            "requestContext": context,
            "body": request.decode(),
            "isBase64Encoded": False,
        }
    ).encode()
