"""Honest scores and faithful maps: what they promise, on models whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import CLASSES, draw, ok, refused
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from glimpse_models.data.splits import Split
from glimpse_models.measure import metrics, several, temperature
from glimpse_models.measure.classifiers import open_classifier
from glimpse_models.measure.label_errors import doubtful_labels, likely_label_errors

SIDE, SPOT = 32, 8


def answers(count: int, too_sure: float) -> tuple[np.ndarray, Split]:
    """Logits whose true temperature is `too_sure`, with classes drawn by the true scores."""
    chance = np.random.default_rng(3)
    true = chance.normal(0, 2, (count, 5))
    scores = metrics.softmax(true.astype(np.float32))
    targets = (scores.cumsum(axis=1) < chance.random((count, 1))).sum(axis=1)
    files = tuple(Path(f"{row}.png") for row in range(count))
    return (too_sure * true).astype(np.float32), Split(files, tuple(targets.tolist()))


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_the_true_temperature_is_found(too_sure: float) -> None:
    logits, split = answers(6000, too_sure)
    found = temperature.calibrate_logits(logits, split)
    assert found is not None
    assert found.temperature == pytest.approx(too_sure, rel=0.06)
    assert found.ece_after < 0.03
    if too_sure != 1:
        assert found.ece_before > 2 * found.ece_after


def test_answers_that_are_always_right_do_not_run_away() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    found = temperature.fit_temperature(logits, np.array([0, 1, 2, 0]))
    assert temperature.COLDEST < found < 1, "surer than the logits, but not without limit"
    few, many = (
        temperature.fit_temperature(np.tile(logits, (times, 1)), np.tile([0, 1, 2, 0], times))
        for times in (5, 500)
    )
    assert many < few, "more pictures that are all right say more"


def test_few_pictures_all_fit_and_are_measured_in_folds() -> None:
    logits, split = answers(100, 3.0)
    found = temperature.calibrate_logits(logits, split)
    assert found is not None
    assert found.images == 100
    assert found.temperature == pytest.approx(3.0, rel=0.35)
    assert found.ece_after < found.ece_before
    assert temperature.unfitted(split) == list(range(100))
    assert temperature.calibrate_logits(logits[:19], split.take(list(range(19)))) is None


def test_a_temperature_that_does_not_help_on_others_is_not_taken() -> None:
    logits, split = answers(1000, 1)
    fitting, _ = temperature.halves(split)
    logits[fitting] *= 3  # too sure, while the others are as sure as they should be
    found = temperature.calibrate_logits(logits, split)
    assert found is not None
    assert temperature.fit_temperature(logits[fitting], np.array(split.targets)[fitting]) > 2
    assert (found.temperature, found.ece_after) == (1, found.ece_before)
    assert "no smaller" in str(found)


def test_a_picture_fits_or_measures_but_never_both() -> None:
    _, split = answers(500, 1)
    fitting, others = temperature.halves(split)
    assert sorted(fitting + others) == list(range(500))
    assert 200 < len(fitting) < 300
    part = split.sample(100, 1)
    again, _ = temperature.halves(part)
    assert {part.files[row] for row in again} < {split.files[row] for row in fitting}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough pictures of the four classes for a temperature."""
    root = tmp_path_factory.mktemp("many")
    for colour, name in enumerate(CLASSES):
        (root / name).mkdir()
        for row in range(60):
            draw(1000 + row, colour, 48).save(root / name / f"{row}.jpg")
    return root


