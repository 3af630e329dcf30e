"""Print the answers of the Python reference: one JSON line per picture, by Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle
from glimpse_models.research.reference import print_reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the pictures."""
    add_bundle(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=None,
        help="only the first pictures, in the order of names",
    )
    parser.add_argument(
        "--copies",
        type=int,
        default=0,
        help="also the labels of so many copies of each input, a level more or less in two of five values",
    )
    parser.add_argument("folder", type=Path, help="pictures, also in folders below it")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Print them."""
    print_reference(arguments.bundle, arguments.folder, arguments.limit, arguments.copies)
