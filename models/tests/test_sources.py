"""Classifiers made elsewhere: what each source says, what it refuses, and the check before a bundle."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.error import URLError

import numpy as np
import onnx
import pytest
import torch
import torchvision
from conftest import ok, refused

from glimpse_models.bundle.manifest import spec_of
from glimpse_models.bundle.verify import verify
from glimpse_models.data.normalization import NORMALIZATIONS
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.graph.export import trace
from glimpse_models.pipeline.imported import check
from glimpse_models.sources import huggingface
from glimpse_models.sources import torchvision as tv
from glimpse_models.sources.source import Asked, Source

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


@pytest.fixture(scope="module")
def two_ways(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network whose published weights are resized to 256 (V1) and to 232 pixels (V2)."""
    path = tmp_path_factory.mktemp("two-ways") / "mine.pth"
    torch.manual_seed(1)
    torch.save(torchvision.models.mobilenet_v2(weights=None).state_dict(), path)
    return path


@pytest.fixture
def as_v1(two_ways: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file as if it were the published V1; gives V1's name of it."""
    digest = hashlib.sha256(two_ways.read_bytes()).hexdigest()
    name = f"mobilenet_v2-{digest[:8]}.pth"
    member = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    monkeypatch.setattr(member.value, "url", f"https://download.pytorch.org/models/{name}")
    return name


def opened(what: str, weights: Path, labels: Path | None = None) -> Source:
    """Without the export, which has nothing to do with the choice of weights."""
    with mock.patch("glimpse_models.graph.export.export_plain", return_value=onnx.ModelProto()):
        return tv.open_torchvision(Asked(what, weights, labels))


@pytest.mark.usefixtures("as_v1")
def test_a_published_file_is_prepared_as_its_own_weights_say(two_ways: Path) -> None:
    source = opened("mobilenet_v2", two_ways)
    assert source.spec == InputSpec(224, 256)
    assert "MobileNet_V2_Weights.IMAGENET1K_V1.transforms()" in source.pipeline
    assert source.record["weights"] == "MobileNet_V2_Weights.IMAGENET1K_V1 (mine.pth)"
    assert opened("mobilenet_v2.IMAGENET1K_V1", two_ways).spec == source.spec
    with pytest.raises(UserError, match="holds the weights IMAGENET1K_V1, not IMAGENET1K_V2"):
        opened("mobilenet_v2.IMAGENET1K_V2", two_ways)


def test_a_published_name_on_another_file_is_refused(as_v1: str, tmp_path: Path) -> None:
    path = tmp_path / as_v1
    torch.save(torchvision.models.mobilenet_v2(weights=None, num_classes=3).state_dict(), path)
    with pytest.raises(UserError, match="its sha256 does not start with"):
        opened("mobilenet_v2", path)


def test_a_file_that_may_be_prepared_in_two_ways_needs_its_member_named(two_ways: Path) -> None:
    with pytest.raises(
        UserError, match=r"--from with one of torchvision:mobilenet_v2\.IMAGENET1K_V1"
    ):
        opened("mobilenet_v2", two_ways)
    for member, resize in (("IMAGENET1K_V1", 256), ("IMAGENET1K_V2", 232)):
        source = opened(f"mobilenet_v2.{member}", two_ways)
        assert source.spec.resize == resize
        assert source.record["weights"] == f"mine.pth, prepared as MobileNet_V2_Weights.{member}"
    with pytest.raises(UserError, match="has no weights IMAGENET1K_V9 of mobilenet_v2"):
        opened("mobilenet_v2.IMAGENET1K_V9", two_ways)
    with pytest.raises(UserError, match="have no classifier"):
        opened("vgg16.IMAGENET1K_FEATURES", two_ways)


def test_published_weights_with_old_names_are_renamed_as_torchvision_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    whole = torchvision.models.densenet121(weights=None).state_dict()
    state = {key: value for key, value in whole.items() if "num_batches" not in key}
    old = {key.replace(".norm1.", ".norm.1."): value for key, value in state.items()}
    path = tmp_path / "densenet.pth"
    torch.save(old, path)
    member = torchvision.models.DenseNet121_Weights.IMAGENET1K_V1
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(member.value, "url", f"https://example.org/densenet121-{digest[:8]}.pth")
    before = torch.hub.get_dir()
    loaded = tv._pretrained("densenet121", member, path).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    assert torch.hub.get_dir() == before


def test_a_fine_tuned_network_is_built_as_for_the_weights_it_started_from(tmp_path: Path) -> None:
    path = tmp_path / "fine.pth"
    models = torchvision.models
    network = models.googlenet(
        weights=None, num_classes=3, init_weights=False, transform_input=True, aux_logits=False
    )
    torch.save(network.state_dict(), path)
    built = tv._fine_tuned("googlenet", models.GoogLeNet_Weights.DEFAULT, path, 3)
    assert built.transform_input
    pictures = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(built.eval()(pictures), network.eval()(pictures))


def test_published_weights_are_not_taken_for_other_labels(network: Path, tmp_path: Path) -> None:
    local = ("--labels", network / "labels.txt", "--out", tmp_path / "bundle")
    said = refused("build", "--from", "torchvision:resnet18", *local, *NAMED)
    assert "are for 1000 classes, and --labels names 3" in said


@pytest.mark.parametrize("package", ["timm", "transformers", "keras"])
def test_a_missing_framework_is_named_with_what_installs_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for name, text in (("model.safetensors", ""), ("config.json", "{}")):
        (tmp_path / name).write_text(text)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    source = {
        "timm": "timm:resnet18",
        "transformers": f"hf:{tmp_path}",
        "keras": f"keras:{tmp_path / 'config.json'}",
    }[package]
    said = refused("build", "--from", source, *NAMED, "--out", tmp_path / "bundle")
    assert f"the package {package} is not installed" in said
    assert f"-m pip install {package}" in said.replace("'", "")
    assert "requirements.txt" not in said


@dataclasses.dataclass
class Served:
    """A bundle whose largest logit is a given one."""

    largest: float
    spec: InputSpec = dataclasses.field(default_factory=lambda: InputSpec(8, 8))

    def logits(self, pixels: Any) -> Any:
        """`[1, 2]`."""
        return np.array([[self.largest, -self.largest]]) * len(pixels)


@pytest.mark.parametrize(
    ("largest", "allowed"), [(1.0, 0.001), (99.0, 0.001), (5000.0, 5.0)], ids=str
)
def test_a_logit_may_differ_by_a_thousandth_and_only_huge_ones_by_more(
    largest: float, allowed: float
) -> None:
    served: Any = Served(largest)

    def source(off: float) -> Source:
        def own(_: Any) -> Any:
            return np.array([largest, off - largest])

        return Source(
            onnx.ModelProto(), ("a", "b"), served.spec, NORMALIZATIONS["unit"], own, "its pipeline"
        )

    found = check(source(allowed * 0.9), served)
    assert found.difference == pytest.approx(allowed * 0.9)
    assert found.record("it")["allowed_difference"] == pytest.approx(allowed)
    with pytest.raises(UserError, match=rf"a logit differs by .*, above {allowed:.2g} "):
        check(source(allowed * 1.1), served)


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
