"""Graphs as others export them: the bundle's scores are the network's own, or it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import explained, glimpse, ok, refused
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from glimpse_models.bundle.verify import verify
from glimpse_models.data.dataset import open_data
from glimpse_models.graph.io import open_session
from glimpse_models.measure.classifiers import batches_of, open_classifier
from glimpse_models.measure.metrics import softmax

SIDE = 32
CHANCE = np.random.default_rng(7)
# Noise around a colour each, so that the pictures differ in their scores.
COLOURS = np.array([[200, 30, 40], [20, 180, 60], [90, 90, 230]])[:, None, None]
PIXELS = (COLOURS * CHANCE.random((3, SIDE, SIDE, 1)) ** 0.5).astype(np.uint8)
KERNEL = CHANCE.normal(0, 0.6, (8, 3, 3, 3)).astype(np.float32)
LINEAR = CHANCE.normal(0, 0.8, (8, 3)).astype(np.float32)
BIAS = np.array([0.3, -0.2, 0.1], np.float32)

Ends = list[tuple[str, dict[str, object]]]

# What follows the linear layer, one after another.
ENDS: dict[str, Ends] = {
    "nothing": [],
    "softmax": [("Softmax", {"axis": -1})],
    "softmax, identity": [("Softmax", {"axis": 1}), ("Identity", {})],
    "casts around a softmax": [
        ("Cast", {"to": TensorProto.DOUBLE}),
        ("Softmax", {"axis": 1}),
        ("Cast", {"to": TensorProto.FLOAT}),
    ],
    "softmax, reshape": [("Softmax", {"axis": 1}), ("Flatten", {"axis": 1}), ("Identity", {})],
    "dropout, softmax": [("Dropout", {}), ("Softmax", {"axis": -1})],
    "log softmax": [("LogSoftmax", {"axis": -1})],
}


def model_of(
    ends: Ends,
    *,
    classes: int = 3,
    opset: int = 13,
    ir: int = 8,
    channels: int = 3,
    channels_last: bool = False,
) -> onnx.ModelProto:
    """Convolution, pooling, a linear layer, and the ends."""
    shape = ["N", SIDE, SIDE, channels] if channels_last else ["N", channels, SIDE, SIDE]
    nodes = []
    image = "input"
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["input"], ["turned"], perm=[0, 3, 1, 2]))
        image = "turned"
    nodes += [
        helper.make_node("Conv", [image, "w"], ["c"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "fw", "fb"], ["t0"]),
    ]
    for number, (operator, settings) in enumerate(ends):
        nodes.append(helper.make_node(operator, [f"t{number}"], [f"t{number + 1}"], **settings))
    weights = {
        "w": KERNEL[:, :channels],
        "fw": LINEAR[:, :classes],
        "fb": BIAS[:classes],
    }
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    if ir < 4:  # then initializers are inputs too
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in weights.items()
        ]
    output = helper.make_tensor_value_info(f"t{len(ends)}", TensorProto.FLOAT, ["N", classes])
    graph = helper.make_graph(nodes, "net", inputs, [output], tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def run_plain(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """What the model itself gives for pictures in 0…1."""
    tensor = model.graph.input[0].type.tensor_type
    given = pixels.astype(np.float32) / 255
    if tensor.shape.dim[3].dim_value > 4:
        given = given.transpose(0, 3, 1, 2)
    if tensor.elem_type == TensorProto.FLOAT16:
        given = given.astype(np.float16)
    session = open_session(model.SerializeToString())
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: given})[0]
    return found.astype(np.float64)


def bundled(model: onnx.ModelProto, tmp_path: Path, labels: str = "cat\ndog\nbird\n") -> Path:
    """A bundle of the model, on pictures in 0…1."""
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text(labels)
    ok(*words(tmp_path))
    return tmp_path / "bundle"


def words(tmp_path: Path, *more: object) -> tuple[object, ...]:
    return (
        *("bundle", "--model", tmp_path / "net.onnx", "--labels", tmp_path / "labels.txt"),
        *("--normalise", "unit", "--name", "net", "--version", "1", "--out", tmp_path / "bundle"),
        *more,
    )


def scores_of(bundle: Path, pixels: np.ndarray = PIXELS) -> np.ndarray:
    return softmax(open_classifier(bundle).logits(pixels))


@pytest.mark.parametrize("ends", ENDS)
def test_scores_are_the_networks_own(ends: str, tmp_path: Path) -> None:
    folder = bundled(model_of(ENDS[ends]), tmp_path)
    expected = softmax(run_plain(model_of([]), PIXELS).astype(np.float32))
    assert np.allclose(scores_of(folder), expected, atol=1e-5)
    session = open_session(folder / "model.onnx")
    outputs = [value.name for value in session.get_outputs()]
    kept = ["logits"] if ends == "log softmax" else ["logits", "features"]
    assert [name for name in kept if name in outputs] == [name for name in outputs if name in kept]
    assert (folder / "head.safetensors").exists() == (ends != "log softmax")


def test_scores_that_a_softmax_of_parts_made_are_the_networks_own(tmp_path: Path) -> None:
    model = model_of([("Exp", {})])
    graph = model.graph
    axes = numpy_helper.from_array(np.array([1]), "axes")
    graph.initializer.append(axes)
    graph.node.append(helper.make_node("ReduceSum", ["t1", "axes"], ["sum"], keepdims=1))
    graph.node.append(helper.make_node("Div", ["t1", "sum"], ["out"]))
    graph.output[0].name = "out"
    own = run_plain(model, PIXELS)
    assert np.allclose(scores_of(bundled(model, tmp_path)), own, atol=1e-5)


def test_several_sigmoids_are_refused(tmp_path: Path) -> None:
    for end in ([("Sigmoid", {})], [("Sigmoid", {}), ("Identity", {})]):
        onnx.save(model_of(end), tmp_path / "net.onnx")
        (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
        said = refused(*words(tmp_path))
        assert "several labels may hold for one picture; give --task multi-label" in said
    onnx.save(model_of([("HardSigmoid", {})]), tmp_path / "net.onnx")
    assert "does not give a probability" in refused(*words(tmp_path))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("labels", ["cat\n", "dog\ncat\n"])
@pytest.mark.parametrize("end", [[("Sigmoid", {})], [("Sigmoid", {}), ("Identity", {})], []])
def test_one_class_is_a_probability(end: Ends, labels: str, tmp_path: Path) -> None:
    own = run_plain(model_of([("Sigmoid", {})], classes=1), PIXELS)
    assert own.std() > 0.01
    folder = bundled(model_of(end, classes=1), tmp_path, labels)
    written = (folder / "labels.txt").read_text().splitlines()
    assert written == (["cat", "not cat"] if labels == "cat\n" else ["dog", "cat"])
    scores = scores_of(folder)
    assert np.allclose(scores[:, written.index("cat")], own[:, 0], atol=1e-5)
    logits, maps = explained(folder, PIXELS)
    assert np.allclose(maps.mean(axis=(2, 3)), logits, atol=1e-3)


def test_what_gives_no_probability_of_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\n")
    for end, said in (
        ([("Softmax", {"axis": 1})], "does not give a probability"),
        ([("HardSigmoid", {})], "does not give a probability"),
        ([("Sigmoid", {}), ("Abs", {})], "may be a probability or a logit"),
    ):
        onnx.save(model_of(end, classes=1), tmp_path / "net.onnx")
        assert said in refused(*words(tmp_path))


def test_a_one_class_model_keeps_its_second_label_through_every_step(
    tmp_path: Path, folders: Path
) -> None:
    onnx.save(model_of([("Sigmoid", {})], classes=1), tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text("cat\n")
    labels = ("--labels", tmp_path / "labels.txt")
    ok(
        *("export", "--model", tmp_path / "net.onnx", *labels, "--normalise", "unit"),
        *("--out", tmp_path / "float.onnx"),
    )
    ok(
        *("quantize", "--model", tmp_path / "float.onnx", "--data", folders / "red"),
        *("--out", tmp_path / "int8.onnx", "--max-drop", "1"),
    )
    base = ("--name", "net", "--version", "1", "--out", tmp_path / "bundle")
    ok("bundle", "--model", tmp_path / "int8.onnx", *labels, *base)
    assert (tmp_path / "bundle/labels.txt").read_text() == "cat\nnot cat\n"
    own = run_plain(model_of([("Sigmoid", {})], classes=1), PIXELS)
    assert np.allclose(scores_of(tmp_path / "bundle")[:, :1], own, atol=0.05)


@pytest.mark.parametrize(("ir", "opset"), [(3, 8), (3, 7), (4, 9), (10, 20)])
def test_every_ir_version_from_three_up_is_taken(ir: int, opset: int, tmp_path: Path) -> None:
    ends: Ends = [("Softmax", {"axis": 1})]
    folder = bundled(model_of(ends, opset=opset, ir=ir), tmp_path)
    expected = run_plain(model_of(ends), PIXELS)
    assert np.allclose(scores_of(folder), expected, atol=1e-5)
    model = onnx.load(folder / "model.onnx")
    assert model.opset_import[0].version >= 13, "what can be quantized per channel"


def test_unsorted_nodes_are_sorted_and_a_circle_is_refused(tmp_path: Path) -> None:
    model = model_of(ENDS["softmax"])
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    folder = bundled(model, tmp_path)
    assert np.allclose(scores_of(folder), run_plain(model_of(ENDS["softmax"]), PIXELS), atol=1e-5)
    model.graph.node[-1].input[0] = "r"
    onnx.save(model, tmp_path / "net.onnx")
    assert "in a circle" in refused(*words(tmp_path))


def halved(model: onnx.ModelProto, keep_io: bool) -> onnx.ModelProto:
    """In float16, as onnxconverter-common leaves it: with casts behind all other nodes."""
    graph = model.graph
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    values = (graph.input[0], graph.output[0])
    if not keep_io:
        for value in values:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
        return model
    names = [value.name for value in values]
    for node in graph.node:
        node.input[:] = ["cast_in" if name == names[0] else name for name in node.input]
        node.output[:] = ["cast_out" if name == names[1] else name for name in node.output]
    graph.node.extend(
        [
            helper.make_node("Cast", [names[0]], ["cast_in"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["cast_out"], [names[1]], to=TensorProto.FLOAT),
        ]
    )
    return model


@pytest.mark.parametrize("keep_io", [True, False])
@pytest.mark.parametrize("ends", ["nothing", "softmax"])
def test_float16_is_taken(ends: str, keep_io: bool, tmp_path: Path) -> None:
    folder = bundled(halved(model_of(ENDS[ends]), keep_io), tmp_path)
    expected = softmax(run_plain(model_of([]), PIXELS).astype(np.float32))
    assert np.allclose(scores_of(folder), expected, atol=5e-3)
    logits, maps = explained(folder, PIXELS)
    assert np.allclose(maps.mean(axis=(2, 3)), logits, atol=1e-3)
    kinds = {tensor.data_type for tensor in onnx.load(folder / "model.onnx").graph.initializer}
    assert TensorProto.FLOAT16 not in kinds, "so that it can be quantized"


@pytest.mark.parametrize("channels_last", [False, True])
def test_grey_input_is_pillows_grey(channels_last: bool, tmp_path: Path) -> None:
    model = model_of([], channels=1, channels_last=channels_last)
    grey = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in PIXELS])[..., None]
    expected = run_plain(model, grey)
    folder = bundled(model, tmp_path)
    assert np.allclose(open_classifier(folder).logits(PIXELS), expected, atol=1e-4)
    ok("resize", "--bundle", folder, "--side", "64", "--resize", "64", "--out", tmp_path / "large")
    large = open_classifier(tmp_path / "large").logits(PIXELS.repeat(2, axis=1).repeat(2, axis=2))
    assert large.shape == (3, 3)
    said = refused(*words(tmp_path)[:-2], "--out", tmp_path / "other", "--normalise", "imagenet")
    assert "one mean and one deviation" in said


def test_a_model_that_always_gives_the_same_answer_is_warned_of(
    tmp_path: Path, folders: Path
) -> None:
    model = model_of([])
    for tensor in model.graph.initializer:
        if tensor.name == "fw":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(LINEAR), "fw"))
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text("blue\ngreen\nred\n")
    for name in ("blue", "green", "red"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for path in sorted((folders / name).iterdir())[:4]:
            (tmp_path / "pets" / name / path.name).symlink_to(path)
    done = glimpse(*words(tmp_path, "--data", tmp_path / "pets"))
    assert done.code == 0, done.err
    assert "top-1 0.3333 is not better than always answering blue (0.3333)" in done.err


def test_a_byte_order_mark_is_not_part_of_a_label(tmp_path: Path) -> None:
    onnx.save(model_of([]), tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_bytes("\ufeffcat\r\ndog\r\nbird\r\n".encode())
    ok(*words(tmp_path))
    assert (tmp_path / "bundle/labels.txt").read_bytes() == b"cat\ndog\nbird\n"


class Small(nn.Module):
    """Ends as torchvision's ResNets do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, 3, H, W]` → `[N, 3]`."""
        x = torch.relu(self.norm(self.conv(x)))
        found: torch.Tensor = self.fc(torch.flatten(self.pool(x), 1))
        return found


