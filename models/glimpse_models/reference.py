"""Print what the Python reference sees: one JSON line a picture, by Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from glimpse_models.classifiers import open_classifier, read_input
from glimpse_models.data import pictures_below
from glimpse_models.errors import Refused
from glimpse_models.metrics import ranked, softmax


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `reference`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--limit", type=int, help="only the first pictures, in the order of names")
    parser.add_argument("folder", type=Path, help="pictures, also in folders below it")


def run(arguments: argparse.Namespace) -> None:
    """`{"file", "top1", "top5", "scores"}` a line: class indices and their softmax, best first.

    One picture a run of the model, as in the service.
    """
    files = pictures_below(arguments.folder)[: arguments.limit]
    if not files:
        raise Refused(f"no pictures below {arguments.folder}; name a folder that holds some")
    classifier = open_classifier(arguments.bundle)
    for file in files:
        logits = classifier.logits(read_input(file, classifier.spec)[None])[0]
        best = ranked(logits, 5)
        line = {
            "file": file.relative_to(arguments.folder).as_posix(),
            "top1": int(best[0]),
            "top5": best.tolist(),
            "scores": [
                round(score, 6) for score in softmax(logits / classifier.temperature)[best].tolist()
            ],
        }
        print(json.dumps(line, ensure_ascii=False))
