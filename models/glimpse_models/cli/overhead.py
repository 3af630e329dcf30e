"""Measure what a bundle's further outputs cost a run that does not ask for them."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, read_options
from glimpse_models.research.overhead import OverheadOptions, overhead


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the limit."""
    default = OverheadOptions
    add_bundle(parser)
    parser.add_argument("--sessions", type=int, help=f"of each model (default: {default.sessions})")
    parser.add_argument("--runs", type=int, help=f"of each session (default: {default.runs})")
    parser.add_argument(
        "--at-most",
        type=float,
        help=f"times the plain model's; above it, refuse (default: {default.at_most})",
    )
    parser.add_argument("--json", type=Path, help="where the ratios go")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Measure."""
    overhead(read_options(OverheadOptions, arguments))
