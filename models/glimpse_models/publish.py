"""Upload a bundle to S3, where a version never changes, then make it current."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from glimpse_models.errors import Refused
from glimpse_models.s3 import POINTER, Current, Repository
from glimpse_models.verify import Verified, verify

# bundle.json last: a version without it is an upload that was cut off, which may be tried again.
FILES = {
    "model.onnx": "application/octet-stream",
    "labels.txt": "text/plain; charset=utf-8",
    "bundle.json": "application/json",
}

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `publish`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument(
        "--no-current",
        action="store_true",
        help="upload only; rollback --to VERSION makes it current later",
    )
    add_place(parser)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Where the versions of a model are."""
    parser.add_argument("--to", dest="uri", required=True, metavar="s3://BUCKET/PREFIX")
    parser.add_argument(
        "--endpoint", help="an S3 server other than AWS (default: AWS_ENDPOINT_URL_S3)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Verify, upload under the version's own prefix, move the pointer."""
    bundle = verify(arguments.bundle)
    if not VERSION.fullmatch(bundle.version) or bundle.version == POINTER:
        raise Refused(
            f"the version {bundle.version!r} is no name for a prefix; use letters, digits, dots and dashes, as 1.2.0"
        )
    repository = Repository.open(arguments.uri, arguments.endpoint)
    upload(repository, bundle)
    if not arguments.no_current:
        make_current(repository, bundle.version, bundle.sha256)
    print(
        f"published {bundle.name} {bundle.version}{'' if arguments.no_current else ', now current'}"
    )
    print(f"GLIMPSE_MODEL_URI={repository.uri(bundle.version)}")
    print(f"GLIMPSE_MODEL_SHA256={bundle.sha256}")


def upload(repository: Repository, bundle: Verified) -> None:
    """Write each file only if it is not there; what is there of a cut-off upload must be the same."""
    if bundle.version in repository.versions():
        there, current = repository.get(f"{bundle.version}/bundle.json"), repository.current()
        same = there is not None and there[0] == (bundle.folder / "bundle.json").read_bytes()
        if same and (current is None or current.version != bundle.version):
            return  # cut off, or beaten by someone else, before the pointer was moved
        raise Refused(
            f"{repository.uri(bundle.version)} exists and a version never changes; give the bundle a new --version"
        )
    for name, content_type in FILES.items():
        content = (bundle.folder / name).read_bytes()
        key = f"{bundle.version}/{name}"
        if repository.put_new(key, content, content_type):
            continue
        there = repository.get(key)
        if there is None or there[0] != content:
            raise Refused(
                f"{repository.uri(bundle.version)}/{name} exists with other content; give the bundle a new --version"
            )


def make_current(repository: Repository, version: str, sha256: str) -> None:
    """Point to the version, and remember the one before it."""
    before = repository.current()
    history = () if before is None else ((before.version, before.sha256), *before.history)
    repository.point(Current(version, sha256, history), before)
