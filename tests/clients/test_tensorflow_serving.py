"""A client of TensorFlow Serving's REST API, as its tutorials write it."""

import pytest
import requests


@pytest.mark.parametrize("versioned", [False, True])
def test_rows_columns_status_and_metadata(server, model, text, expected, versioned):
    url = f"{server}/v1/models/{model['name']}"
    if versioned:
        url += f"/versions/{model['version']}"
    status = requests.get(url, timeout=60).json()["model_version_status"]
    assert [(one["version"], one["state"]) for one in status] == [(model["version"], "AVAILABLE")]
    metadata = requests.get(f"{url}/metadata", timeout=60).json()
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    (name,) = signature["inputs"]

    best = expected[0]
    rows = {"signature_name": "serving_default", "instances": 2 * [{name: {"b64": text}}]}
    for prediction in predict(url, rows)["predictions"]:
        assert {key: prediction[key] for key in signature["outputs"]} == best
    bare = {"instances": [{"b64": text}]}
    assert predict(url, bare)["predictions"][0]["label"] == best["label"]
    columns = {"inputs": {name: 2 * [{"b64": text}]}}
    outputs = predict(url, columns)["outputs"]
    assert {key: outputs[key] for key in signature["outputs"]} == {
        key: 2 * [value] for key, value in best.items()
    }


def predict(url, body):
    answer = requests.post(f"{url}:predict", json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


def test_errors_have_one_member(server, model, text):
    for name, body, status in [
        ("other", {"instances": [{"b64": text}]}, 404),
        (model["name"], {"instances": []}, 400),
        (model["name"], {"instances": [{"b64": "dGV4dA=="}]}, 415),
    ]:
        answer = requests.post(f"{server}/v1/models/{name}:predict", json=body, timeout=60)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
