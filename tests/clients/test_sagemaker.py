"""The requests that SageMaker makes of a container."""

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
