"""Folders as people have them: splits, hidden files, broken pictures, near duplicates."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from conftest import RECIPE, draw, glimpse, ok, refused
from PIL import Image

from glimpse_models.data import inspect as inspection
from glimpse_models.data.dataset import open_data
from glimpse_models.data.files import LeftOut, is_hidden, pictures_below, split_of
from glimpse_models.errors import UserError
from glimpse_models.research.pictures import picture

SMALL = (*RECIPE, "--sides", "32", "--until", "1", "--augment", "crop")


def made(root: Path, *names: str, count: int = 4) -> Path:
    """Folders with some pictures each."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for row in range(count):
            draw(row, number % 4, 40).save(root / name / f"{row}.jpg")
    return root


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("train", "val"),
        ("Training", "Testing"),
        ("TRAIN", "TEST"),
        ("train", "valid"),
        ("training", "Validation"),
        ("training_set", "test_set"),
        ("train_images", "val_images"),
        ("images-train", "images-val"),
        ("Train Set", "Validation Set"),
        ("trn", "tst"),
        ("train", "dev"),
        ("train", "eval"),
        ("train", "validate"),
        ("train", "hold-out"),
        ("trainset", "testset"),
        ("train2017", "val2017"),
    ],
)
def test_split_folders_have_the_names_that_people_use(
    training: str, validation: str, tmp_path: Path
) -> None:
    made(tmp_path, f"{training}/cat", f"{training}/dog", f"{validation}/cat", f"{validation}/dog")
    data = open_data(tmp_path)
    assert data.labels == ("cat", "dog")
    assert {path.parent.parent.name for path in data.train.files} == {training}
    assert {path.parent.parent.name for path in data.validation.files} == {validation}
    assert data.held_out == {}


def test_of_val_and_test_the_test_pictures_stay_unseen(tmp_path: Path) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("train", "val", "test") for name in "ab"))
    assert {path.parent.parent.name for path in open_data(tmp_path).validation.files} == {"val"}


@pytest.mark.parametrize(
    ("validation", "unseen"), [("dev", "eval"), ("eval", "test"), ("valid_set", "holdout")]
)
def test_splits_behind_the_one_for_validation_stay_unseen(
    validation: str, unseen: str, tmp_path: Path
) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("train", validation, unseen) for name in "ab"))
    found = {path.parent.parent.name for path in open_data(tmp_path).validation.files}
    assert found == {validation}


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("train", "val", "dev") for name in "ab"))
    with pytest.raises(UserError, match="dev, val for one split; keep one of them"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    "name", ["cat", "trains", "tests", "trainer", "contest", "devices", "validity", "images", ""]
)
def test_other_names_are_no_splits(name: str) -> None:
    assert split_of(name) == ""


def test_folders_that_share_their_folders_are_splits_and_not_classes(tmp_path: Path) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("first", "second") for name in ("cat", "dog")))
    with pytest.raises(UserError) as caught:
        open_data(tmp_path)
    said = str(caught.value)
    assert "first/ and second/" in said
    assert "(cat, dog)" in said
    assert "folder train and the validation pictures' folder val" in said
    draw(1, 1, 40).save(tmp_path / "first" / "own.jpg")
    assert open_data(tmp_path).labels == ("first", "second"), "a class may have folders in it"


def test_classes_that_share_one_folder_are_classes(tmp_path: Path) -> None:
    made(tmp_path, "cat/2023", "cat/2024", "dog/2024")
    assert open_data(tmp_path).labels == ("cat", "dog")


@pytest.mark.parametrize("lonely", ["train", "Testing", "valid", "training_set"])
def test_a_split_without_its_other_half_is_refused(lonely: str, tmp_path: Path) -> None:
    made(tmp_path, f"{lonely}/cat", f"{lonely}/dog", "other/cat")
    with pytest.raises(UserError, match="no folder for the other split"):
        open_data(tmp_path)


def test_a_train_may_be_a_class(tmp_path: Path) -> None:
    assert open_data(made(tmp_path, "bus", "train")).labels == ("bus", "train")