def test_a_calibrated_bundle_is_a_new_one(bundle: Path, many: Path, tmp_path: Path) -> None:
    data = ("--data", many, "--held-out", "1")
    base = ("calibrate", "--bundle", bundle, *data, "--out", tmp_path / "new")
    said = ok(*base, "--version", "1.1.0")
    old, new = (
        json.loads((folder / "bundle.json").read_text()) for folder in (bundle, tmp_path / "new")
    )
    assert old["calibration"]["images"] == 20, "all of them, as there are few"
    assert new["calibration"]["images"] > 100, "one half"
    assert sorted(new["calibration"]) == ["ece_after", "ece_before", "images", "temperature"]
    assert f"{new['calibration']['temperature']:.3f} fitted on" in said
    changed = {name for name in new if new[name] != old.get(name)}
    assert changed <= {"version", "created_at", "calibration"}
    served = open_classifier(tmp_path / "new")
    assert served.temperature == new["calibration"]["temperature"] != 1
    ok("evaluate", *data, "--out", tmp_path, tmp_path / "new")
    report = json.loads((tmp_path / "report.json").read_text())[0]
    assert report["ece"] == pytest.approx(new["calibration"]["ece_after"], abs=1e-4)
    assert report["ece_raw"] == pytest.approx(new["calibration"]["ece_before"], abs=1e-4)
    line = json.loads(ok("reference", "--bundle", tmp_path / "new", "--limit", "1", many))
    logits = served.logits(np.asarray(Image.open(many / line["file"]))[None])[0]
    scores = metrics.softmax(logits / served.temperature)
    assert line["scores"][0] == pytest.approx(scores.max(), abs=1e-5)
    assert "never changes" in refused(*base, "--version", "1.0.0")
    few = ("calibrate", "--bundle", bundle, "--data", many, "--out", tmp_path / "few")
    assert "20 or more" in refused(*few, "--held-out", "0.05", "--version", "2")


