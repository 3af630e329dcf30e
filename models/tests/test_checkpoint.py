"""Weights out of a bundle: the same answers, and batch norms that training can go on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import RECIPE, ok, refused
from torch import nn

from glimpse_models.data.dataset import open_data
from glimpse_models.measure.classifiers import Logits, Pixels, open_classifier, read_input
from glimpse_models.research.checkpoint import module_of
from glimpse_models.train import network


@pytest.fixture(scope="module")
def restored(bundle: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("restored") / "new"
    ok("to-checkpoint", "--bundle", bundle, "--data", tiny, "--out", out)
    return out / "weights.pt"


@pytest.fixture(scope="module")
def inputs(bundle: Path, tiny: Path) -> Pixels:
    spec = open_classifier(bundle).spec
    return np.stack([read_input(path, spec) for path in open_data(tiny, 1, 0.1).train.files])


def spread(found: Logits, expected: Logits) -> float:
    """The largest difference against the spread of what is expected."""
    return float(np.abs(found - expected).max() / expected.std())


def test_it_answers_as_the_bundle_does(
    restored: Path, bundle: Path, trained: Path, inputs: Pixels
) -> None:
    served, found = open_classifier(bundle), open_classifier(restored)
    assert found.spec == served.spec
    logits = found.logits(inputs)
    assert (logits.argmax(1) == served.logits(inputs).argmax(1)).mean() > 0.97
    # Of the weights that the bundle was made of, only rounding to 8 bits is left.
    assert spread(logits, open_classifier(trained / "weights.pt").logits(inputs)) < 0.3


def test_batch_norms_know_what_they_get(restored: Path, inputs: Pixels) -> None:
    trained = network.read_weights(restored)
    model = trained.model()
    found: list[tuple[nn.BatchNorm2d, torch.Tensor]] = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda norm, given: found.append((norm, given[0])))
    with torch.inference_mode():
        model(trained.network().serving_input(inputs))
    assert len(found) == 20
    for norm, given in found:
        state = norm.state_dict()
        mean, variance = given.mean((0, 2, 3)), given.var((0, 2, 3), correction=0)
        assert torch.allclose(mean, state["running_mean"], atol=1e-4)
        assert torch.allclose(variance, state["running_var"], rtol=1e-3, atol=1e-6)


def test_training_goes_on_from_it(restored: Path, bundle: Path, tiny: Path, tmp_path: Path) -> None:
    options = (*RECIPE, "--augment", "crop", "--weights", restored)
    said = ok("train", "--data", tiny, "--out", tmp_path / "run", *options)
    assert "top-1 1.0000" in said.splitlines()[0], "it knew the colours and has not forgotten them"
    runs = (restored.parent, tmp_path / "run")
    ok("export", "--weights", runs[1] / "weights.pt", "--out", tmp_path / "float.onnx")
    ok(
        *("bundle", "--model", tmp_path / "float.onnx", "--data", tiny, "--run", *runs),
        *("--name", "colours", "--version", "2", "--out", tmp_path / "new"),
        *("--report", tmp_path / "report"),
    )
    before, after = (
        json.loads((folder / "bundle.json").read_text())["provenance"]
        for folder in (bundle, tmp_path / "new")
    )
    assert [run["weights"] for run in after["runs"][:2]] == ["from scratch", "colours 1.0.0"]
    assert after["runs"][0] == before
    assert [run["training_command"].split()[1] for run in after["runs"]] == [
        *("train", "to-checkpoint", "train"),
    ]
    card = ("card", "--bundle", tmp_path / "new", "--report", tmp_path / "report" / "report.json")
    ok(*card, "--run", *runs, "--out", tmp_path / "CARD.md")
    said = (tmp_path / "CARD.md").read_text()
    assert "Went on from the bundle colours 1.0.0" in said
    assert "Weights: from scratch." in said


def test_a_bundle_is_calibrated_again_without_training(
    restored: Path, tiny: Path, tmp_path: Path
) -> None:
    ok(
        *("build", "--data", tiny, "--name", "colours", "--version", "1.0.1"),
        *("--runs", restored.parent, "--pictures", "8", "--check", "8", "--out", tmp_path / "new"),
    )
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "A resnet18 for 4 classes" in card
    assert "Went on from the bundle colours 1.0.0" in card
    assert "Weights: from scratch." in card
    assert " epochs in " in card, "of the run that made the bundle's weights"
    origin = json.loads((tmp_path / "new" / "bundle.json").read_text())["provenance"]
    fingerprints = [run["data_fingerprint"] for run in origin["runs"]]
    assert fingerprints == [origin["data_fingerprint"]] * 2


def test_to_checkpoint_refuses(bundle: Path, folders: Path, tiny: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "new")
    assert "other classes" in refused("to-checkpoint", "--bundle", bundle, "--data", folders, *out)
    assert "bundle.json" in refused("to-checkpoint", "--bundle", tmp_path, "--data", tiny, *out)


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("net//conv1/Conv", "conv1"),
        ("net//layer4/layer4.0/downsample/downsample.0/Conv", "layer4.0.downsample.0"),
        ("/layer1/layer1.2/conv3/Conv", "layer1.2.conv3"),
        ("net//fc/fc.2/Gemm", "fc.2"),
    ],
)
def test_nodes_are_named_after_modules(node: str, module: str) -> None:
    assert module_of(node) == module
