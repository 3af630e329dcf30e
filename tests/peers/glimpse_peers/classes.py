"""The goals by class of processor: those of each class's last run are kept beside the document."""

from __future__ import annotations

from typing import Any

from glimpse_scaling.text import table

from glimpse_peers import goals
from glimpse_peers.cells import ABSENT, NOT_MEASURED, of, ratio_cells
from glimpse_peers.machine import CLASSES
from glimpse_peers.results import Results

FILE = "performance.json"
PART = "classes"
"""The name of what is kept among the results."""


def with_run(kept: Results, results: Results) -> Results:
    """What is kept, with this run's goals in the place of an older run's on the same class."""
    found = results.get("machine")
    if not found:
        return kept
    shown = {goal.name: _row(goal) for goal in goals.goals(results) if goal.found is not None}
    run = {
        "processor": found["processor"],
        "measured": _day(results),
        "provider": results.get("provider"),
        "goals": shown,
    }
    return kept | {found["processor_class"]: run}


@of(PART)
def by_class(kept: Results) -> str:
    """Each goal's median by class of processor, with its limit."""
    present = [name for name, _ in CLASSES if name in kept]
    head = [f"{name}: {kept[name]['processor']}, {kept[name]['measured']}" for name in present]
    ratios = dict.fromkeys(ratio for name in present for ratio in kept[name]["goals"])
    rows = [
        [ratio, *(_cell(kept[name]["goals"].get(ratio)) for name in present)] for ratio in ratios
    ]
    if any(kept[name].get("provider") for name in present):
        notes = [kept[name].get("provider") or "as the package has it" for name in present]
        rows.append(["the OpenVINO provider", *notes])
    return table(["ratio", *head], rows)


def _row(goal: goals.Goal) -> dict[str, Any]:
    median, quartiles = ratio_cells(goal.found, goal.digits)
    return {"median": median, "quartiles": quartiles, "goal": goal.wanted, "verdict": goal.verdict}


def _cell(found: dict[str, str] | None) -> str:
    if found is None:
        return NOT_MEASURED
    quartiles = "" if found["quartiles"] == ABSENT else f" ({found['quartiles']})"
    goal = f", goal {found['goal']}, {found['verdict']}" if found["verdict"] else ""
    return f"{found['median']}{quartiles}{goal}"


def _day(results: Results) -> str:
    """The day of the last part."""
    return max(results.get("measured", {}).values(), default="").partition(" ")[0]