def test_hidden_and_system_files_are_left_out_and_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, "cat", "dog", ".ipynb_checkpoints", "__MACOSX", "cat/.ipynb_checkpoints")
    shutil.copy(tmp_path / "cat/0.jpg", tmp_path / "cat/._0.jpg")
    shutil.copy(tmp_path / "cat/0.jpg", tmp_path / "cat/Thumbs.db")
    (tmp_path / "dog/notes.txt").write_text("a note")
    data = open_data(tmp_path)
    assert data.labels == ("cat", "dog")
    assert len(data.train) + len(data.validation) == 8
    assert data.left_out == "1 .txt, 3 hidden"
    assert open_data(tmp_path) == data
    assert capsys.readouterr().err.count("not taken as pictures: 1 .txt, 3 hidden") == 1
    assert [is_hidden(name) for name in (".a", "__MACOSX", "THUMBS.DB", "a.jpg")] == [
        *(True, True, True, False),
    ]


def test_every_ending_of_the_service_is_taken_in_any_case(tmp_path: Path) -> None:
    endings = (
        "jpg",
        "JPEG",
        "jpe",
        "jfif",
        "png",
        "webp",
        "gif",
        "bmp",
        "tif",
        "TIFF",
        "heic",
        "heif",
        "avif",
    )
    for ending in (*endings, "txt", "psd"):
        (tmp_path / f"a.{ending}").touch()
    left_out = LeftOut()
    assert len(pictures_below(tmp_path, left_out)) == len(endings)
    assert str(left_out) == "1 .psd, 1 .txt"


