"""Parity: our preprocessing and torchvision's are the same pixels, on pictures of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import draw, ok, refused
from PIL import Image, ImageOps

from glimpse_models.bundle.manifest import spec_of
from glimpse_models.data.decode import to_rgb
from glimpse_models.data.preprocess import InputSpec, fit
from glimpse_models.errors import UserError
from glimpse_models.research import fixtures, pictures
from glimpse_models.research.reference import near_copies


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fixtures")
    ok("fixtures", "--out", out, "--inputs", "64:64", "96:109")
    return out


def test_our_fit_is_torchvisions(folder: Path) -> None:
    cases = json.loads((folder / "cases.json").read_text())
    assert len(cases) > 2 * len(list((folder / "pictures").iterdir()))
    for case in cases:
        expected = np.fromfile(folder / case["expected"], np.uint8)
        spec = spec_of({"input": case["input"]})
        with Image.open(folder / case["picture"]) as picture:
            found = fit(to_rgb(picture), spec).ravel()
        if spec.antialias or spec.filter == "nearest":
            assert np.array_equal(found, expected), case
        else:  # halves round as the last bit of float32 has it
            difference = np.abs(found.astype(int) - expected)
            assert difference.max() <= 1, case
            assert difference.mean() < 0.01, case


def test_odd_margins_are_halved_as_each_library_does() -> None:
    """Of 3 pixels too many, torchvision takes 2 from the left, and transformers 1."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 67, 3), np.uint8))
    pixels = np.asarray(picture)
    for crop, left in (("center", 2), ("center-floor", 1)):
        found = fit(picture, InputSpec(64, 64, crop=crop))
        assert np.array_equal(found, pixels[:, left : left + 64])


def test_contradictions_of_a_geometry_are_refused() -> None:
    for wrong, said in (
        ({"mode": "stretch"}, "mode stretch"),
        ({"filter": "hamming"}, "filter hamming"),
        ({"crop": "none"}, "needs a crop"),
        ({"mode": "squash", "crop": "none"}, "without a crop"),
        ({"filter": "lanczos", "antialias": False}, "lanczos"),
        ({"mode": "letterbox", "fill": (0, 256, 0)}, "fill"),
    ):
        with pytest.raises(UserError, match=said):
            InputSpec(64, 72, **wrong)


def test_every_size_is_cropped_as_torchvision_does(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    for _ in range(60):
        width, height = chance.integers(1, 300, 2).tolist()
        side = int(chance.integers(1, 60))
        spec = InputSpec(side, side + int(chance.integers(0, 40)))
        path = tmp_path / "picture.png"
        pictures.picture(width, height).save(path)
        with Image.open(path) as picture:
            found = fit(to_rgb(picture), spec)
        assert np.array_equal(found, fixtures.expected_input(path, spec)), (width, height, spec)


def test_every_orientation_is_the_same_upright_scene(folder: Path) -> None:
    for value in range(1, 9):
        with Image.open(folder / "pictures" / f"orientation-{value}.png") as picture:
            assert picture.getexif()[274] == value
            upright = ImageOps.exif_transpose(picture)
            assert np.array_equal(np.asarray(to_rgb(picture)), np.asarray(upright))


def test_handmade_files_hold_the_scene(folder: Path) -> None:
    with Image.open(folder / "pictures" / "interlaced.png") as picture:
        assert picture.info["interlace"] == 1
        assert np.array_equal(np.asarray(picture), pictures.scene(210, 140))
    with Image.open(folder / "pictures" / "16-bit-grey.png") as picture:
        assert picture.mode == "I;16"
        # Up to 99 of 257 added to each sample: it rounds to the 8 bits that were there.
        assert np.array_equal(np.asarray(to_rgb(picture))[..., 0], pictures.scene(190, 130)[..., 0])


def test_clear_becomes_white() -> None:
    clear = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    assert np.asarray(to_rgb(clear)).min() == 255


def test_the_reference_prints_a_line_a_picture(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    draw(200, 0).save(tmp_path / "deep" / "b.png")
    draw(201, 2).save(tmp_path / "a.JPG")
    base = ("reference", "--bundle", bundle, "--copies", "8")
    lines = [json.loads(line) for line in ok(*base, tmp_path).splitlines()]
    assert [line["file"] for line in lines] == ["a.JPG", "deep/b.png"]
    for line in lines:
        assert line["top1"] == line["top5"][0]
        assert line["scores"] == sorted(line["scores"], reverse=True)
        assert sum(line["scores"]) == pytest.approx(1, abs=1e-4), "four classes in all"
        assert line["copies"] == [line["top1"]], "a level more or less makes no red blue"


def test_copies_differ_by_a_level_in_two_of_five_values() -> None:
    chance = np.random.default_rng(3)
    pixels = chance.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    moved = near_copies(pixels, 3, chance).astype(int) - pixels
    assert moved.min() == -1
    assert moved.max() == 1
    assert np.mean(moved != 0) == pytest.approx(0.4, abs=0.02)
    assert not np.array_equal(moved[0], moved[1])


def test_reference_and_fixtures_refuse(bundle: Path, tmp_path: Path) -> None:
    assert "no pictures" in refused("reference", "--bundle", bundle, tmp_path)
    assert "bundle.json" in refused("reference", "--bundle", tmp_path, tmp_path.parent)
    for text in ("224", "256:224", "a:b"):
        assert "SIDE:RESIZE" in refused("fixtures", "--out", tmp_path, "--inputs", text)
