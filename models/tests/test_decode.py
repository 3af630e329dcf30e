"""Training decodes pictures as the service does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import draw
from PIL import ExifTags, Image

from glimpse_models.data.decode import open_picture, to_rgb
from glimpse_models.data.inspect import look_at
from glimpse_models.data.jpeg import fault
from glimpse_models.errors import UserError
from glimpse_models.research.pictures import scene

SCENE = scene(60, 40)
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))


def written(path: Path, image: Image.Image, **options: object) -> np.ndarray:
    image.save(path, **options)  # type: ignore[arg-type]
    return np.asarray(open_picture(path))


@pytest.mark.parametrize("ending", ["png", "webp", "tiff"])
def test_orientation_is_applied(ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options = {"lossless": True} if ending == "webp" else {}
    found = written(tmp_path / f"a.{ending}", Image.fromarray(SCENE), exif=exif, **options)
    assert np.array_equal(found, np.rot90(SCENE, -1))


def test_sixteen_bits_are_scaled_by_their_range(tmp_path: Path) -> None:
    wide = Image.fromarray(GREY.astype(np.uint16) * 257)
    for ending in ("png", "tiff"):
        assert np.array_equal(written(tmp_path / f"a.{ending}", wide)[..., 0], GREY)


def test_thirty_two_bits_and_floats_are_scaled_by_their_range(tmp_path: Path) -> None:
    deep = GREY.astype(np.int64) * 8388608  # half of the range of 32 bits without a sign
    image = Image.fromarray(deep.astype(np.int32))
    image.save(tmp_path / "deep.tiff")
    with Image.open(tmp_path / "deep.tiff") as opened:
        signed = opened.tag_v2.get(339, (1,))[0] == 2
    found = np.asarray(open_picture(tmp_path / "deep.tiff"))[..., 0].astype(int)
    expected = 128 + GREY / 2 if signed else GREY / 2
    assert np.abs(found - expected).max() <= 1
    floats = Image.fromarray(GREY.astype(np.float32) / 255)
    assert np.array_equal(written(tmp_path / "float.tiff", floats)[..., 0], GREY)
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "beyond.tiff")
    with pytest.raises(UserError, match="not in 0…1"):
        open_picture(tmp_path / "beyond.tiff")


def test_alpha_lies_over_white_but_not_the_unwritten_alpha_of_a_bmp(tmp_path: Path) -> None:
    clear = Image.fromarray(np.dstack([SCENE, np.zeros(SCENE.shape[:2], np.uint8)]), "RGBA")
    assert written(tmp_path / "a.png", clear).min() == 255
    clear.format = "BMP"
    assert np.array_equal(np.asarray(to_rgb(clear)), SCENE)


def test_the_content_decides_what_a_file_is(tmp_path: Path) -> None:
    draw(1, 2).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.heic")
    assert open_picture(tmp_path / "a.heic").size == (64, 64)
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        open_picture(tmp_path / "a.jpg")


def test_avif_and_heic_are_decoded(tmp_path: Path) -> None:
    smooth = Image.fromarray(SCENE).resize((15, 10)).resize((60, 40))
    found = written(tmp_path / "a.avif", smooth, quality=95)
    assert np.abs(found.astype(int) - np.asarray(smooth)).mean() < 3
    cup = np.asarray(open_picture(Path(__file__).parent / "pictures" / "cup.heic"))
    assert cup.shape == (267, 400, 3)
    assert cup.mean((0, 1)) == pytest.approx([158.6, 85.8, 51.6], abs=1), "a cup of coffee on wood"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_needs_its_pixels_and_no_end_marker(
    options: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    whole = written(path, Image.fromarray(SCENE), **options)
    content = path.read_bytes()
    path.write_bytes(content.removesuffix(b"\xff\xd9"))
    assert np.array_equal(np.asarray(open_picture(path)), whole)
    for length in (len(content) - 60, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"premature end|scans are missing"):
            open_picture(path)


FIXTURES = Path(__file__).parents[2] / "crates/classifier/src/decode/jpeg/fixtures"
DAMAGES = json.loads((FIXTURES / "damages.json").read_text("utf-8"))


def damaged(file: bytes, edits: list[list[object]]) -> bytes:
    """As the table says that the service's test and this one read."""
    for what, *given in edits:
        at = given[0] if isinstance(given[0], int) else 0
        bytes_of = [bytes.fromhex(text) for text in given if isinstance(text, str)]
        if what == "cut":
            file = file[:at]
        elif what == "append":
            file += bytes_of[0]
        elif what == "insert":
            file = file[:at] + bytes_of[0] + file[at:]
        elif what == "set":
            file = file[:at] + bytes_of[0] + file[at + len(bytes_of[0]) :]
        else:
            assert what == "replace"
            assert bytes_of[0] in file
            file = file.replace(bytes_of[0], bytes_of[1], 1)
    return file


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage["name"] for damage in DAMAGES])
def test_a_damaged_jpeg_is_read_where_the_service_reads_it(
    damage: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    whole = (FIXTURES / f"{damage['file']}.jpg").read_bytes()
    path.write_bytes(damaged(whole, damage["edits"]))
    found = look_at(path)
    assert (found.fault is None) == damage["decoded"], found.fault
    if damage["decoded"]:
        assert open_picture(path).size == (33, 21)
    else:
        with pytest.raises(UserError, match="cannot be read as a picture"):
            open_picture(path)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.jpg")))
def test_a_jpeg_of_any_form_has_no_fault(name: str) -> None:
    assert fault((FIXTURES / name).read_bytes()) is None


def test_a_cmyk_jpeg_has_no_fault_until_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(SCENE).convert("CMYK").save(path)
    content = path.read_bytes()
    assert fault(content) is None
    assert fault(content[: len(content) // 2 + 300] + b"\xff\xd9") is not None
