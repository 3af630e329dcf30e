"""Print what the Python reference sees: one JSON line a picture, by Pillow and ONNX Runtime.

Decoders and resizers that are all correct still differ by a level here and there, and a label that
hangs by that is nobody's fault: `--copies` tells which labels the reference itself gives then.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from glimpse_models.classifiers import Pixels, open_classifier, read_input
from glimpse_models.data import pictures_below
from glimpse_models.errors import Refused
from glimpse_models.metrics import ranked, softmax


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `reference`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--limit", type=int, help="only the first pictures, in the order of names")
    parser.add_argument(
        "--copies",
        type=int,
        default=0,
        help="also the labels of so many copies of each input, a level more or less in two of five values",
    )
    parser.add_argument("folder", type=Path, help="pictures, also in folders below it")


def run(arguments: argparse.Namespace) -> None:
    """`{"file", "top1", "top5", "scores"}` a line: class indices and their softmax, best first.

    With `--copies`, `"copies"` too: the classes that they get, the most frequent first. One picture a run of the model, as in the service.
    """
    files = pictures_below(arguments.folder)[: arguments.limit]
    if not files:
        raise Refused(f"no pictures below {arguments.folder}; name a folder that holds some")
    classifier = open_classifier(arguments.bundle)
    chance = np.random.default_rng(1)
    for file in files:
        pixels = read_input(file, classifier.spec)
        logits = classifier.logits(pixels[None])[0]
        best = ranked(logits, 5)
        line = {
            "file": file.relative_to(arguments.folder).as_posix(),
            "top1": int(best[0]),
            "top5": best.tolist(),
            "scores": [
                round(score, 6) for score in softmax(logits / classifier.temperature)[best].tolist()
            ],
        }
        if arguments.copies:
            near = classifier.logits(copies(pixels, arguments.copies, chance))
            found, counts = np.unique(near.argmax(axis=1), return_counts=True)
            line["copies"] = found[np.argsort(-counts, kind="stable")].tolist()
        print(json.dumps(line, ensure_ascii=False))


def copies(pixels: Pixels, count: int, chance: np.random.Generator) -> Pixels:
    """`[count, H, W, 3]`: as far from `[H, W, 3]` as two correct decoders are from each other."""
    levels = np.array([-1, 0, 1], np.int16)
    noise = chance.choice(levels, (count, *pixels.shape), p=[0.2, 0.6, 0.2])
    near: Pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return near
