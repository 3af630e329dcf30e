"""Settings of ONNX Runtime's sessions that the service could choose otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from glimpse_models.graph import io

Change = Callable[[Any, int], None]
"""Changes the options of a session of so many threads."""

SERVICE = "as the service"


def open_session(model: bytes, change: Change, threads: int, profile: Path | None = None) -> Any:
    """A session with these settings, which writes a profile if it gets a path for one."""

    def set_up(options: Any) -> None:
        change(options, threads)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)

    return io.open_session(model, threads, set_up)


def as_the_service(options: Any, _threads: int) -> None:
    """What `glimpse` sets."""
    options.add_session_config_entry("session.force_spinning_stop", "1")


def unpacked(options: Any, _threads: int) -> None:
    """Weights as the file has them: those that are laid out anew are not in a profile."""
    options.add_session_config_entry("session.disable_prepacking", "1")


def _spins_on(_options: Any, _threads: int) -> None:
    """ONNX Runtime's default: threads spin for a while after a run."""


def _never_spins(options: Any, _threads: int) -> None:
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")


def _pinned(options: Any, threads: int) -> None:
    as_the_service(options, threads)
    # The calling thread is the first, and not ONNX Runtime's.
    others = ";".join(str(number) for number in range(2, threads + 1))
    options.add_session_config_entry("session.intra_op_thread_affinities", others)


def _without_arena(options: Any, threads: int) -> None:
    as_the_service(options, threads)
    options.enable_cpu_mem_arena = False


def _without_pattern(options: Any, threads: int) -> None:
    as_the_service(options, threads)
    options.enable_mem_pattern = False


def _small_blocks(options: Any, threads: int) -> None:
    as_the_service(options, threads)
    options.add_session_config_entry("session.dynamic_block_base", "4")


def _denormals_are_zero(options: Any, threads: int) -> None:
    as_the_service(options, threads)
    options.add_session_config_entry("session.set_denormal_as_zero", "1")


SETTINGS: dict[str, Change] = {
    SERVICE: as_the_service,
    "threads spin after runs": _spins_on,
    "threads never spin": _never_spins,
    "threads pinned": _pinned,
    "no arena": _without_arena,
    "no memory pattern": _without_pattern,
    "work in smaller blocks": _small_blocks,
    "denormals are zero": _denormals_are_zero,
}
