"""One command from a folder of pictures, or from finished runs, to a bundle and its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest import mock

import pytest
from conftest import CLASSES, draw, ok, refused, s3_client

from glimpse_models.bundle.verify import verify
from glimpse_models.errors import UserError
from glimpse_models.pipeline import defaults
from glimpse_models.pipeline.defaults import Choice, choose_recipe
from glimpse_models.train.recipe import LITE

SMALL = ("--weights", "none", "--backbone", "resnet18", "--side", "32", "--epochs", "1")


def test_a_folder_of_pictures_becomes_a_published_bundle(
    folders: Path, s3: dict[str, str], tmp_path: Path
) -> None:
    said = ok(
        *("build", "--data", folders, "--name", "pets", "--version", "1.0.0", *SMALL),
        *("--work", tmp_path / "work", "--to", "s3://models/pets"),
        **s3,
    )
    steps = [line.split(":")[0] for line in said.splitlines() if line.startswith("— ")]
    assert steps == [
        *("— train", "— export", "— quantize", "— bundle", "— faithfulness", "— card"),
        *("— verify", "— publish"),
    ]
    assert "GLIMPSE_MODEL_URI=s3://models/pets/1.0.0" in said
    manifest = verify(tmp_path / "work" / "bundle").manifest
    assert manifest["metrics"]["images"] == 16, "a fifth of 80 is held out"
    assert "class_maps" in manifest
    assert manifest["provenance"]["training_command"].startswith("glimpse-models build --data ")
    card = (tmp_path / "work" / "MODEL_CARD.md").read_text()
    assert "# pets 1.0.0" in card
    assert "## Explanation" in card
    assert "One cell shows no place in the picture." in card
    assert str(tmp_path) not in card, "no path of this machine in a public record"
    stored = s3_client(s3["AWS_ENDPOINT_URL_S3"]).list_objects_v2(Bucket="models")["Contents"]
    assert [entry["Key"] for entry in stored] == [
        *("pets/1.0.0/bundle.json", "pets/1.0.0/head.safetensors"),
        *("pets/1.0.0/labels.txt", "pets/1.0.0/model.cpu.onnx", "pets/1.0.0/model.onnx"),
        "pets/current",
    ]


def test_finished_runs_take_the_place_of_training(
    trained: Path, tiny: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(trained, first)
    shutil.copytree(trained, second)
    record = json.loads((trained / "run.json").read_text())
    recipe = {**record["recipe"], "weights": "first/weights.pt"}
    later = {**record, "command": "the second command", "recipe": recipe}
    (second / "run.json").write_text(json.dumps(later))
    out = tmp_path / "out" / "made"
    said = ok(
        *("build", "--data", tiny, "--name", "made", "--version", "2.0.0", "--side", "64"),
        *("--runs", first, second, "--out", out, "--pictures", "32", "--check", "8"),
        *("--method", "percentile"),
    )
    assert "— train" not in said
    assert "using 'percentile'" in said, "as asked for"
    manifest = verify(out).manifest
    assert (manifest["version"], manifest["input"]["width"]) == ("2.0.0", 64)
    assert manifest["metrics"]["images"] == 20
    assert len(manifest["provenance"]["runs"]) == 2
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert record["command"] in card
    assert "the second command" in card
    assert f"glimpse-models build --data {tiny.name}" in card
    assert f"Together: 4 epochs, {2 * record['hours']:.2f} hours" in card
    assert "Stanford" in card, "the terms of a known data set"
    assert str(tmp_path) not in card, "no path of this machine in a public record"


def test_what_cannot_end_well_is_refused_before_training(folders: Path, tmp_path: Path) -> None:
    base = ("build", "--data", folders, "--work", tmp_path / "work", *SMALL)
    assert "part of a URL" in refused(*base, "--name", "a:b", "--version", "1")
    assert "cannot name a folder" in refused(*base, "--name", "a", "--version", "current")
    said = refused(*base, "--name", "a", "--version", "1", "--to", "models/pets")
    assert "s3://BUCKET/PREFIX" in said
    said = refused(*base, "--name", "a", "--version", "1", "--runs", tmp_path / "none")
    assert "run.json does not exist" in said
    assert not (tmp_path / "work").exists()


def test_pretrained_weights_are_taken_where_they_can_be_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with mock.patch("glimpse_models.train.backbone._download", return_value={}):
        chosen = choose_recipe(Choice(), 288)
    assert (chosen.recipe.weights, chosen.recipe.side) == ("imagenet", defaults.PRETRAINED[1])
    assert chosen.recipe.freeze_epochs == 2
    fault = UserError("cannot download torchvision's weights")
    with (
        mock.patch("glimpse_models.train.backbone._download", side_effect=fault),
        mock.patch.object(Path, "read_text", return_value="flags : amx_bf16"),
    ):
        installed = choose_recipe(Choice(device="cpu"), 288)
        odd = choose_recipe(Choice(side=100), 288)
        asked = choose_recipe(Choice(backbone="resnet18", device="cpu"), 288)
        with pytest.raises(UserError, match="cannot download"):
            choose_recipe(Choice(weights="imagenet"), 288)
    assert "cannot download" in capsys.readouterr().out
    assert (installed.recipe.weights, installed.recipe.backbone) == ("imagenet", LITE)
    assert (installed.recipe.precision, asked.recipe.precision) == ("fp32", "bf16")
    assert odd.recipe.side == 96
    assert (asked.recipe.weights, asked.recipe.backbone) == ("none", "resnet18")
    assert "from scratch" in asked.reason
    assert choose_recipe(Choice(weights="none", epochs=3, side=64), 288).recipe.epochs == 3


def test_the_readmes_steps_fit_a_small_data_set(tmp_path: Path) -> None:
    """Three classes of 120 pictures: class activation maps, a check of int8, a temperature."""
    for colour, name in enumerate(CLASSES[:3]):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for row in range(120):
            draw(row, colour, 48).save(tmp_path / "pets" / name / f"{row}.jpg", quality=60)
    data, run = ("--data", tmp_path / "pets"), tmp_path / "run"
    ok(
        *("train", *data, "--out", run, "--weights", "none", "--side", "64", "--epochs", "1"),
        *("--backbone", "resnet18", "--precision", "fp32", "--augment", "crop"),
    )
    assert json.loads((run / "run.json").read_text())["recipe"]["batch"] == 32
    ok("export", "--weights", run / "weights.pt", "--out", run / "float.onnx")
    said = ok(
        *("quantize", "--model", run / "float.onnx", *data, "--run", run),
        *("--out", run / "int8.onnx", "--max-drop", "1"),
    )
    assert "drop of top-1 on 81 training pictures" in said
    done = ok(
        *("bundle", "--model", run / "int8.onnx", "--float-model", run / "float.onnx", *data),
        *("--run", run, "--name", "pets", "--version", "1.0.0", "--out", run / "bundle"),
    )
    assert "fitted on 36 pictures" in done
    manifest = verify(run / "bundle").manifest
    assert "calibration" in manifest
    assert manifest["class_maps"]["stride"] == 32
