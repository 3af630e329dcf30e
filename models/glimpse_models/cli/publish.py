"""Upload a bundle to S3, where a version never changes, then make it current.

A bundle without model.cpu.onnx gets one, for shorter cold starts; the folder stays as it is.
"""

from __future__ import annotations

import argparse

from glimpse_models.cli.options import add_bundle, add_cpu_graph, add_endpoint, read_options
from glimpse_models.registry.publish import PublishOptions, publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and the place."""
    add_bundle(parser)
    parser.add_argument(
        "--no-current",
        dest="make_current",
        action="store_false",
        help="upload only; rollback --to VERSION makes it current later",
    )
    parser.add_argument("--to", required=True, metavar="s3://BUCKET/PREFIX")
    add_endpoint(parser)
    add_cpu_graph(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Publish."""
    publish(read_options(PublishOptions, arguments))
