"""Says on which systems fmbench cannot run, in one line and before anything else is imported.

It is imported first, perhaps by an old Python or on Windows, so it uses only what is there, too.
"""

from __future__ import annotations

import importlib
import os
import sys

OLDEST_PYTHON = (3, 11)
NEEDED_MODULES = ("fcntl", "resource")  # locks and limits of files and processes
NEEDED_FUNCTIONS = ("fork", "setsid", "killpg")


def describe_problem() -> str | None:
    """Say in one line why fmbench cannot run here and what to do; None if it can.

    It is tested on Linux and written for macOS, too: the processes of cells are forked, locked and
    ended as POSIX systems do that.
    """
    if sys.version_info < OLDEST_PYTHON:
        needed, here = (".".join(map(str, v[:2])) for v in (OLDEST_PYTHON, sys.version_info))
        return f"fmbench needs Python {needed} or newer, and this is Python {here}"
    if sys.platform in ("win32", "cygwin"):
        return (
            "fmbench does not run on Windows: run it in the Windows Subsystem for Linux "
            "(`wsl --install`), or on Linux or macOS"
        )
    missing = [name for name in NEEDED_MODULES if not _can_import(name)]
    missing += [f"os.{name}" for name in NEEDED_FUNCTIONS if not hasattr(os, name)]
    if missing:
        return (
            f"fmbench does not run here, because Python lacks {', '.join(missing)} on this system "
            f"({sys.platform}): run it on Linux or macOS"
        )
    return None


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
