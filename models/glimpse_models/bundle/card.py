"""Write the model card of a bundle, from the records that training and evaluation left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glimpse_models.bundle.manifest import spec_of, task_of
from glimpse_models.bundle.provenance import earlier_runs, of_runs
from glimpse_models.bundle.verify import verify
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.train.journal import FIGURES, SHOWN
from glimpse_models.train.record import Record, read_runs

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
    *(
        "batch",
        "sides",
        "loss",
        "label_smoothing",
        "class_weights",
        "teacher",
        "teacher_temperature",
        "teacher_weight",
        "teacher_embedding",
        "freeze_epochs",
        "patience",
    ),
    *("freeze_stages", "epoch_steps", "hide_and_seek", "hide", "ema", "precision"),
)


@dataclass(frozen=True)
class CardOptions:
    """A bundle and the records that it comes from; `runs` went on from one another, in order."""

    bundle: Path
    runs: tuple[Path, ...]
    report: Path
    out: Path
    faithfulness: Path | None = None
    made_by: str = ""
    about_data: str = ""
    limits: str = ""


def write_card(options: CardOptions) -> None:
    """Data, recipe, figures, weak spots, and how it was made."""
    bundle = verify(options.bundle)
    records, report = read_runs(options.runs), _read(options.report)
    name = f"{bundle.name} {bundle.version}"
    last = _from(options.report, lambda: str(report[-1]["model"]))
    if last != name:
        raise UserError(
            f"{options.report} ends with {last}, not {name}; run evaluate with this bundle last"
        )
    manifest, described = bundle.manifest, options.bundle / "bundle.json"
    explained = _read(options.faithfulness) if options.faithfulness else None
    runs = " or ".join(str(folder / "run.json") for folder in options.runs)
    parts = [
        f"# {name}",
        _from(f"{described} or {runs}", lambda: _about(manifest, records, options.about_data)),
        _from(options.report, lambda: _figures(report, _chosen_by_validation(records))),
        _from(described, lambda: _scores(manifest)),
        _from(options.faithfulness, lambda: _explanation(explained)),
        _from(options.report, lambda: _weak_spots(report[-1])),
        f"## Limits\n\n{options.limits}" if options.limits else "",
        _from(runs, lambda: _making(records, options.made_by, bundle.sha256)),
    ]
    text = "\n\n".join(part for part in parts if part)
    options.out.write_text(f"{text}\n", encoding="utf-8")
    print(options.out)


def _about(manifest: dict[str, Any], records: list[Record], data: str) -> str:
    shape, about = manifest["input"], records[-1]["data"]
    what = "labels, several per picture" if task_of(manifest) == MULTI else "classes"
    lines = [
        f"A {records[-1]['recipe']['backbone']} for {about['classes']} {what}, int8, input {shape['width']} × {shape['height']} pixels "
        f"({geometry(spec_of(manifest))}).",
        f"- Data: {about['name']}, {about['train']:,} pictures for training and calibration, {about['validation']:,} for validation. {data}".rstrip(),
        f"- Weights: {of_runs(records)['weights']}.",
        f"- Licence: {manifest['license']}.",
    ]
    return "\n\n".join((lines[0], "\n".join(lines[1:])))


def geometry(spec: InputSpec) -> str:
    """How a picture becomes the input, in a phrase."""
    kind = f"{'antialiased ' if spec.antialias and spec.filter != 'nearest' else ''}{spec.filter}"
    how = {
        "shorter-side": f"shorter side resized to {spec.resize}",
        "squash": f"resized to {spec.resize} × {spec.resize}",
        "letterbox": f"fitted into {spec.resize} × {spec.resize}, filled with {spec.fill}",
    }[spec.mode]
    return f"{how}, {kind}{', centre cropped' if spec.crop != 'none' else ''}"


def _chosen_by_validation(records: list[Record]) -> bool:
    """Whether a run kept the epoch that did best on the validation pictures."""
    return any(record["recipe"].get("patience") for record in records)


def _figures(report: list[dict[str, Any]], chosen: bool) -> str:
    first, second = FIGURES[_task(report[-1])]
    rows = [
        f"| {row['model']} ({row['kind']}) | {row['loss']:.4f} | {row[first]:.4f} | {row[second]:.4f} | {row['ece_raw']:.4f} | {row['ece']:.4f} |"
        for row in report
    ]
    head = [
        f"| model | loss | {SHOWN[first]} | {SHOWN[second]} | calibration error, raw | as served |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    unused = "which neither training nor quantization used"
    if chosen:
        unused = "which chose the epoch that training kept, and were not used for anything else in training or quantization"
    title = f"## Figures\n\nOn {report[-1]['images']:,} validation pictures, {unused}:\n"
    change = 100 * (report[-1][first] - report[-2][first]) if len(report) > 1 else 0.0
    lost = f"\nQuantization changes {SHOWN[first]} by {change:+.2f} points." if report[1:] else ""
    return "\n".join((title, *head, *rows, lost)).rstrip()


def _task(row: dict[str, Any]) -> str:
    return MULTI if "mean_ap" in row else SINGLE


def _scores(manifest: dict[str, Any]) -> str:
    found = manifest.get("calibration")
    several = task_of(manifest) == MULTI
    scores = "sigmoids" if several else "softmax"
    if found is None:
        return f"## Scores\n\nNot calibrated: scores are the {scores} of the logits."
    fitted = (
        " The same pictures fitted each label's threshold, from which a picture gets the label, to the best F1."
        if several
        else ""
    )
    if found["temperature"] == 1:
        return (
            f"## Scores\n\nScores are the {scores} of the logits, which no temperature divides. One was fitted on {found['images']:,} validation "
            f"pictures, but it did not lower the expected calibration error of the others. That error is {found['ece_before']:.4f}.{fitted}"
        )
    return (
        f"## Scores\n\nLogits are divided by the temperature {found['temperature']:.3f}, fitted on {found['images']:,} validation "
        f"pictures. On pictures that did not fit it, the expected calibration error is {found['ece_before']:.4f} without it and {found['ece_after']:.4f} with it.{fitted}"
    )


def _explanation(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    exact = (
        f"## Explanation\n\nClass activation maps have {found['map_side']} × {found['map_side']} cells. The mean of a map differs from its logit by "
        f"{100 * found['map_error']:.1f} % of the logits' spread at most, which is rounding. "
    )
    if found["map_side"] == 1:
        return f"{exact}One cell shows no place in the picture."
    return (
        f"{exact}Covering the {found['covered']} hottest of {found['cells']} cells of a picture "
        f"lowers the score of the top label more than covering {found['covered']} random cells ({found['draws']} draws) on {100 * found['faithful']:.1f} % of "
        f"{found['pictures']} validation pictures."
    )


def _weak_spots(row: dict[str, Any]) -> str:
    if _task(row) == MULTI:
        return _weak_labels(row)
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


def _weak_labels(row: dict[str, Any]) -> str:
    head = [
        "| label | F1 | precision | recall | average precision | threshold |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = [
        f"| {kind['label']} | {kind['f1']:.2f} | {kind['precision']:.2f} | {kind['recall']:.2f} | {kind['average_precision']:.2f} | {kind['threshold']:.2f} |"
        for kind in row["classes"][:WEAKEST]
    ]
    return "\n".join(("## Weak spots\n", *head, *rows))


def _making(records: list[Record], made_by: str, sha256: str) -> str:
    origin = of_runs(records)
    commands = [entry["training_command"] for entry in origin.get("runs", [origin])]
    commands += [made_by] if made_by else []
    trained = [entry for entry in origin.get("runs", [origin]) if "epochs" in entry]
    hours = sum(entry["hours"] for entry in trained)
    epochs = sum(entry["epochs"] for entry in trained)
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
            f"- Went on from the bundle {record['weights']} (sha256 of its bundle.json: {record['bundle']['sha256']}), which the commands before this last `to-checkpoint` made. Its weights are those that were read back from 8 bits, also before this quantization.",
            *map(_earlier, earlier_runs(record)),
        )
    if "average" in record:
        shares = ", ".join(f"{part:.2f} of {name}" for part, name in record["average"])
        return (f"- The mean of weights: {shares}; code: commit {record['git_commit']}.",)
    recipe, machine = record["recipe"], record["hardware"]
    # Without a teacher, what is said of it is empty.
    taught = bool(recipe.get("teacher"))
    named = [name for name in RECIPE if name in recipe and (taught or "teacher" not in name)]
    steps = ", ".join(f"{name} {recipe[name]}" for name in named)
    where = (
        f"{machine.get('gpu', machine['device'])}, {machine['cpus']} CPUs ({machine['processor']})"
    )
    return (
        f"- Recipe: {steps}; seed {recipe['seed']}.",
        f"- {len(record['epochs'])} epochs in {record['hours']:.2f} hours on {where}, PyTorch {machine['torch']}; code: commit {record['git_commit']}.",
    )


def _earlier(entry: Record) -> str:
    """A run that a bundle's provenance tells of."""
    words = entry["training_command"].removeprefix("python -m ").split()
    made = words[words.index("--out") + 1] if "--out" in words[:-1] else words[1]
    found = (
        f"  - {made}: `{words[1]}`, weights {entry['weights']}; code: commit {entry['git_commit']}"
    )
    if "epochs" in entry:
        found += f"; {entry['epochs']} epochs in {entry['hours']:.2f} hours"
    if "teacher" in entry:
        found += f"; teacher {entry['teacher']}"
    return f"{found}."


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UserError(
            f"{path} does not exist; train writes run.json, evaluate --out writes report.json"
        )
    return _from(path, lambda: json.loads(path.read_text(encoding="utf-8")))


def _from(source: object, read: Callable[[], Any]) -> Any:
    """What is read of a record, unless it lacks some of it or has it in another form."""
    try:
        return read()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UserError(
            f"{source} is not what the steps write: {why}; give the file as it was written"
        ) from error
