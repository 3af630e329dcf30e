"""Where a bundle comes from: the records of the runs that made its weights, one after another."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from glimpse_models import journal
from glimpse_models.data import HELD_OUT, DataSet
from glimpse_models.errors import Refused
from glimpse_models.verify import Verified

LICENSE = "MIT OR Apache-2.0"

Record = dict[str, Any]


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options that say which pictures were held out, and how the others were prepared."""
    parser.add_argument(
        "--run",
        type=Path,
        nargs=1,
        default=[],
        help="the folder of the training run, which tells what it held out and its --resize",
    )
    parser.add_argument(
        "--held-out", type=float, help=f"as in train (default: as the --run, or {HELD_OUT})"
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="as in train: which part is held out; of the draws too (default: as the --run, or 1)",
    )


def read_runs(folders: list[Path]) -> list[Record]:
    """`run.json` of each folder; each run but the first must have begun with weights."""
    records = []
    for folder in folders:
        path = folder / "run.json"
        if not path.is_file():
            raise Refused(
                f"{path} does not exist; give the folder that train wrote to, or --command"
            )
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not _is_record(record):
                raise ValueError("it lacks command, recipe or data, or one has another form")
        except ValueError as error:
            raise Refused(
                f"{path} is no record of a run: {error}; give the folder that train wrote to"
            ) from error
        records.append(record)
    for folder, record in list(zip(folders, records, strict=True))[1:]:
        if record["recipe"]["weights"] == "none":
            raise Refused(
                f"{folder} began from scratch, so that no other run is part of it; name the runs that "
                "went on from one another, in their order"
            )
    return records


def _is_record(record: Any) -> bool:
    """Whether it has what the steps read of every run, and what some runs have is in its form."""
    match record:
        case {
            "command": str(),
            "git_commit": str(),
            "weights": str(),
            "recipe": {"weights": str(), "seed": int(), **recipe},
            "data": {"name": str(), **data},
        }:
            whole = (recipe.get("side", 1), recipe.get("resize", 1), data.get("seed", 1))
            return (
                all(isinstance(number, int) for number in whole)
                and isinstance(data.get("held_out", HELD_OUT), float | int)
                and isinstance(record.get("bundle", {}), dict)
                and isinstance(record.get("bundle", {}).get("provenance", {}), dict)
            )
    return False


def read_run(arguments: argparse.Namespace) -> tuple[list[Record], int, float]:
    """What the options of `add_run` say: the record, if any, and seed and part as in `held_out`."""
    records = read_runs(arguments.run)
    run = records[-1]["data"] if records else {}
    for name in ("held_out", "seed"):
        given, option = getattr(arguments, name), f"--{name.replace('_', '-')}"
        if given is not None and given != run.get(name, given):
            raise Refused(
                f"{option} {given} contradicts {arguments.run[0]}, which says {run[name]}; leave one of the two out"
            )
    return records, *held_out(records, arguments.held_out, arguments.seed)


def held_out(records: list[Record], part: float | None, seed: int | None) -> tuple[int, float]:
    """Seed and part to open the data set with: as given, else those of the last run, if it tells."""
    run = records[-1]["data"] if records else {}
    return (
        run.get("seed", 1) if seed is None else seed,
        run.get("held_out", HELD_OUT) if part is None else part,
    )


def resize_at(records: list[Record], side: int) -> int | None:
    """The shorter side, in pixels, that the last run resized to, if it was trained for this side."""
    recipe = records[-1]["recipe"] if records else {}
    return recipe.get("resize") if recipe.get("side") == side else None


def of_runs(records: list[Record]) -> Record:
    """Training commands, commit and seed of the last run, and the weights that the first began with.

    Of several runs, each is listed too, and before them those of a bundle that they went on from.
    """
    each = [entry for record in records for entry in _entries(record)]
    if len(each) == 1:
        return each[0]
    return {
        **each[-1],
        "training_command": " && ".join(record["training_command"] for record in each),
        "weights": each[0]["weights"],
        "runs": each,
    }


def of_bundle(bundle: Verified, manifest: Record, command: str, seed: int, data: DataSet) -> Record:
    """The record of weights that were taken out of a bundle."""
    return {
        "command": command,
        "git_commit": journal.git_commit(),
        "recipe": {"weights": "bundle", "seed": seed},
        "weights": f"{bundle.name} {bundle.version}",
        "data": {"name": data.name, **data.held_out},
        "bundle": {"sha256": bundle.sha256, "provenance": manifest.get("provenance", {})},
    }


def of_average(first: Record, command: str, weights: list[str], parts: list[float]) -> Record:
    """The record of a mean of weights, from that of the run whose weights come first."""
    return {
        **first,
        "command": command,
        "git_commit": journal.git_commit(),
        "weights": ", ".join(weights),
        "average": list(zip(parts, weights, strict=True)),
        "hours": 0,
        "epochs": [],
    }


def _entries(record: Record) -> list[Record]:
    before = record.get("bundle", {}).get("provenance", {})
    own = {
        "training_command": record["command"],
        "git_commit": record["git_commit"],
        "seed": record["recipe"]["seed"],
        "weights": record["weights"],
    }
    return [*before.get("runs", [before] if "training_command" in before else []), own]


def license_of(data: str | None) -> str:
    """The code's licence for the weights, and that the pictures have terms of their own."""
    return f"{LICENSE}; trained on {data} pictures, whose own terms apply" if data else LICENSE
