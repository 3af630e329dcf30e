"""Bundles of schema version 1 in the form of version 2: the same logits, no control flow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import explained, ok, refused
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.bundle.head import read_head, write_head
from glimpse_models.bundle.manifest import entry_of
from glimpse_models.bundle.verify import verify
from glimpse_models.errors import UserError
from glimpse_models.graph.features import remove_features
from glimpse_models.graph.io import open_session

PIXELS = np.random.default_rng(5).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)


@pytest.fixture
def old(bundle: Path, tmp_path: Path) -> Path:
    """The bundle as version 0.1.0 made it: maps in an `If`, by an optional input."""
    folder = tmp_path / "old"
    shutil.copytree(bundle, folder)
    (folder / "head.safetensors").unlink()
    model = onnx.load(folder / "model.onnx")
    remove_features(model)
    graph = model.graph

    def branch(name: str) -> onnx.GraphProto:
        value = numpy_helper.from_array(np.zeros((0, 0, 0, 0), np.float32))
        nodes = [helper.make_node("Constant", [], [f"maps_{name}"], value=value)]
        shape = [None] * 4
        output = helper.make_tensor_value_info(f"maps_{name}", TensorProto.FLOAT, shape)
        return helper.make_graph(nodes, name, [], [output])

    branches = {"then_branch": branch("then"), "else_branch": branch("else")}
    graph.node.append(helper.make_node("If", ["explain"], ["class_maps"], **branches))
    graph.initializer.append(numpy_helper.from_array(np.array(False), "explain"))
    graph.input.append(helper.make_tensor_value_info("explain", TensorProto.BOOL, []))
    graph.output.append(helper.make_tensor_value_info("class_maps", TensorProto.FLOAT, [None] * 4))
    onnx.save(model, folder / "model.onnx")
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    (folder / "model.cpu.onnx").unlink()
    del manifest["files"]["head.safetensors"], manifest["files"]["model.cpu.onnx"]
    del manifest["cpu_graph"], manifest["task"]
    manifest["files"]["model.onnx"] = entry_of((folder / "model.onnx").read_bytes())
    manifest["schema_version"] = 1
    manifest["input"] = {
        **{"height": 48, "width": 48, "resize_shorter_side": 48},
        "interpolation": "bilinear-antialias",
    }
    path.write_text(json.dumps(manifest))
    return folder


def test_the_same_logits_without_control_flow(old: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    said = ok("upgrade", "--bundle", old, "--version", "1.1.0", "--out", out)
    assert "the same logits" in said
    before = open_session(old / "model.onnx").run(["logits"], {"image": PIXELS})[0]
    logits, maps = explained(out, PIXELS)
    assert np.array_equal(before, logits)
    assert np.abs(maps.mean(axis=(2, 3)) - logits).max() < 0.05 * logits.std()
    operators = {node.op_type for node in onnx.load(out / "model.onnx").graph.node}
    assert "If" not in operators
    new, was = (json.loads((folder / "bundle.json").read_text()) for folder in (out, old))
    assert (new["schema_version"], new["version"]) == (2, "1.1.0")
    for kept in ("calibration", "class_maps", "license", "metrics", "name", "provenance"):
        assert new.get(kept) == was.get(kept)
    assert "never changes" in refused(
        *("upgrade", "--bundle", old, "--version", was["version"], "--out", tmp_path / "again")
    )
    content = verify(out).content
    assert content.head == (bundle / "head.safetensors").read_bytes()
    assert content.cpu_graph is not None


def test_a_head_is_verified(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    weights, bias = read_head((folder / "head.safetensors").read_bytes())
    assert (weights.shape, bias.shape) == ((4, 512), (4,))
    (folder / "head.safetensors").write_bytes(write_head(weights + 1, bias))
    with pytest.raises(UserError, match="not the file that bundle"):
        verify(folder)
    for broken in (b"", b"\xff" * 20, write_head(weights, bias)[:200]):
        with pytest.raises(UserError, match="cannot be read"):
            read_head(broken)
