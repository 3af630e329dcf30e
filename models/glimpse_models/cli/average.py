"""The mean of weights that went on from one another, often better than the last of them.

OUT gets weights.pt, served at the first weights' side, and run.json: name it last of the runs of a
bundle.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import read_options
from glimpse_models.research.average import AverageOptions, average
from glimpse_models.train.record import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The weights and their shares."""
    parser.add_argument(
        "--weights", type=Path, nargs="+", required=True, help="two or more weights.pt of runs"
    )
    parser.add_argument(
        "--shares", type=float, nargs="+", help="of each in the mean, 1 together (default: equal)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Average."""
    average(read_options(AverageOptions, arguments, command=command_line(words, arguments.out)))
