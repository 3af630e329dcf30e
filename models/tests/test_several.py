"""Several labels per picture: from a table of labels or linked folders to a bundle with thresholds."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import RECIPE, glimpse, ok, refused
from PIL import Image
from shapes import LABELS, draw, labels_of
from test_import import PIXELS, Ends, model_of, run_plain, words

from glimpse_models.bundle.verify import verify
from glimpse_models.data.dataset import open_data, training_pictures
from glimpse_models.data.inspect import inspect
from glimpse_models.data.splits import MULTI, SINGLE, DataSet, Split
from glimpse_models.errors import UserError
from glimpse_models.measure import several
from glimpse_models.measure.classifiers import open_classifier
from glimpse_models.train.average_precision import average_precision, mean_average_precision
from glimpse_models.train.loss import FOCUS, MARGIN, asymmetric, binary_cross_entropy


def test_one_command_makes_a_bundle_of_several_labels(built: tuple[Path, str]) -> None:
    work, said = built
    manifest = verify(work / "bundle").manifest
    assert manifest["task"] == MULTI
    assert len(manifest["thresholds"]) == 3
    metrics = manifest["metrics"]
    assert set(metrics) == {"dataset", "images", "fp32_mean_ap", "int8_mean_ap", "int8_f1"}
    assert metrics["int8_mean_ap"] > 0.8, "shapes of a colour each are easy"
    assert metrics["int8_f1"] > 0.6
    assert abs(metrics["int8_mean_ap"] - metrics["fp32_mean_ap"]) < 0.05
    assert manifest["calibration"]["images"] == metrics["images"]
    assert "drop of mAP on" in said
    assert "thresholds fitted on the same" in said
    record = json.loads((work / "run" / "run.json").read_text())
    assert (record["recipe"]["task"], record["recipe"]["loss"]) == (MULTI, "asymmetric")
    header = (work / "run" / "log.csv").read_text().splitlines()[0]
    assert "mean_ap,f1" in header
    assert "top1" not in header
    card = (work / "MODEL_CARD.md").read_text()
    for phrase in (
        "3 labels, several per picture",
        "| mAP | F1 |",
        "changes mAP by",
        "threshold |",
    ):
        assert phrase in card


def test_a_picture_gets_the_labels_that_it_shows(built: tuple[Path, str]) -> None:
    """On new pictures, by the thresholds of the bundle; some get several, some none."""
    classifier = open_classifier(built[0] / "bundle")
    rows = range(1000, 1100)
    shown = [labels_of(row) for row in rows]
    pixels = np.stack([np.asarray(draw(row, one)) for row, one in zip(rows, shown, strict=True)])
    scores = several.sigmoid(classifier.logits(pixels) / classifier.temperature)
    given = scores >= np.array(classifier.thresholds)
    true = np.array([[label in one for label in classifier.labels] for one in shown])
    assert (given == true).mean() > 0.7, "no label at all would be 0.6"
    counts = set(given.sum(axis=1).tolist())
    assert {0, 1, 2} <= counts


def test_steps_measure_several_labels(
    built: tuple[Path, str], shapes: Path, tmp_path: Path
) -> None:
    bundle, run = built[0] / "bundle", built[0] / "run"
    data = ("--data", shapes, "--held-out", "0.2")
    said = ok("evaluate", *data, "--out", tmp_path, run / "weights.pt", bundle)
    head = said.splitlines()[1].split()
    assert "mAP" in head
    assert "top-1" not in head
    report = json.loads((tmp_path / "report.json").read_text())
    assert {one["label"] for one in report[-1]["classes"]} == set(LABELS)
    assert not list(tmp_path.glob("confusion*"))
    manifest = verify(bundle).manifest
    assert report[-1]["mean_ap"] == pytest.approx(manifest["metrics"]["int8_mean_ap"], abs=1e-6)
    said = ok("compare", *data, "--max-slowdown", "9", bundle, bundle)
    assert "mAP" in said
    assert "the same label on 1.0000" in said
    ok(
        *("calibrate", "--bundle", bundle, *data, "--version", "1.0.1"),
        *("--out", tmp_path / "calibrated"),
    )
    again = verify(tmp_path / "calibrated").manifest
    assert again["thresholds"] == manifest["thresholds"]
    assert again["calibration"] == manifest["calibration"]


def test_doubtful_labels_are_listed(built: tuple[Path, str], tmp_path: Path) -> None:
    """A label that is turned around on the surest pictures is among the first, with its direction."""
    classifier = open_classifier(built[0] / "bundle")
    (tmp_path / "pictures").mkdir()
    drawn = [draw(row, labels_of(row)) for row in range(1000, 1150)]
    for row, picture in enumerate(drawn):
        picture.save(tmp_path / "pictures" / f"{row}.png")
    sets = [set(labels_of(row)) for row in range(1000, 1150)]
    scores = several.sigmoid(classifier.logits(np.stack([np.asarray(one) for one in drawn])))
    order = np.argsort(scores[:130, classifier.labels.index("square")]).tolist()
    absent = next(row for row in order if "square" not in sets[row])
    there = next(row for row in reversed(order) if "square" in sets[row])
    sets[absent].add("square")
    sets[there].remove("square")
    rows = [
        f"pictures/{row}.png,{'|'.join(sorted(one))},{'validation' if row < 130 else 'train'}"
        for row, one in enumerate(sets)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,labels,split", *rows]) + "\n")
    said = ok(
        *("evaluate", "--data", tmp_path / "labels.csv", "--out", tmp_path / "report"),
        built[0] / "bundle",
    )
    report = json.loads((tmp_path / "report/report.json").read_text())
    found = {(one["file"], one["label"]): one for one in report[0]["likely_label_errors"]}
    for row, given in ((there, False), (absent, True)):
        one = found[f"pictures/{row}.png", "square"]
        assert one["given"] == given
        assert one["score"] == pytest.approx(
            scores[row, classifier.labels.index("square")], abs=0.1
        )
    assert f"  pictures/{there}.png: likely square too (" in said
    assert f"  pictures/{absent}.png: square given, likely absent (" in said


def test_tasks_that_do_not_fit_are_refused(
    built: tuple[Path, str], shapes: Path, bundle: Path, folders: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "run")
    said = refused("train", "--data", shapes, *out, "--task", SINGLE)
    assert "pictures with several labels and" in said
    said = refused("train", "--data", folders, *out, "--task", MULTI)
    assert "link each picture into the folder" in said
    for words_, fault in (
        (("--data", shapes, "--label-smoothing", "0.1"), "--label-smoothing is for one label"),
        (("--data", shapes, "--class-weights", "balanced"), "--loss asymmetric weighs"),
        (("--data", folders, "--loss", "bce"), "data with one label per picture"),
    ):
        assert fault in refused("train", *words_, *out)
    said = refused("evaluate", "--data", shapes, bundle)
    assert "a single-label classifier and the data set a multi-label one" in said
    said = refused("evaluate", "--data", folders, built[0] / "bundle")
    assert "a multi-label classifier and the data set a single-label one" in said
    said = refused(
        *("bundle", "--model", built[0] / "run" / "weights.pt", "--task", SINGLE),
        *("--name", "a", "--version", "1", "--out", tmp_path / "bundle"),
    )
    assert "the weights are multi-label, --task is single-label" in said


def test_thresholds_that_do_not_fit_the_labels_are_refused(
    built: tuple[Path, str], tmp_path: Path
) -> None:
    for thresholds, task, fault in (
        ([0.5, 0.5], MULTI, "has 2 thresholds for 3 labels"),
        ([0.5, 0.5, 1.5], MULTI, "not scores of 0 to 1"),
        ([0.5, 0.5, 0.5], SINGLE, "belong to the task multi-label alone"),
        ([0.5, 0.5, 0.5], "several", "its task 'several' is not"),
    ):
        wrong = tmp_path / "bundle"
        shutil.copytree(built[0] / "bundle", wrong, dirs_exist_ok=True)
        described = json.loads((wrong / "bundle.json").read_text())
        described |= {"thresholds": thresholds, "task": task}
        (wrong / "bundle.json").write_text(json.dumps(described))
        assert fault in refused("verify", "--bundle", wrong)


# Data


def sets_of(data: DataSet) -> dict[str, set[str]]:
    """The labels of each picture, by its name."""
    return {
        path.name: {data.labels[index] for index in classes}
        for split in (data.train, data.validation)
        for path, classes in zip(split.files, split.label_sets or (), strict=True)
    }


def pictures(root: Path, count: int) -> list[str]:
    """Grey pictures, for tests that do not look at them."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{row}.png" for row in range(count)]
    for row, name in enumerate(names):
        Image.new("RGB", (8, 8), (row, row, row)).save(root / name)
    return names


