"""A control group that gives a share of a processor, as Lambda does by memory size."""

from __future__ import annotations

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MB_A_PROCESSOR = 1769
"""<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>"""
PERIOD_US = 100_000


class NoGroupError(Exception):
    """No control group can be made here."""


class Group:
    """A group whose processes get `processors` of time; removed at its end."""

    def __init__(self, processors: float) -> None:
        quota = max(1000, round(PERIOD_US * processors))
        version_1 = (ROOT / "cpu" / "cpu.cfs_quota_us").exists() or (ROOT / "cpu").is_dir()
        self.folder = (ROOT / "cpu" if version_1 else ROOT) / f"glimpse-peers-{os.getpid()}"
        try:
            self.folder.mkdir()
            if version_1:
                (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (self.folder / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (self.folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        except OSError as error:
            self.__exit__()
            raise NoGroupError(f"no control group can be made: {error}") from error

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *error: object) -> None:
        # A process that was killed leaves its group a moment later.
        for _ in range(100):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.02)
            else:
                return
