"""What the tables of docs/performance.md have in common: cells, and a word for what was not measured."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from glimpse_peers.results import Results
from glimpse_peers.statistics import Spread, ratio, spread

NOT_MEASURED = "not measured"
ABSENT = "–"

Table = Callable[[Results], str]


def of(*names: str) -> Callable[[Table], Table]:
    """A table of one part of the results, the only one that it gets; says so where that is absent."""

    def with_part(make: Table) -> Table:
        @functools.wraps(make)
        def made(results: Results) -> str:
            part = functools.reduce(lambda within, name: within.get(name, {}), names, results)
            return make(part) if part else NOT_MEASURED

        return made

    return with_part


def spread_cell(samples: Sequence[float]) -> str:
    """A median with its quartiles."""
    found = spread(samples)
    if found is None:
        return ABSENT
    digits = _digits(found.median)
    if found.count == 1:
        return f"{found.median:,.{digits}f}"
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def ratio_cell(ours: Sequence[float], others: Sequence[float]) -> str:
    """A ratio of medians, round by round."""
    return ratio_cells(ratio(ours, others), 2)[0]


def ratio_cells(found: Spread | None, digits: int) -> tuple[str, str]:
    """The median of a ratio, and its quartiles."""
    if found is None:
        return ABSENT, ABSENT
    if found.count == 1:
        return f"{found.median:.{digits}f}", ABSENT
    return f"{found.median:.{digits}f}", f"{found.low:.{digits}f} to {found.high:.{digits}f}"


def ms_cell(value: float | None) -> str:
    """Milliseconds."""
    return ABSENT if value is None else f"{value:,.{_digits(value)}f}"


def _digits(value: float) -> int:
    """Behind the point: none from 100 on."""
    return 0 if value >= 100 else 1
