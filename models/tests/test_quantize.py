"""Quantization: the form that is fast and right everywhere, each method, and nodes kept in float."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
from conftest import glimpse, ok, refused
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.data.dataset import open_data
from glimpse_models.data.normalization import NORMALIZATIONS
from glimpse_models.data.splits import SINGLE, Split
from glimpse_models.errors import UserError
from glimpse_models.graph.optimize import optimize_graph
from glimpse_models.graph.quantize import Method, Quantizer
from glimpse_models.graph.wrap import wrap
from glimpse_models.measure import compare
from glimpse_models.measure.classifiers import Classifier, batches_of, open_classifier
from glimpse_models.pipeline import quantize
from glimpse_models.pipeline.quantize import Check

MODELS = Path(__file__).resolve().parents[1]


def weights_of(path: Path) -> dict[str, np.ndarray]:
    """Quantized convolution weights by name."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in tensors.items()
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 4
    }


def test_activations_are_uint8_and_weights_seven_bits_a_channel(int8_model: Path) -> None:
    graph = onnx.load(int8_model).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    activations = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert activations
    assert {tensors[node.input[2]].data_type for node in activations} == {TensorProto.UINT8}
    found = weights_of(int8_model)
    assert len(found) == 20, "every convolution of a ResNet18"
    assert all(values.min() >= -64 and values.max() <= 64 for values in found.values())
    scales = {
        node.input[0]: numpy_helper.to_array(tensors[node.input[1]])
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in found
    }
    assert all(scale.shape == (found[name].shape[0],) for name, scale in scales.items())


def test_logits_are_not_rounded(int8_model: Path) -> None:
    producer = {name: node for node in onnx.load(int8_model).graph.node for name in node.output}
    assert producer["logits"].op_type == "Gemm"


@pytest.mark.parametrize("bundle", [None, "default", "imagenet-lite"])
def test_all_sums_round_alike_with_fused_multiplications_and_without(
    bundle: str | None, int8_model: Path
) -> None:
    model = MODELS / bundle / "model.onnx" if bundle else int8_model
    graph = onnx.load_from_string(optimize_graph(model.read_bytes())).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    adds = [node for node in graph.node if node.op_type == "QLinearAdd"]
    blocks = {None: 8, "default": 16, "imagenet-lite": 9}
    assert len(adds) == blocks[bundle], "one for each residual block"
    for node in adds:
        values = [constants[name].item() for name in node.input if name in constants]
        fused, plain = (all_sums(*values, fused=fused) for fused in (True, False))
        assert np.array_equal(fused, plain), node.name


def all_sums(*scales_and_zeros: float, fused: bool) -> np.ndarray:
    """As ONNX Runtime adds each two numbers of 8 bits, in float32 (`MlasQLinearAdd`)."""
    first, first_zero, second, second_zero, scale, zero = np.float32(scales_and_zeros)
    ratios = first / scale, second / scale
    total = zero - (ratios[0] * first_zero + ratios[1] * second_zero)
    numbers = np.arange(256, dtype=np.float32)
    for ratio, column in zip(ratios, (numbers[:, None], numbers[None]), strict=True):
        # Float64 holds the product exactly.
        product = np.float64(ratio) * column if fused else ratio * column
        total = (product + total).astype(np.float32)
    return np.rint(total).clip(0, 255)


def test_int8_answers_as_float_does(float_model: Path, int8_model: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), dtype=np.uint8)
    exact, rounded = (open_classifier(path).logits(pixels) for path in (float_model, int8_model))
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_the_other_methods(float_model: Path, folders: Path, tmp_path: Path, method: str) -> None:
    out = tmp_path / "int8.onnx"
    said = ok(
        *("quantize", "--model", float_model, "--data", folders / "red", "--out", out),
        *("--method", method, "--pictures", "8", "--check", "8", "--max-drop", "1", "--full-range"),
    )
    assert "drop of top-1 on 8 training pictures" in said
    assert max(np.abs(values).max() for values in weights_of(out).values()) > 64


