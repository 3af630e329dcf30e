"""NVIDIA's `tritonclient` against the Open Inference Protocol, unmodified."""

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(server: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.removeprefix("http://")) as client:
        yield client


def test_health_and_metadata(client, model):
    name, version = model["name"], model["version"]
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(name) and client.is_model_ready(name, version)
    assert not client.is_model_ready("other") and not client.is_model_ready(name, "0")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    for metadata in (client.get_model_metadata(name), client.get_model_metadata(name, version)):
        assert metadata["versions"] == [version]
        assert {output["name"] for output in metadata["outputs"]} == {
                "label",
                "index",
                "score",
                "pages",
                "frames",
            }


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_encoded_pictures(client, model, picture, text, expected, binary_in, binary_out):
    # In JSON a BYTES tensor holds text: base64.
    element = picture if binary_in else text.encode()
    tensor = triton.InferInput("image", [2], "BYTES")
    tensor.set_data_from_numpy(np.array([element, element], dtype=np.object_), binary_in)
    outputs = None
    if binary_out is not None:
        names = ("label", "index", "score")
        outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = client.infer(
        model["name"], [tensor], outputs=outputs, request_id="7", parameters={"top_k": 3}
    )
    assert result.get_response()["id"] == "7"
    labels = [
        label.decode() if isinstance(label, bytes) else label
        for label in result.as_numpy("label").ravel()
    ]
    assert labels == 2 * [prediction["label"] for prediction in expected]
    assert result.as_numpy("index").tolist() == 2 * [[one["index"] for one in expected]]
    np.testing.assert_allclose(result.as_numpy("score"), 2 * [[one["score"] for one in expected]])


@pytest.mark.parametrize("binary", [True, False])
def test_pixels(client, model, binary):
    side = model["input"]
    pixels = np.full((3, side["height"], side["width"], 3), 127, np.uint8)
    tensor = triton.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary)
    result = client.infer(model["name"], [tensor], model_version=model["version"])
    index = result.as_numpy("index")
    assert index.shape == (3, 1) and len(set(index.ravel().tolist())) == 1


def test_mistakes_raise_with_the_servers_message(client, model, picture):
    def infer(shape, datatype, data, **options):
        tensor = triton.InferInput("image", shape, datatype)
        tensor.set_data_from_numpy(np.array(data, dtype=np.object_))
        return client.infer(options.pop("name", model["name"]), [tensor], **options)

    with pytest.raises(InferenceServerException, match="no such model; this server has"):
        infer([1], "BYTES", [picture], name="other")
    with pytest.raises(InferenceServerException, match="the limit is 16"):
        infer([17], "BYTES", 17 * [picture])
    with pytest.raises(InferenceServerException, match="not recognised"):
        infer([1], "BYTES", [b"text"])
    with pytest.raises(InferenceServerException, match="top_k"):
        outputs = [triton.InferRequestedOutput("label", class_count=2)]
        infer([1], "BYTES", [picture], outputs=outputs)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_get_the_same_label(client, model, picture, algorithm):
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([picture], dtype=np.object_))
    plain = client.infer(model["name"], [tensor])
    small = client.infer(model["name"], [tensor], request_compression_algorithm=algorithm)
    assert plain.as_numpy("index").tolist() == small.as_numpy("index").tolist()


def test_what_perf_analyzer_asks_for(client, model, picture):
    name, version = model["name"], model["version"]
    assert client.get_model_repository_index() == [
        {"name": name, "version": version, "state": "READY", "reason": ""}
    ]
    for config in (client.get_model_config(name), client.get_model_config(name, version)):
        assert config["max_batch_size"] == 16 and config["input"][0]["name"] == "image"
    # As a client of a model with a batch dimension sends it.
    tensor = triton.InferInput("image", [2, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[picture], [picture]], dtype=np.object_))
    before = client.get_inference_statistics(name)["model_stats"][0]["inference_count"]
    assert client.infer(name, [tensor]).as_numpy("index").shape == (2, 1)
    for asked in ((), (name,), (name, version)):
        statistics = client.get_inference_statistics(*asked)["model_stats"][0]
        assert statistics["inference_count"] == before + 2
