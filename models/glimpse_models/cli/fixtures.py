"""Write pictures of every kind and the input tensors that Pillow and torchvision make of them.

OUT/pictures/ holds the pictures, OUT/expected/ one raw file per picture and input size (uint8
[height, width, 3], row by row), and OUT/cases.json the list that the Rust parity test reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.research.fixtures import DEFAULT_INPUTS, write_fixtures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder and the inputs."""
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and tensors")
    parser.add_argument(
        "--inputs",
        nargs="+",
        default=list(DEFAULT_INPUTS),
        metavar="SIDE:RESIZE",
        help="input side and resized shorter side, in pixels (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Write them."""
    write_fixtures(arguments.out, arguments.inputs)
