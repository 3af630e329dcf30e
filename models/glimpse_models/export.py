"""Make a float ONNX model with the serving input, from weights or from a plain ONNX classifier."""

from __future__ import annotations

import argparse
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from glimpse_models.errors import Refused
from glimpse_models.wrap import IMAGENET, NORMALISATIONS, wrap

if TYPE_CHECKING:
    import onnx

    from glimpse_models.network import Trained

OPSET = 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help="weights.pt or checkpoint.pt")
    source.add_argument("--model", type=Path, help="a plain float ONNX classifier")
    parser.add_argument("--labels", type=Path, help="with --model: one label a line")
    parser.add_argument(
        "--normalise",
        choices=NORMALISATIONS,
        default="imagenet",
        help="with --model: what it was trained on (default: %(default)s; Keras: symmetric or caffe)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the float ONNX file")
    parser.add_argument("--side", type=int, help="input side in pixels (default: as trained)")


def run(arguments: argparse.Namespace) -> None:
    """Batch norm is folded into the convolutions by exporting in evaluation mode."""
    import onnx

    model = _wrapped(arguments) if arguments.model else _exported(arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, arguments.out)
    image, logits = (
        value.type.tensor_type.shape.dim for value in (model.graph.input[0], model.graph.output[0])
    )
    print(f"{arguments.out}: {image[1].dim_value} pixels, {logits[1].dim_value} classes")


def _exported(arguments: argparse.Namespace) -> onnx.ModelProto:
    from glimpse_models import network

    return to_onnx(network.read(arguments.weights), arguments.side)


def _wrapped(arguments: argparse.Namespace) -> onnx.ModelProto:
    from glimpse_models.bundle import load_onnx
    from glimpse_models.data import read_labels

    if arguments.labels is None:
        raise Refused("--model needs --labels FILE too, one label a line")
    classes = len(read_labels(arguments.labels))
    return wrap(
        load_onnx(arguments.model), classes, NORMALISATIONS[arguments.normalise], arguments.side
    )


def to_onnx(trained: Trained, side: int | None = None) -> onnx.ModelProto:
    """The float model with the serving input."""
    import onnx
    import torch

    side = trained.input_side(side)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that traces is deprecated; the new one needs another package.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            trained.model(),
            (torch.zeros(1, 3, side, side),),
            buffer,  # type: ignore[arg-type]  # the exporter that traces takes a stream
            opset_version=OPSET,
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes={"pictures": {0: "N"}, "scores": {0: "N"}},
            dynamo=False,
        )
    return wrap(onnx.load_from_string(buffer.getvalue()), trained.classes, IMAGENET, side)