@pytest.mark.parametrize("dynamo", [True, False])
def test_both_exporters_of_pytorch_give_class_activation_maps(
    dynamo: bool, tmp_path: Path, folders: Path
) -> None:
    torch.manual_seed(2)
    network, inputs = Small().eval(), (torch.zeros(2, 3, SIDE, SIDE),)
    path = tmp_path / "net.onnx"
    if dynamo:
        shapes = ({0: "n"},)
        torch.onnx.export(
            network, inputs, path, dynamo=True, external_data=False, dynamic_shapes=shapes
        )
    else:
        axes = {"x": {0: "n"}, "y": {0: "n"}}
        torch.onnx.export(
            network,
            inputs,
            path,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
        )
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
    labels = ("--labels", tmp_path / "labels.txt")
    ok(
        *("export", "--model", path, *labels, "--normalise", "unit", "--out", tmp_path / "f.onnx"),
    )
    ok(
        *("quantize", "--model", tmp_path / "f.onnx", "--data", folders, "--max-drop", "1"),
        *("--out", tmp_path / "int8.onnx", "--check", "8", "--pictures", "16"),
    )
    pixels = torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float() / 255
    expected = network(pixels).detach().numpy()
    for model, tolerance in (("f.onnx", 1e-4), ("int8.onnx", 0.1)):
        out = tmp_path / model.split(".")[0]
        base = ("--name", "net", "--version", "1", "--out", out)
        ok("bundle", "--model", tmp_path / model, *labels, *base)
        logits, maps = explained(out, PIXELS)
        assert np.abs(logits - expected).max() < tolerance
        assert np.abs(maps.mean(axis=(2, 3)) - logits).max() < tolerance
        assert json.loads((out / "bundle.json").read_text())["class_maps"] == {
            "stride": 2,
            "first": 0.5,
        }


