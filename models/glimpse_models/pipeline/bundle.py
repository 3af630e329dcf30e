"""Make a bundle of an ONNX classifier or of weights: prepare, measure, write once.

Plain float models get the serving input.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from glimpse_models.bundle.head import write_head
from glimpse_models.bundle.manifest import Content, Manifest, input_entry, write_bundle
from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.bundle.optimize import with_cpu_graph
from glimpse_models.bundle.provenance import (
    held_out,
    license_of,
    of_command,
    of_runs,
    open_recorded,
    resize_at,
)
from glimpse_models.bundle.verify import check_model
from glimpse_models.data.labels import check_labels, read_labels
from glimpse_models.data.normalization import IMAGENET, Normalization
from glimpse_models.data.preprocess import EVALUATION, Geometry, InputSpec
from glimpse_models.data.splits import SINGLE, DataSet
from glimpse_models.errors import UserError
from glimpse_models.graph import class_maps, features, outputs, wrap
from glimpse_models.graph.io import input_side, load_onnx, output_names
from glimpse_models.graph.scores import labels_of_logits
from glimpse_models.measure.classifiers import Classifier, open_classifier, served
from glimpse_models.measure.evaluate import (
    Row,
    answers,
    evaluate_one,
    print_label_errors,
    row_of,
    table,
    write_report,
)
from glimpse_models.measure.metrics import Quality
from glimpse_models.measure.several import FittedScores, calibration_of
from glimpse_models.train.record import Record, read_runs

if TYPE_CHECKING:
    from glimpse_models.train.network import Trained


@dataclass(frozen=True)
class BundleOptions:
    """What to bundle, under which name, and what to measure and record."""

    model: Path
    out: Path
    name: str
    version: str
    labels: Path | None = None
    task: str | None = None
    data: Path | None = None
    held_out: float | None = None
    float_model: Path | None = None
    report: Path | None = None
    side: int | None = None
    resize: int | None = None
    geometry: Geometry = field(default_factory=Geometry)
    normalization: Normalization = IMAGENET
    class_maps: bool = True
    cpu_graph: bool = True
    runs: tuple[Path, ...] = ()
    command: str | None = None
    seed: int | None = None
    license: str | None = None


def bundle(options: BundleOptions) -> None:
    """Prepare the model, measure it where there is a data set, write the files."""
    check_name(options.name)
    check_version(options.version)
    records = read_runs(options.runs)
    seed, part = held_out(records, options.held_out, options.seed)
    data = open_recorded(options.data, records, seed, part) if options.data else None
    source = load(options.model)
    if isinstance(source, onnx.ModelProto):
        wrap.refuse_optimized(source, options.model)
    labels = labels_for(options.labels, source, data)
    task = task_for(options.task, source, records, data)
    model = prepare(source, len(labels), options.normalization, options.side, task)
    labels = labels_of_logits(model, labels)
    if data is not None and options.float_model is None and wrap.is_quantized(model):
        raise UserError(
            f"{options.model} is quantized, and the record needs the accuracy before that too; "
            "give the float model with --float-model, or leave --data out"
        )
    head = add_outputs(model, maps=options.class_maps)
    trained_on = records[-1]["data"]["name"] if records else data.name if data else None
    about = {
        "name": options.name,
        "version": options.version,
        "task": task,
        "provenance": of_runs(records) if records else of_command(options.command, seed),
        "license": options.license or license_of(trained_on),
    }
    resize = options.resize or trained_resize(model, source, records)
    ready = ready_to_serve(model, labels, resize, options.geometry, head)
    measured: Manifest = {}
    if data is not None:
        classifier = ready.classifier(f"{options.name} {options.version}", task)
        rows, measured = measure(classifier, data, options.float_model)
        if options.report:
            write_report(rows, labels, options.report)
            print(table(rows))
        print_label_errors(rows[-1])
    sha256 = write_bundle(
        options.out, ready.content_with(options.cpu_graph), {**about, **ready.described, **measured}
    )
    print(
        f"{options.out}: {options.name} {options.version}, {len(labels)} classes, bundle.json {sha256}"
    )


@dataclass(frozen=True)
class Ready:
    """A model that a run has shown to serve, with what follows from its graph."""

    content: Content
    labels: tuple[str, ...]
    spec: InputSpec
    described: Manifest
    quantized: bool

    def content_with(self, cpu_graph: bool) -> Content:
        """What the bundle holds, with `model.cpu.onnx` where that is asked for and helps."""
        return with_cpu_graph(self.content) if cpu_graph else self.content

    def classifier(self, name: str, task: str) -> Classifier:
        """As the service will run it."""
        found = served(self.content.model, name, self.spec, self.quantized)
        return dataclasses.replace(found, labels=self.labels, task=task)


def ready_to_serve(
    model: onnx.ModelProto,
    labels: tuple[str, ...],
    resize: int | None = None,
    geometry: Geometry = EVALUATION,
    head: bytes | None = None,
) -> Ready:
    """Run the model as the service would."""
    check_labels(labels)
    content = Content.of(model.SerializeToString(), labels, head)
    side = check_model(content.model, len(labels))
    spec = geometry.at(side, resize)
    described = {"input": input_entry(spec), **(cells_of_maps(model) if head else {})}
    return Ready(content, labels, spec, described, wrap.is_quantized(model))


def cells_of_maps(model: onnx.ModelProto) -> Manifest:
    """The centres of the class activation maps' cells, in pixels of the input."""
    found = class_maps.cell_centres(model)
    return {"class_maps": {"stride": found[0], "first": found[1]}} if found else {}


