"""Knowledge distillation: whose answers a student learns, and how they are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
import torchvision
from conftest import CLASSES, ok, refused
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from shapes import RECIPE as SEVERAL_RECIPE

from glimpse_models.data.dataset import open_data
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.measure.classifiers import open_classifier, read_input
from glimpse_models.pipeline.teacher import open_teacher
from glimpse_models.train.augment import mix
from glimpse_models.train.teaching import Hint, Lesson

SMALL = (
    *("--backbone", "resnet18", "--side", "32", "--epochs", "10", "--batch", "16"),
    *("--augment", "crop", "--precision", "fp32", "--peak-rate", "0.05", "--held-out", "0.2"),
)


def colour_teacher(folder: Path, labels: tuple[str, ...] = CLASSES) -> Path:
    """A bundle that tells the colours of `conftest.draw` by the mean of a picture, and is sure."""
    # Blue, green, red: a channel against the mean of the others; white: their sum.
    weights = np.array([[-10, -10, 20, 20], [-10, 20, -10, 20], [20, -10, -10, 20]], np.float32)
    bias = np.array([0, 0, 0, -33], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "net.onnx")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    ok(
        *("bundle", "--model", folder / "net.onnx", "--labels", folder / "labels.txt"),
        *("--normalise", "unit", "--name", "colours", "--version", "7"),
        *("--out", folder / "bundle"),
    )
    return folder / "bundle"


def answers(weights: Path, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """The classes that a network gives the validation pictures, and their true ones."""
    split = open_data(data, 1, 0.2).validation
    classifier = open_classifier(weights)
    pixels = np.stack([read_input(path, classifier.spec) for path in split.files])
    return classifier.logits(pixels).argmax(axis=1), np.array(split.targets)


def test_a_student_learns_what_its_teacher_says(folders: Path, tmp_path: Path) -> None:
    """A teacher that takes red for green is believed, where its word alone counts."""
    swapped = ("blue", "red", "green", "white")
    teacher = colour_teacher(tmp_path / "teacher", swapped)
    out = tmp_path / "run"
    ok(
        *("train", "--data", folders, "--out", out, *SMALL),
        *("--teacher", teacher, "--teacher-weight", "1", "--teacher-cache", tmp_path / "kept"),
    )
    given, true = answers(out / "weights.pt", folders)
    said = np.array([0, 2, 1, 3])[true]
    assert (given == said).mean() > 0.8
    assert (given == true).mean() < 0.7
    record = json.loads((out / "run.json").read_text())
    recipe = record["recipe"]
    assert recipe["teacher"].startswith("colours 7 (sha256 ")
    assert (recipe["teacher_weight"], recipe["teacher_temperature"]) == (1, 2)
    assert str(tmp_path) not in json.dumps(recipe)
    kept = list((tmp_path / "kept").glob("teacher-*.npy"))
    assert len(kept) == 1
    assert np.load(kept[0]).shape == (64, 4)
    again = ("train", "--data", folders, "--out", out, *SMALL, "--teacher", teacher)
    assert "holds a run with teacher_weight 1" in refused(*again)


def test_logits_are_computed_once_for_a_teacher_and_its_pictures(
    folders: Path, tmp_path: Path
) -> None:
    bundle = colour_teacher(tmp_path)
    data = open_data(folders, 1, 0.2)
    cache = tmp_path / "kept"
    first = open_teacher(str(bundle), cache).answers(data, "a fingerprint", False).logits
    kept = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = open_teacher(str(bundle), cache)
    with mock.patch.object(type(again), "_compute", side_effect=AssertionError("computed again")):
        assert np.array_equal(again.answers(data, "a fingerprint", False).logits, first)
        with pytest.raises(AssertionError, match="computed again"):
            again.answers(data, "other pictures", False)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == kept
    # The mean of a picture and its mirror image, in the order of the training pictures.
    classifier = open_classifier(bundle)
    pixels = np.stack([read_input(path, classifier.spec) for path in data.train.files[:5]])
    both = [classifier.logits(one) for one in (pixels, np.ascontiguousarray(pixels[:, :, ::-1]))]
    assert np.allclose(first[:5], (both[0] + both[1]) / 2, atol=1e-4)


def test_classes_are_found_by_their_names(tiny: Path, folders: Path, tmp_path: Path) -> None:
    """Tiny-ImageNet's by their synonyms; a class that the teacher does not know is named."""
    known = open_data(tiny)
    teacher = colour_teacher(tmp_path / "a", ("red", "azure", "crimson", "green"))
    with pytest.raises(Exception, match="two classes of the data set are one class"):
        open_teacher(str(teacher), tmp_path).answers(known, "", False)
    other = open_data(folders)
    shuffled = colour_teacher(tmp_path / "b", ("white", "red", "green", "blue"))
    plain = colour_teacher(tmp_path / "c")
    one, two = (
        open_teacher(str(path), tmp_path).answers(other, "", False).logits
        for path in (shuffled, plain)
    )
    assert np.array_equal(one, two[:, [3, 2, 1, 0]])
    lacking = colour_teacher(tmp_path / "d", ("blue", "green", "red", "black"))
    said = refused(
        *("train", "--data", folders, "--out", tmp_path / "run", *SMALL, "--teacher", lacking)
    )
    assert "does not know the class white" in said