def words_of_import(tmp_path: Path, labels: str) -> tuple[object, ...]:
    """Of `build`, with the network in `tmp_path`."""
    onnx.save(model_of([]), tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_text(labels)
    return (
        *("build", "--from", f"onnx:{tmp_path / 'net.onnx'}", "--labels", tmp_path / "labels.txt"),
        *("--normalise", "unit", "--resize", "32", "--filter", "bilinear", "--name", "net"),
        *("--version", "1", "--out", tmp_path / "bundle"),
    )


@pytest.fixture
def pets(folders: Path, tmp_path: Path) -> Path:
    """Three of the classes, with a picture that cannot be decoded."""
    root = tmp_path / "pets"
    for name in ("blue", "green", "red"):
        shutil.copytree(folders / name, root / name)
    (root / "red" / "01.jpg").write_bytes(b"no picture")
    return root


def test_an_import_leaves_broken_pictures_out_and_records_its_data(
    tmp_path: Path, pets: Path
) -> None:
    base = words_of_import(tmp_path, "cat\ndog\nbird\n")
    done = glimpse(*base, "--data", pets)
    assert done.code == 0, done.err
    assert "1 of 60 pictures cannot be decoded" in done.err
    assert "red/01.jpg: not an image of a known format" in done.err
    assert "neither measured nor calibrated" in done.err
    assert "does not have the model's labels" in done.err
    assert "int8.onnx" not in done.out, "a temporary file"
    manifest = verify(tmp_path / "bundle").manifest
    made = manifest["provenance"]["quantization"]
    assert made["method"] == "minmax"
    assert made["data"]["broken"] == ["red/01.jpg"]
    assert made["data"]["train"] + made["data"]["validation"] == 59
    assert 0 < made["pictures"] < made["data"]["train"]
    card = (tmp_path / "MODEL_CARD.md").read_text()
    for phrase in (
        f"Calibrated by minmax with {made['pictures']} of the {made['data']['train']} training pictures of pets",
        made["data"]["fingerprint"],
        "1 pictures that cannot be decoded were left out",
        "Not calibrated",
        "Not measured here",
    ):
        assert phrase in card
    said = refused(*base, "--data", pets, "--broken", "refuse")
    assert all(phrase in said for phrase in ("red/01.jpg", "--broken leave-out"))


def test_an_import_with_pictures_of_its_classes_is_measured_and_calibrated(
    tmp_path: Path, pets: Path
) -> None:
    """The model has the labels in another order than the folders."""
    for path in sorted((pets / "red").glob("0*.jpg"))[1:]:
        for row in range(3):
            shutil.copy(path, path.with_name(f"{row}-{path.name}"))
    done = glimpse(*words_of_import(tmp_path, "red\nblue\ngreen\n"), "--data", pets)
    assert done.code == 0, done.err
    bundle = verify(tmp_path / "bundle")
    assert bundle.labels == ("red", "blue", "green")
    metrics = bundle.manifest["metrics"]
    assert metrics["dataset"] == "pets validation"
    plain = open_classifier(tmp_path / "bundle")
    data = open_data(pets).without({pets / "red/01.jpg"})
    logits = np.concatenate(list(map(plain.logits, batches_of(data.validation.files, plain.spec))))
    true = [bundle.labels.index(data.labels[target]) for target in data.validation.targets]
    assert metrics["images"] == len(true)
    top1 = (logits.argmax(axis=1) == true).mean()
    assert metrics["int8_top1"] == pytest.approx(top1, abs=1e-6)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"top-1: {top1:.4f}" in card
    assert "may have trained it" in card
