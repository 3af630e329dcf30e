"""What further outputs cost a plain run: the plain model it is held against, and the verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from conftest import ok, refused

from glimpse_models.graph.io import open_session
from glimpse_models.research.overhead import logits_only


def test_the_plain_model_has_logits_and_nothing_else(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    before = model.SerializeToString()
    plain = logits_only(model)
    assert model.SerializeToString() == before
    assert len(model.graph.output) > 1
    assert [value.name for value in plain.graph.output] == ["logits"]
    assert [value.name for value in plain.graph.input] == ["image"]
    assert "If" not in [node.op_type for node in plain.graph.node]
    onnx.checker.check_model(plain)
    image = {"image": np.random.default_rng(1).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)}
    whole, cut = (open_session(one.SerializeToString()) for one in (model, plain))
    assert np.array_equal(whole.run(["logits"], image)[0], cut.run(["logits"], image)[0])


def test_the_ratio_is_reported_and_compared_with_the_limit(bundle: Path) -> None:
    options = ("overhead", "--bundle", bundle, "--runs", "4", "--sessions", "2")
    assert "ratio" in ok(*options, "--at-most", "100")
    assert "--at-most is 0" in refused(*options, "--at-most", "0")


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused("overhead", "--bundle", tmp_path / "missing")
