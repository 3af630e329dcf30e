"""Binary tensors through a Lambda event and back: API Gateway carries them as base64."""

import base64
import json

import requests
from tritonclient.http import InferResult

from conftest import ROOT


def test_binary_tensors_pass_through_an_event(emulator, model, expected, picture):
    event = json.loads((ROOT / "events/http-api-v2-raw.json").read_text())
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [1],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(picture) + 4},
                }
            ],
            "parameters": {"top_k": 3, "binary_data_output": True},
        }
    ).encode()
    body = header + len(picture).to_bytes(4, "little") + picture
    path = f"/v2/models/{model['name']}/infer"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["body"] = base64.b64encode(body).decode()
    event["headers"] |= {
        "content-type": "application/octet-stream",
        "content-length": str(len(body)),
        "inference-header-content-length": str(len(header)),
    }
    url = f"{emulator}/2015-03-31/functions/function/invocations"
    answer = requests.post(url, json=event, timeout=60).json()
    assert answer["statusCode"] == 200 and answer["isBase64Encoded"], answer
    result = InferResult.from_response_body(
        base64.b64decode(answer["body"]),
        header_length=int(answer["headers"]["inference-header-content-length"]),
    )
    labels = [label.decode() for label in result.as_numpy("label")[0]]
    assert labels == [prediction["label"] for prediction in expected]