def test_every_form_of_table_says_the_same(tmp_path: Path) -> None:
    names = pictures(tmp_path, 12)
    expected = {
        name: {label for label, every in (("cat", 2), ("dog", 3)) if row % every == 0}
        for row, name in enumerate(names)
    }
    tables = {
        "joined.csv": ["file,labels", *(f"{n},{'; '.join(sorted(expected[n]))}" for n in names)],
        "marks.csv": [
            "filename,cat,dog",
            *(f"{n},{int('cat' in expected[n])},{int('dog' in expected[n])}" for n in names),
        ],
        "rows.csv": [
            "image,label",
            *(f"{n},{label}" for n in names for label in sorted(expected[n]) or [""]),
        ],
        "map.json": [json.dumps({n: sorted(expected[n]) for n in names})],
        "list.json": [json.dumps([{"file": n, "labels": sorted(expected[n])} for n in names])],
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("\ufeff" + "\n".join(lines))
        data = open_data(tmp_path / name, held_out=0.3)
        assert data.labels == ("cat", "dog"), name
        assert sets_of(data) == expected, name
        assert data.task == MULTI


def test_a_table_may_name_the_splits(tmp_path: Path) -> None:
    names = pictures(tmp_path, 6)
    splits = ("train", "Train", "train", "val", "val", "test")
    rows = [f"{name},a|b,{split}" for name, split in zip(names, splits, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["file,labels,split", *rows]))
    data = open_data(tmp_path / "t.csv")
    assert [path.name for path in data.train.files] == names[:3]
    assert [path.name for path in data.validation.files] == names[3:5], "test stays unseen"
    assert not data.held_out


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.csv", "file,labels\n9.png,cat\n", "names 9.png, which is not below"),
        ("t.csv", "file,labels\n../0.png,cat\n", "give paths below"),
        ("t.csv", "name,labels\n0.png,cat\n", "none of its columns is called file"),
        ("t.csv", "file,cat\n0.png,yes\n", "line 2 has 'yes' under cat, not 0 or 1"),
        ("t.csv", "file,labels\n0.png,cat,dog\n", "not as many fields"),
        ("t.csv", 'file,labels\n0.png,"cat,dog"\n', "put | or ; between labels"),
        ("t.csv", "file,labels\n0.png,\n", "gives no picture a label"),
        ("t.csv", "file,labels,split\n0.png,cat,later\n", "has the split 'later'"),
        ("t.csv", "file,labels,split\n0.png,cat,train\n1.png,cat,\n", "none for 1.png"),
        ("t.csv", "file,labels,split\n0.png,cat,train\n0.png,dog,val\n", "in two splits"),
        ("t.json", '{"0.png": "cat"}', "the labels of 0.png are not a list"),
        ("t.json", '[{"labels": ["cat"]}]', "is not a table of labels"),
        ("t.json", "{", "is not a table of labels"),
        ("t.csv", "file,labels\n0.png,cat\n1.png,dog\n", "no training picture with the label"),
    ],
)
def test_what_a_table_lacks_is_named(tmp_path: Path, name: str, content: str, fault: str) -> None:
    pictures(tmp_path, 2)
    (tmp_path / name).write_text(content)
    for open_it in (open_data, lambda path: training_pictures(path, 1)):
        with pytest.raises(UserError, match=None) as caught:
            open_it(tmp_path / name)
        assert fault in str(caught.value)


