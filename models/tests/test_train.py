"""Training: every layout and option, and going on after a kill at any step."""

from __future__ import annotations

import csv
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from conftest import CLASSES, RECIPE, ROOT, glimpse, ok, refused
from PIL import Image

from glimpse_models.data.dataset import open_data, training_pictures
from glimpse_models.data.splits import DataSet, Split
from glimpse_models.errors import UserError
from glimpse_models.train import augment, learner, loss, run
from glimpse_models.train.record import short

SMALL = (*RECIPE, "--augment", "crop")
MODERN = (*RECIPE, "--augment", "modern", "--ema", "0.9", "--save-every", "2")


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "weights.pt", weights_only=True)["model"]
    return state


def test_a_run_leaves_weights_log_record_and_curves(trained: Path, tiny: Path) -> None:
    with (trained / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["side"] for row in rows] == ["32", "48"]
    assert [row["step"] for row in rows] == ["4", "8"]
    record = json.loads((trained / "run.json").read_text())
    assert len(record["data"].pop("fingerprint")) == 64
    assert record["data"] == {"name": "Tiny-ImageNet", "classes": 4, "train": 72, "validation": 20}
    assert record["recipe"]["sides"] == [32, 48]
    assert str(tiny.parent) not in record["command"], "no path of this machine in a public record"
    assert "--peak-rate 0.05" in record["command"]
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")
    about = torch.load(trained / "weights.pt", weights_only=True)["about"]
    assert about["labels"] == ["blue", "green", "red", "crimson"], "the second red has another name"
    assert (about["backbone"], about["side"], about["resize"]) == ("resnet18", 48, 48)


def test_no_path_of_this_machine_gets_into_a_record_with_an_equals_sign_either() -> None:
    assert short("--data=/home/someone/pictures/pets") == "--data=pictures/pets"
    assert short("--augment=crop") == "--augment=crop"
    assert short("onnx:/home/someone/models/net.onnx") == "onnx:models/net.onnx"
    assert short("s3://models/pets") == "s3://models/pets"


def test_tiny_imagenet_is_decoded_once_beside_the_data_set(trained: Path, tiny: Path) -> None:
    assert trained.exists()
    assert (tiny / "train.uint8.npy").exists()
    assert (tiny / "val.uint8.npy").exists()


