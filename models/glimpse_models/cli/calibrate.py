"""Fit a temperature to a bundle, so that its scores are honest, and write the bundle anew with it.

With several labels per picture, a threshold for each label too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, add_data, add_run, read_options, run_options
from glimpse_models.pipeline.calibrate import CalibrateOptions, calibrate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle, its data set, and the new one."""
    add_bundle(parser)
    add_data(parser)
    add_run(parser)
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Calibrate."""
    calibrate(read_options(CalibrateOptions, arguments, run=run_options(arguments)))