def test_a_table_of_one_label_per_picture_is_single_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pictures(tmp_path, 20)
    given = {name: "cat" if row % 3 else "dog" for row, name in enumerate(names)}
    tables = {
        "label.csv": ["file,label", *(f"{name},{label}" for name, label in given.items())],
        "marks.csv": [
            "image,cat,dog",
            *(f"{n},{float(one == 'cat')},{float(one == 'dog')}" for n, one in given.items()),
        ],
        "map.json": [json.dumps({name: [label] for name, label in given.items()})],
    }
    for name, lines in tables.items():
        path = tmp_path / name
        path.write_text("\n".join(lines))
        data = open_data(path, held_out=0.25)
        assert (data.task, data.labels) == (SINGLE, ("cat", "dog"))
        assert f"the task is {SINGLE}; --task {MULTI}" in capsys.readouterr().err
        for split in (data.train, data.validation):
            assert [given[file.name] for file in split.files] == [
                data.labels[target] for target in split.targets
            ]
        assert open_data(path, held_out=0.25, task=SINGLE) == data
        several_ = open_data(path, held_out=0.25, task=MULTI)
        assert several_.task == MULTI
        assert several_.validation.files == data.validation.files, "the same are held out"
        assert training_pictures(path, 1, 0.25, MULTI) == several_.train
        assert capsys.readouterr().err == "", "the task was asked for"


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_a_run_keeps_the_task_that_a_table_of_one_label_got(task: str, tmp_path: Path) -> None:
    names = pictures(tmp_path, 20)
    rows = [f"{name},{'cat' if row % 2 else 'dog'}" for row, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["file,labels", *rows]))
    data, run = ("--data", tmp_path / "t.csv"), tmp_path / "run"
    ok("train", *data, "--out", run, "--task", task, *RECIPE, "--until", "1", "--augment", "crop")
    assert json.loads((run / "run.json").read_text())["recipe"]["task"] == task
    said = ok("evaluate", *data, "--run", run, run / "weights.pt")
    assert ("mAP" in said) == (task == MULTI)
    again = ok("evaluate", *data, run / "weights.pt")
    assert ("mAP" in again) == (task == MULTI), "as the weights say"