@pytest.mark.parametrize("optimiser", ["sgd", "muon"])
def test_a_killed_run_goes_on_to_the_same_weights(
    optimiser: str, tiny: Path, tmp_path: Path
) -> None:
    options = ("--data", tiny, *SMALL, "--save-every", "1", "--optimiser", optimiser)
    ok("train", *options, "--out", tmp_path / "whole")
    command = [sys.executable, "-m", "glimpse_models", "train", *options, "--out", tmp_path / "cut"]
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_saves(tmp_path / "cut" / "checkpoint.pt", 3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (tmp_path / "cut" / "weights.pt").exists()
    assert "going on at step" in ok("train", *options, "--out", tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("saves", [1, 3])
def test_a_run_cut_off_at_any_save_goes_on_to_the_same_weights(
    tiny: Path, modern: Path, tmp_path: Path, saves: int
) -> None:
    left = iter(range(saves))
    save = run.save

    def cut(state: object, path: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        save(state, path)

    with mock.patch.object(run, "save", cut):
        assert glimpse("train", "--data", tiny, *MODERN, "--out", tmp_path).code == 130
    assert "going on at step" in ok("train", "--data", tiny, *MODERN, "--out", tmp_path)
    assert_same(modern, tmp_path)


@pytest.fixture(scope="module")
def modern(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything that has a state: mixing, chance in each picture, a moving average."""
    out = tmp_path_factory.mktemp("modern")
    ok("train", "--data", tiny, *MODERN, "--out", out)
    return out


FAULTS = """
import resource, sys
import torch
from glimpse_models.cli.main import main

def faults_of_a_block():
    # Of the last of some: the heap settles first.
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(64 << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before, code = faults_of_a_block(), main()
assert code == 0
print(before, faults_of_a_block())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_on_a_cpu_a_step_reuses_the_memory_of_the_one_before(trained: Path, tiny: Path) -> None:
    words = ("train", "--device", "cpu", "--data", tiny, "--out", trained, *SMALL)
    out = subprocess.run(
        [sys.executable, "-c", FAULTS, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before, after = map(int, out.splitlines()[-1].split())
    assert before > 1000, "64 MiB of fresh pages"
    assert after < 100


def test_a_run_with_patience_that_is_cut_in_its_first_epoch_leaves_weights(
    tiny: Path, tmp_path: Path
) -> None:
    ok("train", "--data", tiny, *SMALL, "--patience", "1", "--until", "1", "--out", tmp_path)
    assert weights(tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--save-every", "0", "1 or more"),
        ("--device", "cuda", "there is no GPU"),
        ("--device", "gpu", "give cpu or cuda"),
    ],
)
def test_what_no_run_can_do_is_refused(
    tiny: Path, tmp_path: Path, option: str, value: str, said: str
) -> None:
    with mock.patch.object(torch.cuda, "is_available", return_value=False):
        assert said in refused("train", "--data", tiny, *SMALL, option, value, "--out", tmp_path)


def assert_same(whole: Path, cut: Path) -> None:
    """The same weights and the same log, but for the times in it."""
    ours, theirs = weights(whole), weights(cut)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    logs = [(run / "log.csv").read_text().splitlines() for run in (whole, cut)]
    assert [line.split(",")[:8] for line in logs[0]] == [line.split(",")[:8] for line in logs[1]]


def wait_for_saves(path: Path, count: int) -> None:
    """Until the checkpoint was written `count` times from now."""
    seen, deadline = set(), time.monotonic() + 120
    if path.exists():
        seen.add(path.stat().st_mtime_ns)
        count += 1
    while len(seen) < count:
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        time.sleep(0.01)


def test_a_finished_run_stays_as_it_is(trained: Path, tiny: Path) -> None:
    before = weights(trained)
    commit = json.loads((trained / "run.json").read_text())["git_commit"]
    with mock.patch.object(run, "git_commit", return_value="a later commit"):
        out = ok("train", "--data", tiny, "--out", trained, *SMALL)
    assert "epoch" not in out
    assert json.loads((trained / "run.json").read_text())["git_commit"] == commit
    after = weights(trained)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_checkpoint_of_the_first_version_goes_on(
    tiny: Path, trained: Path, tmp_path: Path
) -> None:
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    old = {name: state[name] for name in ("model", "optimiser")}
    torch.save({**old, "schedule": {}, "done": 4}, tmp_path / "checkpoint.pt")
    out = ok("train", "--data", tiny, "--out", tmp_path, *SMALL)
    assert "going on at step 4 of 8" in out
    assert out.count("epoch 2") == 1


def test_a_checkpoint_that_does_not_know_a_new_option_goes_on_without_it(
    tiny: Path, trained: Path, tmp_path: Path
) -> None:
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    for option in ("hide_and_seek", "freeze_stages", "epoch_steps"):
        del state["recipe"][option]
    torch.save(state, tmp_path / "checkpoint.pt")
    base = ("train", "--data", tiny, "--out", tmp_path, *SMALL)
    assert "with hide_and_seek 0;" in refused(*base, "--hide-and-seek", "0.3")
    assert "going on at step 8 of 8" in ok(*base)


def test_a_checkpoint_of_0_1_0_goes_on_under_the_new_names(
    tiny: Path, trained: Path, tmp_path: Path
) -> None:
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    state["recipe"].update(hide=0.3, augment="origin")
    del state["recipe"]["hide_and_seek"]
    torch.save(state, tmp_path / "checkpoint.pt")
    base = ("train", "--data", tiny, "--out", tmp_path, *RECIPE, "--hide-and-seek", "0.3")
    assert "augment legacy" in refused(*base, "--augment", "crop")
    assert "going on at step 8 of 8" in ok(*base, "--augment", "legacy")


def test_a_run_stops_at_the_given_step_and_resumes(
    tiny: Path, trained: Path, tmp_path: Path
) -> None:
    options = ("--data", tiny, "--out", tmp_path, *SMALL)
    assert "epoch 1:" not in ok("train", *options, "--until", "3")
    cut = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert cut["progress"]["done"] == 3
    assert torch.equal(weights(tmp_path)["fc.weight"], cut["model"]["fc.weight"])
    ok("train", *options)
    whole, resumed = weights(trained), weights(tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_another_recipe_does_not_go_on(tiny: Path, trained: Path) -> None:
    said = refused("train", "--data", tiny, "--out", trained, *SMALL, "--seed", "2")
    assert "seed 1" in said
    assert "another --out" in said


def test_what_a_run_held_out_is_on_record_and_stays_held_out(folders: Path, tmp_path: Path) -> None:
    base = ("train", "--data", folders, "--out", tmp_path, *SMALL, "--sides", "32", "--until", "1")
    ok(*base, "--held-out", "0.3", "--seed", "5")
    data = json.loads((tmp_path / "run.json").read_text())["data"]
    assert (data["held_out"], data["seed"], data["validation"]) == (0.3, 5, 24)
    assert "a part of 0.3 for validation, not a part of 0.1" in refused(*base, "--seed", "5")
    again = (*base, "--held-out", "0.3", "--seed", "5")
    assert "going on at step 1" in ok(*again)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["held_out"]  # as checkpoints were before
    torch.save(state, tmp_path / "checkpoint.pt")
    assert "going on at step 1" in ok(*again)


def test_a_folder_of_classes_trains_the_origins_way(folders: Path, tmp_path: Path) -> None:
    ok(
        *("train", "--data", folders, "--out", tmp_path, "--backbone", "resnet18"),
        *(
            "--side",
            "32",
            "--resize",
            "36",
            "--epochs",
            "1",
            "--batch",
            "16",
            "--augment",
            "legacy",
        ),
        *(
            "--optimiser",
            "adam",
            "--schedule",
            "constant",
            "--head",
            "dense",
            "--precision",
            "fp32",
        ),
        *(
            "--class-weights",
            "balanced",
            "--workers",
            "1",
            "--label-smoothing",
            "0",
            "--threads",
            "1",
        ),
    )
    content = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert content["about"]["labels"] == list(CLASSES)
    assert content["model"]["fc.0.weight"].shape == (1024, 512)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["recipe"]["peak_rate"] == 1e-4
    assert record["data"]["validation"] == 8


def test_weights_of_another_run_with_a_frozen_backbone(
    folders: Path, trained: Path, tmp_path: Path
) -> None:
    ok(
        *("train", "--data", folders, "--out", tmp_path, "--backbone", "resnet18", "--side", "32"),
        *(
            "--epochs",
            "1",
            "--batch",
            "16",
            "--augment",
            "none",
            "--optimiser",
            "adamw",
            "--schedule",
            "cosine",
        ),
        *("--weights", trained / "weights.pt", "--freeze-epochs", "1"),
    )
    record = (tmp_path / "run.json").read_text()
    assert f"--weights {trained.name}/weights.pt" in record
    assert str(trained.parent) not in record, "no path of this machine in a public record"
    before, after = weights(trained), weights(tmp_path)
    frozen = [name for name in before if not name.startswith("fc.")]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["fc.weight"], after["fc.weight"])


def test_first_stages_are_frozen_and_epochs_can_be_cut_short(
    tiny: Path, trained: Path, tmp_path: Path
) -> None:
    options = (*SMALL, "--epoch-steps", "3", "--freeze-stages", "2", "--hide-and-seek", "0.3")
    options = (*options, "--weights", trained / "weights.pt", "--optimiser", "muon")
    ok("train", "--data", tiny, "--out", tmp_path, *options)
    epochs = json.loads((tmp_path / "run.json").read_text())["epochs"]
    assert [epoch["step"] for epoch in epochs] == [3, 6]
    before, after = weights(trained), weights(tmp_path)
    same = {name.split(".")[0] for name in before if torch.equal(before[name], after[name])}
    other = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert same == {"conv1", "bn1", "layer1", "layer2"}
    assert other == {"layer3", "layer4", "fc"}


def test_hidden_cells_take_the_mean_colour() -> None:
    pictures = torch.rand(400, 3, 60, 60, generator=torch.Generator().manual_seed(1))
    hidden = augment.hide_and_seek(pictures, 0.3, np.random.default_rng(2))
    mean = pictures.mean((2, 3), keepdim=True).expand_as(pictures)
    kept = (hidden == pictures).all(1)
    assert torch.equal(hidden, torch.where(kept[:, None], pictures, mean))
    parts = 1 - kept.flatten(1).float().mean(1)
    whole = parts == 0
    assert 0.2 < whole.float().mean() < 0.32, "a quarter, and few more by chance"
    assert parts[~whole].mean() == pytest.approx(0.3, abs=0.05)
    # Whole cells of a grid: with 2 to 4 cells in a row, none is narrower than 15 pixels.
    edges = (kept[:, :, 1:] != kept[:, :, :-1]).any(1).sum(1)
    assert edges.max() <= 3


def test_patience_ends_a_run_and_keeps_the_best(tiny: Path, tmp_path: Path) -> None:
    found = iter([0.3, 0.5, 0.4])

    def validate(*_: object) -> dict[str, float]:
        return {"val_loss": 1.0, "top1": next(found), "top5": 1.0}

    with mock.patch.object(learner, "validate", validate):
        ok(
            *("train", "--data", tiny, "--out", tmp_path, "--backbone", "resnet18", "--side", "32"),
            *("--epochs", "6", "--batch", "36", "--augment", "crop", "--patience", "1"),
        )
    epochs = json.loads((tmp_path / "run.json").read_text())["epochs"]
    assert [epoch["top1"] for epoch in epochs] == [0.3, 0.5, 0.4]
    kept, last = (
        weights(tmp_path),
        torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"],
    )
    assert not torch.equal(kept["fc.weight"], last["fc.weight"]), (
        "the second epoch's, not the third's"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--side", "16"), "give 32 or more"),
        (("--side", "48", "--resize", "40"), "must cover the crop"),
        (("--batch", "1"), "a batch"),
        (("--batch", "500"), "smaller --batch"),
        (("--ema", "1.5"), "0.999"),
        (("--epochs", "0"), "--epochs 1 or more"),
        (("--freeze-epochs", "1"), "give --weights too"),
        (("--freeze-stages", "1"), "give --weights too"),
        (("--hide-and-seek", "1"), "below 1"),
        (("--epoch-steps", "-1"), "0 (all) or more"),
        (("--weights", "missing.pt"), "does not exist"),
    ],
)
def test_train_refuses(tiny: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    base = ("--backbone", "resnet18", "--side", "32", "--epochs", "1", "--batch", "16")
    assert said in refused("train", "--data", tiny, "--out", tmp_path / "run", *base, *options)


def test_weights_of_another_backbone_are_refused(tiny: Path, trained: Path, tmp_path: Path) -> None:
    options = ("--backbone", "resnet50", "--weights", trained / "weights.pt", "--batch", "16")
    assert "--backbone" in refused("train", "--data", tiny, "--out", tmp_path / "run", *options)


def test_an_invalid_data_set_is_refused(tmp_path: Path) -> None:
    assert "class folders" in refused("train", "--data", tmp_path, "--out", tmp_path / "run")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert "holds no pictures" in refused("train", "--data", tmp_path, "--out", tmp_path / "run")


def test_balanced_weights_make_up_for_rare_classes() -> None:
    few, many = (Path("few"),), tuple(Path(f"{row}") for row in range(3))
    train_split = Split((*few, *many), (0, 1, 1, 1))
    data = DataSet("unequal", ("few", "many"), train_split, train_split, Path())
    found = loss.class_weights(data, "balanced", torch.device("cpu"))
    assert found is not None
    assert found.tolist() == pytest.approx([2, 2 / 3])
    assert loss.class_weights(data, "none", torch.device("cpu")) is None


def test_the_origins_augmentation_moves_pictures_and_repeats_their_edges() -> None:
    pixels = np.full((40, 40, 3), 200, np.uint8)
    pixels[10:20, 5:15] = (250, 60, 60)
    picture = Image.fromarray(pixels)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        first, second = (augment.augment(picture, "legacy", 40) for _ in range(2))
        torch.manual_seed(4)
        assert torch.equal(augment.augment(picture, "legacy", 40), first)
    assert not torch.equal(first, second)
    assert first[1].min() >= 60, "nothing black comes in from outside"
    assert (first[1] < 130).any(), "the patch is still in the picture"


def test_folders_for_training_and_validation_are_taken_as_they_are(
    folders: Path, tmp_path: Path
) -> None:
    for part, name in (("train", "red"), ("train", "blue"), ("val", "red"), ("val", "blue")):
        (tmp_path / part / name).mkdir(parents=True)
        rows = range(6) if part == "train" else range(6, 8)
        for row in rows:
            suffix = "png" if row % 5 == 0 else "jpg"
            source = folders / name / f"{row:02}.{suffix}"
            (tmp_path / part / name / source.name).symlink_to(source)
    data = open_data(tmp_path)
    assert data.labels == ("blue", "red")
    assert (len(data.train), len(data.validation)) == (12, 4)
    assert {path.parts[-3] for path in data.validation.files} == {"val"}
    assert training_pictures(tmp_path, 1) == data.train
    for name in ("validation", "Testing", "VALID"):
        (tmp_path / "val").rename(tmp_path / name)
        assert len(open_data(tmp_path).validation) == 4
        (tmp_path / name).rename(tmp_path / "val")
    (tmp_path / "train").rename(tmp_path / "Training")
    assert len(open_data(tmp_path).train) == 12
    (tmp_path / "val").rename(tmp_path / "other")
    for open_it in (open_data, lambda root: training_pictures(root, 1)):
        with pytest.raises(UserError, match="no folder for the other split"):
            open_it(tmp_path)
    (tmp_path / "other").rename(tmp_path / "val")
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "green")
    said = refused("train", "--data", tmp_path, "--out", tmp_path / "run")
    assert "differ in the classes green, red" in said
