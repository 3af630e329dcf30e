"""`python -m glimpse_peers measure`, `labels` and `document`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from glimpse_peers import document, labels, machine, peers, places, results, tables
from glimpse_peers.parts import growth, quotas, sizes, starts, throughput
from glimpse_peers.plan import Plan
from glimpse_peers.stage import Stage

PARTS: dict[str, Callable[[Stage], results.Results]] = {
    "starts": starts.measure,
    "throughput": throughput.measure,
    "growth": growth.measure,
    "quotas": quotas.measure,
    "sizes": sizes.measure,
}


def main() -> None:
    """Measure, or fill the document."""
    parser = argparse.ArgumentParser(prog="glimpse_peers", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    measure = verbs.add_parser("measure", help="measure, and print the tables")
    measure.add_argument("--rounds", type=int)
    measure.add_argument("--quick", action="store_true", help="a first impression in 7 minutes")
    measure.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    measure.add_argument("--peers", nargs="*", default=[], help="their keys; default: all")
    compare = verbs.add_parser("labels", help="compare the labels of two execution providers")
    compare.add_argument("--pictures", type=Path, help="a folder; default: crops of photographs")
    fill = verbs.add_parser("document", help="fill docs/performance.md and draw its plots")
    for verb in (measure, fill):
        verb.add_argument("--results", type=Path, default=places.RESULTS)
    fill.add_argument("--docs", type=Path, default=places.DOCS)
    arguments = parser.parse_args()
    if arguments.verb == "measure":
        _measure(arguments)
    elif arguments.verb == "labels":
        found = labels.measure(arguments.pictures)
        results.save(places.OUT / "labels.json", found)
        print(tables.TABLES["labels"]({"labels": found}))
    else:
        for name in document.write(results.whole(arguments.results), arguments.docs):
            print(f"wrote {name}")


def _measure(arguments: argparse.Namespace) -> None:
    make = Plan.quick if arguments.quick else Plan.default
    plan = make(arguments.rounds)
    about = machine.describe()
    print(f"{about.processor}: {about.processor_class}, {about.cores} cores, load {about.load}")
    stage = Stage.prepare(plan, arguments.peers)
    results.add(arguments.results, "machine", about.to_json())
    results.add(arguments.results, "absent", stage.absent)
    results.add(arguments.results, "provider", peers.provider_note())
    for part in arguments.parts:
        results.add(arguments.results, part, PARTS[part](stage), plan.rounds_of(part))
    print(document.printed(results.whole(arguments.results)))


if __name__ == "__main__":
    main()
