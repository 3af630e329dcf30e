"""Measure classifiers on validation pictures: loss, top-1, top-5, calibration, and each class.

Takes PyTorch weights, ONNX files and bundles side by side; ONNX runs through ONNX Runtime. The
calibration error is that of the half of the pictures that no temperature was fitted on, or of all
where there are fewer than 200.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.data.labels import refuse_other_order
from glimpse_models.data.preprocess import Geometry
from glimpse_models.data.splits import MULTI, Split
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import (
    Classifier,
    Logits,
    batches_of,
    open_classifier,
    several,
)
from glimpse_models.measure.label_errors import doubtful_labels, likely_label_errors
from glimpse_models.measure.metrics import WORST, Floats, Quality, measure, softmax
from glimpse_models.measure.several import SeveralQuality, measure_sets, sigmoid
from glimpse_models.measure.temperature import unfitted
from glimpse_models.train.average_precision import Truth


@dataclass(frozen=True)
class Row:
    """One classifier's line of the table."""

    classifier: Classifier
    quality: Quality | SeveralQuality
    ms_per_picture: float
    label_errors: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class EvaluateOptions:
    """Classifiers, and the pictures to measure them on."""

    data: Path
    models: tuple[Path, ...]
    run: RunOptions = field(default_factory=RunOptions)
    limit: int | None = None
    resize: int | None = None
    geometry: Geometry = field(default_factory=Geometry)
    side: int | None = None
    out: Path | None = None


def evaluate(options: EvaluateOptions) -> None:
    """Print the table; with `out` write the rest."""
    run = options.run.read()
    classifiers = [
        open_classifier(path, options.resize, side=options.side, geometry=options.geometry)
        for path in options.models
    ]
    data = run.open(options.data, several(classifiers))
    split = data.validation
    if options.limit:
        split = split.sample(options.limit, run.seed)
    rows = [evaluate_one(classifier, split, data.labels) for classifier in classifiers]
    print(f"{data.name}, {len(split)} validation pictures")
    print(table(rows))
    print_label_errors(rows[-1])
    if options.out:
        write_report(rows, data.labels, options.out)
        print(f"each class: {options.out / 'report.json'}")


def evaluate_one(classifier: Classifier, split: Split, labels: tuple[str, ...]) -> Row:
    """Run every picture of the split; time is that of the model alone, in batches."""
    return row_of(classifier, answers(classifier, split, labels), split, labels)


def row_of(
    classifier: Classifier,
    answered: tuple[Logits, float],
    split: Split,
    labels: tuple[str, ...],
) -> Row:
    """The figures of what `answers` gave."""
    logits, seconds = answered
    ms, heat, rows = 1000 * seconds / len(split), classifier.temperature, unfitted(split)
    if split.task == MULTI:
        true = split.matrix(len(labels)) > 0
        found = measure_sets(logits, true, heat, classifier.thresholds, rows)
        doubtful = _doubtful_labels(sigmoid(logits / heat), true, split, labels)
        return Row(classifier, found, ms, doubtful)
    quality = measure(logits, np.array(split.targets, dtype=np.int64), heat, rows)
    return Row(classifier, quality, ms, _label_errors(softmax(logits / heat), split, labels))


def _label_errors(
    scores: Floats, split: Split, labels: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    """For the report."""
    return tuple(
        {
            "file": _shown(split.files[one.row]),
            "label": labels[one.given],
            "likely": labels[one.likely],
            "score": round(one.likely_score, 4),
        }
        for one in likely_label_errors(scores, split)
    )


def _doubtful_labels(
    scores: Floats, true: Truth, split: Split, labels: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    """For the report."""
    return tuple(
        {
            "file": _shown(split.files[one.row]),
            "label": labels[one.label],
            "given": one.given,
            "score": round(one.score, 4),
        }
        for one in doubtful_labels(scores, true)
    )


def _shown(file: Path) -> str:
    """A file by its last two parts."""
    return "/".join(file.parts[-2:])


def print_label_errors(row: Row) -> None:
    """The surest of them, where there are any."""
    if not row.label_errors:
        return
    print(f"{len(row.label_errors)} validation pictures may have a wrong label:")
    for one in row.label_errors[:WORST]:
        print(f"  {one['file']}: {_doubt(one)} ({one['score']:.2f})")


def _doubt(one: dict[str, Any]) -> str:
    if "likely" in one:
        return f"{one['label']}, likely {one['likely']}"
    return f"{one['label']} given, likely absent" if one["given"] else f"likely {one['label']} too"


def answers(classifier: Classifier, split: Split, labels: tuple[str, ...]) -> tuple[Logits, float]:
    """`logits_of` a classifier for the task and the classes of the data set."""
    if classifier.task not in (None, split.task):
        raise UserError(
            f"{classifier.name} is a {classifier.task} classifier and the data set a {split.task} one; give the data set it was made for"
        )
    refuse_other_order(classifier.name, classifier.labels, labels)
    logits, seconds = logits_of(classifier, split)
    if logits.shape[1] != len(labels):
        raise UserError(
            f"{classifier.name} knows {logits.shape[1]} classes, the data set {len(labels)}; give the data set it was made for"
        )
    return logits, seconds


def logits_of(classifier: Classifier, split: Split) -> tuple[Logits, float]:
    """`[N, C]`, and the seconds that the model took."""
    found: list[Logits] = []
    seconds = 0.0
    with tqdm(
        total=len(split), desc=classifier.name, unit="picture", disable=None, file=sys.stderr
    ) as bar:
        for pixels in batches_of(split.files, classifier.spec):
            started = time.perf_counter()
            found.append(classifier.logits(pixels))
            seconds += time.perf_counter() - started
            bar.update(len(pixels))
    return np.concatenate(found), seconds


def table(rows: list[Row]) -> str:
    """One line per classifier."""
    head = ("model", "kind", *rows[0].quality.cells(), "ms/picture")
    lines = [head] + [
        (
            row.classifier.name,
            row.classifier.kind,
            *row.quality.cells().values(),
            f"{row.ms_per_picture:.2f}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def write_report(rows: list[Row], labels: tuple[str, ...], out: Path) -> None:
    """`report.json` with every class, and `confusion-N.png` for each classifier in its order.

    With several labels per picture none is taken for another, and there is no such image.
    """
    out.mkdir(parents=True, exist_ok=True)
    report = []
    for number, row in enumerate(rows, 1):
        described = describe(row, labels)
        if isinstance(row.quality, Quality):
            described["confusion"] = f"confusion-{number}.png"
            draw_confusion(row.classifier.name, row.quality, labels, out / described["confusion"])
        report.append(described)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (out / "report.json").write_text(f"{text}\n", encoding="utf-8")


def describe(row: Row, labels: tuple[str, ...]) -> dict[str, Any]:
    """The figures, and those of each class."""
    return {
        "model": row.classifier.name,
        "kind": row.classifier.kind,
        "temperature": row.classifier.temperature,
        **row.quality.summary(),
        "likely_label_errors": list(row.label_errors),
        **row.quality.details(labels),
    }


def draw_confusion(name: str, quality: Quality, labels: tuple[str, ...], path: Path) -> None:
    """True classes downwards, predicted ones across; named where there is room for names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = quality.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = pyplot.subplots(figsize=(9, 8), layout="constrained")
    shown = axes.imshow(shares, cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(shown, label="share of the true class")
    axes.set(
        title=f"{name}: top-1 {quality.top1:.4f}",
        xlabel="predicted",
        ylabel="true",
    )
    if len(labels) <= 40:
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
        axes.set_yticks(range(len(labels)), labels, fontsize=7)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
