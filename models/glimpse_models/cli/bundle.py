"""Make a bundle: model.onnx, model.cpu.onnx, labels.txt and bundle.json, checked by running it.

Takes an ONNX classifier (plain float ones get the serving input) or weights of train.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.export import add_normalise
from glimpse_models.cli.options import (
    add_cpu_graph,
    add_geometry,
    add_task,
    geometry_of,
    read_options,
)
from glimpse_models.data.dataset import HELD_OUT
from glimpse_models.data.normalization import NORMALIZATIONS
from glimpse_models.pipeline.bundle import BundleOptions, bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, what to measure, and what to record."""
    parser.add_argument(
        "--model", type=Path, required=True, help="the ONNX file to serve, or weights (.pt)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", required=True, help="as in /v2/models/NAME")
    parser.add_argument("--version", required=True, help="a new model is a new version")
    parser.add_argument(
        "--labels",
        type=Path,
        help="one label per line (default: those of the weights or of --data)",
    )
    add_task(parser, "default: as the weights, the --run or --data say, else one")
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
    add_normalise(parser)
    add_geometry(parser)
    parser.add_argument(
        "--no-class-maps",
        dest="class_maps",
        action="store_false",
        help="leave the class activation maps out",
    )
    add_cpu_graph(parser)
    record = parser.add_argument_group("for the record")
    record.add_argument(
        "--run",
        dest="runs",
        type=Path,
        nargs="+",
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


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Bundle."""
    normalization = NORMALIZATIONS[arguments.normalise]
    geometry = geometry_of(arguments)
    bundle(read_options(BundleOptions, arguments, normalization=normalization, geometry=geometry))
