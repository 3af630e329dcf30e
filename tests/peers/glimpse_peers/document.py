"""docs/performance.md: its tables and plots from the results."""

from __future__ import annotations

from pathlib import Path

from glimpse_scaling import document

from glimpse_peers import classes, plots, tables
from glimpse_peers import results as kept
from glimpse_peers.cells import NOT_MEASURED
from glimpse_peers.results import Results

NAME = "performance.md"


def filled(text: str, results: Results) -> str:
    """The document with the tables that it asks for."""
    made = {name: tables.TABLES[name](results) for name in document.names(text)}
    return document.fill(text, made)


def write(results: Results, docs: Path) -> list[str]:
    """Fill the document, draw its plots; gives their names."""
    path, of_classes = docs / NAME, docs / classes.FILE
    results = results | {classes.PART: classes.with_run(kept.load(of_classes), results)}
    kept.save(of_classes, results[classes.PART])
    path.write_text(filled(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    plots.draw(results, docs / "images")
    return [NAME, classes.FILE, *(f"images/{name}.svg" for name in plots.PLOTS)]


def printed(results: Results) -> str:
    """The tables of what was measured, for a terminal."""
    made = {name: make(results) for name, make in tables.TABLES.items()}
    return "\n\n".join(
        f"{name}\n{text}" for name, text in made.items() if not text.startswith(NOT_MEASURED)
    )
