"""Make an earlier published version current: the one before, or any by name.

The service does not read which is current: it takes the GLIMPSE_MODEL_URI that is printed.
"""

from __future__ import annotations

import argparse
import hashlib

from glimpse_models.errors import Refused
from glimpse_models.publish import make_current
from glimpse_models.s3 import Current, Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rollback`."""
    parser.add_argument("--of", dest="uri", required=True, metavar="s3://BUCKET/PREFIX")
    parser.add_argument(
        "--to", metavar="VERSION", help="(default: the version that was current before)"
    )
    parser.add_argument(
        "--endpoint", help="an S3 server other than AWS (default: AWS_ENDPOINT_URL_S3)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Move the pointer; no bundle is touched."""
    repository = Repository.open(arguments.uri, arguments.endpoint)
    before = repository.current()
    if arguments.to is None:
        version = _one_back(repository, before)
    else:
        version = arguments.to
        make_current(repository, version, _published(repository, version))
    was = before.version if before else "none"
    print(f"current is {version}, was {was}")
    print(f"GLIMPSE_MODEL_URI={repository.uri(version)}")


def _one_back(repository: Repository, before: Current | None) -> str:
    """Take the last step back: doing it again goes one step further."""
    if before is None or not before.history:
        raise Refused(
            "no earlier version was current; name one with --to VERSION (list shows them)"
        )
    (version, sha256), *older = before.history
    if _published(repository, version) != sha256:
        raise Refused(
            f"the bundle.json of {version} is not the one that was current; name another with --to VERSION"
        )
    repository.point(Current(version, sha256, tuple(older)), before)
    return version


def _published(repository: Repository, version: str) -> str:
    """The hash of the version's `bundle.json`."""
    found = repository.get(f"{version}/bundle.json")
    if found is None:
        there = ", ".join(repository.versions()) or "none"
        raise Refused(f"{repository.uri(version)} is not published; published are: {there}")
    return hashlib.sha256(found[0]).hexdigest()
