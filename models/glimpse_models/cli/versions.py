"""List the published versions of a model; the current one has a star."""

from __future__ import annotations

import argparse

from glimpse_models.cli.options import add_endpoint
from glimpse_models.registry.versions import list_versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument("--of", required=True, metavar="s3://BUCKET/PREFIX")
    add_endpoint(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """List."""
    list_versions(arguments.of, vars(arguments).get("endpoint"))