@pytest.fixture
def spotted(tmp_path: Path) -> tuple[Path, Path]:
    """A bundle that is sure of red or of blue, and pictures with one spot of it, anywhere on grey."""
    nodes = [
        helper.make_node("Relu", ["image"], ["light"]),
        helper.make_node("AveragePool", ["light"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["out"]),
    ]
    weights = np.array([[40, 0], [0, 0], [0, 40]], np.float32)
    graph = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ("N", 2))],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.zeros(2, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "spots.onnx")
    chance = np.random.default_rng(8)
    for colour, name in ((0, "red"), (2, "blue")):
        folder = tmp_path / "spots" / name
        folder.mkdir(parents=True)
        for row in range(10):
            pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
            top, left = SPOT * chance.integers(0, SIDE // SPOT, 2)
            pixels[top : top + SPOT, left : left + SPOT] = 0
            pixels[top : top + SPOT, left : left + SPOT, colour] = 255
            Image.fromarray(pixels).save(folder / f"{row}.png")
    (tmp_path / "labels.txt").write_text("red\nblue\n")
    out = tmp_path / "bundle"
    base = ("bundle", "--model", tmp_path / "spots.onnx", "--labels", tmp_path / "labels.txt")
    ok(*base, "--normalise", "unit", "--name", "spots", "--version", "1", "--out", out)
    return out, tmp_path / "spots"


def test_faithfulness_is_that_on_what_the_run_held_out(
    spotted: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, pictures = spotted
    record = {
        **{"command": "train", "git_commit": "unknown", "weights": "from scratch"},
        "recipe": {"weights": "none", "seed": 4},
        "data": {"name": "spots", "held_out": 0.5, "seed": 4},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    base = ("faithfulness", "--data", pictures, "--bundle", folder, "--part", "0.06")
    said = ok(*base, "--run", tmp_path)
    assert said == ok(*base, "--held-out", "0.5", "--seed", "4")
    assert "of 10 validation pictures" in said
    assert "--seed 1 contradicts" in refused(*base, "--run", tmp_path, "--seed", "1")


def test_maps_that_show_the_reason_are_faithful(spotted: tuple[Path, Path], tmp_path: Path) -> None:
    folder, pictures = spotted
    manifest = json.loads((folder / "bundle.json").read_text())
    assert manifest["class_maps"] == {"stride": 8, "first": 4.0}
    base = ("faithfulness", "--data", pictures, "--held-out", "1", "--part", "0.06")
    said = ok(*base, "--bundle", folder, "--json", tmp_path / "figures.json")
    assert "on 100.0 % of 20 validation pictures (maps of 4 × 4)" in said
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["score_without_hottest"] < found["score_without_random"] < found["score"]
    assert found["map_error"] < 1e-5
    assert "--at-least is 1.1" in refused(*base, "--bundle", folder, "--at-least", "1.1")
    ok(
        *("bundle", "--model", tmp_path / "spots.onnx", "--labels", tmp_path / "labels.txt"),
        *("--name", "spots", "--version", "2", "--no-class-maps", "--out", tmp_path / "plain"),
    )
    assert "no class activation maps" in refused(*base, "--bundle", tmp_path / "plain")


def test_wrong_labels_are_found_by_confident_learning() -> None:
    chance = np.random.default_rng(5)
    true = np.repeat(np.arange(4), 50)
    logits = chance.normal(0, 1, (200, 4)) + 4 * np.eye(4)[true]
    wrong = np.array([3, 60, 120, 199])
    given = true.copy()
    given[wrong] = (true[wrong] + 1) % 4
    files = tuple(Path(f"pets/{row}.jpg") for row in range(200))
    split = Split(files, tuple(given.tolist()))
    found = likely_label_errors(metrics.softmax(logits.astype(np.float32)), split)
    rows = [one.row for one in found]
    assert len(set(wrong.tolist()) & set(rows)) >= 3
    assert set(rows[:3]) <= set(wrong.tolist()), "the surest first"
    assert all(one.likely == true[one.row] for one in found[:3])
    assert len(found) <= 8, "few of those that are right"
    flat = likely_label_errors(np.full((200, 4), 0.25), split)
    assert flat == [], "a network that knows nothing accuses nobody"


def test_each_of_several_labels_is_doubted_by_itself() -> None:
    chance = np.random.default_rng(5)
    true = chance.random((200, 3)) < (0.5, 0.05, 0.3)
    logits = chance.normal(np.where(true, 3.0, -3.0), 1.0)
    given = true.copy()
    wrong = [(3, 0), (60, 1), (120, 2), (199, 0)]
    for row, label in wrong:
        logits[row, label] *= 2  # the network is surer of these than of most
        given[row, label] ^= True
    scores = several.sigmoid(logits)
    found = doubtful_labels(scores, given)
    assert {(one.row, one.label) for one in found[:4]} == set(wrong), "the surest first"
    assert all(one.given != true[one.row, one.label] for one in found[:4])
    assert len(found) <= 8, "few of those that are right"
    assert doubtful_labels(np.full((200, 3), 0.5), given) == [], "what knows nothing accuses nobody"
    given[:, 1] = False
    given[:2, 1] = True
    assert {one.label for one in doubtful_labels(scores, given)} == {0, 2}, (
        "two pictures say nothing"
    )


def test_likely_label_errors_are_in_the_report(spotted: tuple[Path, Path], tmp_path: Path) -> None:
    folder, pictures = spotted
    (pictures / "blue" / "9.png").rename(pictures / "red" / "wrong.png")
    said = ok(
        *("evaluate", "--data", pictures, "--held-out", "1", "--out", tmp_path / "report"),
        # Class folders are in the order of names, the bundle's labels are not.
        _in_order_of_names(folder, tmp_path / "ordered"),
    )
    errors = json.loads((tmp_path / "report/report.json").read_text())[0]["likely_label_errors"]
    assert [error["file"] for error in errors] == ["red/wrong.png"]
    assert (errors[0]["label"], errors[0]["likely"]) == ("red", "blue")
    assert "red/wrong.png: red, likely blue" in said


def _in_order_of_names(folder: Path, out: Path) -> Path:
    """The bundle of spots with blue as its first class."""
    model = onnx.load(folder.parent / "spots.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "weights":
            turned = numpy_helper.to_array(tensor)[:, ::-1].copy()
            tensor.CopyFrom(numpy_helper.from_array(turned, "weights"))
    onnx.save(model, out.with_suffix(".onnx"))
    labels = out.with_suffix(".txt")
    labels.write_text("blue\nred\n")
    base = (
        "bundle",
        "--model",
        out.with_suffix(".onnx"),
        "--labels",
        labels,
        "--normalise",
        "unit",
    )
    ok(*base, "--name", "spots", "--version", "1", "--out", out)
    return out
