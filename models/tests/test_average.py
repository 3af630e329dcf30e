"""The mean of weights: what it is of, where it comes from, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import RECIPE, ok, refused

from glimpse_models.measure.classifiers import open_classifier
from glimpse_models.train import network
from glimpse_models.train.backbone import backbone_of


@pytest.fixture(scope="module")
def further(trained: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went on from `trained`."""
    out = tmp_path_factory.mktemp("further") / "further"
    ok("train", "--data", tiny, "--out", out, *RECIPE, "--weights", trained / "weights.pt")
    return out


def test_it_is_the_mean(trained: Path, further: Path, tiny: Path, tmp_path: Path) -> None:
    files = (further / "weights.pt", trained / "weights.pt")
    ok("average", "--weights", *files, "--shares", "0.75", "0.25", "--out", tmp_path / "mean")
    found = network.read_weights(tmp_path / "mean" / "weights.pt")
    one, other = (network.read_weights(file) for file in files)
    assert found.about() == one.about()
    moved = 0
    for name, value in found.state.items():
        expected = one.state[name]
        if value.is_floating_point():
            expected = 0.75 * expected + 0.25 * other.state[name]
            moved += not torch.equal(value, one.state[name])
        assert torch.allclose(value, expected, rtol=1e-5, atol=1e-7), name
    assert moved > 50
    # Serves as any weights do.
    assert open_classifier(tmp_path / "mean" / "weights.pt").spec.side == one.side
    ok("evaluate", "--data", tiny, tmp_path / "mean" / "weights.pt")


def test_bundle_and_card_tell_of_it(
    trained: Path, further: Path, tiny: Path, tmp_path: Path
) -> None:
    files = (further / "weights.pt", trained / "weights.pt")
    ok("average", "--weights", *files, "--out", tmp_path / "mean")
    ok("export", "--weights", tmp_path / "mean" / "weights.pt", "--out", tmp_path / "float.onnx")
    runs = (trained, further, tmp_path / "mean")
    ok(
        *("bundle", "--model", tmp_path / "float.onnx", "--data", tiny, "--run", *runs),
        *("--name", "colours", "--version", "3", "--out", tmp_path / "new"),
        *("--report", tmp_path / "report"),
    )
    provenance = json.loads((tmp_path / "new" / "bundle.json").read_text())["provenance"]
    assert provenance["weights"] == "from scratch"
    last = provenance["runs"][-1]
    both = [f"{folder.name}/weights.pt" for folder in (further, trained)]
    assert last["training_command"] == (
        f"glimpse-models average --weights {' '.join(both)} --out mean"
    )
    assert last["weights"] == ", ".join(both)
    ok(
        *("card", "--bundle", tmp_path / "new", "--report", tmp_path / "report" / "report.json"),
        *("--run", *runs, "--out", tmp_path / "CARD.md"),
    )
    card = (tmp_path / "CARD.md").read_text()
    assert f"0.50 of further/weights.pt, 0.50 of {trained.name}/weights.pt" in card


def test_average_refuses(trained: Path, bundle: Path, tiny: Path, tmp_path: Path) -> None:
    weights, out = trained / "weights.pt", ("--out", tmp_path / "mean")
    assert "two files" in refused("average", "--weights", weights, *out)
    twice = ("average", "--weights", weights, weights, *out, "--shares")
    assert "--shares" in refused(*twice, "0.5")
    assert "--shares" in refused(*twice, "0.5", "0.6")
    assert "--shares" in refused(*twice, "1.5", "-0.5")
    other = tmp_path / "other.pt"
    torch.save({"model": backbone_of("resnet34").build(3).state_dict()}, other)
    assert "another network" in refused("average", "--weights", weights, other, *out)
    assert "run.json" in refused("average", "--weights", other, weights, *out)
    ok("to-checkpoint", "--bundle", bundle, "--data", tiny, "--out", tmp_path / "restored")
    restored = tmp_path / "restored" / "weights.pt"
    assert "not come from a training run" in refused(
        "average", "--weights", restored, weights, *out
    )
    assert not (tmp_path / "mean").exists()
