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


def listed(bucket: str, listing: str) -> Iterator[list[str]]:
    """The lines for `aws s3api list-objects-v2`; an empty bucket has no `Contents`, or no text."""
    for found in json.loads(listing or "{}").get("Contents") or []:
        if not found["Key"].endswith("/"):
            yield [bucket, quote(found["Key"], safe="/")]


def failed(report: Path) -> Iterator[list[str]]:
    """The lines for a report's failed tasks. Keys are encoded there as the manifest had them."""
    with report.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            if len(row) > STATUS and row[STATUS] == "failed":
                yield [row[BUCKET], row[KEY], row[VERSION]] if row[VERSION] else row[:VERSION]


def main(arguments: list[str]) -> int:
    """Write the manifest that is asked for."""
    match arguments:
        case ["list", bucket]:
            lines = list(listed(bucket, sys.stdin.read()))
        case ["failed", *reports] if reports:
            lines = [line for report in reports for line in failed(Path(report))]
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    if len({len(line) for line in lines}) > 1:
        print("some objects have a version and some have none: make two jobs", file=sys.stderr)
        return 1
    csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
