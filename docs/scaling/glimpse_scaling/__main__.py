"""`python -m glimpse_scaling`: run the scenarios, write the plots, fill the tables of the documents."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_scaling import backfill_tables, document, plots, tables
from glimpse_scaling.scenarios import Scenarios

DOCS = Path(__file__).resolve().parents[3] / "docs"
DOCUMENTS = ("scaling.md", "backfill.md")


def filled(text: str, runs: Scenarios) -> str:
    """A document with the tables that it asks for."""
    makers = tables.TABLES | backfill_tables.TABLES
    made = {name: makers[name](runs) for name in document.names(text) if name in makers}
    return document.fill(text, made)


def main() -> None:
    """Write everything below `--docs`."""
    parser = argparse.ArgumentParser(prog="glimpse_scaling", description=__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of the documents")
    docs: Path = parser.parse_args().docs
    runs = Scenarios()
    for name in DOCUMENTS:
        path = docs / name
        path.write_text(filled(path.read_text(encoding="utf-8"), runs), encoding="utf-8")
        print(f"filled {path.name}")
    plots.draw(runs, docs / "images")
    print(f"drew {', '.join(plots.PLOTS)}")


if __name__ == "__main__":
    main()
