"""The profile of a model: its operators, and how much they multiply."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import ok, refused

from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session, random_pictures
from glimpse_models.research.limits import engine
from glimpse_models.research.operators import multiplications
from glimpse_models.research.settings import SETTINGS
from glimpse_models.research.variants import VARIANTS


def event(operator: str, inputs: list[list[int]], output: list[int]) -> dict[str, Any]:
    """What ONNX Runtime records, as far as it is read."""
    shapes = [{"uint8": shape} for shape in inputs]
    arguments = {"op_name": operator, "input_type_shape": shapes}
    return {"args": arguments | {"output_type_shape": [{"uint8": output}]}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (event("Conv", [[1, 3, 8, 8], [16, 3, 3, 3]], [1, 16, 6, 6]), 16 * 36 * 27),
        (
            event("QLinearConv", [[2, 8, 8, 4], [], [], [16, 4, 1, 1]], [2, 8, 8, 16]),
            2 * 64 * 16 * 4,
        ),
        (event("QLinearConv", [[1, 8, 8, 16], [], [], [16, 1, 3, 3]], [1, 8, 8, 16]), 64 * 16 * 9),
        (event("QGemm", [[5, 64], [], [], [64, 10]], [5, 10]), 5 * 64 * 10),
        (event("QLinearAdd", [[1, 64]], [1, 64]), 0),
    ],
)
def test_multiplications_are_counted(found: dict[str, Any], expected: int) -> None:
    assert multiplications(found) == expected


def test_the_report_has_shares_the_limit_and_every_setting(bundle: Path) -> None:
    said = ok("operators", "--bundle", bundle, "--runs", "2", "--rounds", "2")
    shares = re.findall(r"^(\w+) +([\d.]+)%$", said.partition("slowest")[0], re.M)
    assert "QLinearConv" in dict(shares)
    assert abs(sum(float(share) for _, share in shares) - 100) < 1
    # ResNet18 at 48 pixels, by stage: 5.4, 21.2, 18.9, 18.9 and 33.6 million.
    assert "\n0.10 G multiplications a run" in said
    for name in (*SETTINGS, *VARIANTS):
        assert re.search(rf"^{name} +[\d.]+ \(", said, re.M), name


def test_samples_are_kept(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "operators.json"
    ok("operators", "--bundle", bundle, "--runs", "2", "--rounds", "3", "--json", file)
    kept = json.loads(file.read_text())
    assert kept["multiplications"] > 0.09e9
    assert {len(times) for times in kept["settings"].values()} == {3}
    assert set(kept["graphs"]) == set(VARIANTS)
    assert kept["openvino"] == []


def outputs(model: onnx.ModelProto) -> np.ndarray:
    session = open_session(model.SerializeToString())
    return np.asarray(session.run(["logits"], {"image": random_pictures(session, 3)})[0])


def test_a_stem_over_blocks_of_pixels_gives_the_same_bits(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    before = model.SerializeToString()
    made = VARIANTS["space-to-depth stem"](model)
    assert made is not None
    assert model.SerializeToString() == before
    stem = next(node for node in made.graph.node if node.op_type == "Conv")
    assert [list(a.ints) for a in stem.attribute if a.name == "kernel_shape"] == [[4, 4]]
    assert np.array_equal(outputs(made), outputs(model))


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {"space-to-depth stem"}))
def test_other_forms_answer_nearly_the_same(bundle: Path, name: str) -> None:
    model = onnx.load(bundle / "model.onnx")
    made = VARIANTS[name](model)
    assert made is not None
    assert np.abs(outputs(made) - outputs(model)).max() < outputs(model).std()


def test_float_models_have_no_such_forms(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    del model.graph.node[:]
    assert all(make(model) is None for make in VARIANTS.values())


def test_the_engine_answers_each_question_with_the_seconds_of_a_run(tmp_path: Path) -> None:
    # Stands for OpenVINO's interpreter, which the peers have in an environment of their own.
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nwhile read -r _; do echo 0.25; done\n")
    fake.chmod(0o755)
    with engine(fake, tmp_path / "model.onnx", (1, 8, 8, 3)) as run:
        assert [run(), run()] == [0.25, 0.25]


def test_an_engine_that_does_not_run_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="--openvino"),
        engine(Path("/bin/false"), tmp_path / "model.onnx", (1, 8, 8, 3)) as run,
    ):
        run()


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused("operators", "--bundle", tmp_path / "missing")
