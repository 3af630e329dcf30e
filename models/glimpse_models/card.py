"""Write the model card of a bundle, from the records that training and evaluation left."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glimpse_models.classifiers import read_manifest
from glimpse_models.errors import Refused
from glimpse_models.provenance import Record, of_runs, read_runs
from glimpse_models.verify import verify

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
    *("batch", "sides", "label_smoothing", "class_weights", "freeze_epochs", "patience"),
    *("freeze_stages", "epoch_steps", "hide", "ema", "precision"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `card`."""
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        metavar="RUN",
        help="the folder of the training run; of several, which went on from one another, in order",
    )
    parser.add_argument(
        "--report",
        type=Path,
        required=True,
        help="report.json that evaluate --out or bundle --report wrote, the bundle last",
    )
    parser.add_argument("--out", type=Path, required=True, help="the card, Markdown")
    parser.add_argument(
        "--faithfulness", type=Path, help="the figures that faithfulness --json wrote"
    )
    parser.add_argument(
        "--made-by", default="", help="the command that made the bundle of the runs' weights"
    )
    parser.add_argument(
        "--about-data", default="", help="where the pictures come from, and their terms"
    )
    parser.add_argument(
        "--limits", default="", help="what the model must not be used for, or is known to get wrong"
    )


def run(arguments: argparse.Namespace) -> None:
    """Data, recipe, figures, weak spots, and how it was made."""
    bundle = verify(arguments.bundle)
    records, report = read_runs(arguments.run), _read(arguments.report)
    if "bundle" in records[-1]:
        raise Refused(
            f"{arguments.run[-1]} is no training run; name one that went on from it, last"
        )
    name = f"{bundle.name} {bundle.version}"
    last = _told(arguments.report, lambda: str(report[-1]["model"]))
    if last != name:
        raise Refused(
            f"{arguments.report} ends with {last}, not {name}; run evaluate with this bundle last"
        )
    manifest, described = read_manifest(arguments.bundle), arguments.bundle / "bundle.json"
    explained = _read(arguments.faithfulness) if arguments.faithfulness else None
    runs = " or ".join(str(folder / "run.json") for folder in arguments.run)
    parts = [
        f"# {name}",
        _told(f"{described} or {runs}", lambda: _about(manifest, records, arguments.about_data)),
        _told(arguments.report, lambda: _figures(report)),
        _told(described, lambda: _scores(manifest)),
        _told(arguments.faithfulness, lambda: _explanation(explained)),
        _told(arguments.report, lambda: _weak_spots(report[-1])),
        f"## Limits\n\n{arguments.limits}" if arguments.limits else "",
        _told(runs, lambda: _making(records, arguments.made_by, bundle.sha256)),
    ]
    text = "\n\n".join(part for part in parts if part)
    arguments.out.write_text(f"{text}\n", encoding="utf-8")
    print(arguments.out)


def _about(manifest: dict[str, Any], records: list[Record], data: str) -> str:
    shape, about = manifest["input"], records[-1]["data"]
    lines = [
        f"A {records[-1]['recipe']['backbone']} for {about['classes']} classes, int8, input {shape['width']} × {shape['height']} pixels "
        f"(shorter side resized to {shape['resize_shorter_side']}, centre cropped).",
        f"- Data: {about['name']}, {about['train']:,} pictures for training and calibration, {about['validation']:,} for validation. {data}".rstrip(),
        f"- Weights: {of_runs(records)['weights']}.",
        f"- Licence: {manifest['license']}.",
    ]
    return "\n\n".join((lines[0], "\n".join(lines[1:])))


def _figures(report: list[dict[str, Any]]) -> str:
    rows = [
        f"| {row['model']} ({row['kind']}) | {row['loss']:.4f} | {row['top1']:.4f} | {row['top5']:.4f} | {row['ece_raw']:.4f} | {row['ece']:.4f} |"
        for row in report
    ]
    head = [
        "| model | loss | top-1 | top-5 | calibration error, raw | as served |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    title = f"## Figures\n\nOn all {report[-1]['images']:,} validation pictures, which neither training nor quantization saw:\n"
    change = 100 * (report[-1]["top1"] - report[-2]["top1"]) if len(report) > 1 else 0.0
    lost = f"\nQuantization changes top-1 by {change:+.2f} points." if len(report) > 1 else ""
    return "\n".join((title, *head, *rows, lost)).rstrip()


def _scores(manifest: dict[str, Any]) -> str:
    found = manifest.get("calibration")
    if found is None:
        return "## Scores\n\nNot calibrated: the softmax of the logits."
    return (
        f"## Scores\n\nLogits are divided by the temperature {found['temperature']:.3f}, fitted on {found['images']:,} of the validation "
        f"pictures. On the others the expected calibration error is {found['ece_before']:.4f} without it and {found['ece_after']:.4f} with it."
    )


def _explanation(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return (
        f"## Explanation\n\nClass maps of {found['map_side']} × {found['map_side']} cells; their mean is the logit but for rounding "
        f"({100 * found['map_error']:.1f} % of the logits' spread at most). Covering the {found['covered']} hottest of {found['cells']} cells of a picture costs "
        f"the top label more of its score than covering as many random ones ({found['draws']} draws) on {100 * found['faithful']:.1f} % of "
        f"{found['pictures']} validation pictures."
    )


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


def _making(records: list[Record], made_by: str, sha256: str) -> str:
    origin = of_runs(records)
    commands = [entry["training_command"] for entry in origin.get("runs", [origin])]
    commands += [made_by] if made_by else []
    trained = [record for record in records if record.get("epochs")]
    hours = sum(record["hours"] for record in trained)
    epochs = sum(len(record["epochs"]) for record in trained)
    total = [f"- Together: {epochs} epochs, {hours:.2f} hours."] if len(trained) > 1 else []
    return "\n".join(
        (
            "## How it was made\n",
            *(f"    {command}" for command in commands),
            "",
            *(line for record in records for line in _run(record)),
            *total,
            f"- sha256 of bundle.json: {sha256}.",
        )
    )


def _run(record: Record) -> tuple[str, ...]:
    if "bundle" in record:
        return (
            f"- Went on from the bundle {record['weights']} (sha256 of its bundle.json: {record['bundle']['sha256']}), which the commands before `unfold` made.",
        )
    if "average" in record:
        shares = ", ".join(f"{part:.2f} of {name}" for part, name in record["average"])
        return (f"- The mean of weights: {shares}; code: commit {record['git_commit']}.",)
    recipe, machine = record["recipe"], record["hardware"]
    steps = ", ".join(f"{name} {recipe[name]}" for name in RECIPE if name in recipe)
    where = (
        f"{machine.get('gpu', machine['device'])}, {machine['cpus']} CPUs ({machine['processor']})"
    )
    return (
        f"- Recipe: {steps}; seed {recipe['seed']}.",
        f"- {len(record['epochs'])} epochs in {record['hours']:.2f} hours on {where}, PyTorch {machine['torch']}; code: commit {record['git_commit']}.",
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise Refused(
            f"{path} does not exist; train writes run.json, evaluate --out writes report.json"
        )
    return _told(path, lambda: json.loads(path.read_text(encoding="utf-8")))


def _told(by: object, tell: Callable[[], Any]) -> Any:
    """What a record tells, unless it lacks some of it or has it in another form."""
    try:
        return tell()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise Refused(
            f"{by} is not what the steps write: {why}; give the file as it was written"
        ) from error
