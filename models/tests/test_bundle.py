"""Bundles: the documented form, from any classifier, or a refusal that says what to do."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import explained, glimpse, ok, refused
from onnx import TensorProto, helper, numpy_helper
from torchvision.models import resnet18, resnext50_32x4d

from glimpse_models.bundle.head import write_head
from glimpse_models.bundle.manifest import Content, parse_manifest, write_bundle
from glimpse_models.bundle.provenance import open_recorded
from glimpse_models.bundle.verify import check_model, verify
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import open_classifier
from glimpse_models.pipeline import bundle as bundle_step

CHANCE = np.random.default_rng(5)
WEIGHTS = CHANCE.normal(0, 1, (3, 4)).astype(np.float32)
PIXELS = CHANCE.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)

# What the service's own test of its parser reads too.
MANIFESTS = json.loads(
    (Path(__file__).parents[2] / "crates/classifier/src/bundle/fixtures/manifests.json").read_text(
        "utf-8"
    )
)


def test_the_form_is_the_documented_one(bundle: Path, trained: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == [
        "bundle.json",
        "head.safetensors",
        "labels.txt",
        "model.cpu.onnx",
        "model.onnx",
    ]
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert (manifest["schema_version"], manifest["task"]) == (2, "single-label")
    assert (manifest["name"], manifest["version"]) == ("colours", "1.0.0")
    for name, entry in manifest["files"].items():
        content = (bundle / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert manifest["input"] == {
        "height": 48,
        "width": 48,
        "channels": 3,
        "resize": {"mode": "shorter-side", "size": 48, "filter": "bilinear", "antialias": True},
        "crop": "center",
    }
    assert sorted(manifest["metrics"]) == [
        "dataset",
        "fp32_top1",
        "images",
        "int8_top1",
        "int8_top5",
    ]
    run = json.loads((trained / "run.json").read_text())
    assert manifest["provenance"] == {
        "training_command": run["command"],
        "git_commit": run["git_commit"],
        "seed": 1,
        "weights": "from scratch",
        "data_fingerprint": run["data"]["fingerprint"],
        "epochs": len(run["epochs"]),
        "hours": run["hours"],
    }
    assert (
        manifest["license"]
        == "not stated; trained on Tiny-ImageNet pictures, whose own terms apply"
    )
    assert manifest["class_maps"] == {"stride": 32, "first": 0.5}, "a ResNet's, known by hand"
    assert (bundle / "labels.txt").read_text() == "blue\ngreen\nred\ncrimson\n"


@pytest.mark.parametrize("kind", ["int8", "float"])
def test_class_activation_maps_are_exact_and_cost_plain_runs_nothing(
    bundle: Path, float_model: Path, int8_model: Path, tmp_path: Path, kind: str
) -> None:
    plain, folder = int8_model, bundle
    if kind == "float":
        plain, folder = float_model, tmp_path
        ok(
            "bundle",
            "--model",
            plain,
            "--labels",
            bundle / "labels.txt",
            "--name",
            "n",
            "--version",
            "1",
            "--out",
            folder,
        )
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert [value.name for value in session.get_inputs()] == ["image"], "explain is optional"
    image = {"image": CHANCE.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)}
    logits, maps = explained(folder, image["image"])
    assert maps.shape == (3, 4, 2, 2)
    tolerance = 1e-4 if kind == "float" else 0.05 * logits.std()
    assert np.abs(maps.mean(axis=(2, 3)) - logits).max() < tolerance
    without = onnxruntime.InferenceSession(str(plain)).run(["logits"], image)[0]
    assert np.array_equal(session.run(["logits"], image)[0], without)


@pytest.mark.parametrize("kind", ["int8", "float"])
def test_the_embedding_is_what_the_linear_layer_sees(
    bundle: Path, float_model: Path, tmp_path: Path, kind: str
) -> None:
    model = bundle / "model.onnx"
    if kind == "float":
        base = ("--labels", bundle / "labels.txt", "--name", "n", "--version", "1")
        ok("bundle", "--model", float_model, *base, "--out", tmp_path)
        model = tmp_path / "model.onnx"
    session = onnxruntime.InferenceSession(str(model))
    declared = {value.name: value.shape for value in session.get_outputs()}
    assert declared["features"] == ["N", 512, 2, 2]
    image = {"image": CHANCE.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)}
    logits, features = session.run(["logits", "features"], image)
    found = features.mean(axis=(2, 3))
    weights = {tensor.name: tensor for tensor in onnx.load(float_model).graph.initializer}
    matrix, bias = (numpy_helper.to_array(weights[f"net/fc.{name}"]) for name in ("weight", "bias"))
    tolerance = 1e-4 if kind == "float" else 0.05 * logits.std()
    assert np.abs(found @ matrix.T + bias - logits).max() < tolerance


def test_further_outputs_leave_the_int8_graph_optimized(
    bundle: Path, int8_model: Path, tmp_path: Path
) -> None:
    def operators(model: Path) -> Counter[str]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        onnxruntime.InferenceSession(str(model), options)
        return Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)

    more = operators(bundle / "model.onnx")
    assert more["QLinearConv"] == 20
    assert more - operators(int8_model) == Counter({"Transpose": 1, "DequantizeLinear": 1})
    assert not operators(int8_model) - more


def test_runs_that_went_on_from_one_another_are_all_recorded(
    bundle: Path, int8_model: Path, trained: Path, tmp_path: Path
) -> None:
    record = json.loads((trained / "run.json").read_text())
    recipe = {**record["recipe"], "weights": "run/weights.pt", "seed": 7}
    later = {**record, "recipe": recipe, "weights": "run/weights.pt, with its head"}
    later.update(command="the second command", git_commit="a later commit")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "run.json").write_text(json.dumps(later))
    base = ("bundle", "--model", int8_model, "--labels", bundle / "labels.txt", "--name", "n")
    base = (*base, "--version", "1", "--license", "Some terms", "--out", tmp_path / "out")
    ok(*base, "--run", trained, tmp_path / "later")
    manifest = json.loads((tmp_path / "out" / "bundle.json").read_text())
    found = manifest["provenance"]
    assert found["training_command"] == f"{record['command']} && the second command"
    assert (found["git_commit"], found["seed"]) == ("a later commit", 7)
    assert found["weights"] == "from scratch"
    assert [run["seed"] for run in found["runs"]] == [1, 7]
    assert manifest["license"] == "Some terms"
    assert "began from scratch" in refused(*base, "--run", tmp_path / "later", trained)
    assert "does not exist" in refused(*base, "--run", tmp_path)


def test_a_bundle_is_measured_on_what_its_last_run_held_out(
    bundle: Path, float_model: Path, trained: Path, folders: Path, tmp_path: Path
) -> None:
    record = json.loads((trained / "run.json").read_text())
    record["data"] = {**record["data"], "held_out": 0.25, "seed": 3}
    (tmp_path / "run.json").write_text(json.dumps(record))
    base = ("bundle", "--model", float_model, "--labels", bundle / "labels.txt", "--name", "n")
    base = (*base, "--version", "1", "--data", folders, "--out", tmp_path / "out")

    def measured(*more: object) -> tuple[int, float]:
        with mock.patch.object(bundle_step, "open_recorded", wraps=open_recorded) as opened:
            ok(*base, *more)
        return opened.call_args.args[2:]

    assert measured("--run", tmp_path) == (3, 0.25)
    assert measured("--run", tmp_path, "--held-out", "0.5") == (3, 0.5)
    assert measured("--run", trained) == measured() == (1, 0.1), "as before there was a record"


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": None},
        {"recipe": {"weights": "none"}},
        {"data": ["colours"]},
        {"data": {"name": "colours", "held_out": "a tenth", "seed": 1}},
        {"command": 1},
        {"bundle": {"provenance": "unknown"}},
    ],
)
def test_a_malformed_record_of_a_run_is_refused(
    float_model: Path, trained: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "run.json"
    base = ("bundle", "--model", float_model, "--name", "n", "--version", "1")
    base = (*base, "--out", tmp_path / "out", "--run", tmp_path)
    path.write_text(json.dumps({**json.loads((trained / "run.json").read_text()), **change}))
    assert f"{path} is not the record of a run" in refused(*base)
    for text in (b"", b"[]", b"\xff"):
        path.write_bytes(text)
        assert f"{path} is not the record of a run" in refused(*base)


def test_a_quantized_model_does_not_pass_for_its_float_one(
    int8_model: Path, bundle: Path, tiny: Path, tmp_path: Path
) -> None:
    base = ("bundle", "--model", int8_model, "--data", tiny, "--name", "n", "--version", "1")
    assert "--float-model" in refused(*base, "--out", tmp_path / "out")
    model = onnx.load(int8_model)
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:  # until only its weights are in int8
        if (
            node.op_type in ("QuantizeLinear", "DequantizeLinear")
            and node.input[0] not in constants
        ):
            node.op_type, node.input[:] = "Identity", node.input[:1]
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "weights-only.onnx")
    for quantized in (int8_model, bundle, tmp_path / "weights-only.onnx"):
        said = refused(*base, "--float-model", quantized, "--out", tmp_path / "out")
        assert f"{quantized} is quantized" in said
    assert not (tmp_path / "out" / "bundle.json").exists()


def test_the_float_model_is_measured_as_the_bundle_is(
    trained: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    weights = trained / "weights.pt"
    base = ("bundle", "--model", weights, "--data", tiny, "--name", "n", "--version", "1")
    base = (*base, "--side", "64", "--out", tmp_path / "out", "--report", tmp_path / "report")
    ok(*base, "--float-model", weights)
    before, served = json.loads((tmp_path / "report" / "report.json").read_text())
    assert before["loss"] == pytest.approx(served["loss"], rel=1e-3)
    assert "takes 48 pixels, the bundle 64" in refused(*base, "--float-model", float_model)


def test_a_bundle_that_cannot_be_measured_leaves_nothing_and_the_old_one_as_it_was(
    bundle: Path, int8_model: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    base = ("bundle", "--model", int8_model, "--data", tiny, "--name", "n", "--version", "2")
    old = tmp_path / "old"
    shutil.copytree(bundle, old)
    for out in (tmp_path / "new", old):
        words = (*base, "--out", out, "--float-model")
        assert "does not exist" in refused(*words, tmp_path / "none.onnx")
        with mock.patch.object(bundle_step, "answers", side_effect=KeyboardInterrupt):
            assert glimpse(*words, float_model).code == 130
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in old.iterdir()) == sorted(
        path.name for path in bundle.iterdir()
    )
    assert verify(old) == replace(verify(bundle), folder=old)


def test_an_incomplete_bundle_is_refused(bundle: Path, int8_model: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "out")
    move = Path.replace

    def cut(path: Path, target: Path) -> Path:
        if path.name == "bundle.json":
            raise KeyboardInterrupt
        return move(path, target)

    base = ("bundle", "--model", int8_model, "--labels", bundle / "labels.txt", "--no-class-maps")
    with mock.patch.object(Path, "replace", cut):
        words = (*base, "--name", "n", "--version", "2", "--out", tmp_path / "out")
        assert glimpse(*words).code == 130
    with pytest.raises(UserError, match="not the file that"):
        verify(tmp_path / "out")


def test_weights_become_a_bundle_in_one_step(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "direct"
    ok(
        *("bundle", "--model", trained / "checkpoint.pt", "--name", "direct", "--version", "1"),
        *("--side", "64", "--resize", "72", "--command", "by hand", "--out", out),
    )
    manifest = json.loads((out / "bundle.json").read_text())
    assert manifest["input"]["height"] == 64
    assert manifest["input"]["resize"]["size"] == 72
    assert "metrics" not in manifest
    assert (out / "labels.txt").read_text().splitlines()[3] == "crimson"


def test_the_trained_resize_is_served_at_the_trained_side(
    trained: Path, float_model: Path, bundle: Path, tmp_path: Path
) -> None:
    content = torch.load(trained / "weights.pt", weights_only=True)
    content["about"]["resize"] = 56
    torch.save(content, tmp_path / "weights.pt")
    record = json.loads((trained / "run.json").read_text())
    record["recipe"]["resize"] = 57
    (tmp_path / "run.json").write_text(json.dumps(record))

    def served(model: Path, *more: object) -> int:
        base = ("bundle", "--model", model, "--name", "n", "--version", "1")
        ok(*base, *more, "--labels", bundle / "labels.txt", "--out", tmp_path / "out")
        return open_classifier(tmp_path / "out").spec.resize

    weights = tmp_path / "weights.pt"
    assert served(weights) == 56
    assert served(weights, "--resize", "50") == 50
    assert served(weights, "--side", "64") == 64, "as evaluate --side tries it"
    assert served(float_model, "--run", tmp_path) == 57
    assert served(float_model) == 48


def test_a_dense_head_has_no_class_activation_maps(tmp_path: Path) -> None:
    from glimpse_models.train.backbone import backbone_of

    backbone = backbone_of("resnet18")
    model = backbone.build(3, "dense")
    torch.save(model.state_dict(), tmp_path / "dense.pt")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    base = ("--model", tmp_path / "dense.pt", "--labels", tmp_path / "labels.txt", "--name", "n")
    ok("bundle", *base, "--version", "1", "--side", "32", "--out", tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    assert [value.name for value in session.get_outputs()] == ["logits", "features"]
    assert not (tmp_path / "out" / "head.safetensors").exists()
    found, features = session.run(None, {"image": PIXELS})
    features = features.mean(axis=(2, 3))
    inputs = backbone.normalise(torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float() / 255)
    assert np.allclose(found, model.eval()(inputs).detach().numpy(), atol=1e-4)
    head = backbone.head_of(model)(torch.from_numpy(features)).detach().numpy()
    assert np.allclose(head, found, atol=1e-4), "the pooled features, not the dense layer's"


def test_a_bundles_own_model_keeps_its_further_outputs(bundle: Path, tmp_path: Path) -> None:
    done = glimpse(
        *("bundle", "--model", bundle / "model.onnx", "--labels", bundle / "labels.txt"),
        *("--name", "n", "--version", "2", "--out", tmp_path / "out"),
    )
    assert (done.code, done.err) == (0, "")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    outputs = [value.name for value in session.get_outputs()]
    assert outputs == ["logits", "features"]
    assert (tmp_path / "out" / "head.safetensors").exists()


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"name": "n"}',
        '"name version files input"',
        '{"name": "n", "version": "1", "schema_version": 1, "files": [], "input": {"height": 1, "resize_shorter_side": 1}}',
        '{"name": "n", "version": "1", "files": {}, "input": {}}',
    ],
)
def test_a_malformed_description_is_refused(
    bundle: Path, tiny: Path, tmp_path: Path, text: str
) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "bundle.json").write_text(text)
    base = ("--bundle", tmp_path / "bundle")
    assert "does not describe a bundle" in refused("publish", *base, "--to", "s3://models/x")
    assert "does not describe a bundle" in refused("resize", *base, "--out", tmp_path / "out")
    assert "does not describe a bundle" in refused("evaluate", "--data", tiny, tmp_path / "bundle")


def described(case: dict[str, Any]) -> bytes:
    """The text of a case, as the table says that it is made."""
    whole = json.loads(json.dumps(MANIFESTS["whole"]))

    def place(pointer: str) -> tuple[dict[str, Any], str]:
        _, *parents, field = pointer.split("/")
        there = whole
        for parent in parents:
            there = there[parent]
        return there, field

    for pointer, value in case.get("set", {}).items():
        there, field = place(pointer)
        there[field] = value
    for pointer in case.get("remove", []):
        there, field = place(pointer)
        del there[field]
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    old, new = case.get("replace", ("", ""))
    assert old in text
    return str(case.get("text", text.replace(old, new, 1))).encode()


@pytest.mark.parametrize("case", MANIFESTS["accepted"], ids=lambda case: case["name"])
def test_a_description_that_the_service_takes_is_taken(case: dict[str, Any]) -> None:
    manifest = parse_manifest(Path("bundle.json"), described(case))
    assert manifest["schema_version"] == 2
    empty = [name for name, value in manifest.items() if value is None]
    assert set(empty) <= {"decision", "profile", "provenance"}, "steps read what is there"


@pytest.mark.parametrize("case", MANIFESTS["refused"], ids=lambda case: case["name"])
def test_a_description_that_the_service_refuses_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^bundle\.json (does not describe|has schema version 3)"):
        parse_manifest(Path("bundle.json"), described(case))


def test_a_description_without_an_end_is_refused() -> None:
    deep = (
        json.dumps(MANIFESTS["whole"])[:-1] + ', "provenance": ' + "[" * 10**5 + "]" * 10**5 + "}"
    )
    with pytest.raises(UserError, match="does not describe a bundle"):
        parse_manifest(Path("bundle.json"), deep.encode())


def serving(height: int = 64, width: int = 64, columns: int | str = 4, **outputs: Any) -> bytes:
    """A graph of the serving form: the mean colour times `WEIGHTS`; `outputs` are declared shapes of the image's mean."""
    shape = ["N", height, width, 3]
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["product"]),
        helper.make_node("Reshape", ["product", "shape"], ["logits"]),
        *(helper.make_node("Identity", ["mean"], [name]) for name in outputs),
    ]
    initializers = [numpy_helper.from_array(WEIGHTS, "weights")]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)]
    if columns == 4:
        initializers.append(numpy_helper.from_array(np.array([-1, 4], np.int64), "shape"))
    else:  # of a shape that is known in a run alone
        nodes.insert(3, helper.make_node("Shape", ["product"], ["shape"]))
    floats = {"logits": ["N", columns], **outputs}
    graph = helper.make_graph(
        nodes,
        "serving",
        inputs,
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in floats.items()],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def written(
    folder: Path, content: Content, change: dict[str, Any] | None = None, **about: Any
) -> Path:
    """A bundle of these files, whose description is the table's with a change of its `input`."""
    whole = {**MANIFESTS["whole"], **about}
    write_bundle(folder, content, {**whole, "input": {**whole["input"], **(change or {})}})
    return folder


