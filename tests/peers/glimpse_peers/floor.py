"""What no cold start avoids: the library opened, the session created, one run; each in a fresh process."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from glimpse_peers import places

STAGES = ("open", "session", "first_run")


@dataclass(frozen=True)
class Floor:
    """Milliseconds of each stage, and of runs after the first."""

    open: float
    session: float
    first_run: float
    runs: list[float]

    @property
    def total(self) -> float:
        """All stages."""
        return self.open + self.session + self.first_run


def measure(bundle: Path, runs: int = 0) -> Floor:
    """In a process of its own: what is mapped and warm already would not count."""
    command = [str(places.example("floor")), str(bundle), str(runs)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Floor(**json.loads(output))
