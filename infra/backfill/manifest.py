"""Manifests for S3 Batch Operations, on standard output: a line `bucket,key` an object, key URL-encoded.

    aws s3api list-objects-v2 --bucket BUCKET --output json | python3 infra/backfill/manifest.py list BUCKET
    python3 infra/backfill/manifest.py failed REPORT.csv …

`list` takes the objects of a listing, but no folder markers. `failed` takes what a completion report
says has failed, for another job.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

# Of a report's columns the first four are certain; in the reports that AWS shows, the error's code
# and the HTTP status are the other way round than the report's own schema says.
BUCKET, KEY, VERSION, STATUS = range(4)


class Refused(Exception):  # noqa: N818 -- it reads as what happened
    """The input makes no manifest; says why, and what to give instead."""


def listed(bucket: str, listing: bytes) -> Iterator[list[str]]:
    """The lines for `aws s3api list-objects-v2`; an empty bucket has no `Contents`, or no text."""
    try:
        keys = [found["Key"] for found in json.loads(listing or "{}").get("Contents") or []]
        yield from ([bucket, quote(key, safe="/")] for key in keys if not key.endswith("/"))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refused(
            "standard input is no listing; give what aws s3api list-objects-v2 --output json prints"
        ) from error


def failed(report: Path) -> Iterator[list[str]]:
    """The lines for a report's failed tasks. Keys are encoded there as the manifest had them."""
    try:
        with report.open(encoding="utf-8", newline="") as lines:
            for row in csv.reader(lines):
                if len(row) > STATUS and row[STATUS] == "failed":
                    yield [row[BUCKET], row[KEY], row[VERSION]] if row[VERSION] else row[:VERSION]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Refused(
            f"{report} cannot be read: {why}; give the CSV files in the report's folder results"
        ) from error


def main(arguments: list[str]) -> int:
    """Write the manifest that is asked for."""
    try:
        match arguments:
            case ["list", bucket]:
                lines = list(listed(bucket, sys.stdin.buffer.read()))
            case ["failed", *reports] if reports:
                lines = [line for report in reports for line in failed(Path(report))]
            case _:
                print(__doc__, file=sys.stderr)
                return 2
        if len({len(line) for line in lines}) > 1:
            raise Refused("some objects have a version and some have none: make two jobs")
    except Refused as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
