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
        manifest = json.loads(found[0])
        star = "*" if current is not None and current.version == version else " "
        size = manifest["files"]["model.onnx"]["bytes"] / 1e6
        top1 = manifest.get("metrics", {}).get("int8_top1")
        quality = "not measured" if top1 is None else f"top-1 {top1:.4f}"
        print(f"{star} {version}  {manifest['created_at']}  {size:.1f} MB  {quality}")
