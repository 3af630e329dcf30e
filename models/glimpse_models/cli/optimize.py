"""Write a bundle anew with model.cpu.onnx for this version of ONNX Runtime, for shorter cold starts.

model.onnx stays as it is, and both give the same outputs to the bit. For bundles that have none, or
one for another version.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, read_options
from glimpse_models.pipeline.optimize import OptimizeOptions, optimize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the new one."""
    add_bundle(parser)
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Optimize."""
    optimize(read_options(OptimizeOptions, arguments))
