"""Make a bundle: `model.onnx`, `labels.txt` and `bundle.json`, checked by running it."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from glimpse_models.errors import Refused

SCHEMA_VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bundle`."""
    parser.add_argument("--float-model", type=Path, required=True, help="for its accuracy")
    parser.add_argument("--model", type=Path, required=True, help="the int8 ONNX file to serve")
    parser.add_argument("--data", type=Path, required=True, help="folder tiny-imagenet-200")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", default="resnet50-tiny-imagenet")
    parser.add_argument("--version", required=True)
    parser.add_argument("--resize", type=int, help="shorter side before the crop; default: the input side")
    parser.add_argument("--command", required=True, help="the training command, for the record")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    """Measure both models on all validation pictures, then write the three files."""
    from glimpse_models.data import TinyImageNet
    from glimpse_models.evaluate import evaluate

    labels = TinyImageNet(arguments.data).labels()
    exact = evaluate(arguments.float_model, arguments.data, arguments.resize)
    served = evaluate(arguments.model, arguments.data, arguments.resize)
    write(
        arguments.model,
        labels,
        arguments.out,
        {
            "name": arguments.name,
            "version": arguments.version,
            "metrics": {
                "dataset": "Tiny-ImageNet validation",
                "images": served.images,
                "fp32_top1": exact.top1,
                "int8_top1": served.top1,
                "int8_top5": served.top5,
            },
            "provenance": {
                "training_command": arguments.command,
                "git_commit": git_commit(),
                "seed": arguments.seed,
                "weights": "from scratch",
            },
            "license": "MIT OR Apache-2.0; trained on ImageNet pictures, whose own terms apply",
        },
        arguments.resize,
    )


def write(
    model: Path, labels: list[str], out: Path, about: dict[str, Any], resize: int | None = None
) -> None:
    """Write the bundle to `out` after one run of the model has shown that it serves."""
    side = check(model, len(labels))
    out.mkdir(parents=True, exist_ok=True)
    if model.resolve() != (out / "model.onnx").resolve():
        shutil.copyfile(model, out / "model.onnx")
    (out / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": about["name"],
        "version": about["version"],
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: entry(out / name) for name in ("labels.txt", "model.onnx")},
        "input": {
            "height": side,
            "width": side,
            "resize_shorter_side": resize or side,
            "interpolation": "bilinear-antialias",
        },
        **{key: about[key] for key in ("metrics", "provenance", "license") if key in about},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (out / "bundle.json").write_text(f"{text}\n", encoding="utf-8")


def check(model: Path, classes: int) -> int:
    """Run the model once as the service would; gives its input side."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    if image.name != "image" or image.type != "tensor(uint8)" or len(image.shape) != 4:
        raise Refused(
            f"the model's input is {image.name} {image.type} {image.shape}; the service needs image, "
            "uint8 [N, H, W, 3]: use export, which wraps the model"
        )
    _, height, width, channels = image.shape
    if not isinstance(height, int) or height != width or channels != 3:
        raise Refused(f"the model's input is {image.shape}; the service needs fixed, square RGB")
    logits = session.run(["logits"], {"image": np.zeros((2, height, width, 3), np.uint8)})[0]
    if logits.shape != (2, classes):
        raise Refused(f"logits are {list(logits.shape)} for 2 pictures, but there are {classes} labels")
    return int(height)


def entry(path: Path) -> dict[str, str | int]:
    """Checksum and size of a file."""
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def git_commit() -> str:
    """The commit of the code that made the bundle."""
    command = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
