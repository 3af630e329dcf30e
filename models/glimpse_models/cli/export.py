"""Make a float ONNX model with the serving input, from weights or from a plain ONNX classifier."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_task, read_options
from glimpse_models.data.normalization import NORMALIZATIONS
from glimpse_models.pipeline.export import ExportOptions, export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The source, and how it was trained."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help="weights.pt or checkpoint.pt")
    source.add_argument("--model", type=Path, help="a plain float ONNX classifier")
    parser.add_argument("--labels", type=Path, help="with --model: one label per line")
    add_normalise(parser)
    add_task(parser, "with --model; default: one")
    parser.add_argument("--out", type=Path, required=True, help="the float ONNX file")
    parser.add_argument("--side", type=int, help="input side in pixels (default: as trained)")


def add_normalise(parser: argparse.ArgumentParser) -> None:
    """What a plain model was trained on."""
    parser.add_argument(
        "--normalise",
        choices=NORMALIZATIONS,
        default="imagenet",
        help="what a plain model was trained on (default: imagenet; Keras: symmetric or caffe)",
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Export."""
    normalization = NORMALIZATIONS[arguments.normalise]
    export(read_options(ExportOptions, arguments, normalization=normalization))
