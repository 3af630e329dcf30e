"""Skipped tests are counted where the other tests count theirs."""

from pathlib import Path

import pytest

TARGET = Path(__file__).resolve().parents[2] / "target"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line each, with the reason."""
    with (TARGET / "skipped-tests.txt").open("a") as skipped:
        for report in terminalreporter.stats.get("skipped", []):
            skipped.write(f"{report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}\n")
