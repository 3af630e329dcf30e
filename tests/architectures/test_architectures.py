"""A bundle of a classifier made elsewhere answers as that does in its own framework, from the file on.

Networks have random weights. The bundle's answers are those of the Rust engine (`glimpse classify`).
Photographs are crops of four, or the files of the folder that PHOTOGRAPHS names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import HEAD, Compared, line
from networks import LABELS, Made, make, opened

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "target/debug/glimpse"
TOLERANCE = 1e-3
FURTHEST = 80
"""Logits of one picture; a score of float32 that is further below 1 than e to this power has fewer digits."""
PICTURES = 50
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
SIZES = (
    (300, 200),
    (200, 300),
    (400, 150),
    (120, 290),
    (257, 255),
    (90, 260),
    (280, 280),
    (333, 100),
)

ALWAYS = ("torchvision:resnet18", "torchvision:mobilenet_v2", "torchvision:regnet_y_400mf")
FURTHER = (
    *("torchvision:efficientnet_b0", "torchvision:convnext_tiny", "torchvision:densenet121"),
    *("torchvision:shufflenet_v2_x1_0", "timm:resnet10t", "timm:vit_tiny_patch16_224"),
    *("timm:tf_efficientnet_lite0", "hf:vit", "hf:convnext", "torchvision:swin_t"),
    "torchvision:vit_b_16",
)
KERAS = "keras:MobileNetV2"
MISTAKEN = "torchvision:resnet18"
EXPORTERS = ("trace", "dynamo")

Logits = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of many aspect ratios."""
    folder = tmp_path_factory.mktemp("photographs")
    if given := os.environ.get("PHOTOGRAPHS"):
        for path in sorted(path for path in Path(given).iterdir() if path.is_file())[:PICTURES]:
            shutil.copy(path, folder)
        return sorted(folder.iterdir())
    chance = np.random.default_rng(2)
    wholes = [opened(ROOT / "target/pictures" / name) for name in PHOTOGRAPHS]
    for number in range(PICTURES):
        whole = wholes[number % len(wholes)]
        width, height = SIZES[number % len(SIZES)]
        width, height = min(width, whole.width), min(height, whole.height)
        left = int(chance.integers(0, whole.width - width + 1))
        top = int(chance.integers(0, whole.height - height + 1))
        part = whole.crop((left, top, left + width, top + height))
        part.save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


def built(words: tuple[str, ...], out: Path) -> None:
    """`glimpse-models build` in a process of its own, as a user runs it."""
    command = [sys.executable, "-m", "glimpse_models", "build", *words, "--out", str(out)]
    command += ["--name", "imported", "--version", "1"]
    place = {"cwd": ROOT / "models", "env": {**os.environ, "PYTHONWARNINGS": "ignore"}}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **place)
    assert done.returncode == 0, done.stderr[-2000:]


