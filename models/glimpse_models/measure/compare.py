"""Compare two bundles on the same pictures: the gate before a release.

A candidate that is worse than the limits allow is refused.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.data.labels import read_labels
from glimpse_models.data.splits import MULTI, Split
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import (
    Classifier,
    Logits,
    open_classifier,
    read_input,
    several,
)
from glimpse_models.measure.evaluate import answers
from glimpse_models.measure.metrics import fall, measure
from glimpse_models.measure.several import THRESHOLD, measure_sets, sigmoid
from glimpse_models.train.journal import FIGURES, SHOWN

TIMED_RUNS = 30


@dataclass(frozen=True)
class CompareOptions:
    """Two bundles, the pictures, and how much worse the new one may be."""

    data: Path
    old: Path
    new: Path
    run: RunOptions = field(default_factory=RunOptions)
    limit: int | None = None
    threads: int = 0
    max_drop: float = 0.005
    min_agreement: float = 0.0
    max_slowdown: float = 1.2
    json: Path | None = None


@dataclass(frozen=True)
class Figures:
    """One bundle's; `quality` are those of its task, the one to be best in first."""

    name: str
    quality: dict[str, float]
    ms: float
    megabytes: float

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, **self.quality, "ms": self.ms, "megabytes": self.megabytes}

    def __str__(self) -> str:
        shown = ", ".join(f"{SHOWN[name]} {value:.4f}" for name, value in self.quality.items())
        return f"{self.name}: {shown}, {self.ms:.2f} ms, {self.megabytes:.1f} MB"


def compare(options: CompareOptions) -> None:
    """Print the table and the verdict."""
    labels = [read_labels(folder / "labels.txt") for folder in (options.old, options.new)]
    if labels[0] != labels[1]:
        raise UserError("the bundles have different labels; compare bundles of the same classes")
    run = options.run.read()
    folders = (options.old, options.new)
    classifiers = [open_classifier(folder, threads=options.threads) for folder in folders]
    data = run.open(options.data, several(classifiers))
    if len(data.labels) != len(labels[0]):
        raise UserError(
            f"the bundles know {len(labels[0])} classes, the data set {len(data.labels)}; give their data set"
        )
    split = data.validation.sample(options.limit, run.seed) if options.limit else data.validation
    logits = [answers(classifier, split, data.labels)[0] for classifier in classifiers]
    times = latency(classifiers, split)
    decided = [labels_given(*pair) for pair in zip(classifiers, logits, strict=True)]
    agreement = float((decided[0] == decided[1]).all(axis=1).mean())
    old, new = (
        figures(*pair, split) for pair in zip(folders, classifiers, logits, times, strict=True)
    )
    print(f"{data.name}, {len(split)} pictures; the same label on {agreement:.4f}")
    print(f"{old}\n{new}")
    faults = verdict(options, old, new, agreement)
    if options.json:
        content = {
            "images": len(split),
            "agreement": agreement,
            "old": old.record(),
            "new": new.record(),
            "faults": faults,
        }
        options.json.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
    if faults:
        raise UserError(f"the candidate is not fit for release: {'; '.join(faults)}")
    print("the candidate may be released")


def labels_given(classifier: Classifier, logits: Logits) -> npt.NDArray[np.bool_]:
    """`[N, C]`: the best label, or with several per picture each from its threshold on."""
    if classifier.task != MULTI:
        best: npt.NDArray[np.bool_] = np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, None]
        return best
    limits = np.array(classifier.thresholds or (THRESHOLD,))
    given: npt.NDArray[np.bool_] = sigmoid(logits / classifier.temperature) >= limits
    return given


def figures(
    folder: Path, classifier: Classifier, logits: Logits, ms: float, split: Split
) -> Figures:
    """The figures of one bundle, on all pictures."""
    size = (folder / "model.onnx").stat().st_size / 1e6
    quality = (
        measure_sets(
            logits,
            split.matrix(logits.shape[1]) > 0,
            classifier.temperature,
            classifier.thresholds,
            list(range(len(split))),
        )
        if split.task == MULTI
        else measure(logits, np.array(split.targets))
    )
    found = {name: float(getattr(quality, name)) for name in FIGURES[split.task]}
    return Figures(classifier.name, found, ms, size)


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
    first = next(iter(old.quality))
    drop = fall(old.quality[first], new.quality[first])
    if drop > options.max_drop:
        faults.append(f"{SHOWN[first]} falls by {drop:.4f}, --max-drop is {options.max_drop}")
    if agreement < options.min_agreement:
        faults.append(
            f"labels agree on {agreement:.4f}, --min-agreement is {options.min_agreement}"
        )
    if new.ms > options.max_slowdown * old.ms:
        faults.append(
            f"a run takes {new.ms / old.ms:.2f} times as long, --max-slowdown is {options.max_slowdown}"
        )
    return faults