def test_a_table_with_pictures_without_a_label_says_what_single_label_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pictures(tmp_path, 20)
    rows = [f"{name},{'cat' if row % 2 else ''}" for row, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["file,labels", *rows]))
    assert open_data(tmp_path / "t.csv").task == MULTI
    assert "10 pictures have no label, so that the task is multi-label" in capsys.readouterr().err
    said = refused(
        "train", "--data", tmp_path / "t.csv", "--out", tmp_path / "run", "--task", SINGLE
    )
    assert "has 0 pictures with several labels and 10 without one" in said


def test_pictures_that_are_linked_in_several_folders_have_several_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pictures(tmp_path / "all", 20)
    for label, every in (("cat", 2), ("dog", 3)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for row, name in enumerate(names):
            if row % every == 0:
                made = tmp_path / "data" / label / name
                if label == "cat":
                    made.symlink_to(tmp_path / "all" / name)
                else:
                    os.link(tmp_path / "all" / name, made)
    data = open_data(tmp_path / "data", held_out=0.25)
    assert "4 of 13 pictures are linked in several class folders" in capsys.readouterr().err
    assert data.task == MULTI
    found = sets_of(data)
    assert found["0.png"] == found["6.png"] == {"cat", "dog"}
    assert (found["2.png"], found["3.png"]) == ({"cat"}, {"dog"})
    assert len(data.train) + len(data.validation) == 13
    assert data.train.classes() == data.validation.classes() == {0, 1}


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_other_labels_are_another_data_set(task: str, tmp_path: Path) -> None:
    names = pictures(tmp_path, 8)
    prints = set()
    for label in ("dog", "bird"):
        rows = [f"{name},{'cat' if row % 2 else label}" for row, name in enumerate(names)]
        (tmp_path / "t.csv").write_text("\n".join(["file,labels", *rows]))
        data = open_data(tmp_path / "t.csv", held_out=0.25, task=task)
        assert data.task == task
        prints.add(inspect(data, tmp_path / "pictures.json").fingerprint)
    assert len(prints) == 2


def test_each_label_has_its_share_in_both_splits(tmp_path: Path) -> None:
    names = pictures(tmp_path, 60)
    chance = np.random.default_rng(3)
    rare = [name for name in names if chance.random() < 0.15]
    often = [name for name in names if chance.random() < 0.6]
    labels = {name: [] for name in names}
    for name in rare:
        labels[name].append("rare")
    for name in often:
        labels[name].append("often")
    (tmp_path / "t.json").write_text(json.dumps(labels))
    data = open_data(tmp_path / "t.json", held_out=0.25)
    again = open_data(tmp_path / "t.json", held_out=0.25)
    assert data == again
    assert not set(data.train.files) & set(data.validation.files)
    truth = data.validation.matrix(2)
    for index, own in ((0, often), (1, rare)):
        assert abs(truth[:, index].sum() - 0.25 * len(own)) <= 2


# Losses and figures


def test_losses_are_those_of_their_papers() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    score = torch.sigmoid(logits)
    likely = torch.where(targets > 0, score, 1 - score)
    expected = -likely.log().sum(dim=1).mean()
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(expected.item(), abs=1e-6)
    shifted = (score - MARGIN).clamp(min=0)
    each = torch.where(targets > 0, score.log(), shifted**FOCUS * (1 - shifted).log())
    found = asymmetric(logits, targets)
    assert found.item() == pytest.approx(-each.sum(dim=1).mean().item(), abs=1e-6)
    (slope,) = torch.autograd.grad(found, logits)
    assert slope[1, 0] == 0, "a score below the margin costs nothing"
    assert slope[0, 0] < 0 < slope[0, 2]
    assert torch.isfinite(asymmetric(torch.tensor([[200.0, -200.0]]), torch.tensor([[0.0, 1.0]])))


def test_average_precision_is_the_mean_over_what_is_there() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array([1, 0, 1, 0]) > 0) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, np.array([1, 1, 0, 0]) > 0) == 1
    same = np.full(4, 0.5)
    assert average_precision(same, np.array([0, 0, 0, 1]) > 0) == 0.25, "ties have no order"
    assert np.isnan(average_precision(scores, np.zeros(4, bool)))
    true = np.array([[1, 0], [0, 0], [0, 0], [0, 0]]) > 0
    assert mean_average_precision(np.stack([scores, scores], axis=1), true) == 1


