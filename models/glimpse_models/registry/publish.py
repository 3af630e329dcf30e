"""Upload a bundle to S3, where a version never changes, then make it current."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glimpse_models.bundle.cpu_graph import FILE as CPU_GRAPH
from glimpse_models.bundle.manifest import describe, parse_manifest
from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.bundle.optimize import with_cpu_graph
from glimpse_models.bundle.verify import VerifiedBundle, verify
from glimpse_models.errors import UserError
from glimpse_models.registry.s3 import Current, Repository

CONTENT_TYPES = {
    "model.onnx": "application/octet-stream",
    CPU_GRAPH: "application/octet-stream",
    "head.safetensors": "application/octet-stream",
    "labels.txt": "text/plain; charset=utf-8",
    "bundle.json": "application/json",
}


@dataclass(frozen=True)
class PublishOptions:
    """A bundle, and `s3://BUCKET/PREFIX` to publish it below."""

    bundle: Path
    to: str
    endpoint: str | None = None
    make_current: bool = True
    cpu_graph: bool = True


def publish(options: PublishOptions) -> None:
    """Verify, complete, upload under the version's own prefix, move the pointer."""
    bundle = verify(options.bundle)
    if options.cpu_graph and bundle.content.cpu_graph is None:
        bundle = completed(bundle)
    check_name(bundle.name)
    check_version(bundle.version)
    repository = Repository.open(options.to, options.endpoint)
    upload(repository, bundle)
    if options.make_current:
        make_current(repository, bundle.version, bundle.sha256)
    print(
        f"published {bundle.name} {bundle.version}{', now current' if options.make_current else ''}"
    )
    print(deployment(repository, bundle.version, bundle.sha256))


def deployment(repository: Repository, version: str, sha256: str) -> str:
    """How a server and a stack get a version: lines for people and scripts."""
    prefix = f"ModelPrefix={repository.prefix}/{version}"
    return (
        f"GLIMPSE_MODEL_URI={repository.uri(version)}\n"
        f"GLIMPSE_MODEL_SHA256={sha256}\n"
        "a stack publishes new versions of its functions for it:\n"
        f"sam deploy --parameter-overrides {prefix} ModelSha256={sha256}"
    )


def completed(bundle: VerifiedBundle) -> VerifiedBundle:
    """The bundle with `model.cpu.onnx`; the same input gives the same bytes."""
    content = with_cpu_graph(bundle.content)
    if content.cpu_graph is None:
        return bundle
    description = describe(content, bundle.manifest)
    manifest = parse_manifest(bundle.folder / "bundle.json", description)
    return VerifiedBundle(bundle.folder, manifest, description, content)


def upload(repository: Repository, bundle: VerifiedBundle) -> None:
    """Write each file only if it is not there; the files of a cut-off upload must be the same."""
    if bundle.version in repository.versions():
        there, current = repository.get(f"{bundle.version}/bundle.json"), repository.current()
        same = there is not None and there[0] == bundle.description
        if same and (current is None or current.version != bundle.version):
            return  # cut off, or beaten by someone else, before the pointer was moved
        raise UserError(
            f"{repository.uri(bundle.version)} exists and a version never changes; give the bundle a new --version"
        )
    # bundle.json last: a version without it is an upload that was cut off, which may be tried again.
    for name, content in bundle.files().items():
        key = f"{bundle.version}/{name}"
        if repository.put_new(key, content, CONTENT_TYPES[name]):
            continue
        there = repository.get(key)
        if there is None or there[0] != content:
            raise UserError(
                f"{repository.uri(bundle.version)}/{name} exists with other content; give the bundle a new --version"
            )


def make_current(repository: Repository, version: str, sha256: str) -> None:
    """Point to the version, and remember the one before it."""
    before = repository.current()
    history = () if before is None else ((before.version, before.sha256), *before.history)
    repository.point(Current(version, sha256, history), before)
