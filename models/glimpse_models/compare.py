"""Compare two bundles on the same pictures: the gate before a release.

Exits with status 1 when the candidate is worse than the limits allow.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glimpse_models.classifiers import Classifier, open_classifier, read_input
from glimpse_models.data import HELD_OUT, Split, open_data, read_labels, refuse_other_order
from glimpse_models.errors import Refused
from glimpse_models.evaluate import logits_of
from glimpse_models.metrics import measure

TIMED_RUNS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--held-out", type=float, default=HELD_OUT, help="as in train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="only so many pictures, drawn at random")
    parser.add_argument("--threads", type=int, default=0, help="of ONNX Runtime (default: all)")
    parser.add_argument(
        "--max-drop", type=float, default=0.005, help="of top-1 (default: %(default)s)"
    )
    parser.add_argument(
        "--min-agreement", type=float, default=0.0, help="of the labels, 0…1 (default: %(default)s)"
    )
    parser.add_argument(
        "--max-slowdown",
        type=float,
        default=1.2,
        help="of one picture's run (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("old", type=Path, help="the bundle that serves now")
    parser.add_argument("new", type=Path, help="the candidate")


@dataclass(frozen=True)
class Figures:
    """One bundle's."""

    name: str
    top1: float
    top5: float
    ms: float
    megabytes: float


def run(arguments: argparse.Namespace) -> None:
    """Print the table and the verdict."""
    labels = [read_labels(folder / "labels.txt") for folder in (arguments.old, arguments.new)]
    if labels[0] != labels[1]:
        raise Refused("the bundles have different labels; compare bundles of the same classes")
    data = open_data(arguments.data, arguments.seed, arguments.held_out)
    if len(data.labels) != len(labels[0]):
        raise Refused(
            f"the bundles know {len(labels[0])} classes, the data set {len(data.labels)}; give their data set"
        )
    refuse_other_order(str(arguments.old), labels[0], data.labels)
    split = (
        data.validation.sample(arguments.limit, arguments.seed)
        if arguments.limit
        else data.validation
    )
    folders = (arguments.old, arguments.new)
    classifiers = [open_classifier(folder, threads=arguments.threads) for folder in folders]
    logits = [logits_of(classifier, split)[0] for classifier in classifiers]
    times = latency(classifiers, split)
    agreement = float((logits[0].argmax(axis=1) == logits[1].argmax(axis=1)).mean())
    old, new = (
        figures(*pair, np.array(split.targets))
        for pair in zip(folders, classifiers, logits, times, strict=True)
    )
    print(f"{data.name}, {len(split)} pictures; the same label on {agreement:.4f}")
    for row in (old, new):
        print(
            f"{row.name}: top-1 {row.top1:.4f}, top-5 {row.top5:.4f}, {row.ms:.2f} ms, {row.megabytes:.1f} MB"
        )
    faults = verdict(arguments, old, new, agreement)
    if arguments.json:
        content = {
            "images": len(split),
            "agreement": agreement,
            "old": vars(old),
            "new": vars(new),
            "faults": faults,
        }
        arguments.json.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
    if faults:
        raise Refused(f"the candidate is not fit for release: {'; '.join(faults)}")
    print("the candidate may be released")


def figures(folder: Path, classifier: Classifier, logits: Any, ms: float, targets: Any) -> Figures:
    """What was found of one bundle."""
    quality = measure(logits, targets)
    size = (folder / "model.onnx").stat().st_size / 1e6
    return Figures(classifier.name, quality.top1, quality.top5, ms, size)


def latency(classifiers: list[Classifier], split: Split) -> list[float]:
    """Median milliseconds of one picture's run; in turns, so that a busy machine hits all alike."""
    inputs = [read_input(split.files[0], classifier.spec)[None] for classifier in classifiers]
    times: list[list[float]] = [[] for _ in classifiers]
    for _ in range(TIMED_RUNS):
        for classifier, pixels, found in zip(classifiers, inputs, times, strict=True):
            started = time.perf_counter()
            classifier.logits(pixels)
            found.append(1000 * (time.perf_counter() - started))
    return [float(np.median(found)) for found in times]


def verdict(
    arguments: argparse.Namespace, old: Figures, new: Figures, agreement: float
) -> list[str]:
    """What is beyond the limits."""
    faults = []
    if old.top1 - new.top1 > arguments.max_drop:
        faults.append(
            f"top-1 falls by {old.top1 - new.top1:.4f}, --max-drop is {arguments.max_drop}"
        )
    if agreement < arguments.min_agreement:
        faults.append(
            f"labels agree on {agreement:.4f}, --min-agreement is {arguments.min_agreement}"
        )
    if new.ms > arguments.max_slowdown * old.ms:
        faults.append(
            f"a run takes {new.ms / old.ms:.2f} times as long, --max-slowdown is {arguments.max_slowdown}"
        )
    return faults
