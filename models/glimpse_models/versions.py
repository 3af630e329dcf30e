"""List the published versions of a model; the current one has a star."""

from __future__ import annotations

import argparse
import json

from glimpse_models.s3 import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `list`."""
    parser.add_argument("--of", dest="uri", required=True, metavar="s3://BUCKET/PREFIX")
    parser.add_argument(
        "--endpoint", help="an S3 server other than AWS (default: AWS_ENDPOINT_URL_S3)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Version, when it was made, its size and top-1."""
    repository = Repository.open(arguments.uri, arguments.endpoint)
    current = repository.current()
    versions = repository.versions()
    if not versions:
        print(f"nothing is published below {arguments.uri}")
    for version in versions:
        found = repository.get(f"{version}/bundle.json")
        if found is None:
            continue
        star = "*" if current is not None and current.version == version else " "
        print(f"{star} {version}  {_about(found[0])}")


def _about(stored: bytes) -> str:
    """What `bundle.json` tells; one damaged version must not hide the others."""
    try:
        manifest = json.loads(stored)
        size = manifest["files"]["model.onnx"]["bytes"] / 1e6
        top1 = manifest.get("metrics", {}).get("int8_top1")
        quality = "not measured" if top1 is None else f"top-1 {top1:.4f}"
        return f"{manifest['created_at']}  {size:.1f} MB  {quality}"
    except (AttributeError, LookupError, TypeError, ValueError):
        return "its bundle.json is no bundle's; publish the model again as a new version"
