"""`model.cpu.onnx`: the same bits from a graph that starts sooner, beside the one that runs everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import glimpse, ok, refused
from onnx import helper, numpy_helper

from glimpse_models.bundle.manifest import entry_of
from glimpse_models.bundle.verify import verify
from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session
from glimpse_models.graph.optimize import is_portable, optimize_graph, require_same_outputs

GRAPH = "model.cpu.onnx"


@pytest.fixture(scope="module")
def plain(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle without `model.cpu.onnx`."""
    folder = tmp_path_factory.mktemp("plain") / "bundle"
    shutil.copytree(bundle, folder)
    (folder / GRAPH).unlink()
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    del manifest["files"][GRAPH], manifest["cpu_graph"]
    path.write_text(json.dumps(manifest))
    return folder


def test_every_output_is_the_same_to_the_bit(bundle: Path) -> None:
    before, after = (open_session(bundle / name) for name in ("model.onnx", GRAPH))
    pixels = np.random.default_rng(3).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    names = ["logits", "features"]
    found = after.run(names, {"image": pixels})
    for old, new in zip(before.run(names, {"image": pixels}), found, strict=True):
        assert np.array_equal(old, new)


def test_nothing_is_left_to_fuse_and_nothing_belongs_to_one_processor(bundle: Path) -> None:
    before, after = (onnx.load(bundle / name).graph.node for name in ("model.onnx", GRAPH))
    kinds = [[node.op_type for node in nodes] for nodes in (before, after)]
    assert "QLinearConv" not in kinds[0]
    assert "Conv" not in kinds[1]
    assert kinds[1].count("QLinearConv") == kinds[0].count("Conv")
    assert "com.microsoft.nchwc" not in {node.domain for node in after}


def test_the_stem_takes_blocks_of_pixels(bundle: Path) -> None:
    graph = onnx.load(bundle / GRAPH).graph
    stem = next(node for node in graph.node if node.op_type == "QLinearConv")
    weights = next(tensor for tensor in graph.initializer if tensor.name == stem.input[3])
    assert sorted(weights.dims) == [4, 4, 12, 64]


def test_the_bundle_says_where_the_graph_may_be_taken(bundle: Path) -> None:
    import onnxruntime

    manifest = json.loads((bundle / "bundle.json").read_text())
    assert manifest["cpu_graph"] == {
        "onnxruntime": onnxruntime.__version__,
        "architectures": ["aarch64", "x86_64"],
    }
    assert manifest["files"][GRAPH] == entry_of((bundle / GRAPH).read_bytes())


def test_the_same_model_gives_the_same_bytes(bundle: Path) -> None:
    assert optimize_graph((bundle / "model.onnx").read_bytes()) == (bundle / GRAPH).read_bytes()


def test_optimize_adds_the_graph_under_a_new_version(
    bundle: Path, plain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    assert "of the time" in ok("optimize", "--bundle", plain, "--version", "1.0.1", "--out", out)
    assert verify(out).version == "1.0.1"
    for name in ("model.onnx", "labels.txt", "head.safetensors", GRAPH):
        assert (out / name).read_bytes() == (bundle / name).read_bytes()
    old, new = (json.loads((folder / "bundle.json").read_text()) for folder in (bundle, out))
    assert {key for key in new if new[key] != old[key]} <= {"version", "created_at"}
    again = ("--version", "1.0.0", "--out", out)
    assert "never changes" in refused("optimize", "--bundle", plain, *again)


def test_a_bundle_without_the_graph_can_be_had(
    bundle: Path, float_model: Path, tmp_path: Path
) -> None:
    named = ("--labels", bundle / "labels.txt", "--name", "n", "--version", "1")
    words = ("bundle", "--model", bundle / "model.onnx", *named, "--out", tmp_path / "without")
    ok(*words, "--no-cpu-graph")
    assert not (tmp_path / "without" / GRAPH).exists()
    # What was in the folder before does not stay beside another bundle.
    ok(*words)
    assert (tmp_path / "without" / GRAPH).exists()
    done = glimpse(*words, "--no-cpu-graph")
    assert done.code == 0
    assert not (tmp_path / "without" / GRAPH).exists()
    done = glimpse("bundle", "--model", float_model, *named, "--out", tmp_path / "float")
    assert done.code == 0
    assert f"no {GRAPH}: the graph is not in QDQ form" in done.err
    assert not (tmp_path / "float" / GRAPH).exists()
    words = ("--bundle", tmp_path / "float", "--version", "2", "--out", tmp_path / "new")
    assert "is not in QDQ form" in refused("optimize", *words)


def test_what_changes_a_model_takes_the_other_graph(
    bundle: Path, tiny: Path, tmp_path: Path
) -> None:
    """Bundles of 0.1.0 may hold an optimized graph as `model.onnx`."""
    old = tmp_path / "old"
    shutil.copytree(bundle, old)
    shutil.move(old / GRAPH, old / "model.onnx")
    path = old / "bundle.json"
    manifest = json.loads(path.read_text())
    del manifest["cpu_graph"]
    manifest["files"]["model.onnx"] = manifest["files"].pop(GRAPH)
    path.write_text(json.dumps(manifest))
    out = ("--out", tmp_path / "out")
    again = ("--version", "3", *out)
    named = ("--labels", bundle / "labels.txt", "--name", "n", "--version", "1")
    assert "is optimized already" in refused("optimize", "--bundle", old, *again)
    assert "is optimized" in refused("resize", "--bundle", old, "--side", "96", *out)
    assert "is optimized" in refused("bundle", "--model", old / "model.onnx", *named, *out)
    assert "is optimized" in refused("to-checkpoint", "--bundle", old, "--data", tiny, *out)
    assert not (tmp_path / "out").exists()


def test_another_answer_is_refused(bundle: Path, tmp_path: Path) -> None:
    model = onnx.load(bundle / GRAPH)
    kernel = next(t for t in model.graph.initializer if len(t.dims) == 4)
    other = numpy_helper.to_array(kernel).copy()
    other[0] += 1
    kernel.CopyFrom(numpy_helper.from_array(other, kernel.name))
    wrong = model.SerializeToString()
    with pytest.raises(UserError, match="gives other"):
        require_same_outputs((bundle / "model.onnx").read_bytes(), wrong)
    bad = tmp_path / "bad"
    shutil.copytree(bundle, bad)
    (bad / GRAPH).write_bytes(wrong)
    assert "not the file that bundle.json names" in refused("verify", "--bundle", bad)
    path = bad / "bundle.json"
    manifest = json.loads(path.read_text())
    manifest["files"][GRAPH] = entry_of(wrong)
    path.write_text(json.dumps(manifest))
    assert "gives other" in refused("verify", "--bundle", bad)
    # Another version of ONNX Runtime would not take it.
    manifest["cpu_graph"]["onnxruntime"] = "1.0.0"
    path.write_text(json.dumps(manifest))
    ok("verify", "--bundle", bad)
    del manifest["cpu_graph"]
    path.write_text(json.dumps(manifest))
    assert "does not say where it runs" in refused("verify", "--bundle", bad)


def test_graphs_that_processors_optimize_differently_stay_on_one_kind(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    assert is_portable(model.SerializeToString())
    half = onnx.ModelProto()
    half.CopyFrom(model)
    half.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float16), "half"))
    assert not is_portable(half.SerializeToString())
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), "zero"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "scale"))
    model.graph.node.append(helper.make_node("QuantizeLinear", ["logits", "scale", "zero"], ["q"]))
    assert not is_portable(model.SerializeToString())