def test_teachers_come_as_files_and_from_libraries(
    folders: Path, float_model: Path, tmp_path: Path
) -> None:
    data = open_data(folders)
    found = open_teacher(str(float_model), tmp_path).answers(data, "", False).logits
    assert found.shape == (len(data.train), 4)
    shutil.copytree(folders, tmp_path / "fish")
    for old, new in zip(CLASSES, ("goldfish", "hen", "ostrich", "tench"), strict=True):
        (tmp_path / "fish" / old).rename(tmp_path / "fish" / new)
    weights = torchvision.models.ResNet18_Weights.DEFAULT
    state = torchvision.models.resnet18().state_dict()
    # Its weights cannot be downloaded here.
    with mock.patch.object(type(weights), "get_state_dict", return_value=state):
        teacher = open_teacher("torchvision:resnet18", tmp_path)
    fish = open_data(tmp_path / "fish")
    few = fish.without(set(fish.train.files[2:]))
    logits = teacher.answers(few, "", False).logits
    network = torchvision.models.resnet18()
    network.load_state_dict(state)
    transform = weights.transforms()
    with torch.inference_mode():
        views = []
        for path in few.train.files:
            picture = transform(Image.open(path).convert("RGB"))
            both = torch.stack([picture, picture.flip(2)])
            views.append(network.eval()(both).mean(dim=0).numpy())
    columns = [weights.meta["categories"].index(label) for label in fish.labels]
    assert np.allclose(logits, np.stack(views)[:, columns], atol=2e-3)


def test_what_cannot_teach_is_refused(
    folders: Path, float_model: Path, bundle: Path, tmp_path: Path
) -> None:
    base = ("train", "--data", folders, "--out", tmp_path / "run", *SMALL)
    teacher = colour_teacher(tmp_path / "teacher")
    for more, fault in (
        (("--teacher", "resnet50"), "is not a bundle's folder, an .onnx file or KIND:WHAT"),
        (("--teacher", tmp_path / "teacher" / "net.onnx"), "make a bundle of it with build"),
        (("--teacher-weight", "0.5"), "says nothing without --teacher"),
        (("--teacher", teacher, "--teacher-weight", "0"), "is not a share"),
        (("--teacher", teacher, "--teacher-temperature", "0"), "is not 0.1 to 100"),
        (("--teacher", teacher, "--teacher-embedding", "-1"), "is not a weight"),
        (("--teacher", float_model, "--teacher-embedding", "1"), "gives no embeddings"),
        (("--teacher", bundle), "does not know the class white"),
    ):
        assert fault in refused(*base, *more)


def test_a_lesson_ends_where_the_student_answers_as_the_teacher() -> None:
    chance = np.random.default_rng(2)
    taught = chance.normal(0, 3, (6, 5)).astype(np.float32)
    for task, raised in ((SINGLE, 4.0), (MULTI, 0.0)):
        recipe: Any = mock.Mock(task=task, teacher_temperature=3.0, teacher_weight=0.5)
        lesson = Lesson.of(taught, recipe, torch.device("cpu"))
        # A softmax does not see a number that is added to all logits.
        logits = (torch.from_numpy(taught) + raised).requires_grad_()
        (slope,) = torch.autograd.grad(lesson.loss(logits, lesson.scores), logits)
        assert slope.abs().max() < 1e-6
        other = torch.zeros_like(logits).requires_grad_()
        (slope,) = torch.autograd.grad(lesson.loss(other, lesson.scores), other)
        assert slope.abs().max() > 0.01


