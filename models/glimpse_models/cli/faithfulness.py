"""Check whether class activation maps show what an answer rests on: cover their hottest cells.

Exits with status 1 where that costs the top label more than covering random cells on too few pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, add_data, add_run, read_options, run_options
from glimpse_models.measure.faithfulness import FaithfulnessOptions, faithfulness


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle, the pictures and the limit."""
    default = FaithfulnessOptions
    add_bundle(parser)
    add_data(parser)
    add_run(parser)
    parser.add_argument("--pictures", type=int, help=f"of validation (default: {default.pictures})")
    parser.add_argument(
        "--grid", type=int, help="cells of the picture in a row (default: as many as the map's)"
    )
    parser.add_argument(
        "--part", type=float, help=f"of the cells to cover (default: {default.part})"
    )
    parser.add_argument(
        "--draws", type=int, help=f"random choices to average over (default: {default.draws})"
    )
    parser.add_argument(
        "--at-least", type=float, help=f"of the pictures (default: {default.at_least})"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Measure faithfulness."""
    faithfulness(read_options(FaithfulnessOptions, arguments, run=run_options(arguments)))
