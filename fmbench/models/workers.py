"""How many processes or threads a fit may use, and how it starts them.

The number is set once in the process of a cell; by default it is one. It changes no prediction.
Only runners that say so (``max_workers``) ask for it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent ends

_workers = 1


def allow_workers(n: int) -> None:
    """Let later fits in this process use up to ``n`` processes or threads."""
    global _workers
    _workers = n


def count_workers() -> int:
    """Return how many processes or threads a fit may use."""
    return _workers


def can_fork() -> bool:
    """Whether this process may be forked: on Linux, if no library has started a thread.

    A fork copies the locks that a thread holds, but not the thread, which would release them.
    Python's own threads do no harm: Python makes its locks anew in the forked process.
    """
    tasks = Path("/proc/self/task")
    if sys.platform != "linux" or not tasks.is_dir():
        return False
    return len(list(tasks.iterdir())) <= threading.active_count()


def end_with_parent(parent: int) -> None:
    """On Linux, let the kernel kill this process as soon as ``parent``, which started it, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os.kill(os.getpid(), signal.SIGKILL)
