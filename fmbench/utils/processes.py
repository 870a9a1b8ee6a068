"""Measures the memory of processes, and lets a process inherit those whose parent has ended."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl: orphaned descendants become children


def inherit_orphans() -> None:
    """On Linux, become the parent of all descendants whose own parent ends.

    So none of them is lost: neither one that has left its session nor one whose parent has ended.
    Elsewhere a process that does both cannot be found.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def measure_memory(processes: Sequence[Any]) -> int:
    """Measure the resident memory of processes, in bytes; what they share is counted once.

    ``processes`` are those of psutil; one that has ended, or that macOS does not show to this user,
    counts nothing. Linux says how much of a process's memory no other process has (uss), and gives
    each of n processes that share a page an n-th of it (pss). What all the processes have together
    is at least the unshared memory of all and the shared memory of one, and at least the sum of the
    shares. The larger is returned. macOS knows no shares.
    """
    import psutil

    unknown = (psutil.NoSuchProcess, psutil.AccessDenied)
    if len(processes) == 1:  # asking what is shared costs the process time
        with contextlib.suppress(*unknown):
            return int(processes[0].memory_info().rss)
        return 0
    unshared = shares = most_shared = 0
    for process in processes:
        with contextlib.suppress(*unknown):
            resident, uss, pss = _measure_process(process)
            unshared += uss
            shares += pss
            most_shared = max(most_shared, resident - uss)
    return max(unshared + most_shared, shares)


def _measure_process(process: Any) -> tuple[int, int, int]:
    """Return the resident, unshared and proportional bytes of a process."""
    import psutil

    try:
        memory = process.memory_full_info()
    except psutil.AccessDenied:
        memory = process.memory_info()
    resident = memory.rss
    return resident, getattr(memory, "uss", resident), getattr(memory, "pss", 0)
