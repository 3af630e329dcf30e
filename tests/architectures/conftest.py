"""The table of what was compared, printed at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

HEAD = ("network", "exporter", "photographs", "same label", "largest difference of a logit")


@dataclass(frozen=True)
class Compared:
    """A bundle beside its own pipeline."""

    network: str
    exporter: str
    photographs: int
    same: int
    difference: float

    def __str__(self) -> str:
        same, difference = f"{self.same} of {self.photographs}", f"{self.difference:.1e}"
        return line((self.network, self.exporter, str(self.photographs), same, difference))


TABLE = pytest.StashKey[list[Compared]]()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> list[Compared]:
    """Where a test adds what it compared."""
    return pytestconfig.stash.setdefault(TABLE, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """As models/README.md has it."""
    if rows := config.stash.get(TABLE, []):
        terminalreporter.section("bundles and their own pipelines")
        for text in (line(HEAD), line(("---",) * len(HEAD)), *map(str, rows)):
            terminalreporter.write_line(text)


def line(cells: tuple[str, ...]) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