def test_a_link_that_leads_back_up_does_not_end_in_a_circle(tmp_path: Path) -> None:
    made(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    assert len(pictures_below(tmp_path / "cat")) == 4


@pytest.fixture
def broken(folders: Path, tmp_path: Path) -> Path:
    """The four classes, with two pictures that cannot be decoded."""
    root = tmp_path / "pets"
    shutil.copytree(folders, root)
    (root / "red" / "01.jpg").write_bytes((root / "red" / "01.jpg").read_bytes()[:-700])
    (root / "blue" / "02.jpg").write_bytes(b"no picture")
    (root / "blue" / "03.jpg").write_bytes(b"")
    return root


def test_broken_pictures_are_listed_before_the_first_step_and_left_out_of_every_step(
    broken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = glimpse("train", "--data", broken, "--out", run, *SMALL)
    assert done.code == 0, done.err
    assert "3 of 80 pictures cannot be decoded" in done.err
    assert "blue/02.jpg: not an image of a known format" in done.err
    assert "blue/03.jpg: an empty file" in done.err
    assert "red/01.jpg: Corrupt JPEG data: premature end" in done.err
    data = json.loads((run / "run.json").read_text())["data"]
    assert data["broken"] == ["blue/02.jpg", "blue/03.jpg", "red/01.jpg"]
    assert data["train"] + data["validation"] == 77
    ok("export", "--weights", run / "weights.pt", "--out", run / "float.onnx")
    ok(
        *("quantize", "--model", run / "float.onnx", "--data", broken, "--run", run),
        *("--out", run / "int8.onnx", "--max-drop", "2"),
    )
    ok(
        *("bundle", "--model", run / "int8.onnx", "--float-model", run / "float.onnx"),
        *("--data", broken, "--run", run, "--name", "n", "--version", "1", "--out", run / "b"),
    )
    measured = ("--data", broken, "--run", run)
    ok("evaluate", *measured, "--out", tmp_path / "report", run / "b")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report[0]["images"] == data["validation"]
    said = ok("compare", *measured, "--max-slowdown", "100", run / "b", run / "b")
    assert f"{data['validation']} pictures" in said
    assert "too few to fit" in refused(
        *("calibrate", "--bundle", run / "b", *measured, "--version", "2", "--out", run / "c")
    )
    with mock.patch.object(inspection, "look_at", side_effect=AssertionError("looked again")):
        again = glimpse("train", "--data", broken, "--out", run, *SMALL)
    assert "going on at step" in again.out, again.err


def test_broken_pictures_are_refused_by_an_option(broken: Path, tmp_path: Path) -> None:
    base = ("train", "--data", broken, "--out", tmp_path / "run", *SMALL)
    said = refused(*base, "--broken", "refuse")
    assert all(name in said for name in ("blue/02.jpg", "red/01.jpg", "--broken leave-out"))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_class_without_a_picture_that_can_be_decoded_is_refused(
    folders: Path, tmp_path: Path
) -> None:
    root = tmp_path / "pets"
    shutil.copytree(folders, root)
    for path in (root / "white").iterdir():
        path.write_bytes(b"no picture")
    said = refused("train", "--data", root, "--out", tmp_path / "run", *SMALL)
    assert "no training picture of white can be decoded" in said


def looked_at(root: Path, kept: Path) -> inspection.Findings:
    return inspection.inspect(open_data(root), kept)


def test_the_fingerprint_is_of_names_and_content(tmp_path: Path) -> None:
    root = made(tmp_path / "pets", "cat", "dog")
    first = looked_at(root, tmp_path / "1.json").fingerprint
    copied = tmp_path / "copy"
    shutil.copytree(root, copied)
    assert looked_at(copied, tmp_path / "2.json").fingerprint == first
    content = bytearray((root / "cat/0.jpg").read_bytes())
    content[-3] ^= 1
    (root / "cat/0.jpg").write_bytes(content)
    assert looked_at(root, tmp_path / "1.json").fingerprint != first, "the file has changed"
    (copied / "cat/0.jpg").rename(copied / "cat/9.jpg")
    assert looked_at(copied, tmp_path / "2.json").fingerprint != first


def test_near_duplicates_between_the_splits_are_found(tmp_path: Path) -> None:
    scenes = [
        picture(200 + 10 * number, 150 + 7 * number).rotate(40 * number) for number in range(6)
    ]
    for part, rows in (("train", range(4)), ("val", range(4, 6))):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
        for row in rows:
            scenes[row].save(tmp_path / part / ("cat", "dog")[row % 2] / f"{row}.png")
    smaller = scenes[1].resize((120, 90))
    smaller.save(tmp_path / "val" / "dog" / "again.jpg", quality=60)
    Image.new("RGB", (50, 50), (9, 9, 9)).save(tmp_path / "train" / "cat" / "flat.png")
    Image.new("RGB", (50, 50), (200, 9, 9)).save(tmp_path / "val" / "cat" / "flat.png")
    found = looked_at(tmp_path, tmp_path / "kept.json")
    assert found.twins == (("val/dog/again.jpg", "train/dog/1.png"),)
    assert found.record()["near_duplicates"] == 1


def test_copies_of_flat_pictures_are_found_though_they_have_no_print(tmp_path: Path) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("train", "val") for name in ("cat", "dog")))
    for path in (tmp_path / "val").rglob("*.jpg"):
        content = draw(int(path.stem) + 50, 3, 40)
        content.rotate(90 * int(path.stem)).save(path)
    before = looked_at(tmp_path, tmp_path / "1.json").twins
    Image.new("RGB", (50, 50), (9, 9, 9)).save(tmp_path / "train" / "cat" / "flat.png")
    shutil.copy(tmp_path / "train/cat/flat.png", tmp_path / "val/dog/copy.png")
    for part in ("train", "val"):
        (tmp_path / part / "cat" / "empty.jpg").write_bytes(b"")
    after = looked_at(tmp_path, tmp_path / "2.json").twins
    assert set(after) - set(before) == {("val/dog/copy.png", "train/cat/flat.png")}


def test_small_things_on_white_are_no_near_duplicates_of_each_other() -> None:
    chance = np.random.default_rng(3)
    prints, copies = [], []
    for _ in range(100):
        thing = chance.integers(0, 256, (6, 6, 3), np.uint8)
        whole = Image.new("RGB", (300, 300), "white")
        whole.paste(Image.fromarray(thing).resize((150, 150), Image.Resampling.BICUBIC), (75, 75))
        copy = io.BytesIO()
        whole.resize((200, 200)).save(copy, "JPEG", quality=60)
        prints.append(inspection.print_of(whole))
        copies.append(inspection.print_of(Image.open(copy)))
    flat = inspection.print_of(Image.new("RGB", (50, 50), (9, 9, 9)))
    assert flat is None
    order = chance.permutation(100).tolist()
    shuffled = [copies[row] for row in order]
    assert inspection.near_duplicates([*shuffled, None], [None, *prints]) == [
        (at, row + 1) for at, row in enumerate(order)
    ]
    assert inspection.near_duplicates(prints[:50], [*prints[50:], None]) == []
    assert inspection.near_duplicates(prints, [None]) == []
