"""Evaluation and comparison: the figures are right, and the same wherever a model runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ok, refused

from glimpse_models.measure import metrics
from glimpse_models.train.schedule import rate_at


def test_figures_by_hand() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], np.float32))
    found = metrics.measure(logits, np.array([0, 1, 2]))
    assert found.top1 == pytest.approx(2 / 3)
    assert found.top5 == 1
    assert found.loss == pytest.approx(-np.log([0.7, 0.3, 0.8]).mean(), rel=1e-5)
    assert found.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert found.precision.tolist() == [0.5, 0, 1]
    assert found.recall.tolist() == [1, 0, 1]
    # Three bins of one picture: |1 - 0.7|, |0 - 0.6|, |1 - 0.8|.
    assert found.ece == pytest.approx((0.3 + 0.6 + 0.2) / 3, rel=1e-5)


def test_equal_logits_give_the_lower_class() -> None:
    assert metrics.ranked(np.array([1.0, 3, 3, 0], np.float32), 5).tolist() == [1, 2, 0, 3]


def test_one_cycle_is_pytorchs() -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=0.18, total_steps=50, pct_start=0.2, div_factor=10, final_div_factor=1000
    )
    for step in range(50):
        assert rate_at(step, 50, 0.18, "one-cycle") == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        if step < 49:
            theirs.step()


def test_cosine_warms_up_and_falls() -> None:
    rates = [rate_at(step, 100, 1.0, "cosine") for step in range(100)]
    assert max(rates) == rates[5] == 1.0
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_one_table_for_weights_onnx_and_bundle(
    trained: Path, float_model: Path, bundle: Path, tiny: Path, tmp_path: Path
) -> None:
    models = (trained / "weights.pt", float_model, bundle)
    said = ok("evaluate", "--data", tiny, "--out", tmp_path, *models)
    assert "Tiny-ImageNet, 20 validation pictures" in said
    assert [kind in said for kind in ("float PyTorch", "float ONNX", "bundle, int8")] == [True] * 3
    exact, exported, served = json.loads((tmp_path / "report.json").read_text())
    assert exact["loss"] == pytest.approx(exported["loss"], rel=1e-3)
    assert exact["top1"] == exported["top1"]
    assert served["loss"] == pytest.approx(exact["loss"], rel=0.2)
    assert served["images"] == 20
    recall = [kind["recall"] for kind in served["classes"]]
    assert recall == sorted(recall), "the weak spots come first"
    assert np.mean(recall) == pytest.approx(served["top1"])
    for number in (1, 2, 3):
        assert (tmp_path / f"confusion-{number}.png").read_bytes().startswith(b"\x89PNG")
    metrics_of = json.loads((bundle / "bundle.json").read_text())["metrics"]
    assert metrics_of["int8_top1"] == served["top1"]
    assert metrics_of["fp32_top1"] == exact["top1"]


def test_the_card_reports_the_records(
    trained: Path, float_model: Path, bundle: Path, tiny: Path, tmp_path: Path
) -> None:
    ok("evaluate", "--data", tiny, "--out", tmp_path, float_model, bundle)
    base = ("card", "--bundle", bundle, "--run", trained, "--out", tmp_path / "CARD.md")
    ok(*base, "--report", tmp_path / "report.json", "--limits", "Four colours only.")
    card = (tmp_path / "CARD.md").read_text()
    assert "# colours 1.0.0" in card
    assert "fitted on 20 validation pictures" in card
    assert "Quantization changes top-1 by" in card
    assert json.loads((trained / "run.json").read_text())["command"] in card
    assert "Four colours only." in card
    assert "| crimson |" in card
    assert "pictures, which neither training nor quantization used:" in card
    record = json.loads((trained / "run.json").read_text())
    record["recipe"]["patience"] = 3
    (tmp_path / "run.json").write_text(json.dumps(record))
    ok(*base, "--run", tmp_path, "--report", tmp_path / "report.json")
    card = (tmp_path / "CARD.md").read_text()
    assert "pictures, which chose the epoch that training kept" in card
    assert "neither training nor quantization used" not in card
    ok("evaluate", "--data", tiny, "--out", tmp_path, float_model)
    assert "this bundle last" in refused(*base, "--report", tmp_path / "report.json")
    assert "does not exist" in refused(*base, "--report", tmp_path / "none.json")


def test_a_damaged_record_makes_no_card(trained: Path, bundle: Path, tmp_path: Path) -> None:
    record = json.loads((trained / "run.json").read_text())
    figures = dict.fromkeys(("loss", "top1", "top5", "ece_raw", "ece"), 0.5)
    row = {"model": "colours 1.0.0", "kind": "bundle, int8", "images": 20, **figures}
    row |= {"classes": [], "most_confused": []}
    files = {name: tmp_path / name for name in ("run.json", "report.json", "faithfulness.json")}
    base = ("card", "--bundle", bundle, "--run", tmp_path, "--out", tmp_path / "CARD.md")
    base = (*base, "--report", files["report.json"])

    def write(name: str, content: object) -> None:
        files[name].write_text(json.dumps(content))

    write("run.json", record)
    write("report.json", [row])
    ok(*base)
    (tmp_path / "CARD.md").unlink()
    for name, good, damaged in (
        ("run.json", record, {**record, "hours": "two"}),
        ("run.json", record, {**record, "hardware": None}),
        ("run.json", record, {**record, "data": {"name": "colours"}}),
        ("report.json", [row], []),
        ("report.json", [row], [{**row, "loss": None}]),
        ("report.json", [row], [{**row, "classes": [{"label": "red"}]}]),
    ):
        write(name, damaged)
        assert f"{files[name]} is not what the steps write" in refused(*base), damaged
        write(name, good)
    files["faithfulness.json"].write_text("no JSON")
    said = refused(*base, "--faithfulness", files["faithfulness.json"])
    assert "faithfulness.json is not what the steps write" in said
    assert not (tmp_path / "CARD.md").exists()


def test_weights_can_be_tried_at_another_side(
    trained: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    base = ("evaluate", "--data", tiny, "--side", "64", "--out", tmp_path)
    ok(*base, trained / "weights.pt")
    tried = json.loads((tmp_path / "report.json").read_text())[0]
    ok("export", "--weights", trained / "weights.pt", "--side", "64", "--out", tmp_path / "64.onnx")
    ok("evaluate", "--data", tiny, "--out", tmp_path, tmp_path / "64.onnx")
    exported = json.loads((tmp_path / "report.json").read_text())[0]
    assert tried["loss"] == pytest.approx(exported["loss"], rel=1e-3)
    assert "give weights (.pt)" in refused(*base, float_model)


def test_weights_without_a_side_are_asked_for_one(
    trained: Path, tiny: Path, tmp_path: Path
) -> None:
    content = torch.load(trained / "weights.pt", weights_only=True)
    torch.save(content["model"], tmp_path / "bare.pt")
    assert "--side" in refused("evaluate", "--data", tiny, tmp_path / "bare.pt")
    ok("evaluate", "--data", tiny, "--side", "48", tmp_path / "bare.pt")


def test_evaluate_refuses(float_model: Path, folders: Path, tiny: Path, tmp_path: Path) -> None:
    assert "not a bundle folder" in refused("evaluate", "--data", tiny, tmp_path / "x.txt")
    assert "does not exist" in refused("evaluate", "--data", tiny, tmp_path / "x.onnx")
    said = refused("evaluate", "--data", tiny, "--resize", "32", float_model)
    assert "must cover the crop" in said
    assert "is neither a folder nor a table" in refused(
        "evaluate", "--data", tmp_path / "none", float_model
    )
    for name in ("blue", "red"):
        (tmp_path / "two" / name).mkdir(parents=True)
        for row in (0, 1):
            (tmp_path / "two" / name / f"{row}.jpg").symlink_to(folders / name / "01.jpg")
    assert "knows 4 classes, the data set 2" in refused(
        "evaluate", "--data", tmp_path / "two", float_model
    )
    (tmp_path / "two" / "red" / "2.png").write_bytes(b"no picture")
    (tmp_path / "two" / "red" / "3.png").write_bytes(b"no picture")
    said = refused("evaluate", "--data", tmp_path / "two", "--held-out", "1", float_model)
    assert "cannot be read as a picture" in said


def test_the_data_sets_classes_in_another_order_are_refused(
    bundle: Path, float_model: Path, trained: Path, folders: Path, tmp_path: Path
) -> None:
    content = torch.load(trained / "weights.pt", weights_only=True)
    content["about"]["labels"] = ["white", "red", "green", "blue"]
    torch.save(content, tmp_path / "weights.pt")
    for name in ("bundle.json", "model.onnx"):
        (tmp_path / name).symlink_to(bundle / name)
    labels = tmp_path / "labels.txt"
    labels.write_text("white\nred\ngreen\nblue\n")
    one = ("--data", folders)
    made = ("bundle", "--model", float_model, "--labels", labels, "--name", "n", "--version", "1")
    for words in (
        ("evaluate", *one, tmp_path),
        ("evaluate", *one, tmp_path / "weights.pt"),
        ("compare", *one, tmp_path, tmp_path),
        (*made, *one, "--out", tmp_path / "made"),
    ):
        assert "in another order (white where that has blue)" in refused(*words)
    labels.write_text("n04\nn03\nn02\nn01\n")
    ok("evaluate", *one, tmp_path)


def test_a_bundle_may_replace_itself(bundle: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    said = ok("compare", "--data", tiny, "--max-slowdown", "5", "--json", out, bundle, bundle)
    assert "may be released" in said
    found = json.loads(out.read_text())
    assert found["agreement"] == 1
    assert found["old"]["top1"] == found["new"]["top1"]
    assert found["faults"] == []


def test_a_worse_candidate_is_stopped(
    bundle: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    worse = tmp_path / "worse"
    ok(
        "bundle",
        "--model",
        float_model,
        "--data",
        tiny,
        "--name",
        "colours",
        "--version",
        "2",
        "--out",
        worse,
    )
    manifest = json.loads((worse / "bundle.json").read_text())
    assert manifest["metrics"]["fp32_top1"] == manifest["metrics"]["int8_top1"]
    limits = ("--max-drop", "-2", "--min-agreement", "1.1", "--max-slowdown", "0")
    said = refused("compare", "--data", tiny, *limits, bundle, worse)
    assert all(name in said for name in limits[::2])


def test_bundles_of_other_classes_are_not_compared(
    bundle: Path, tiny: Path, tmp_path: Path
) -> None:
    for name in ("bundle.json", "model.onnx"):
        (tmp_path / name).symlink_to(bundle / name)
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    assert "different labels" in refused("compare", "--data", tiny, bundle, tmp_path)
