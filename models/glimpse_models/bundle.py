"""Make a bundle: `model.onnx`, `labels.txt` and `bundle.json`, checked by running it.

Takes an ONNX classifier (plain float ones get the serving input) or weights of train.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from glimpse_models import explain, wrap
from glimpse_models.classifiers import open_session
from glimpse_models.data import DataSet, open_data, read_labels
from glimpse_models.errors import Refused
from glimpse_models.journal import git_commit

SCHEMA_VERSION = 1
LICENSE = "MIT OR Apache-2.0"
EXACT = 0.05  # of the logits' spread: what 8-bit rounding may take from the maps' exactness


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
        "--float-model", type=Path, help="ONNX or weights before quantization, measured too"
    )
    parser.add_argument("--side", type=int, help="input side, where the model does not say it")
    parser.add_argument(
        "--resize", type=int, help="shorter side before the crop (default: the input side)"
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
        "--run", type=Path, help="the folder of the training run: command, seed and weights"
    )
    record.add_argument("--command", help="the training command, where there is no --run")
    record.add_argument(
        "--seed", type=int, default=1, help="of the training, and of the held-out part"
    )
    record.add_argument("--license", default=LICENSE, help="SPDX expression or a sentence")


def run(arguments: argparse.Namespace) -> None:
    """Prepare the model, measure it where there is a data set, write the three files."""
    data = open_data(arguments.data, arguments.seed) if arguments.data else None
    labels = labels_for(arguments.labels, arguments.model, data)
    model = prepare(arguments.model, len(labels), arguments.normalise, arguments.side)
    if not arguments.no_class_maps and not add_class_maps(model):
        print(
            "no class maps: the model does not end in global average pooling and one linear layer",
            file=sys.stderr,
        )
    write(
        model,
        labels,
        arguments.out,
        {
            "name": arguments.name,
            "version": arguments.version,
            "provenance": provenance(arguments),
            "license": arguments.license,
        },
        arguments.resize,
    )
    if data is not None:
        add_metrics(arguments.out, data, arguments.float_model)
    print(
        f"{arguments.out}: {arguments.name} {arguments.version}, {len(labels)} classes, "
        f"bundle.json {entry(arguments.out / 'bundle.json')['sha256']}"
    )


def labels_for(given: Path | None, model: Path, data: DataSet | None) -> tuple[str, ...]:
    """From the file, else from the weights, else from the data set."""
    if given is not None:
        return read_labels(given)
    if model.suffix in (".pt", ".pth"):
        from glimpse_models import network

        if labels := network.read(model).labels:
            return labels
    if data is None:
        raise Refused(
            "nothing says what the classes are called; give --labels FILE, one label a line"
        )
    return data.labels


def prepare(
    path: Path, classes: int, normalise: str = "imagenet", side: int | None = None
) -> onnx.ModelProto:
    """The model with the serving input, whatever it was."""
    if path.suffix in (".pt", ".pth"):
        from glimpse_models import export, network

        trained = network.read(path)
        if trained.classes != classes:
            raise Refused(
                f"the weights have {trained.classes} classes, but there are {classes} labels; give the labels they were trained with"
            )
        return export.to_onnx(trained, side)
    model = load_onnx(path)
    return (
        model
        if wrap.is_wrapped(model)
        else wrap.wrap(model, classes, wrap.NORMALISATIONS[normalise], side)
    )


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


def add_class_maps(model: onnx.ModelProto) -> bool:
    """Add the explanation's output, if the maps are exact and the logits stay as they are."""
    before = model.SerializeToString()
    if not explain.add_class_maps(model):
        return False
    plain, mapped = (_session(content) for content in (before, model.SerializeToString()))
    side = plain.get_inputs()[0].shape[1]
    image = {"image": np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)}
    logits, maps = mapped.run(["logits", "class_maps"], {**image, "explain": np.array(True)})
    same = np.array_equal(plain.run(["logits"], image)[0], mapped.run(["logits"], image)[0])
    if same and np.abs(maps.mean(axis=(2, 3)) - logits).max() <= EXACT * max(logits.std(), 1e-6):
        return True
    model.ParseFromString(before)
    return False


def write(
    model: onnx.ModelProto,
    labels: tuple[str, ...],
    out: Path,
    about: dict[str, Any],
    resize: int | None = None,
) -> None:
    """Write the bundle to `out` after a run of the model has shown that it serves."""
    check_labels(labels)
    out.mkdir(parents=True, exist_ok=True)
    partial = out / "model.onnx.part"
    onnx.save(model, partial)
    try:
        side = check(partial, len(labels))
        if resize is not None and resize < side:
            raise Refused(
                f"--resize {resize} is below the input side {side}: it must cover the crop"
            )
    except Refused:
        partial.unlink()
        raise
    partial.replace(out / "model.onnx")
    (out / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": about["name"],
        "version": about["version"],
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: entry(out / name) for name in ("labels.txt", "model.onnx")},
        "input": {
            "height": side,
            "width": side,
            "resize_shorter_side": resize or side,
            "interpolation": "bilinear-antialias",
        },
        **{key: about[key] for key in ("metrics", "provenance", "license") if key in about},
    }
    _write_manifest(out, manifest)


