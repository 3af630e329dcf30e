"""Fused bundles: the same answers to the bit, and for serving alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ok, refused
from onnx import numpy_helper

from glimpse_models.bundle.verify import verify
from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session
from glimpse_models.graph.optimize import require_same_outputs


@pytest.fixture(scope="module")
def optimized(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("optimized") / "new"
    assert "of the time" in ok("optimize", "--bundle", bundle, "--version", "1.0.1", "--out", out)
    return out


def test_every_output_is_the_same_to_the_bit(bundle: Path, optimized: Path) -> None:
    before, after = (open_session(folder / "model.onnx") for folder in (bundle, optimized))
    pixels = np.random.default_rng(3).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    names = ["logits", "features"]
    found = after.run(names, {"image": pixels})
    for old, new in zip(before.run(names, {"image": pixels}), found, strict=True):
        assert np.array_equal(old, new)
    head = "head.safetensors"
    assert (optimized / head).read_bytes() == (bundle / head).read_bytes()


def test_nothing_is_left_to_fuse(bundle: Path, optimized: Path) -> None:
    before, after = (
        [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
        for folder in (bundle, optimized)
    )
    assert "QLinearConv" not in before
    assert "Conv" not in after
    assert after.count("QLinearConv") == before.count("Conv")


def test_the_record_names_the_bundle_it_was(bundle: Path, optimized: Path) -> None:
    old, new = (json.loads((folder / "bundle.json").read_text()) for folder in (bundle, optimized))
    was = verify(bundle)
    assert new["provenance"].pop("optimized_from") == {"version": "1.0.0", "sha256": was.sha256}
    assert new["provenance"].pop("optimized_by").startswith("onnxruntime ")
    assert verify(optimized).version == "1.0.1"
    assert new["files"]["labels.txt"] == old["files"]["labels.txt"]
    differs = {key for key in new if new[key] != old.get(key)}
    assert differs <= {"version", "created_at", "files"}
    assert list(new) == list(old)


def test_what_changes_a_model_takes_the_one_before(
    bundle: Path, optimized: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    again = ("--version", "3", *out)
    assert "never changes" in refused("optimize", "--bundle", bundle, "--version", "1.0.0", *out)
    assert "is optimized already" in refused("optimize", "--bundle", optimized, *again)
    assert "is optimized" in refused("resize", "--bundle", optimized, "--side", "96", *out)
    named = ("--labels", bundle / "labels.txt", "--name", "n", "--version", "1")
    assert "is optimized" in refused("bundle", "--model", optimized / "model.onnx", *named, *out)
    assert "is optimized" in refused("to-checkpoint", "--bundle", optimized, "--data", tiny, *out)
    assert not (tmp_path / "out").exists()
    plain = tmp_path / "plain"
    ok("bundle", "--model", float_model, *named, "--out", plain)
    assert "is not in QDQ form" in refused("optimize", "--bundle", plain, *again)


def test_another_answer_is_refused(bundle: Path, optimized: Path, tmp_path: Path) -> None:
    model = onnx.load(optimized / "model.onnx")
    kernel = next(t for t in model.graph.initializer if len(t.dims) == 4)
    other = numpy_helper.to_array(kernel).copy()
    other[0] += 1
    kernel.CopyFrom(numpy_helper.from_array(other, kernel.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match="gives other"):
        require_same_outputs(bundle / "model.onnx", tmp_path / "other.onnx")
