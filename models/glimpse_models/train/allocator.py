"""Keep memory that training freed: its next step needs the same blocks again.

glibc maps a block of some MiB for itself and unmaps it when it is freed, so that every step of a
training on a CPU gets its activations as fresh pages, which the kernel must clear first.
"""

from __future__ import annotations

import ctypes

# Of glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Blocks of every size come from the heap, and the heap never shrinks; nothing without glibc.

    The process then needs as much memory as it ever needed, and some more for the gaps between
    blocks.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
