"""The requests that SageMaker makes of a container."""

import http.server
import json
import threading

import boto3
import pytest
import requests


def test_ping_and_invocations(server, picture, text, expected):
    assert requests.get(f"{server}/ping", timeout=60).status_code == 200
    for options in (
        {"data": picture, "headers": {"content-type": "application/x-image"}},
        {"data": picture, "headers": {"content-type": "image/jpeg"}},
        {"json": {"image_data": text}},
    ):
        answer = requests.post(f"{server}/invocations", timeout=60, **options)
        assert answer.json()["label"] == expected[0]["label"]


class Endpoint(http.server.BaseHTTPRequestHandler):
    """SageMaker before the container: it takes the endpoint's name off the path."""

    container: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        kept = {"content-type", "accept", "x-amzn-sagemaker-custom-attributes"}
        headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
        url = f"{self.container}/{self.path.split('/')[-1]}"
        answer = requests.post(url, data=body, headers=headers, timeout=60)
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers["content-type"])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def runtime(server):
    """boto3's SageMaker runtime client."""
    handler = type("Handler", (Endpoint,), {"container": server})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        yield boto3.Session().client(
            "sagemaker-runtime",
            region_name="eu-central-1",
            endpoint_url=f"http://127.0.0.1:{endpoint.server_port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        endpoint.shutdown()


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/x-image",
        "Application/X-Image",
        "application/x-image; charset=binary",
        "application/octet-stream",
        "image/jpeg",
    ],
)
def test_the_sdks_runtime_client(runtime, picture, expected, content_type):
    options = {} if content_type is None else {"ContentType": content_type}
    answer = runtime.invoke_endpoint(EndpointName="glimpse", Body=picture, **options)
    assert json.load(answer["Body"])["label"] == expected[0]["label"]


def test_the_sdks_runtime_client_with_json(runtime, text, expected):
    body = json.dumps({"image_data": text})
    answer = runtime.invoke_endpoint(
        EndpointName="glimpse", Body=body, ContentType="application/json"
    )
    assert json.load(answer["Body"])["label"] == expected[0]["label"]