def add_outputs(model: onnx.ModelProto, maps: bool = True) -> bytes | None:
    """Add features, of which embeddings and class activation maps are made, where the network has them.

    Gives the head for the maps. What the network does not allow is said with the reason.
    """
    features.remove_switch(model)
    there = output_names(model)  # a bundle's own model has them
    if features.OUTPUT not in there and (why := outputs.add_features(model)):
        # Pooled otherwise, there may still be one vector per picture.
        if lacking := outputs.add_embedding(model):
            print(f"no embedding: {lacking}", file=sys.stderr)
        if maps:
            print(f"no class activation maps: {why}", file=sys.stderr)
        return None
    if not maps:
        return None
    head, why = outputs.head_for_maps(model)
    if head is None:
        print(f"no class activation maps: {why}", file=sys.stderr)
        return None
    return write_head(*head)


def load(path: Path) -> onnx.ModelProto | Trained:
    """An ONNX model, or weights (.pt)."""
    if path.suffix not in (".pt", ".pth"):
        return load_onnx(path)
    from glimpse_models.train import network

    return network.read_weights(path)


def labels_for(
    given: Path | None, source: onnx.ModelProto | Trained, data: DataSet | None
) -> tuple[str, ...]:
    """From the file, else from the weights, else from the data set."""
    if given is not None:
        return read_labels(given)
    if not isinstance(source, onnx.ModelProto) and source.labels:
        return source.labels
    if data is None:
        raise UserError("the classes have no names; give --labels FILE, one label per line")
    return data.labels


def task_for(
    asked: str | None,
    source: onnx.ModelProto | Trained,
    records: list[Record],
    data: DataSet | None,
) -> str:
    """As the weights, the last run, the data set and the option agree on; else one label."""
    said = {
        "the weights are": None if isinstance(source, onnx.ModelProto) else source.task,
        "the last --run is": records[-1]["recipe"].get("task") if records else None,
        "--data is": data.task if data else None,
        "--task is": asked,
    }
    known = {who: task for who, task in said.items() if task is not None}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{who} {task}" for who, task in known.items())
        raise UserError(f"{listed}; give what belongs together")
    return next(iter(known.values()), SINGLE)


def prepare(
    source: onnx.ModelProto | Trained,
    classes: int,
    normalization: Normalization = IMAGENET,
    side: int | None = None,
    task: str = SINGLE,
) -> onnx.ModelProto:
    """The model with the serving input, whatever it was."""
    if not isinstance(source, onnx.ModelProto):
        from glimpse_models.graph.export import export_weights

        if source.classes != classes:
            raise UserError(
                f"the weights have {source.classes} classes, but there are {classes} labels; give the labels they were trained with"
            )
        return export_weights(source, side)
    if wrap.is_wrapped(source):
        return source
    return wrap.wrap(source, classes, normalization, side, task)


