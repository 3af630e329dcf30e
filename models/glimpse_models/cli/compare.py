"""Compare two bundles on the same pictures: the gate before a release.

Exits with status 1 when the candidate is worse than the limits allow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_data, add_run, read_options, run_options
from glimpse_models.measure.compare import CompareOptions, compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundles, the pictures and the limits."""
    add_data(parser)
    add_run(parser)
    parser.add_argument("--limit", type=int, help="only so many pictures, drawn at random")
    parser.add_argument("--threads", type=int, help="of ONNX Runtime (default: all)")
    parser.add_argument(
        "--max-drop", type=float, help=f"of top-1 or mAP (default: {CompareOptions.max_drop})"
    )
    parser.add_argument(
        "--min-agreement",
        type=float,
        help=f"of the labels, 0…1 (default: {CompareOptions.min_agreement})",
    )
    parser.add_argument(
        "--max-slowdown",
        type=float,
        help=f"of one picture's run (default: {CompareOptions.max_slowdown})",
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("old", type=Path, help="the bundle that serves now")
    parser.add_argument("new", type=Path, help="the candidate")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Compare."""
    compare(read_options(CompareOptions, arguments, run=run_options(arguments)))