LABELS = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"resize": {"mode": "shorter-side", "size": 64, "filter": "hamming"}}, {}),
        ({"resize": {"mode": "shorter-side", "size": 32}}, {}),
        ({"crop": "none"}, {}),
        ({"resize": {"mode": "squash", "size": 64, "fill": [0, 0, 0]}}, {}),
        ({"channels": 1}, {}),
        ({"height": 65, "width": 65}, {}),
        ({"height": 32}, {}),
        ({}, {"calibration": {"temperature": 1.0, "ece_before": 0.1, "ece_after": 0.1}}),
        ({}, {"class_maps": {"stride": 0, "first": 0.5}}),
        ({}, {"metrics": 3}),
        ({}, {"license": 3}),
    ],
)
def test_what_the_service_would_not_load_is_neither_verified_nor_published(
    tmp_path: Path, change: dict[str, Any], about: dict[str, Any]
) -> None:
    content = Content.of(serving(), LABELS)
    assert "serves" in ok("verify", "--bundle", written(tmp_path / "good", content))
    bad = written(tmp_path / "bad", content, change, **about)
    assert "bundle.json" in refused("verify", "--bundle", bad)
    assert "bundle.json" in refused("publish", "--bundle", bad, "--to", "s3://models/x")


def test_a_rectangle_is_verified_and_no_step_makes_one(tmp_path: Path) -> None:
    model = serving(100, 300)
    change = {"height": 100, "width": 300, "resize": {"mode": "squash", "size": [100, 300]}}
    folder = written(tmp_path / "wide", Content.of(model, LABELS), change)
    assert "serves" in ok("verify", "--bundle", folder)
    with pytest.raises(UserError, match="square inputs alone"):
        check_model(model, 4)
    turned = {**change, "height": 300, "width": 100, "resize": {"mode": "squash", "size": 300}}
    said = refused(
        "verify", "--bundle", written(tmp_path / "tall", Content.of(model, LABELS), turned)
    )
    assert "takes pictures of 100 × 300, but bundle.json says 300 × 100" in said


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (serving(columns="C"), "with C known"),
        (serving(features=["N", 3]), "features are declared"),
        (serving(embedding=["N", 3]), ""),
        (serving(class_maps=["N", 3]), "class_maps must be"),
    ],
)
def test_outputs_that_the_service_refuses_are_refused(
    tmp_path: Path, model: bytes, said: str
) -> None:
    folder = written(tmp_path, Content.of(model, LABELS))
    if said:
        assert said in refused("verify", "--bundle", folder)
    else:
        ok("verify", "--bundle", folder)


