"""Write the same bundle for another input side: for benchmarks at 224 pixels."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, read_options
from glimpse_models.research.resize import ResizeOptions, resize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the new side."""
    default = ResizeOptions
    add_bundle(parser)
    parser.add_argument("--side", type=int, help=f"in pixels (default: {default.side})")
    parser.add_argument(
        "--resize", type=int, help=f"shorter side before the crop (default: {default.resize})"
    )
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Resize."""
    resize(read_options(ResizeOptions, arguments))
