"""Check that a bundle's files are those that it names, and run its model once."""

from __future__ import annotations

import argparse

from glimpse_models.bundle.verify import verify
from glimpse_models.cli.options import add_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle."""
    add_bundle(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Verify."""
    found = verify(arguments.bundle)
    print(
        f"{arguments.bundle}: {found.name} {found.version} serves, {len(found.labels)} classes, "
        f"bundle.json {found.sha256}"
    )
