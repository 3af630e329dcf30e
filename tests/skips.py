"""A plugin for pytest (`-p skips`): skipped tests are counted where all others are, with the reason."""

from pathlib import Path

import pytest

SKIPPED = Path(__file__).resolve().parents[1] / "target/skipped-tests.txt"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line each."""
    with SKIPPED.open("a") as skipped:
        for report in terminalreporter.stats.get("skipped", []):
            skipped.write(f"{report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}\n")
