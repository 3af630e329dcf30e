"""A bundle's ResNet → weights that `train` can go on from, where those of its run are gone.

OUT gets weights.pt and run.json, which records the bundle that they come from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, add_data, add_split, read_options
from glimpse_models.research.checkpoint import CheckpointOptions, to_checkpoint
from glimpse_models.train.record import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and its data set."""
    add_bundle(parser)
    add_data(parser)
    add_split(parser)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument(
        "--pictures",
        type=int,
        help=f"of training, to measure batch norms on (default: {CheckpointOptions.pictures})",
    )


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Write the weights."""
    command = command_line(words, arguments.data, arguments.out)
    to_checkpoint(read_options(CheckpointOptions, arguments, command=command))