def test_a_threshold_has_the_best_f1() -> None:
    chance = np.random.default_rng(5)
    true = chance.random(4000) < 0.1
    scores = several.sigmoid(chance.normal(0, 1, 4000) + 2 * true - 3)
    found = several.fit_threshold(scores, true)
    every = np.unique(scores)

    def f1(limit: float) -> float:
        given = scores >= limit
        return float(2 * (given & true).sum() / (given.sum() + true.sum()))

    assert f1(found) == max(f1(limit) for limit in every)
    assert 0.1 < found < 0.4, "rare labels are given below one half"
    apart = np.array([0.01] * 50 + [0.99] * 50)
    assert several.fit_threshold(apart, apart > 0.5) == 0.5
    assert several.fit_threshold(apart[:54], apart[:54] > 0.5) == 0.5, "too few to say"


def test_the_temperature_of_sigmoids_is_found(tmp_path: Path) -> None:
    chance = np.random.default_rng(6)
    honest = chance.normal(-1, 2, (3000, 4))
    true = chance.random(honest.shape) < several.sigmoid(honest)
    sets = tuple(tuple(np.flatnonzero(row).tolist()) for row in true)
    files = tuple(tmp_path / f"{row}.png" for row in range(len(sets)))
    split = Split(files, (-1,) * len(sets), sets)
    found = several.fit_scores((3 * honest).astype(np.float32), split)
    assert found is not None
    assert found.temperature == pytest.approx(3, rel=0.05)
    assert found.calibration.ece_after < 0.02 < found.calibration.ece_before
    few = several.fit_scores(honest[:60].astype(np.float32), split.take(list(range(60))))
    assert few is not None
    assert few.calibration.images == 60
    assert several.fit_scores(honest[:9].astype(np.float32), split.take(list(range(9)))) is None


# Classifiers made elsewhere

STATED = ("--normalise", "unit", "--resize", "32", "--filter", "bilinear", "--name", "net")


