"""Compare two bundles on the same pictures: the gate before a release.

A candidate that is worse than the limits allow is refused.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glimpse_models.data.dataset import HELD_OUT, open_data
from glimpse_models.data.labels import read_labels, refuse_other_order
from glimpse_models.data.splits import Split
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import Classifier, open_classifier, read_input
from glimpse_models.measure.evaluate import logits_of
from glimpse_models.measure.metrics import measure

TIMED_RUNS = 30


@dataclass(frozen=True)
class CompareOptions:
    """Two bundles, the pictures, and how much worse the new one may be."""

    data: Path
    old: Path
    new: Path
    held_out: float = HELD_OUT
    seed: int = 1
    limit: int | None = None
    threads: int = 0
    max_drop: float = 0.005
    min_agreement: float = 0.0
    max_slowdown: float = 1.2
    json: Path | None = None


@dataclass(frozen=True)
class Figures:
    """One bundle's."""

    name: str
    top1: float
    top5: float
    ms: float
    megabytes: float


def compare(options: CompareOptions) -> None:
    """Print the table and the verdict."""
    labels = [read_labels(folder / "labels.txt") for folder in (options.old, options.new)]
    if labels[0] != labels[1]:
        raise UserError("the bundles have different labels; compare bundles of the same classes")
    data = open_data(options.data, options.seed, options.held_out)
    if len(data.labels) != len(labels[0]):
        raise UserError(
            f"the bundles know {len(labels[0])} classes, the data set {len(data.labels)}; give their data set"
        )
    refuse_other_order(str(options.old), labels[0], data.labels)
    split = (
        data.validation.sample(options.limit, options.seed) if options.limit else data.validation
    )
    folders = (options.old, options.new)
    classifiers = [open_classifier(folder, threads=options.threads) for folder in folders]
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
    faults = verdict(options, old, new, agreement)
    if options.json:
        content = {
            "images": len(split),
            "agreement": agreement,
            "old": vars(old),
            "new": vars(new),
            "faults": faults,
        }
        options.json.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
    if faults:
        raise UserError(f"the candidate is not fit for release: {'; '.join(faults)}")
    print("the candidate may be released")


def figures(folder: Path, classifier: Classifier, logits: Any, ms: float, targets: Any) -> Figures:
    """The figures of one bundle."""
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


def verdict(options: CompareOptions, old: Figures, new: Figures, agreement: float) -> list[str]:
    """What is beyond the limits."""
    faults = []
    if old.top1 - new.top1 > options.max_drop:
        faults.append(f"top-1 falls by {old.top1 - new.top1:.4f}, --max-drop is {options.max_drop}")
    if agreement < options.min_agreement:
        faults.append(
            f"labels agree on {agreement:.4f}, --min-agreement is {options.min_agreement}"
        )
    if new.ms > options.max_slowdown * old.ms:
        faults.append(
            f"a run takes {new.ms / old.ms:.2f} times as long, --max-slowdown is {options.max_slowdown}"
        )
    return faults
