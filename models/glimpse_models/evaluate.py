"""Measure top-1 and top-5 of ONNX models on the validation pictures, through ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BATCH = 50


@dataclass(frozen=True)
class Accuracy:
    """Fractions of `images` pictures."""

    images: int
    top1: float
    top5: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("--data", type=Path, required=True, help="folder tiny-imagenet-200")
    parser.add_argument("--resize", type=int, help="shorter side before the crop; default: the input side")
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files with the serving input")


def run(arguments: argparse.Namespace) -> None:
    """One JSON line a model."""
    for path in arguments.models:
        found = evaluate(path, arguments.data, arguments.resize)
        print(json.dumps({"model": path.name, **found.__dict__}), flush=True)


def evaluate(model: Path, data: Path, resize: int | None = None) -> Accuracy:
    """Top-1 and top-5 with the serving preprocessing."""
    import onnxruntime
    from PIL import Image

    from glimpse_models.data import TinyImageNet
    from glimpse_models.preprocess import InputSpec, fit, to_rgb

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[1]
    spec = InputSpec(side, resize or side)
    files = TinyImageNet(data).validation_files()
    top1 = top5 = 0
    for start in range(0, len(files), BATCH):
        chunk = files[start : start + BATCH]
        pictures = []
        for path, _ in chunk:
            with Image.open(path) as picture:
                pictures.append(fit(to_rgb(picture), spec))
        logits = session.run(["logits"], {"image": np.stack(pictures)})[0]
        best = np.argsort(-logits, axis=1)[:, :5]
        truth = np.array([index for _, index in chunk])
        top1 += int((best[:, 0] == truth).sum())
        top5 += int((best == truth[:, None]).any(axis=1).sum())
        if start % 2000 == 0:
            print(f"{model.name}: {start}/{len(files)}", file=sys.stderr, flush=True)
    return Accuracy(len(files), top1 / len(files), top5 / len(files))
