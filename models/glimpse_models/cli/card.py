"""Write the model card of a bundle, from the records that training and evaluation left."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.bundle.card import CardOptions, write_card
from glimpse_models.cli.options import add_bundle, read_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and its records."""
    add_bundle(parser)
    parser.add_argument(
        "--run",
        dest="runs",
        type=Path,
        nargs="+",
        required=True,
        metavar="RUN",
        help="the folder of the training run; of several, which went on from one another, in order",
    )
    parser.add_argument(
        "--report",
        type=Path,
        required=True,
        help="report.json that evaluate --out or bundle --report wrote, the bundle last",
    )
    parser.add_argument("--out", type=Path, required=True, help="the card, Markdown")
    parser.add_argument(
        "--faithfulness", type=Path, help="the figures that faithfulness --json wrote"
    )
    parser.add_argument("--made-by", help="the command that made the bundle of the runs' weights")
    parser.add_argument("--about-data", help="where the pictures come from, and their terms")
    parser.add_argument(
        "--limits", help="what the model must not be used for, or is known to get wrong"
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Write the card."""
    write_card(read_options(CardOptions, arguments))