@pytest.mark.parametrize(
    ("weights", "bias"),
    [((3, 3), (4,)), ((4, 3), (3,)), ((12,), (4,)), ((4, 3), (4, 1)), (None, (4,))],
)
def test_a_head_that_cannot_explain_is_refused(
    tmp_path: Path, weights: tuple[int, ...] | None, bias: tuple[int, ...]
) -> None:
    values = np.full((4, 3), np.nan) if weights is None else np.ones(weights)
    head = write_head(values.astype(np.float32), np.ones(bias, np.float32))
    folder = written(tmp_path, replace(Content.of(serving(), LABELS), head=head))
    assert "head.safetensors has weights" in refused("verify", "--bundle", folder)


@pytest.mark.parametrize("text", ["a\nb\nc\u2028d\n", "a\rb\nc\nd\n"])
def test_labels_whose_lines_the_service_counts_otherwise_are_refused(
    tmp_path: Path, text: str
) -> None:
    folder = written(tmp_path, Content(serving(), text.encode()))
    assert "labels.txt" in refused("verify", "--bundle", folder)


def test_a_bundle_of_version_1_is_read_and_rewritten_as_version_2(
    bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "old")
    path = tmp_path / "old" / "bundle.json"
    manifest = json.loads(path.read_text())
    manifest |= {
        "schema_version": 1,
        "input": {
            "height": 48,
            "width": 48,
            "resize_shorter_side": 48,
            "interpolation": "bilinear-antialias",
        },
        "decision": {"accept": 0.9},
        "profile": {"labels": [1]},
        "of_tomorrow": 1,
    }
    path.write_text(json.dumps(manifest))
    assert (read_classifier := open_classifier(tmp_path / "old")).spec == InputSpec(48, 48)
    ok(
        *("optimize", "--bundle", tmp_path / "old", "--version", "9.9", "--out", tmp_path / "new"),
    )
    written = json.loads((tmp_path / "new" / "bundle.json").read_text())
    assert written["schema_version"] == 2
    assert written["input"]["resize"]["mode"] == "shorter-side"
    for kept in ("decision", "profile", "of_tomorrow"):
        assert written[kept] == manifest[kept]
    assert open_classifier(tmp_path / "new").spec == read_classifier.spec


