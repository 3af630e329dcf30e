"""Write a bundle of schema version 1 anew in the form of version 2.

The same weights, labels and logits: the graph loses its control flow, so that every execution
provider can compile it, and class activation maps are made of features and head.safetensors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, add_cpu_graph, read_options
from glimpse_models.pipeline.upgrade import UpgradeOptions, upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the new one."""
    add_bundle(parser)
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")
    add_cpu_graph(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Upgrade."""
    upgrade(read_options(UpgradeOptions, arguments))
