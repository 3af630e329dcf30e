"""The 1000-class, 224-pixel bundle from torchvision's ImageNet weights and a folder of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_cpu_graph, read_options
from glimpse_models.graph.quantize import METHODS, Method
from glimpse_models.pipeline.imagenet import ImagenetOptions, imagenet
from glimpse_models.train.recipe import RESNETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The weights, the pictures and the bundle."""
    default = ImagenetOptions
    parser.add_argument(
        "--pictures",
        type=Path,
        required=True,
        help="folder of some hundred typical photographs, to calibrate with",
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument(
        "--weights", help="a file of torchvision's weights, where there is no network"
    )
    parser.add_argument(
        "--validation",
        type=Path,
        help="ImageNet's validation pictures in 1000 class folders, to measure on",
    )
    parser.add_argument("--version", help=f"(default: {default.version})")
    parser.add_argument("--name", help="(default: BACKBONE-imagenet)")
    parser.add_argument("--backbone", choices=RESNETS, help=f"(default: {default.backbone})")
    parser.add_argument("--side", type=int, help=f"(default: {default.side})")
    parser.add_argument(
        "--resize",
        type=int,
        help="shorter side before the crop (default: as torchvision evaluates the weights)",
    )
    parser.add_argument(
        "--calibration", type=int, help=f"how many pictures (default: {default.calibration})"
    )
    parser.add_argument(
        "--check",
        type=int,
        help=f"pictures that quantize checks itself on (default: {default.check})",
    )
    parser.add_argument("--method", choices=METHODS, help="(default: percentile)")
    add_cpu_graph(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Make the bundle."""
    method = Method(vars(arguments).get("method", "percentile"))
    imagenet(read_options(ImagenetOptions, arguments, method=method))