def test_a_bundle_has_the_geometry_that_it_was_given(bundle: Path, tmp_path: Path) -> None:
    ok(
        *("bundle", "--model", bundle / "model.onnx", "--labels", bundle / "labels.txt"),
        *("--name", "n", "--version", "2", "--out", tmp_path / "out"),
        *("--resize", "56", "--resize-mode", "letterbox", "--filter", "bicubic"),
        *("--no-antialias", "--fill", "1", "2", "3"),
    )
    spec = InputSpec(48, 56, "letterbox", "bicubic", False, (1, 2, 3))
    assert open_classifier(tmp_path / "out").spec == spec


def test_resize_makes_the_same_model_for_another_side(bundle: Path, tmp_path: Path) -> None:
    ok("resize", "--bundle", bundle, "--side", "96", "--resize", "110", "--out", tmp_path)
    classifier = open_classifier(tmp_path)
    assert (classifier.spec.side, classifier.spec.resize) == (96, 110)
    assert classifier.logits(np.zeros((2, 96, 96, 3), np.uint8)).shape == (2, 4)
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    assert manifest["name"] == "colours-96"
    assert "metrics" not in manifest


def test_a_resized_model_normalises_every_pixel(tmp_path: Path, labels: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    base = ("--labels", labels, "--name", "n", "--version", "1", "--out", small)
    ok("bundle", "--model", plain(tmp_path / "plain.onnx"), *base)
    ok("resize", "--bundle", small, "--side", "96", "--resize", "96", "--out", large)
    # Averages of a picture and of the same picture three times as large are the same.
    pixels = PIXELS.repeat(3, axis=1).repeat(3, axis=2)
    found = open_classifier(large).logits(pixels)
    assert np.allclose(found, open_classifier(small).logits(PIXELS), atol=1e-4)


def plain(
    path: Path,
    *,
    shape: tuple[int | str, ...] = ("N", 3, 32, 32),
    kind: int = TensorProto.FLOAT,
    operator: str = "GlobalAveragePool",
    domain: str = "",
    batch: int = -1,
    softmax: bool = False,
    classes: int = 4,
) -> Path:
    """A classifier that multiplies the mean colour by `WEIGHTS`, as others export theirs."""
    last = "scores" if softmax else "out"
    nodes = [helper.make_node(operator, ["image"], ["mean"], domain=domain)]
    if shape[-1] == 3:
        nodes = [helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2])]
        nodes += [helper.make_node("GlobalAveragePool", ["turned"], ["mean"])]
    nodes += [
        helper.make_node("Reshape", ["mean", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], [last]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["out"], axis=-1))
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [shape[0], classes])],
        [
            numpy_helper.from_array(np.array([batch, 3], np.int64), "flat"),
            numpy_helper.from_array(WEIGHTS, "weights"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("a\nb\nc\nd\n")
    return path


def expected(normalise: str) -> np.ndarray:
    """What the plain model says of `PIXELS`, by hand."""
    mean = PIXELS.astype(np.float64).mean(axis=(1, 2))
    if normalise == "caffe":
        return (mean[:, ::-1] - [103.939, 116.779, 123.68]) @ WEIGHTS
    scaled = mean / 255
    if normalise == "imagenet":
        scaled = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    if normalise == "symmetric":
        scaled = scaled * 2 - 1
    return scaled @ WEIGHTS


@pytest.mark.parametrize("shape", [("N", 3, 32, 32), ("N", 32, 32, 3), ("N", 3, "H", "W")])
@pytest.mark.parametrize("normalise", ["imagenet", "caffe", "symmetric", "unit"])
def test_any_classifier_can_be_made_a_bundle(
    tmp_path: Path, labels: Path, shape: tuple[int | str, ...], normalise: str
) -> None:
    model = plain(tmp_path / "plain.onnx", shape=shape, softmax=normalise == "caffe")
    ok(
        *("bundle", "--model", model, "--labels", labels, "--normalise", normalise),
        *("--side", "32", "--name", "plain", "--version", "1", "--out", tmp_path / "out"),
    )
    found = open_classifier(tmp_path / "out").logits(PIXELS)
    assert np.allclose(found, expected(normalise), rtol=1e-3, atol=1e-3), "logits, not scores"
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    features = session.run(["features"], {"image": PIXELS})[0].mean(axis=(2, 3))
    assert np.allclose(features @ WEIGHTS, found, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "more", "said"),
    [
        ({"shape": ("N", 3, "H", "W")}, (), "--side"),
        ({"shape": ("N", 3, 32, 48)}, (), "one square"),
        ({}, ("--side", "64"), "export it for that side"),
        ({"shape": ("N", 2, 32, 32)}, (), "one channel of grey"),
        ({"kind": TensorProto.INT32}, (), "float32 or float16"),
        ({"batch": 1, "shape": (1, 3, 32, 32)}, (), "dynamic batch"),
        ({"operator": "Mystery", "domain": "example"}, (), "standard operators"),
        ({"operator": "NoSuchOperator"}, (), "standard operators"),
        ({}, ("--resize", "16"), "must cover the crop"),
    ],
)
def test_what_would_not_serve_is_refused(
    tmp_path: Path, labels: Path, options: dict[str, object], more: tuple[str, ...], said: str
) -> None:
    model = plain(tmp_path / "plain.onnx", **options)  # type: ignore[arg-type]
    base = ("bundle", "--model", model, "--labels", labels, "--name", "n", "--version", "1")
    assert said in refused(*base, "--out", tmp_path / "out", *more)
    assert not (tmp_path / "out" / "bundle.json").exists()


def test_external_data_is_refused(tmp_path: Path, labels: Path) -> None:
    model = onnx.load(plain(tmp_path / "plain.onnx"))
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, size_threshold=0)
    base = ("bundle", "--model", tmp_path / "big.onnx", "--labels", labels, "--name", "n")
    assert "make it one file" in refused(*base, "--version", "1", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb\n", "4 classes, but there are 2 labels"),
        ("a\n\nb\nc\n", "line 2"),
        ("", "no labels"),
        ("a\nb\nc\na\n", "two classes"),
    ],
)
def test_labels_that_do_not_match_are_refused(
    tmp_path: Path, labels: Path, text: str, said: str
) -> None:
    labels.write_text(text)
    base = ("bundle", "--model", plain(tmp_path / "plain.onnx"), "--labels", labels, "--name", "n")
    assert said in refused(*base, "--version", "1", "--out", tmp_path / "out")
    labels.write_bytes("café".encode("latin-1"))
    assert "save it as UTF-8" in refused(*base, "--version", "1", "--out", tmp_path / "out")
    labels.unlink()
    assert "there is no" in refused(*base, "--version", "1", "--out", tmp_path / "out")


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path, labels: Path) -> None:
    base = (
        "bundle",
        "--labels",
        labels,
        "--name",
        "n",
        "--version",
        "1",
        "--out",
        tmp_path / "out",
    )
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "text.pt").write_text("no weights")
    assert "not an ONNX file" in refused(*base, "--model", tmp_path / "text.onnx")
    assert "not a file of PyTorch weights" in refused(*base, "--model", tmp_path / "text.pt")
    assert "does not exist" in refused(*base, "--model", tmp_path / "none.onnx")
    torch.save(resnext50_32x4d().state_dict(), tmp_path / "resnext.pt")
    assert "holds none of resnet18" in refused(*base, "--model", tmp_path / "resnext.pt")
    odd = {**resnet18(num_classes=4).state_dict(), "layer1.0.attention.weight": torch.ones(1)}
    torch.save(odd, tmp_path / "odd.pt")
    said = refused(*base, "--side", "32", "--model", tmp_path / "odd.pt")
    assert "not fit a resnet18" in said
    model = plain(tmp_path / "plain.onnx")
    unnamed = (
        "bundle",
        "--model",
        model,
        "--name",
        "n",
        "--version",
        "1",
        "--out",
        tmp_path / "out",
    )
    assert "--labels FILE" in refused(*unnamed)


