"""The machine that a measurement is made on: figures of different processors do not mix."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# What int8 models run with, best first; a processor is of the first class that it has the flags of.
CLASSES = (
    ("AMX", {"amx_int8"}),
    ("AVX-512 VNNI", {"avx512_vnni"}),
    ("AVX-VNNI", {"avx_vnni"}),
    ("AVX2", {"avx2"}),
)


@dataclass(frozen=True)
class Machine:
    """Processor, cores, memory, system."""

    processor: str
    processor_class: str
    cores: int
    memory_gb: float
    system: str
    load: float

    def to_json(self) -> dict[str, Any]:
        """As the results hold it."""
        return asdict(self)


def processor_class(flags: Iterable[str]) -> str:
    """The class of a processor with these flags of /proc/cpuinfo."""
    present = set(flags)
    return next((name for name, needed in CLASSES if needed <= present), "other")


def is_intel() -> bool:
    """Whether Intel made the processor."""
    return _field(_about(), "vendor_id") == "GenuineIntel"


def describe() -> Machine:
    """The machine, and the load of its last minute."""
    about = _about()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_field(about, "model name") or platform.processor() or platform.machine(),
        processor_class=processor_class(_field(about, "flags").split()),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(pages / 1e9, 1),
        system=f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        load=round(os.getloadavg()[0], 2),
    )


def _about() -> str:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")


def _field(about: str, name: str) -> str:
    lines = (line.partition(":") for line in about.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
