"""Puts tables between the markers of a Markdown document: `<!-- table: NAME -->` … `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKED = re.compile(r"<!-- table: (?P<name>[a-z-]+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)


class UnknownTableError(Exception):
    """A document asks for a table that there is not."""


def names(text: str) -> list[str]:
    """The tables that a document asks for."""
    return [match["name"] for match in MARKED.finditer(text)]


def fill(text: str, tables: Mapping[str, str]) -> str:
    """The document with its tables."""

    def filled(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in tables:
            raise UnknownTableError(f"there is no table {name}; there are {', '.join(tables)}")
        return f"<!-- table: {name} -->\n{tables[name]}\n<!-- end -->"

    return MARKED.sub(filled, text)