def test_export_wraps_a_plain_model_too(tmp_path: Path, labels: Path) -> None:
    model = plain(tmp_path / "plain.onnx")
    assert "--labels" in refused("export", "--model", model, "--out", tmp_path / "x.onnx")
    ok(
        "export",
        "--model",
        model,
        "--labels",
        labels,
        "--normalise",
        "unit",
        "--out",
        tmp_path / "x.onnx",
    )
    found = open_classifier(tmp_path / "x.onnx").logits(PIXELS)
    assert np.allclose(found, expected("unit"), rtol=1e-3, atol=1e-3)


def test_imagenet_from_a_file_of_torchvisions_form(tmp_path: Path, folders: Path) -> None:
    torch.manual_seed(1)
    torch.save(resnet18(num_classes=1000).state_dict(), tmp_path / "resnet18-f37072fd.pth")
    out = tmp_path / "out"
    said = ok(
        *("imagenet", "--pictures", folders, "--weights", tmp_path / "resnet18-f37072fd.pth"),
        *(
            "--out",
            out,
            "--calibration",
            "4",
            "--check",
            "0",
            "--side",
            "32",
            "--backbone",
            "resnet18",
        ),
    )
    assert "resnet18-imagenet 1.0.0" in said
    manifest = json.loads((out / "bundle.json").read_text())
    names = (out / "labels.txt").read_text().splitlines()
    assert (len(names), names[281]) == (1000, "tabby")
    assert manifest["input"]["resize"]["size"] == 256, "as torchvision evaluates these"
    assert manifest["provenance"]["weights"] == "ResNet18_Weights.IMAGENET1K_V1"
    assert 0 <= manifest["provenance"]["int8_agrees_with_fp32"]["share"] <= 1
    assert open_classifier(out).logits(PIXELS).shape == (2, 1000)