def trained_resize(
    model: onnx.ModelProto, source: onnx.ModelProto | Trained, records: list[Record]
) -> int | None:
    """The resize of the weights or of their last run, where the model serves at their side."""
    side = input_side(model)
    if isinstance(source, onnx.ModelProto):
        return resize_at(records, side)
    return source.resize if source.side == side else None


def measure(
    served: Classifier, data: DataSet, float_model: Path | None
) -> tuple[list[Row], Manifest]:
    """Measure the model to serve, and the float model before it, on all validation pictures.

    The same answers calibrate the scores, and with several labels fit the thresholds. Gives the rows of a report, the served one last, and the
    entries for `bundle.json`.
    """
    split = data.validation
    rows = []
    if float_model is not None:
        before = _before_quantization(float_model, served)
        rows.append(evaluate_one(before, split, data.labels))
    answered = answers(served, split, data.labels)
    calibrated = calibration_of(answered[0], split)
    if calibrated is not None:
        served = dataclasses.replace(served, temperature=calibrated.temperature)
        print(calibrated)
    else:
        print("no temperature: too few validation pictures to fit one", file=sys.stderr)
    f1 = None
    if isinstance(calibrated, FittedScores):
        served = dataclasses.replace(served, thresholds=calibrated.thresholds)
        f1 = calibrated.f1
    rows.append(row_of(served, answered, split, data.labels))
    about = {"dataset": f"{data.name} validation", "images": len(split)}
    entries: Manifest = {"metrics": {**about, **_figures(rows, f1)}}
    _warn_of_chance(rows[-1], data)
    return rows, {**entries, **(calibrated.entries() if calibrated else {})}


def _figures(rows: list[Row], f1: float | None) -> Manifest:
    """Before and after quantization; `f1` is that of pictures which did not fit the thresholds."""
    before, after = rows[0].quality, rows[-1].quality
    if isinstance(before, Quality) and isinstance(after, Quality):
        found = {
            "fp32_top1": before.top1,
            "int8_top1": after.top1,
            "int8_top5": after.top5,
        }
    elif not isinstance(before, Quality) and not isinstance(after, Quality):
        found = {
            "fp32_mean_ap": before.mean_ap,
            "int8_mean_ap": after.mean_ap,
            "int8_f1": after.f1 if f1 is None else f1,
        }
    return {name: round(value, 6) for name, value in found.items()}


def _warn_of_chance(row: Row, data: DataSet) -> None:
    """Say so where the model is not better than one that always gives the same answer."""
    if isinstance(row.quality, Quality):
        label, most = Counter(data.validation.targets).most_common(1)[0]
        name, found, share = "top-1", row.quality.top1, most / len(data.validation)
        always = f"always answering {data.labels[label]}"
    else:
        name, found = "mAP", row.quality.mean_ap
        share = float(data.validation.matrix(len(data.labels)).mean())
        always = "the same scores for every picture"
    if found <= share:
        print(
            f"{name} {found:.4f} is not better than {always} ({share:.4f}): "
            "train longer, from pretrained weights or with more pictures before this model serves",
            file=sys.stderr,
        )


def _before_quantization(float_model: Path, served: Classifier) -> Classifier:
    weights = float_model.suffix in (".pt", ".pth")
    side = served.spec.side if weights else None
    spec = served.spec
    before = open_classifier(float_model, spec.resize, side=side, geometry=spec.geometry)
    if before.quantized:
        raise UserError(
            f"{float_model} is quantized, so that its accuracy is not that before quantization; "
            "give the float model that was quantized"
        )
    if before.spec != served.spec:
        raise UserError(
            f"{float_model} takes {before.spec.side} pixels, the bundle {served.spec.side}; "
            "give the float model that was quantized"
        )
    return before
