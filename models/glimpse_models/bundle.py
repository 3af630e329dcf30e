"""Make a bundle: `model.onnx`, `labels.txt` and `bundle.json`, checked by running it.

Takes an ONNX classifier (plain float ones get the serving input) or weights of train.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from glimpse_models import explain, outputs, wrap
from glimpse_models.calibrate import calibration, describe
from glimpse_models.classifiers import open_classifier, read_manifest
from glimpse_models.data import HELD_OUT, DataSet, open_data, read_labels
from glimpse_models.errors import Refused
from glimpse_models.evaluate import Row, answers, evaluate, row_of, table, write_report
from glimpse_models.journal import git_commit
from glimpse_models.manifest import SCHEMA_VERSION, in_the_making, now, write_manifest
from glimpse_models.preprocess import InputSpec
from glimpse_models.provenance import (
    Record,
    held_out,
    license_of,
    of_runs,
    read_runs,
    resize_at,
)
from glimpse_models.verify import check, check_labels, entry

if TYPE_CHECKING:
    from glimpse_models.network import Trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bundle`."""
    parser.add_argument(
        "--model", type=Path, required=True, help="the ONNX file to serve, or weights (.pt)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", required=True, help="as in /v2/models/NAME")
    parser.add_argument("--version", required=True, help="a new model is a new version")
    parser.add_argument(
        "--labels", type=Path, help="one label a line (default: those of the weights or of --data)"
    )
    parser.add_argument(
        "--data", type=Path, help="a data set, to measure on all its validation pictures"
    )
    parser.add_argument(
        "--held-out", type=float, help=f"as in train (default: as the last --run, or {HELD_OUT})"
    )
    parser.add_argument(
        "--float-model",
        type=Path,
        help="ONNX or weights before quantization, measured too; a quantized --model with --data needs it",
    )
    parser.add_argument(
        "--report", type=Path, help="with --data: folder for what evaluate --out would write"
    )
    parser.add_argument("--side", type=int, help="input side, where the model does not say it")
    parser.add_argument(
        "--resize",
        type=int,
        help="shorter side before the crop (default: as the weights or the last --run at this side, else the side)",
    )
    parser.add_argument(
        "--normalise",
        choices=wrap.NORMALISATIONS,
        default="imagenet",
        help="what a plain model was trained on (default: %(default)s; Keras: symmetric or caffe)",
    )
    parser.add_argument(
        "--no-class-maps", action="store_true", help="leave the explanation's output out"
    )
    record = parser.add_argument_group("for the record")
    record.add_argument(
        "--run",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="the folder of the training run; of several, which went on from one another, in order",
    )
    record.add_argument("--command", help="the training command, where there is no --run")
    record.add_argument(
        "--seed",
        type=int,
        help="of the training, and of the held-out part (default: as the last --run, or 1)",
    )
    record.add_argument(
        "--license",
        help="SPDX expression or a sentence (default: the code's, and that the pictures have terms of their own)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Prepare the model, measure it where there is a data set, write the three files."""
    records = read_runs(arguments.run)
    seed, part = held_out(records, arguments.held_out, arguments.seed)
    data = open_data(arguments.data, seed, part) if arguments.data else None
    source = load(arguments.model)
    if isinstance(source, onnx.ModelProto):
        wrap.refuse_fused(source, arguments.model)
    labels = labels_for(arguments.labels, source, data)
    model = prepare(source, len(labels), arguments.normalise, arguments.side)
    if data is not None and arguments.float_model is None and wrap.is_quantized(model):
        raise Refused(
            f"{arguments.model} is quantized, and the record needs the accuracy before that too; "
            "give the float model with --float-model, or leave --data out"
        )
    add_outputs(model, maps=not arguments.no_class_maps)
    trained_on = records[-1]["data"]["name"] if records else data.name if data else None
    about = {
        "name": arguments.name,
        "version": arguments.version,
        "provenance": of_runs(records) if records else by_hand(arguments.command, seed),
        "license": arguments.license or license_of(trained_on),
    }
    resize = arguments.resize or trained_resize(model, source, records)
    with in_the_making(arguments.out) as making:
        write(model, labels, making, about, resize)
        if data is not None:
            rows = add_metrics(making, data, arguments.float_model)
            if arguments.report:
                write_report(rows, labels, arguments.report)
                print(table(rows))
    print(
        f"{arguments.out}: {arguments.name} {arguments.version}, {len(labels)} classes, "
        f"bundle.json {entry(arguments.out / 'bundle.json')['sha256']}"
    )


def by_hand(command: str | None, seed: int) -> dict[str, Any]:
    """The provenance that the command line tells, where no run left a record."""
    return {
        "training_command": command or "unknown",
        "git_commit": git_commit(),
        "seed": seed,
        "weights": "unknown",
    }


def add_outputs(model: onnx.ModelProto, maps: bool = True) -> None:
    """Add class maps and embedding where the network's end allows them; says where it does not."""
    there = {value.name for value in model.graph.output}  # a bundle's own model has them
    if maps and "class_maps" not in there and not outputs.add_class_maps(model):
        print(
            "no class maps: the model does not end in global average pooling and one linear layer",
            file=sys.stderr,
        )
    if "embedding" not in there and not outputs.add_embedding(model):
        print("no embedding: the model has no global pooling before its head", file=sys.stderr)


def load(path: Path) -> onnx.ModelProto | Trained:
    """An ONNX model, or weights (.pt)."""
    if path.suffix not in (".pt", ".pth"):
        return load_onnx(path)
    from glimpse_models import network

    return network.read(path)


def load_onnx(path: Path) -> onnx.ModelProto:
    """The model, if it is one file of ONNX."""
    if not path.is_file():
        raise Refused(f"{path} does not exist")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's exceptions have no common base
        raise Refused(f"{path} is not an ONNX file: {error}; export the model to ONNX") from error
    wrap.refuse_external_data(model)
    return model


def labels_for(
    given: Path | None, source: onnx.ModelProto | Trained, data: DataSet | None
) -> tuple[str, ...]:
    """From the file, else from the weights, else from the data set."""
    if given is not None:
        return read_labels(given)
    if not isinstance(source, onnx.ModelProto) and source.labels:
        return source.labels
    if data is None:
        raise Refused(
            "nothing says what the classes are called; give --labels FILE, one label a line"
        )
    return data.labels


def prepare(
    source: onnx.ModelProto | Trained,
    classes: int,
    normalise: str = "imagenet",
    side: int | None = None,
) -> onnx.ModelProto:
    """The model with the serving input, whatever it was."""
    if not isinstance(source, onnx.ModelProto):
        from glimpse_models import export

        if source.classes != classes:
            raise Refused(
                f"the weights have {source.classes} classes, but there are {classes} labels; give the labels they were trained with"
            )
        return export.to_onnx(source, side)
    if wrap.is_wrapped(source):
        return source
    return wrap.wrap(source, classes, wrap.NORMALISATIONS[normalise], side)


def trained_resize(
    model: onnx.ModelProto, source: onnx.ModelProto | Trained, records: list[Record]
) -> int | None:
    """The resize that the weights or their last run tell, where the model serves at their side."""
    side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    if isinstance(source, onnx.ModelProto):
        return resize_at(records, side)
    return source.resize if source.side == side else None


def write(
    model: onnx.ModelProto,
    labels: tuple[str, ...],
    out: Path,
    about: dict[str, Any],
    resize: int | None = None,
) -> None:
    """Write the bundle to `out`, a folder in the making; a run of the model shows that it serves."""
    check_labels(labels)
    onnx.save(model, out / "model.onnx")
    side = check(out / "model.onnx", len(labels))
    spec = InputSpec(side, resize or side)
    (out / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": about["name"],
        "version": about["version"],
        "created_at": now(),
        "files": {name: entry(out / name) for name in ("labels.txt", "model.onnx")},
        "input": {
            "height": spec.side,
            "width": spec.side,
            "resize_shorter_side": spec.resize,
            "interpolation": "bilinear-antialias",
        },
        **_class_maps(model),
        **{key: about[key] for key in ("metrics", "provenance", "license") if key in about},
    }
    write_manifest(out, manifest)


def _class_maps(model: onnx.ModelProto) -> dict[str, Any]:
    """Where the cells of the class maps look, in pixels of the input, for whoever draws them."""
    mapped = any(value.name == "class_maps" for value in model.graph.output)
    found = explain.places(model) if mapped else None
    return {"class_maps": {"stride": found[0], "first": found[1]}} if found else {}


def add_metrics(bundle: Path, data: DataSet, float_model: Path | None) -> list[Row]:
    """Measure the bundle, and the float model before it, on all validation pictures.

    The same answers calibrate the scores. Gives the rows of a report, the bundle's last.
    """
    split = data.validation
    rows = []
    served = open_classifier(bundle)
    if float_model is not None:
        weights = float_model.suffix in (".pt", ".pth")
        side = served.spec.side if weights else None
        before = open_classifier(float_model, served.spec.resize, side=side)
        if before.quantized:
            raise Refused(
                f"{float_model} is quantized, so that its accuracy is not that before quantization; "
                "give the float model that was quantized"
            )
        if before.spec != served.spec:
            raise Refused(
                f"{float_model} takes {before.spec.side} pixels, the bundle {served.spec.side}; "
                "give the float model that was quantized"
            )
        rows.append(evaluate(before, split, data.labels))
    answered = answers(served, split, data.labels)
    calibrated = calibration(answered[0], split)
    if calibrated is not None:
        served = dataclasses.replace(served, temperature=calibrated.temperature)
        print(describe(calibrated))
    else:
        print("no temperature: too few validation pictures to fit it on half", file=sys.stderr)
    rows.append(row_of(served, answered, split))
    found = rows[-1].quality
    manifest = read_manifest(bundle)
    manifest["metrics"] = {
        "dataset": f"{data.name} validation",
        "images": found.images,
        "fp32_top1": round(rows[0].quality.top1, 6),
        "int8_top1": round(found.top1, 6),
        "int8_top5": round(found.top5, 6),
    }
    if calibrated is not None:
        manifest["calibration"] = calibrated.record()
    write_manifest(bundle, manifest)
    return rows
