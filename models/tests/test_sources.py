"""Classifiers made elsewhere: what each source says, what it refuses, and the check before a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.error import URLError

import pytest
import torch
import torchvision
from conftest import ok, refused

from glimpse_models.bundle.manifest import spec_of
from glimpse_models.bundle.verify import verify
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.graph.export import trace
from glimpse_models.sources import huggingface
from glimpse_models.sources import torchvision as tv

NAMED = ("--name", "imported", "--version", "1")
STATED = ("--normalise", "imagenet", "--resize", "40", "--filter", "bicubic")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights, labels and plain ONNX file of a small network of three classes."""
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(1)
    made = torchvision.models.squeezenet1_1(weights=None, num_classes=3).eval()
    torch.save(made.state_dict(), folder / "weights.pth")
    (folder / "labels.txt").write_text("ant\nbee\ncat\n")
    (folder / "net.onnx").write_bytes(trace(made, 32).SerializeToString())
    return folder


@pytest.fixture
def words(network: Path) -> tuple[Any, ...]:
    """A build from torchvision with local weights."""
    local = ("--weights", network / "weights.pth", "--labels", network / "labels.txt")
    return ("build", "--from", "torchvision:squeezenet1_1", *local, *NAMED)


def test_torchvision_says_how_its_pictures_are_prepared(
    words: tuple[Any, ...], tmp_path: Path
) -> None:
    said = ok(*words, "--out", tmp_path / "bundle")
    assert "checked against torchvision" in said
    bundle = verify(tmp_path / "bundle")
    assert spec_of(bundle.manifest) == InputSpec(224, 256)
    assert bundle.labels == ("ant", "bee", "cat")
    checked = bundle.manifest["provenance"]["checked"]
    assert checked["largest_difference"] < 1e-3
    assert checked["pictures"] == checked["same_label"] == 8
    assert "SqueezeNet1_1_Weights" in checked["against"]


def test_with_pictures_the_bundle_is_int8(
    words: tuple[Any, ...], folders: Path, tmp_path: Path
) -> None:
    said = ok(*words, "--out", tmp_path / "bundle", "--data", folders)
    assert "3 classes, int8\n" in said


