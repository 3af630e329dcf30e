"""Fused bundles: the same answers to the bit, and for serving alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ok, refused
from onnx import numpy_helper

from glimpse_models.classifiers import open_session
from glimpse_models.errors import Refused
from glimpse_models.fuse import hold_against
from glimpse_models.verify import verify


@pytest.fixture(scope="module")
def fused(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fused") / "new"
    assert "of the time" in ok("fuse", "--bundle", bundle, "--version", "1.0.1", "--out", out)
    return out


def test_every_output_is_the_same_to_the_bit(bundle: Path, fused: Path) -> None:
    before, after = (open_session(folder / "model.onnx") for folder in (bundle, fused))
    pixels = np.random.default_rng(3).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    names = ["logits", "class_maps", "embedding"]
    for extra, maps in (({}, 0), ({"explain": np.array(True)}, 3)):
        given = {"image": pixels, **extra}
        found = after.run(names, given)
        assert len(found[1]) == maps
        for old, new in zip(before.run(names, given), found, strict=True):
            assert np.array_equal(old, new)


def test_nothing_is_left_to_fuse(bundle: Path, fused: Path) -> None:
    before, after = (
        [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
        for folder in (bundle, fused)
    )
    assert "QLinearConv" not in before
    assert "Conv" not in after
    assert after.count("QLinearConv") == before.count("Conv")


def test_the_record_names_the_bundle_it_was(bundle: Path, fused: Path) -> None:
    old, new = (json.loads((folder / "bundle.json").read_text()) for folder in (bundle, fused))
    was = verify(bundle)
    assert new["provenance"].pop("fused_from") == {"version": "1.0.0", "sha256": was.sha256}
    assert new["provenance"].pop("fused_by").startswith("onnxruntime ")
    assert verify(fused).version == "1.0.1"
    assert new["files"]["labels.txt"] == old["files"]["labels.txt"]
    differs = {key for key in new if new[key] != old.get(key)}
    assert differs <= {"version", "created_at", "files"}
    assert list(new) == list(old)


def test_what_changes_a_model_takes_the_one_before(
    bundle: Path, fused: Path, float_model: Path, tiny: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    again = ("--version", "3", *out)
    assert "never changes" in refused("fuse", "--bundle", bundle, "--version", "1.0.0", *out)
    assert "is fused already" in refused("fuse", "--bundle", fused, *again)
    assert "is fused" in refused("resize", "--bundle", fused, "--side", "96", *out)
    named = ("--labels", bundle / "labels.txt", "--name", "n", "--version", "1")
    assert "is fused" in refused("bundle", "--model", fused / "model.onnx", *named, *out)
    assert "is fused" in refused("unfold", "--bundle", fused, "--data", tiny, *out)
    assert not (tmp_path / "out").exists()
    plain = tmp_path / "plain"
    ok("bundle", "--model", float_model, *named, "--out", plain)
    assert "is not in QDQ form" in refused("fuse", "--bundle", plain, *again)


def test_another_answer_is_refused(bundle: Path, fused: Path, tmp_path: Path) -> None:
    model = onnx.load(fused / "model.onnx")
    kernel = next(t for t in model.graph.initializer if len(t.dims) == 4)
    other = numpy_helper.to_array(kernel).copy()
    other[0] += 1
    kernel.CopyFrom(numpy_helper.from_array(other, kernel.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(Refused, match="gives other"):
        hold_against(bundle / "model.onnx", tmp_path / "other.onnx")
