"""A tiny data set, one short training run and what the steps make of it, shared by all tests."""

from __future__ import annotations

import contextlib
import io
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

# Before PyTorch reads it: on a busy machine, two threads that wait for each other take ten times
# as long as one.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
import shapes as shapes_of
from PIL import Image

from glimpse_models.bundle.head import read_head
from glimpse_models.cli.main import main
from glimpse_models.graph.io import open_session
from glimpse_models.graph.outputs import maps_of

CLASSES = ("blue", "green", "red", "white")
ROOT = Path(__file__).parent.parent

# The smallest recipe that still goes every way: two sides, an epoch of four steps each. In fp32,
# because a processor without 16-bit arithmetic takes many times as long for the other.
RECIPE = (
    *("--backbone", "resnet18", "--sides", "32", "48", "--batch", "16", "--peak-rate", "0.05"),
    *("--precision", "fp32"),
)


@dataclass(frozen=True)
class Done:
    """What a command answered."""

    code: int
    out: str
    err: str


def glimpse(*words: object, **environment: str) -> Done:
    """Run a step as a user does, but in this process: loading PyTorch takes seconds each time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main([str(word) for word in words])
        except SystemExit as wrong:  # argparse, about words that it does not know
            code = int(wrong.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def ok(*words: object, **environment: str) -> str:
    """Run a step that must succeed; gives what it printed."""
    done = glimpse(*words, **environment)
    assert done.code == 0, done.err
    return done.out


def refused(*words: object, **environment: str) -> str:
    """Run a step that must refuse, in one sentence without a traceback; gives the sentence."""
    done = glimpse(*words, **environment)
    assert done.code == 1, (done.code, done.out, done.err)
    assert "Traceback" not in done.err
    return done.err


def draw(row: int, colour: int, side: int = 64) -> Image.Image:
    """A noisy picture whose dominant colour is its class."""
    chance = np.random.default_rng((row, colour))
    pixels = chance.integers(0, 120, (side, side, 3))
    if colour == 3:
        pixels += 120
    else:
        pixels[..., 2 - colour] += 130
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder without a split: four classes of 20 pictures, JPEG and PNG, of several sizes."""
    root = tmp_path_factory.mktemp("data") / "colours"
    for colour, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for row in range(20):
            suffix = "png" if row % 5 == 0 else "jpg"
            draw(row, colour, 64 + row).save(root / name / f"{row:02}.{suffix}")
    return root


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same classes in Tiny-ImageNet's layout: 18 training and 5 validation pictures each."""
    root = tmp_path_factory.mktemp("tiny") / "tiny-imagenet-200"
    wnids = [f"n0000000{index}" for index in range(4)]
    validation = root / "val" / "images"
    validation.mkdir(parents=True)
    table = []
    for colour, wnid in enumerate(wnids):
        images = root / "train" / wnid / "images"
        images.mkdir(parents=True)
        for row in range(18):
            draw(row, colour).save(images / f"{wnid}_{row}.JPEG")
        for row in range(5):
            name = f"val_{colour}_{row}.JPEG"
            draw(100 + row, colour).save(validation / name)
            table.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    (root / "wnids.txt").write_text("\n".join(wnids) + "\n")
    (root / "val" / "val_annotations.txt").write_text("".join(table))
    words = ["blue, azure", "green", "red", "red, crimson"]
    lines = [f"{wnid}\t{word}\n" for wnid, word in zip(wnids, words, strict=True)]
    (root / "words.txt").write_text("".join(lines))
    return root


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on `tiny`."""
    out = tmp_path_factory.mktemp("runs") / "run"
    ok("train", "--data", tiny, "--out", out, *RECIPE, "--augment", "crop")
    return out


@pytest.fixture(scope="session")
def float_model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's network as float ONNX."""
    out = tmp_path_factory.mktemp("float") / "float.onnx"
    ok("export", "--weights", trained / "weights.pt", "--out", out)
    return out


@pytest.fixture(scope="session")
def int8_model(float_model: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in int8."""
    out = tmp_path_factory.mktemp("int8") / "int8.onnx"
    ok(
        "quantize",
        "--model",
        float_model,
        "--data",
        tiny,
        "--out",
        out,
        "--pictures",
        "24",
        "--check",
        "0",
    )
    return out


@pytest.fixture(scope="session")
def bundle(
    int8_model: Path,
    float_model: Path,
    trained: Path,
    tiny: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The bundle, measured on the validation pictures."""
    out = tmp_path_factory.mktemp("bundles") / "bundle"
    ok(
        *("bundle", "--model", int8_model, "--float-model", float_model, "--data", tiny),
        *("--run", trained, "--name", "colours", "--version", "1.0.0", "--out", out),
    )
    return out


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of labels, its pictures beside it."""
    root = tmp_path_factory.mktemp("several") / "shapes"
    (root / "pictures").mkdir(parents=True)
    lines = ["file,labels"]
    for row in range(shapes_of.COUNT):
        shown = shapes_of.labels_of(row)
        shapes_of.draw(row, shown).save(root / "pictures" / f"{row:03}.png")
        lines.append(f"pictures/{row:03}.png,{'|'.join(shown)}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root / "labels.csv"


@pytest.fixture(scope="session")
def built(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The working folder of one `build`, and what it printed."""
    work = tmp_path_factory.mktemp("built") / "work"
    said = ok(
        *("build", "--data", shapes, "--name", "shapes", "--version", "1.0.0", *shapes_of.RECIPE),
        *("--task", "multi-label", "--work", work),
    )
    return work, said


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str) -> dict[str, str]:
    """The environment to reach the server in, with nothing in it but an empty bucket `models`."""
    urllib.request.urlopen(f"{s3_server}/moto-api/reset", data=b"").close()
    s3_client(s3_server).create_bucket(Bucket="models")
    return {
        "AWS_ENDPOINT_URL_S3": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def s3_client(address: str) -> Any:
    """boto3's client for the server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


def explained(folder: Path, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bundle's logits, and the class activation maps of its features and head."""
    session = open_session(folder / "model.onnx")
    assert [value.name for value in session.get_inputs()] == ["image"]
    assert not session.get_overridable_initializers()
    logits, features = session.run(["logits", "features"], {"image": pixels})
    return logits, maps_of(features, read_head((folder / "head.safetensors").read_bytes()))