def add_metrics(bundle: Path, data: DataSet, float_model: Path | None) -> None:
    """Measure the bundle, and the float model before it, on all validation pictures."""
    from glimpse_models.classifiers import open_classifier
    from glimpse_models.evaluate import evaluate

    served = open_classifier(bundle)
    found = evaluate(served, data.validation, len(data.labels)).quality
    exact = found
    if float_model is not None:
        before = open_classifier(float_model, served.spec.resize)
        exact = evaluate(before, data.validation, len(data.labels)).quality
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    manifest["metrics"] = {
        "dataset": f"{data.name} validation",
        "images": found.images,
        "fp32_top1": round(exact.top1, 6),
        "int8_top1": round(found.top1, 6),
        "int8_top5": round(found.top5, 6),
    }
    _write_manifest(bundle, manifest)


def provenance(arguments: argparse.Namespace) -> dict[str, Any]:
    """Training command, commit, seed and weights: from the run's record where there is one."""
    if arguments.run is None:
        command = arguments.command or "unknown"
        return {
            "training_command": command,
            "git_commit": git_commit(),
            "seed": arguments.seed,
            "weights": "unknown",
        }
    path = arguments.run / "run.json"
    if not path.is_file():
        raise Refused(f"{path} does not exist; give the folder that train wrote to, or --command")
    record = json.loads(path.read_text(encoding="utf-8"))
    return {
        "training_command": record["command"],
        "git_commit": record["git_commit"],
        "seed": record["recipe"]["seed"],
        "weights": record["weights"],
    }


def check(model: Path, classes: int) -> int:
    """Run the model as the service would; gives its input side."""
    session: Any = open_session(model)
    inputs = session.get_inputs()
    image = inputs[0]
    if (
        len(inputs) != 1
        or image.name != "image"
        or image.type != "tensor(uint8)"
        or len(image.shape) != 4
    ):
        found = ", ".join(f"{value.name} {value.type} {value.shape}" for value in inputs)
        raise Refused(f"the model takes {found}; the service needs image, uint8 [N, H, W, 3]")
    _, height, width, channels = image.shape
    if not isinstance(height, int) or height != width or channels != 3:
        raise Refused(
            f"the model's input is {image.shape}; the service needs fixed, square RGB: give --side"
        )
    if "logits" not in [output.name for output in session.get_outputs()]:
        raise Refused(
            "the model has no output logits; give the plain float model, which is then wrapped"
        )
    for count in (1, 2):
        pixels = np.zeros((count, height, width, 3), np.uint8)
        try:
            logits = session.run(["logits"], {"image": pixels})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise Refused(
                f"the model fails on {count} pictures at once ({error}); export it with a dynamic batch axis"
            ) from error
        if logits.shape != (count, classes):
            raise Refused(
                f"logits are {list(logits.shape)} for {count} pictures, but there are {classes} labels; "
                "give the labels it was trained with, and export it with a dynamic batch axis"
            )
        if not np.isfinite(logits).all():
            raise Refused(
                "the logits of a black picture are not finite; the training or the export went wrong"
            )
    return int(height)


def check_labels(labels: tuple[str, ...]) -> None:
    """Each label says one class."""
    seen: set[str] = set()
    for label in labels:
        if not label.strip() or "\n" in label:
            raise Refused(
                f"the label {label!r} is empty or has a line break; write one label a line"
            )
        if label in seen:
            raise Refused(
                f"the label {label!r} stands for two classes; tell them apart, as in 'crane (bird)'"
            )
        seen.add(label)


def entry(path: Path) -> dict[str, str | int]:
    """Checksum and size of a file."""
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


@dataclass(frozen=True)
class Verified:
    """A bundle whose files are those that its manifest names."""

    folder: Path
    name: str
    version: str
    sha256: str


def verify(folder: Path) -> Verified:
    """Every file against its checksum, then a run: what publishing and serving rely on."""
    path = folder / "bundle.json"
    if not path.is_file():
        raise Refused(f"{folder} holds no bundle.json; make a bundle with the step bundle first")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise Refused(
            f"{path} has schema version {manifest.get('schema_version')}; this code knows {SCHEMA_VERSION}"
        )
    for name in ("model.onnx", "labels.txt"):
        if not (folder / name).is_file() or manifest["files"].get(name) != entry(folder / name):
            raise Refused(
                f"{folder / name} is not the file that bundle.json names; make the bundle anew"
            )
    check(folder / "model.onnx", len(read_labels(folder / "labels.txt")))
    return Verified(folder, manifest["name"], manifest["version"], str(entry(path)["sha256"]))


def _write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    order = (
        "schema_version",
        "name",
        "version",
        "created_at",
        "files",
        "input",
        "metrics",
        "provenance",
        "license",
    )
    text = json.dumps(
        {key: manifest[key] for key in order if key in manifest}, indent=2, ensure_ascii=False
    )
    (out / "bundle.json").write_text(f"{text}\n", encoding="utf-8")


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
