"""Make an earlier published version current: the one before, or any by name.

The service does not read which is current: it takes the GLIMPSE_MODEL_URI that is printed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from glimpse_models.errors import UserError
from glimpse_models.registry.publish import deployment, make_current
from glimpse_models.registry.s3 import Current, Repository


@dataclass(frozen=True)
class RollbackOptions:
    """`s3://BUCKET/PREFIX`, and the version to make current (default: the one before)."""

    of: str
    to: str | None = None
    endpoint: str | None = None


def rollback(options: RollbackOptions) -> None:
    """Move the pointer; no bundle is touched."""
    repository = Repository.open(options.of, options.endpoint)
    before = repository.current()
    if options.to is None:
        version, sha256 = _one_back(repository, before)
    else:
        version, sha256 = options.to, _published(repository, options.to)
        make_current(repository, version, sha256)
    was = before.version if before else "none"
    print(f"current is {version}, was {was}")
    print(deployment(repository, version, sha256))


def _one_back(repository: Repository, before: Current | None) -> tuple[str, str]:
    """Take the last step back: doing it again goes one step further. Gives version and hash."""
    if before is None or not before.history:
        raise UserError(
            "no earlier version was current; name one with --to VERSION (list shows them)"
        )
    (version, sha256), *older = before.history
    if _published(repository, version) != sha256:
        raise UserError(
            f"the bundle.json of {version} is not the one that was current; name another with --to VERSION"
        )
    repository.point(Current(version, sha256, tuple(older)), before)
    return version, sha256


def _published(repository: Repository, version: str) -> str:
    """The hash of the version's `bundle.json`."""
    found = repository.get(f"{version}/bundle.json")
    if found is None:
        there = ", ".join(repository.versions()) or "none"
        raise UserError(f"{repository.uri(version)} is not published; published are: {there}")
    return hashlib.sha256(found[0]).hexdigest()
