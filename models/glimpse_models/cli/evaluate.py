"""Measure classifiers on validation pictures: loss, top-1, top-5, calibration, and each class.

Takes PyTorch weights, ONNX files and bundles side by side; ONNX runs through ONNX Runtime.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import (
    add_data,
    add_geometry,
    add_run,
    geometry_of,
    read_options,
    run_options,
)
from glimpse_models.measure.evaluate import EvaluateOptions, evaluate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The classifiers and the pictures."""
    add_data(parser)
    add_run(parser)
    parser.add_argument("--limit", type=int, help="only so many pictures, drawn at random")
    parser.add_argument(
        "--resize", type=int, help="shorter side before the crop, for files that do not say it"
    )
    add_geometry(parser)
    parser.add_argument(
        "--side",
        type=int,
        help="input side to try weights (.pt) at, instead of the one trained for",
    )
    parser.add_argument(
        "--out", type=Path, help="folder for report.json and a confusion matrix (PNG) each"
    )
    parser.add_argument(
        "models", type=Path, nargs="+", help="weights (.pt), ONNX files, bundle folders"
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Evaluate."""
    geometry, run = geometry_of(arguments), run_options(arguments)
    evaluate(read_options(EvaluateOptions, arguments, geometry=geometry, run=run))