def test_a_student_learns_its_teachers_embeddings(folders: Path, tmp_path: Path) -> None:
    """They are kept beside the logits, and a run that is cut goes on as if it were not."""
    teacher, cache = colour_teacher(tmp_path / "teacher"), tmp_path / "kept"
    options = ("--data", folders, *SMALL, "--teacher", teacher, "--teacher-cache", cache)
    # The labels and the logits count nothing here.
    options = (*options, "--teacher-weight", "1e-9", "--teacher-temperature", "100")
    options = (*options, "--teacher-embedding", "20", "--save-every", "3")
    ok("train", *options, "--out", tmp_path / "whole")
    ok("train", *options, "--out", tmp_path / "cut", "--until", "6")
    ok("train", *options, "--out", tmp_path / "cut")
    whole, cut = (
        torch.load(tmp_path / run / "weights.pt", weights_only=True)["model"]
        for run in ("whole", "cut")
    )
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    data = open_data(folders, 1, 0.2)
    (kept,) = cache.glob("teacher-*.embeddings.npy")
    assert np.load(kept).shape == (len(data.train), 3)
    classifier = open_classifier(teacher)
    assert classifier.embedded is not None
    pixels = np.stack([read_input(path, classifier.spec) for path in data.train.files[:5]])
    # The teacher pools the picture itself, as its weights expect it: 0 to 1.
    assert np.allclose(np.load(kept)[:5], pixels.mean(axis=(1, 2)) / 255, atol=2e-3)
    assert (
        json.loads((tmp_path / "cut" / "run.json").read_text())["recipe"]["teacher_embedding"] == 20
    )


def test_a_hint_is_read_from_what_the_head_takes_in() -> None:
    torch.manual_seed(1)
    chance = np.random.default_rng(1)
    embeddings = chance.normal(5, [0.1, 1, 30], (64, 3)).astype(np.float16)
    body, head = torch.nn.Linear(3, 8), torch.nn.Linear(8, 2)
    student = torch.nn.Sequential(body, head)
    hint = Hint(embeddings, head, weight=2)
    rows, pictures = torch.arange(64), torch.from_numpy(embeddings).float()
    pictures = (pictures - pictures.mean(dim=0)) / pictures.std(dim=0)
    student(pictures)
    first = hint.loss(rows)
    # What is read by chance is as far off as no reading at all.
    assert 1.5 < first.item() < 6
    first.backward()
    # The body learns from the hint, the head does not.
    assert body.weight.grad is not None
    assert head.weight.grad is None
    for _ in range(400):
        student(pictures)
        loss = hint.loss(rows)
        loss.backward()
        hint.step(5)
    assert loss.item() < 0.1


def test_a_mixture_of_pictures_has_the_mixture_of_their_answers() -> None:
    pictures = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 40, 40).contiguous()
    for seed in range(12):
        mixed, shares = mix(pictures, seed)
        assert torch.allclose(shares.sum(dim=1), torch.ones(6))
        # A cut is of whole pixels.
        assert torch.allclose(shares @ torch.arange(6.0), mixed.mean(dim=(1, 2, 3)), atol=0.02)
    alone, shares = mix(pictures[:1], 1)
    assert torch.equal(alone, pictures[:1])
    assert shares.tolist() == [[1.0]]


def test_several_labels_are_taught_too(
    built: tuple[Path, str], shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = [word for word in SEVERAL_RECIPE if word not in ("--loss", "asymmetric")]
    words[words.index("--epochs") + 1] = "2"
    ok(
        *("train", "--data", shapes, "--out", out, *words, "--augment", "crop"),
        *("--precision", "fp32", "--held-out", "0.2", "--teacher", built[0] / "bundle"),
    )
    record = json.loads((out / "run.json").read_text())
    assert record["recipe"]["teacher"].startswith("shapes 1.0.0 (sha256 ")
    assert record["epochs"][-1]["train_loss"] < record["epochs"][0]["train_loss"]
