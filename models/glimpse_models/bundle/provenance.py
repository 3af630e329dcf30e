"""Where a bundle comes from: the records of the runs that made its weights, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glimpse_models.bundle.verify import VerifiedBundle
from glimpse_models.data.dataset import HELD_OUT, open_data
from glimpse_models.data.inspect import without_broken
from glimpse_models.data.splits import SINGLE, DataSet
from glimpse_models.errors import UserError
from glimpse_models.train.record import Record, git_commit, read_runs

UNKNOWN_LICENSE = "not stated"


@dataclass(frozen=True)
class RunRead:
    """The records of runs, and seed and part to open their data set with."""

    records: list[Record]
    seed: int
    held_out: float

    def broken(self) -> list[str]:
        """The pictures that the last run could not decode."""
        return broken_of(self.records)

    def open(self, root: Path, task: str | None = None) -> DataSet:
        """The data set as the last run used it; without a run, as a model of this task reads it."""
        return open_recorded(root, self.records, self.seed, self.held_out, task)


@dataclass(frozen=True)
class RunOptions:
    """Which pictures were held out: by the record of a run, or by the part and the seed."""

    folder: Path | None = None
    held_out: float | None = None
    seed: int | None = None

    def read(self) -> RunRead:
        """The record, if any; a part or seed that contradicts it is refused."""
        records = read_runs([self.folder] if self.folder else [])
        run = records[-1]["data"] if records else {}
        for name, given in (("held_out", self.held_out), ("seed", self.seed)):
            if given is not None and given != run.get(name, given):
                option = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{option} {given} contradicts {self.folder}, which says {run[name]}; leave one of the two out"
                )
        return RunRead(records, *held_out(records, self.held_out, self.seed))


def open_recorded(
    root: Path, records: list[Record], seed: int, part: float, task: str | None = None
) -> DataSet:
    """The data set, without the pictures that the last run found broken."""
    broken = broken_of(records)
    data = open_data(root, seed, part, learnt_task(records) or task)
    return without_broken(data, broken) if broken else data


def learnt_task(records: list[Record]) -> str | None:
    """That of the last run, which a table of labels may not say."""
    return str(records[-1]["recipe"].get("task", SINGLE)) if records else None


def broken_of(records: list[Record]) -> list[str]:
    """Paths below the data set, of pictures that the last run could not decode."""
    return [str(name) for name in records[-1]["data"].get("broken", [])] if records else []


def held_out(records: list[Record], part: float | None, seed: int | None) -> tuple[int, float]:
    """Seed and part to open the data set with: as given, else those of the last run, if it has them."""
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


def of_bundle(
    bundle: VerifiedBundle, command: str, recipe: dict[str, Any], data: dict[str, Any]
) -> Record:
    """The record of weights that were taken out of a bundle; `recipe` has backbone and seed."""
    return {
        "command": command,
        "git_commit": git_commit(),
        "recipe": {"weights": "bundle", **recipe},
        "weights": f"{bundle.name} {bundle.version}",
        "data": data,
        "bundle": {"sha256": bundle.sha256, "provenance": bundle.manifest.get("provenance", {})},
    }


def of_average(first: Record, command: str, weights: list[str], parts: list[float]) -> Record:
    """The record of a mean of weights, from that of the run whose weights come first."""
    return {
        **first,
        "command": command,
        "git_commit": git_commit(),
        "weights": ", ".join(weights),
        "average": list(zip(parts, weights, strict=True)),
        "hours": 0,
        "epochs": [],
    }


def earlier_runs(record: Record) -> list[Record]:
    """What the bundle that a record went on from says of the runs before."""
    before: Record = record.get("bundle", {}).get("provenance", {})
    found: list[Record] = before.get("runs", [before] if "training_command" in before else [])
    return found


def _entries(record: Record) -> list[Record]:
    own = {
        "training_command": record["command"],
        "git_commit": record["git_commit"],
        "seed": record["recipe"]["seed"],
        "weights": record["weights"],
    }
    if "fingerprint" in record["data"]:
        own["data_fingerprint"] = record["data"]["fingerprint"]
    if epochs := record.get("epochs"):
        own |= {"epochs": len(epochs), "hours": record["hours"]}
        if teacher := record["recipe"].get("teacher"):
            own["teacher"] = teacher
    return [*earlier_runs(record), own]


def of_command(command: str | None, seed: int) -> Record:
    """The provenance that the command line gives, where no run left a record."""
    return {
        "training_command": command or "unknown",
        "git_commit": git_commit(),
        "seed": seed,
        "weights": "unknown",
    }


def license_of(data: str | None) -> str:
    """What is known without being told: the weights are not ours, and the pictures have terms of their own."""
    if not data:
        return UNKNOWN_LICENSE
    return f"{UNKNOWN_LICENSE}; trained on {data} pictures, whose own terms apply"
