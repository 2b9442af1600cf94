"""How the C library keeps memory for us."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def share_one_heap() -> None:
    """Let all threads allocate from one heap, and give large blocks back at once.

    With a heap for each thread, every one that has checked a password keeps its 19 MiB. Without a
    fixed limit for large blocks, glibc raises it with each one that is freed, and a worker keeps
    the size of the largest mail it has read. Numbers from glibc's malloc.h; elsewhere there is no
    such choice.
    """
    arena_max, mmap_threshold = -8, -3
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(arena_max, 1)
        libc.mallopt(mmap_threshold, 1 << 20)
