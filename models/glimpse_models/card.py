"""Write the model card of a bundle, from the records that training and evaluation left."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from glimpse_models.bundle import verify
from glimpse_models.classifiers import read_manifest
from glimpse_models.errors import Refused

WEAKEST = 10
RECIPE = (
    *(
        "backbone",
        "head",
        "weights",
        "augment",
        "optimiser",
        "schedule",
        "peak_rate",
        "weight_decay",
    ),
    *("batch", "sides", "label_smoothing", "class_weights", "ema", "precision"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `card`."""
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run")
    parser.add_argument(
        "--report",
        type=Path,
        required=True,
        help="report.json that evaluate --out wrote, the bundle last",
    )
    parser.add_argument("--out", type=Path, required=True, help="the card, Markdown")
    parser.add_argument(
        "--about-data", default="", help="where the pictures come from, and their terms"
    )
    parser.add_argument(
        "--limits", default="", help="what the model must not be used for, or is known to get wrong"
    )


def run(arguments: argparse.Namespace) -> None:
    """Data, recipe, figures, weak spots, and how it was made."""
    bundle = verify(arguments.bundle)
    record, report = _read(arguments.run / "run.json"), _read(arguments.report)
    name = f"{bundle.name} {bundle.version}"
    if report[-1]["model"] != name:
        raise Refused(
            f"{arguments.report} ends with {report[-1]['model']}, not {name}; run evaluate with this bundle last"
        )
    parts = [
        f"# {name}",
        _about(read_manifest(arguments.bundle), record, arguments.about_data),
        _figures(report),
        _weak_spots(report[-1]),
        f"## Limits\n\n{arguments.limits}" if arguments.limits else "",
        _making(record, bundle.sha256),
    ]
    text = "\n\n".join(part for part in parts if part)
    arguments.out.write_text(f"{text}\n", encoding="utf-8")
    print(arguments.out)


def _about(manifest: dict[str, Any], record: dict[str, Any], data: str) -> str:
    shape, about = manifest["input"], record["data"]
    lines = [
        f"A {record['recipe']['backbone']} for {about['classes']} classes, int8, input {shape['width']} × {shape['height']} pixels "
        f"(shorter side resized to {shape['resize_shorter_side']}, centre cropped).",
        f"- Data: {about['name']}, {about['train']:,} pictures for training and calibration, {about['validation']:,} for validation. {data}".rstrip(),
        f"- Weights: {record['weights']}.",
        f"- Licence: {manifest['license']}.",
    ]
    return "\n\n".join((lines[0], "\n".join(lines[1:])))


def _figures(report: list[dict[str, Any]]) -> str:
    rows = [
        f"| {row['model']} ({row['kind']}) | {row['loss']:.4f} | {row['top1']:.4f} | {row['top5']:.4f} | {row['ece']:.4f} |"
        for row in report
    ]
    head = [
        "| model | loss | top-1 | top-5 | calibration error |",
        "| --- | --- | --- | --- | --- |",
    ]
    title = f"## Figures\n\nOn all {report[-1]['images']:,} validation pictures, which neither training nor calibration saw:\n"
    return "\n".join((title, *head, *rows))


def _weak_spots(row: dict[str, Any]) -> str:
    classes = [
        f"| {kind['label']} | {kind['recall']:.2f} | {kind['precision']:.2f} |"
        for kind in row["classes"][:WEAKEST]
    ]
    confused = [
        f"- {pair['true']} taken for {pair['taken_for']} ({pair['images']} times)"
        for pair in row["most_confused"]
    ]
    head = ["| class | recall | precision |", "| --- | --- | --- |"]
    return "\n".join(("## Weak spots\n", *head, *classes, "", "Most often confused:\n", *confused))


def _making(record: dict[str, Any], sha256: str) -> str:
    recipe, machine = record["recipe"], record["hardware"]
    steps = ", ".join(f"{name} {recipe[name]}" for name in RECIPE)
    where = (
        f"{machine.get('gpu', machine['device'])}, {machine['cpus']} CPUs ({machine['processor']})"
    )
    return "\n".join(
        (
            "## How it was made\n",
            f"    {record['command']}\n",
            f"- Recipe: {steps}; seed {recipe['seed']}.",
            f"- {len(record['epochs'])} epochs in {record['hours']:.2f} hours on {where}, PyTorch {machine['torch']}.",
            f"- Code: commit {record['git_commit']}.",
            f"- sha256 of bundle.json: {sha256}.",
        )
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise Refused(
            f"{path} does not exist; train writes run.json, evaluate --out writes report.json"
        )
    return json.loads(path.read_text(encoding="utf-8"))