def test_a_bundle_that_answers_otherwise_is_not_written(
    words: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = tv._described

    def wrong(transform: Any) -> Any:
        return InputSpec(224, 256, filter="nearest"), right(transform)[1]

    monkeypatch.setattr(tv, "_described", wrong)
    said = refused(*words, "--out", tmp_path / "bundle")
    assert "the bundle does not answer as torchvision" in said
    assert not (tmp_path / "bundle").exists()


def test_without_a_network_the_file_to_bring_is_named(tmp_path: Path) -> None:
    unreachable = mock.patch("torch.hub.load_state_dict_from_url", side_effect=URLError("no route"))
    with unreachable:
        said = refused("build", "--from", "torchvision:resnet18", *NAMED, "--out", tmp_path / "b")
    assert "--weights resnet18-f37072fd.pth" in said
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in said


def test_weights_of_another_network_are_refused(network: Path, tmp_path: Path) -> None:
    base = ("build", "--from", "torchvision:resnet18", *NAMED, "--out", tmp_path / "bundle")
    base = (*base, "--labels", network / "labels.txt", "--weights")
    assert "does not fit the network" in refused(*base, network / "weights.pth")
    assert "is not a file of PyTorch weights" in refused(*base, network / "labels.txt")
    assert "does not exist" in refused(*base, network / "none.pth")


def test_preprocessing_that_a_source_says_itself_cannot_be_given(words: tuple[Any, ...]) -> None:
    assert "leave the options for that out" in refused(*words, "--resize", "99")
    assert "leave the options for that out" in refused(*words, "--filter", "bicubic")


def test_an_onnx_file_without_stated_preprocessing_is_refused(
    network: Path, tmp_path: Path
) -> None:
    base = ("build", "--from", f"onnx:{network / 'net.onnx'}", "--labels", network / "labels.txt")
    base = (*base, *NAMED, "--out", tmp_path / "bundle")
    for missing in range(0, len(STATED), 2):
        given = STATED[:missing] + STATED[missing + 2 :]
        assert "does not say how its pictures are prepared" in refused(*base, *given)
    ok(*base, *STATED)
    bundle = verify(tmp_path / "bundle")
    assert spec_of(bundle.manifest) == InputSpec(32, 40, filter="bicubic")
    checked = bundle.manifest["provenance"]["checked"]
    assert checked["against"] == "the original graph in ONNX Runtime under the stated preprocessing"
    card = (tmp_path / "MODEL_CARD.md").read_text()
    for phrase in (checked["against"], "bicubic", bundle.sha256, "Not calibrated", "net.onnx"):
        assert phrase in card
    assert str(tmp_path) not in card, "no path of this machine in a public record"


def test_other_words_are_refused() -> None:
    assert "is not KIND:WHAT" in refused("build", "--from", "resnet18", *NAMED)
    assert "torchvision has no classifier" in refused("build", "--from", "torchvision:x", *NAMED)
    assert "give --data FOLDER to train on, or --from" in refused("build", *NAMED)


def test_options_that_would_do_nothing_are_refused(words: tuple[Any, ...], folders: Path) -> None:
    said = refused(*words, "--epochs", "3", "--held-out", "0.1")
    assert "--epochs, --held-out: for training, not for --from" in said
    said = refused("build", "--data", folders, *NAMED, "--filter", "bicubic", "--no-antialias")
    assert "--filter, --no-antialias: for a classifier made elsewhere; name it by --from" in said


def test_the_files_of_an_import_go_where_they_are_asked_for(
    words: tuple[Any, ...], tmp_path: Path
) -> None:
    ok(*words, "--work", tmp_path / "work")
    bundle = verify(tmp_path / "work" / "bundle")
    assert str(tmp_path) not in str(bundle.manifest), "no path of this machine in a public record"
    assert (tmp_path / "work" / "MODEL_CARD.md").is_file()


def processors() -> Iterator[tuple[dict[str, Any], InputSpec]]:
    """Forms of `preprocessor_config.json`, and what they mean."""
    square = {"height": 224, "width": 224}
    yield {"size": square, "resample": 2}, InputSpec(224, 224, mode="squash", crop="none")
    yield (
        {"size": 384, "resample": 3, "image_processor_type": "ViTImageProcessor"},
        InputSpec(384, 384, mode="squash", filter="bicubic", crop="none"),
    )
    convnext = {"image_processor_type": "ConvNextImageProcessor", "resample": 3}
    yield (
        {**convnext, "size": {"shortest_edge": 384}},
        InputSpec(384, 384, mode="squash", filter="bicubic", crop="none"),
    )
    for more, resize in (({}, 256), ({"crop_pct": 0.95}, 235)):
        yield (
            {**convnext, **more, "size": {"shortest_edge": 224}},
            InputSpec(224, resize, filter="bicubic", crop="center-floor"),
        )
    crop = {"do_center_crop": True, "crop_size": square}
    yield (
        {**crop, "size": {"shortest_edge": 256}},
        InputSpec(224, 256, crop="center-floor"),
    )
    yield (
        {**crop, "size": 256},
        InputSpec(224, 256, mode="squash", crop="center-floor"),
    )


@pytest.mark.parametrize(("config", "expected"), list(processors()))
def test_hugging_faces_image_processors(config: dict[str, Any], expected: InputSpec) -> None:
    statistics = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}
    spec, normalization = huggingface._described({**config, **statistics})
    assert spec == expected
    assert normalization.mean == pytest.approx((0.5, 0.4, 0.3))
    assert huggingface._described({**config, "do_normalize": False})[1].std == pytest.approx(
        (1,) * 3
    )


@pytest.mark.parametrize(
    "config",
    [
        {"size": {"height": 224, "width": 192}},
        {"size": {"shortest_edge": 224}},
        {"size": 224, "do_center_crop": True, "crop_size": 256},
        {"size": 256, "do_center_crop": True, "crop_size": {"height": 224, "width": 192}},
        {"size": 224, "resample": 5},
        {"size": 224, "do_resize": False},
        {},
    ],
)
def test_what_a_bundle_cannot_say_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="something that a bundle cannot"):
        huggingface._described(config)


def test_labels_of_hugging_face_are_short_where_they_stay_apart() -> None:
    config = {"id2label": {"1": "crane, bird", "0": "tench, Tinca tinca", "2": "crane, machine"}}
    assert huggingface._labels(config) == ["tench", "crane, bird", "crane, machine"]
