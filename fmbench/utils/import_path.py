"""Chooses the folders in which another process may look for modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def copy_variables() -> dict[str, str]:
    """Copy the environment variables without the empty names in PYTHONPATH.

    An empty name means the current folder, but nearly always by mistake.
    """
    variables = dict(os.environ)
    if "PYTHONPATH" in variables:
        named = variables["PYTHONPATH"].split(os.pathsep)
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, named))
    return variables


def split_path(path: Sequence[str], pythonpath: str) -> tuple[list[str], list[str]]:
    """Return a path for modules without the folders that nobody named, and these folders.

    They precede the standard library and are not in ``pythonpath``: Python has put the current
    folder or that of a script there. An empty name is the current folder.
    """
    library = Path(os.__file__).resolve().parent
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    named = {Path(name).resolve() for name in pythonpath.split(os.pathsep) if name}
    resolved = [Path(entry).resolve() for entry in path]
    ends = [i for i, at in enumerate(resolved) if at in (library, library.with_name(archive))]
    n_first = ends[0] if ends else 0  # without the library, it is an unusual installation
    unnamed = {i for i in range(n_first) if resolved[i] not in named}
    unnamed |= {i for i, entry in enumerate(path) if not entry}
    return (
        [entry for i, entry in enumerate(path) if i not in unnamed],
        [str(resolved[i]) for i in sorted(unnamed)],
    )
