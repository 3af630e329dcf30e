"""Numbers and tables as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers where they begin like one."""
    rows = [list(row) for row in rows]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Two to three significant digits, thousands with commas."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) >= 100:
        digits = 3 - len(f"{abs(value):.0f}")
        return f"{round(value, min(0, digits)):,.0f}"
    if abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.2g}"


def count(value: float) -> str:
    """A whole number, thousands with commas."""
    return f"{value:,.0f}"


def ms(seconds: float) -> str:
    """Seconds as milliseconds, or as seconds where there are many."""
    return f"{number(seconds * 1e3)} ms" if seconds < 1 else f"{number(seconds)} s"


def percent(share: float) -> str:
    """A share; tiny ones only as such."""
    if 0 < share < 1e-5:
        return "< 0.001 %"
    return f"{number(share * 100)} %"


def dollars(amount: float) -> str:
    """US dollars, cents where they matter."""
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"