def served(bundle: Path, pictures: list[Path]) -> Logits:
    """The engine's log scores `[N, classes]`, less their mean."""
    library = ROOT / f"target/onnxruntime/{os.uname().machine}/libonnxruntime.so"
    environment = {**os.environ, "GLIMPSE_ORT_LIBRARY": str(library)}
    environment["GLIMPSE_MODEL_URI"] = str(bundle)
    environment["GLIMPSE_LOAD_TIMEOUT_MS"] = "300000"  # the largest has 343 MB
    command = [ENGINE, "classify", "--json", "--top-k", "10", "--threads", "1", pictures[0].parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {}
    for printed in done.stdout.splitlines():
        answer = json.loads(printed)
        scores = {one["index"]: one["score"] for one in answer["predictions"]}
        rows[Path(answer["file"]).name] = [scores[index] for index in range(len(LABELS))]
    return centred(np.log(np.array([rows[path.name] for path in pictures], np.float64)))


def centred(logits: Logits) -> Logits:
    """A softmax takes no notice of what all logits have in common."""
    return logits - logits.mean(axis=1, keepdims=True)


def own(network: Made, pictures: list[Path]) -> Logits:
    """The framework's logits, less their mean."""
    logits = np.array([network.own(path) for path in pictures], np.float64)
    assert np.ptp(logits, axis=1).max() < FURTHEST, "scores would not tell these logits apart"
    return centred(logits)


@pytest.mark.parametrize("source", ALWAYS)
def test_bundles_answer_as_their_own_pipeline_in_every_test(
    source: str, photographs: list[Path], table: list[Compared], tmp_path: Path
) -> None:
    agree(source, photographs, table, tmp_path)


@pytest.mark.parametrize("source", FURTHER)
def test_bundles_answer_as_their_own_pipeline(
    source: str, photographs: list[Path], table: list[Compared], tmp_path: Path
) -> None:
    agree(source, photographs, table, tmp_path)


def agree(source: str, photographs: list[Path], table: list[Compared], tmp_path: Path) -> None:
    """By both exporters of PyTorch."""
    network = make(source, tmp_path, photographs)
    expected = own(network, photographs)
    assert len(set(expected.argmax(axis=1))) >= 3, "labels differ between pictures"
    for exporter in EXPORTERS:
        built((*network.words, "--exporter", exporter), tmp_path / exporter)
        table.append(compared(source, exporter, served(tmp_path / exporter, photographs), expected))
        assert table[-1].difference < TOLERANCE


def compared(source: str, exporter: str, answers: Logits, expected: Logits) -> Compared:
    same = int((answers.argmax(axis=1) == expected.argmax(axis=1)).sum())
    return Compared(source, exporter, len(expected), same, np.abs(answers - expected).max())


def test_a_keras_bundle_answers_as_keras_does(
    photographs: list[Path], table: list[Compared], tmp_path: Path
) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    network = make(KERAS, tmp_path, photographs)
    expected = own(network, photographs)
    built(network.words, tmp_path / "bundle")
    answers = served(tmp_path / "bundle", photographs)
    table.append(compared(KERAS, "Keras' own", answers, expected))
    assert table[-1].difference < TOLERANCE


def wrong(name: str) -> str:
    """How the table names a mistake."""
    return f"{MISTAKEN}, wrong {name}"


def test_each_mistake_in_the_preprocessing_shows(
    photographs: list[Path], table: list[Compared], tmp_path: Path
) -> None:
    network = make(MISTAKEN, tmp_path, photographs)
    expected = own(network, photographs)
    right = tmp_path / "right"
    built(network.words, right)
    assert np.abs(served(right, photographs) - expected).max() < TOLERANCE
    for name, mistake in MISTAKES.items():
        other = tmp_path / name
        shutil.copytree(right, other)
        mistake(other)
        found = compared(wrong(name), "trace", served(other, photographs), expected)
        table.append(found)
        assert found.difference > 10 * TOLERANCE, found


def described(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """A mistake in `bundle.json`."""

    def mistake(bundle: Path) -> None:
        path = bundle / "bundle.json"
        manifest = json.loads(path.read_text())
        change(manifest["input"])
        path.write_text(json.dumps(manifest))

    return mistake


def in_graph(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], None]:
    """A mistake in the graph, with the checksum that follows."""

    def mistake(bundle: Path) -> None:
        from glimpse_models.bundle.manifest import entry_of

        model = onnx.load(bundle / "model.onnx")
        change(model)
        onnx.save(model, bundle / "model.onnx")
        path = bundle / "bundle.json"
        manifest = json.loads(path.read_text())
        manifest["files"]["model.onnx"] = entry_of((bundle / "model.onnx").read_bytes())
        path.write_text(json.dumps(manifest))

    return mistake


def wrong_mean(model: onnx.ModelProto) -> None:
    """Half a level of 0…255 too dark."""
    shift = next(tensor for tensor in model.graph.initializer if tensor.name == "input_shift")
    values = onnx.numpy_helper.to_array(shift)
    shift.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.01), shift.name))


def wrong_order(model: onnx.ModelProto) -> None:
    """Blue, green, red."""
    graph = model.graph
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), "wrong_order")
    graph.initializer.append(order)
    for node in graph.node:
        node.input[:] = ["turned" if name == "image" else name for name in node.input]
    node = onnx.helper.make_node("Gather", ["image", "wrong_order"], ["turned"], axis=3)
    graph.node.insert(0, node)


MISTAKES = {
    "filter": described(lambda entry: entry["resize"].update(filter="bicubic")),
    "crop": described(lambda entry: entry["resize"].update(mode="squash", size=256)),
    "size": described(lambda entry: entry["resize"].update(size=232)),
    "mean": in_graph(wrong_mean),
    "channel order": in_graph(wrong_order),
}


def test_the_documents_list_what_was_compared_in_every_test() -> None:
    text = (ROOT / "models/README.md").read_text()
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for row in text.split(line(HEAD), 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    ]
    pairs = [(source, exporter) for source in (*ALWAYS, *FURTHER) for exporter in EXPORTERS]
    pairs.append((KERAS, "Keras' own"))
    mistakes = [(wrong(name), "trace") for name in MISTAKES]
    assert [(row[0], row[1]) for row in rows] == [*pairs, *mistakes]
    for row in rows[: len(pairs)]:
        assert row[2:4] == [f"{PICTURES}", f"{PICTURES} of {PICTURES}"], row
        assert float(row[4]) < TOLERANCE, row
    for row in rows[len(pairs) :]:
        assert float(row[4]) > 10 * TOLERANCE, row
