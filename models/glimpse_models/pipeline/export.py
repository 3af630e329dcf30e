"""Make a float ONNX model with the serving input, from weights or from a plain ONNX classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from glimpse_models.data.labels import read_labels
from glimpse_models.data.normalization import IMAGENET, Normalization
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.io import input_side, load_onnx
from glimpse_models.graph.wrap import wrap


@dataclass(frozen=True)
class ExportOptions:
    """Either `weights`, or a `model` with its `labels` and `normalization`."""

    out: Path
    weights: Path | None = None
    model: Path | None = None
    labels: Path | None = None
    normalization: Normalization = IMAGENET
    side: int | None = None
    task: str | None = None


def export(options: ExportOptions) -> None:
    """Write the model."""
    model = _wrapped(options) if options.model else _exported(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, options.out)
    classes = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    print(f"{options.out}: {input_side(model)} pixels, {classes} classes")


def _exported(options: ExportOptions) -> onnx.ModelProto:
    from glimpse_models.graph.export import export_weights
    from glimpse_models.train.network import read_weights

    if options.weights is None:
        raise UserError("give --weights or --model")
    trained = read_weights(options.weights)
    if options.task not in (None, trained.task or SINGLE):
        raise UserError(f"--task {options.task} contradicts {options.weights}; leave it out")
    return export_weights(trained, options.side)


def _wrapped(options: ExportOptions) -> onnx.ModelProto:
    if options.labels is None or options.model is None:
        raise UserError("--model needs --labels FILE too, one label per line")
    classes = len(read_labels(options.labels))
    task = options.task or SINGLE
    return wrap(load_onnx(options.model), classes, options.normalization, options.side, task)
