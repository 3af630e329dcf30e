"""Make an earlier published version current: the one before, or any by name.

The service does not read which is current: it takes the GLIMPSE_MODEL_URI that is printed.
"""

from __future__ import annotations

import argparse

from glimpse_models.cli.options import add_endpoint, read_options
from glimpse_models.registry.rollback import RollbackOptions, rollback


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the version."""
    parser.add_argument("--of", required=True, metavar="s3://BUCKET/PREFIX")
    parser.add_argument(
        "--to", metavar="VERSION", help="(default: the version that was current before)"
    )
    add_endpoint(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Roll back."""
    rollback(read_options(RollbackOptions, arguments))
