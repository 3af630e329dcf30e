"""What a bundle may be called: names and versions go into URLs, S3 keys and log lines."""

from __future__ import annotations

import re

from glimpse_models.errors import UserError

LONGEST = 64
FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

# What publishing calls the object beside the versions.
POINTER = "current"


def check_name(name: str) -> None:
    """Refuse what would not serve under `/v1/models/NAME:predict` and `/v2/models/NAME`."""
    if not FORM.fullmatch(name) or len(name) > LONGEST:
        raise UserError(
            f"the name {name!r} cannot be part of a URL; use letters, digits, dots, dashes and underscores, "
            f"{LONGEST} at most, as resnet50-pets"
        )


def check_version(version: str) -> None:
    """Refuse what would not be one folder of an S3 prefix."""
    if not VERSION_FORM.fullmatch(version) or len(version) > LONGEST or version == POINTER:
        raise UserError(
            f"the version {version!r} cannot name a folder; use letters, digits, dots, dashes and plus signs, "
            f"{LONGEST} at most, as 1.2.0 ({POINTER} is taken)"
        )