def imported(tmp_path: Path, ends: Ends, *more: object) -> tuple[object, ...]:
    onnx.save(model_of(ends), tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
    return (
        *("build", "--from", f"onnx:{tmp_path / 'net.onnx'}", "--labels", tmp_path / "labels.txt"),
        *(*STATED, "--version", "1", "--out", tmp_path / "bundle", *more),
    )


@pytest.mark.parametrize(
    "ends", [[("Sigmoid", {})], [("Sigmoid", {}), ("Identity", {})], []], ids=str
)
def test_sigmoids_become_a_bundle_of_several_labels(ends: Ends, tmp_path: Path) -> None:
    ok(*imported(tmp_path, ends, "--task", MULTI))
    manifest = verify(tmp_path / "bundle").manifest
    assert (manifest["task"], manifest["thresholds"]) == (MULTI, [0.5, 0.5, 0.5])
    assert manifest["provenance"]["checked"]["of"] == ("score" if ends else "logit")
    expected = run_plain(model_of([("Sigmoid", {})]), PIXELS)
    scores = several.sigmoid(open_classifier(tmp_path / "bundle").logits(PIXELS))
    assert np.allclose(scores, expected, atol=1e-5)


def test_one_label_that_may_hold_or_not_is_a_bundle(tmp_path: Path) -> None:
    onnx.save(model_of([("Sigmoid", {})], classes=1), tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text("cat\n")
    ok(*words(tmp_path, "--task", MULTI))
    assert verify(tmp_path / "bundle").labels == ("cat",)
    expected = run_plain(model_of([("Sigmoid", {})], classes=1), PIXELS)
    scores = several.sigmoid(open_classifier(tmp_path / "bundle").logits(PIXELS))
    assert np.allclose(scores, expected, atol=1e-5)


def test_an_import_of_several_labels_is_quantized_with_pictures_of_no_class(
    tmp_path: Path, shapes: Path
) -> None:
    said = ok(
        *imported(tmp_path, [("Sigmoid", {})], "--task", MULTI, "--threshold", "0.4"),
        *("--data", shapes.parent / "pictures"),
    )
    assert verify(tmp_path / "bundle").manifest["thresholds"] == [0.4, 0.4, 0.4]
    assert "drop of" in said
    assert "int8" in said


def test_an_import_fits_thresholds_on_pictures_with_its_labels(
    tmp_path: Path, shapes: Path
) -> None:
    """The labels are in another order than in the table."""
    words_ = imported(tmp_path, [("Sigmoid", {})], "--task", MULTI, "--data", shapes)
    (tmp_path / "labels.txt").write_text("square\ncircle\ncross\n")
    ok(*words_)
    bundle = verify(tmp_path / "bundle")
    assert bundle.labels == ("square", "circle", "cross")
    assert {"int8_mean_ap", "int8_f1"} <= set(bundle.manifest["metrics"])
    assert len(bundle.manifest["thresholds"]) == 3
    assert bundle.manifest["calibration"]["images"] > 0
    said = glimpse(*words_, "--threshold", "0.4").err
    assert "neither measured nor calibrated: --threshold is given" in said
    manifest = verify(tmp_path / "bundle").manifest
    assert manifest["thresholds"] == [0.4, 0.4, 0.4]
    assert "metrics" not in manifest


def test_ends_that_do_not_fit_the_task_are_refused(tmp_path: Path) -> None:
    for ends, more, fault in (
        ([("Sigmoid", {})], (), "give --task multi-label"),
        ([("Softmax", {"axis": 1})], ("--task", MULTI), "ends in a softmax, and --task"),
        ([("HardSigmoid", {})], ("--task", MULTI), "ends in a hardsigmoid, and --task"),
        ([("Sigmoid", {}), ("Abs", {})], ("--task", MULTI), "does not end in a sigmoid"),
        ([("Softmax", {"axis": 1})], ("--threshold", "0.4"), "--threshold is for several labels"),
        ([("Sigmoid", {})], ("--task", MULTI, "--threshold", "4"), "is not a score"),
    ):
        assert fault in refused(*imported(tmp_path, ends, *more))
    assert not (tmp_path / "bundle").exists()
