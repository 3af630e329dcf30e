"""Print what the Python reference sees: one JSON line a picture, by Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glimpse_models.errors import Refused
from glimpse_models.preprocess import InputSpec, fit, to_rgb

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `reference`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--limit", type=int, help="only the first pictures, in the order of names")
    parser.add_argument("folder", type=Path, help="pictures, also in folders below it")


def run(arguments: argparse.Namespace) -> None:
    """`{"file", "top1", "top5", "scores"}` a line: class indices and their softmax, best first."""
    files = picture_files(arguments.folder)[: arguments.limit]
    if not files:
        raise Refused(f"no pictures ({', '.join(sorted(SUFFIXES))}) below {arguments.folder}")
    for file, scores in classify(arguments.bundle, files):
        best = np.argsort(-scores, kind="stable")[:5]
        line = {
            "file": file.relative_to(arguments.folder).as_posix(),
            "top1": int(best[0]),
            "top5": best.tolist(),
            "scores": [round(float(scores[index]), 6) for index in best],
        }
        print(json.dumps(line, ensure_ascii=False))


def picture_files(folder: Path) -> list[Path]:
    """Every picture below `folder`, in the order of names."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if path.is_file())


def classify(bundle: Path, files: list[Path]) -> Iterator[tuple[Path, Any]]:
    """Each file with its softmax scores `[C]`, one picture a run as the service does."""
    import onnxruntime

    described = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["input"]
    spec = InputSpec(described["height"], described["resize_shorter_side"])
    session = onnxruntime.InferenceSession(
        str(bundle / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    for file in files:
        with Image.open(file) as picture:
            image = fit(to_rgb(picture), spec)
        logits = session.run(["logits"], {"image": image[None]})[0][0]
        powers = np.exp(logits - logits.max())
        yield file, powers / powers.sum()