def test_the_most_sensitive_nodes_stay_float(float_model: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    nodes = Quantizer.nodes
    # No drop is below -2, so that every step is taken; half of the nodes are enough to choose from.
    with mock.patch.object(Quantizer, "nodes", lambda quantizer: nodes(quantizer)[-10:]):
        said = ok(
            *("quantize", "--model", float_model, "--data", tiny, "--out", out),
            *("--pictures", "8", "--check", "16", "--max-drop", "-2"),
        )
    assert said.count("alone changes the logits by") == 10
    assert [f"with {count} in float" in said for count in (1, 2, 4, 8)] == [True] * 4
    assert len(weights_of(out)) in (12, 13), "eight nodes in float, among them perhaps the head"


def test_calibration_leaves_alone_what_the_run_held_out(
    float_model: Path, folders: Path, tmp_path: Path
) -> None:
    base = ("quantize", "--model", float_model, "--data", folders, "--out", tmp_path / "int8.onnx")
    with mock.patch.object(quantize, "batches_of", side_effect=UserError("enough")) as read:
        refused(*base, "--held-out", "0.5", "--seed", "3", "--check", "0")
    used = set(read.call_args.args[0])
    assert used == set(open_data(folders, 3, 0.5).train.files)


def test_pictures_are_those_of_the_run_and_as_it_will_be_served(
    float_model: Path, trained: Path, folders: Path, tmp_path: Path
) -> None:
    record = json.loads((trained / "run.json").read_text())
    record["data"].update(held_out=0.25, seed=3)
    record["recipe"]["resize"] = 57
    (tmp_path / "run.json").write_text(json.dumps(record))
    base = ("quantize", "--data", folders, "--pictures", "8", "--check", "8", "--run", tmp_path)
    base = (*base, "--out", tmp_path / "int8.onnx", "--model")

    def seen(*words: object) -> tuple[set[int], set[Path]]:
        """The resizes and the pictures of calibration and check."""
        with (
            mock.patch.object(Quantizer, "calibrated"),
            mock.patch.object(quantize, "batches_of", return_value=[]) as read,
            mock.patch.object(quantize, "Check", side_effect=UserError("enough")) as checked,
        ):
            assert "enough" in refused(*base, *words)
        calibration, spec = read.call_args.args
        model, check, *_ = checked.call_args.args
        return {spec.resize, model.spec.resize}, {*calibration, *check.files}

    resizes, files = seen(float_model)
    assert resizes == {57}
    assert len(files) == 16
    assert files <= set(open_data(folders, 3, 0.25).train.files)
    assert seen(float_model, "--resize", "60", "--seed", "3") == ({60}, files)
    ok("export", "--weights", trained / "weights.pt", "--side", "64", "--out", tmp_path / "64.onnx")
    assert seen(tmp_path / "64.onnx") == ({64}, files), "as bundle serves it there"
    said = refused(*base, float_model, "--held-out", "0.1")
    assert f"--held-out 0.1 contradicts {tmp_path}, which says 0.25" in said
    assert "--seed 1 contradicts" in refused(*base, float_model, "--seed", "1")


def test_quantize_refuses(float_model: Path, int8_model: Path, tiny: Path, tmp_path: Path) -> None:
    def said(model: Path, *options: object, data: Path = tiny) -> str:
        return refused(
            "quantize", "--model", model, "--data", data, "--out", tmp_path / "out.onnx", *options
        )

    assert "does not exist" in said(tmp_path / "missing.onnx")
    assert "quantized already" in said(int8_model)
    assert "no such node" in said(float_model, "--keep-float", "conv99", "--pictures", "8")
    (tmp_path / "empty").mkdir()
    assert "no pictures" in said(float_model, data=tmp_path / "empty")
    plain = onnx.load(float_model)
    plain.graph.input[0].name = "x"
    onnx.save(plain, tmp_path / "plain.onnx")
    assert "step export" in said(tmp_path / "plain.onnx")


def test_folders_that_are_no_classes_of_the_model_are_not_its_targets(
    float_model: Path, folders: Path
) -> None:
    model = open_classifier(float_model)

    def always(index: int) -> Classifier:
        return replace(
            model, logits=lambda pixels: np.eye(4, dtype=np.float32)[[index] * len(pixels)]
        )

    files = tuple(sorted((folders / "red").glob("*"))[:4])
    split = Split(files, (2,) * len(files))
    assert Check(always(0), split, 3, SINGLE).drop(always(1)) == 1
    assert Check(always(0), split, 4, SINGLE).drop(always(1)) == 0, "neither is right"


def test_a_quarter_of_few_pictures_checks_the_result(
    float_model: Path, folders: Path, tmp_path: Path
) -> None:
    base = ("quantize", "--model", float_model, "--data", folders / "red")
    said = ok(*base, "--out", tmp_path / "int8.onnx", "--max-drop", "1")
    assert "drop of top-1 on 5 training pictures" in said
    assert "15 calibration pictures" in said
    options = quantize.QuantizeOptions(Path("m"), Path("d"), Path("o"))
    pictures = Split(tuple(Path(f"{row}.png") for row in range(2000)), (0,) * 2000)
    for count, expected in (
        (324, (243, 81)),
        (1200, (512, 688)),
        (2000, (512, 1000)),
        (12, (12, 0)),
    ):
        some = pictures.take(list(range(count)))
        calibration, check = quantize.divide(some, options, 1)
        assert (len(calibration), len(check)) == expected
        assert not set(calibration.files) & set(check.files)


def test_one_picture_of_a_small_check_may_be_chance() -> None:
    options = quantize.QuantizeOptions(Path("m"), Path("d"), Path("o"))
    assert quantize.allowed_drop(options, 2000) == 0.003
    assert 0.9 - 0.85 <= quantize.allowed_drop(options, 20) < 0.06
    strict = replace(options, max_drop=0.003)
    assert quantize.allowed_drop(strict, 20) == 0.003


def test_too_few_pictures_to_check_on_are_reported(
    float_model: Path, folders: Path, tmp_path: Path
) -> None:
    for row in range(8):
        (tmp_path / "few").mkdir(exist_ok=True)
        (tmp_path / "few" / f"{row}.jpg").symlink_to(
            folders / "red" / f"{row:02}.{'png' if row % 5 == 0 else 'jpg'}"
        )
    base = ("quantize", "--model", float_model, "--data", tmp_path / "few")
    done = glimpse(*base, "--out", tmp_path / "int8.onnx")
    assert done.code == 0
    assert "the drop of accuracy is not measured" in done.err
    said = refused(*base, "--out", tmp_path / "x.onnx", "--sensitivity")
    assert "a folder with more" in said
    said = refused(*base, "--out", tmp_path / "x.onnx", "--check", "0", "--sensitivity")
    assert "--check above 0" in said


def test_a_drop_of_the_limit_is_within_it() -> None:
    assert 1247 / 2000 - 1241 / 2000 > 0.003, "for a computer"
    check = Check.__new__(Check)
    check._logits = np.zeros((1, 1), np.float32)
    with mock.patch.multiple(
        Check, _run=mock.DEFAULT, _quality=mock.Mock(side_effect=(1247 / 2000, 1241 / 2000))
    ):
        assert check.drop(mock.sentinel.quantized) == 0.003
    before, after = (compare.Figures("net", {"top1": part / 2000}, 1, 1) for part in (1247, 1241))
    options = compare.CompareOptions(Path(), Path(), Path(), max_drop=0.003)
    assert compare.verdict(options, before, after, 1.0) == []


def test_the_mean_error_of_rounded_weights_is_in_the_biases(tmp_path: Path) -> None:
    """A depthwise layer, whose few weights all round in one direction, keeps its mean."""
    side, chance = 16, np.random.default_rng(3)
    weights = np.full((3, 1, 3, 3), 0.0234, np.float32)
    weights[:, :, 0, 0] = 1.0
    constants = {
        "weights": weights,
        "head": chance.normal(size=(4, 3)).astype(np.float32),
        "offsets": np.zeros(4, np.float32),
    }
    nodes = [
        helper.make_node(
            "Conv", ["pictures", "weights"], ["wide"], group=3, pads=[1] * 4, name="depthwise"
        ),
        helper.make_node("Clip", ["wide", "", "six"], ["flat"], name="relu6"),
        helper.make_node("GlobalAveragePool", ["flat"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["vector"], name="flatten"),
        helper.make_node(
            "Gemm", ["vector", "head", "offsets"], ["scores"], transB=1, name="classifier"
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 4])],
        [
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
            numpy_helper.from_array(np.array(6, np.float32), "six"),
        ],
    )
    plain = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(wrap(plain, 4, NORMALIZATIONS["unit"]), tmp_path / "float.onnx")
    pictures = [chance.integers(0, 256, (16, side, side, 3), dtype=np.uint8) for _ in range(2)]
    quantizer = Quantizer.calibrated(tmp_path / "float.onnx", tmp_path, Method(), pictures)
    assert set(quantizer.shifts) == {"net/depthwise", "net/classifier"}
    quantizer.write(tmp_path / "corrected.onnx", [])
    replace(quantizer, shifts={}).write(tmp_path / "plain.onnx", [])
    exact = open_classifier(tmp_path / "float.onnx").logits(pictures[0])
    corrected, rounded = (
        np.abs(open_classifier(tmp_path / name).logits(pictures[0]) - exact).mean()
        for name in ("corrected.onnx", "plain.onnx")
    )
    assert corrected < 0.5 * rounded
    operators = {node.op_type for node in onnx.load(tmp_path / "corrected.onnx").graph.node}
    assert "Clip" not in operators, "its bounds are those of the rounding"


def test_nodes_in_float_keep_their_biases(float_model: Path, tiny: Path, tmp_path: Path) -> None:
    files = open_data(tiny).train.files[:8]
    batches = list(batches_of(files, open_classifier(float_model).spec))
    quantizer = Quantizer.calibrated(float_model, tmp_path, Method(), batches)
    kept = quantizer.nodes()
    quantizer.write(tmp_path / "kept.onnx", kept)
    same = [
        open_classifier(path).logits(batches[0]) for path in (float_model, tmp_path / "kept.onnx")
    ]
    assert np.abs(same[0] - same[1]).max() < 0.2 * np.abs(same[0]).max()
    names = {tensor.name for tensor in onnx.load(tmp_path / "kept.onnx").graph.initializer}
    assert not any("corrected_bias" in name for name in names)
