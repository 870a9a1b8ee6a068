"""Starts fmbench's code on a worker. The text of this file travels with each call.

A worker that was started with ``python -m`` has its current folder on the path, before all that is
installed, and Dask puts folders for temporary files there. What lies in them by chance, such as
another ``fmbench/`` or a ``random.py``, would be imported in place of the installed code. So the
worker does not import fmbench to unpickle a call. It runs this text, which takes these folders off
the path as long as a call runs, and only then unpickles the call. The processes of the cells are
started from within the call, and get the same path.

The text runs before fmbench is imported, so it imports nothing but the standard library and Dask.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_calls: list[object] = []  # the calls that run now
_removed: list[str] = []  # what was taken off the path


def call(payload: bytes) -> dict[str, Any]:
    """Unpickle a function with its arguments and call it.

    Returns its ``result``; or ``cannot_start``, which says why this worker has no usable fmbench,
    with the address of the ``worker``, if Dask says it.
    """
    with _use_installed_code_only():
        try:
            _check_loaded_package()
            # Dask has unpickled all around it, from the same sender.
            function, arguments = pickle.loads(payload)  # noqa: S301 (from Dask's message)
        except Exception as error:  # noqa: BLE001
            # Whatever an import raises: the worker has no fmbench, or a broken one.
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            return {"cannot_start": why, "worker": _find_address()}
        return {"result": function(*arguments)}


@contextlib.contextmanager
def _use_installed_code_only() -> Iterator[None]:
    """Take the folders off the path that precede the installed code and that nobody named.

    They are put back when no call runs any more: a shared worker may run code of other people.
    """
    this_call = object()
    with _lock:
        if not _calls:
            named = os.environ.get("PYTHONPATH", "")
            sys.path[:], _removed[:] = remove_unnamed_folders(sys.path, named)
        _calls.append(this_call)
    try:
        yield
    finally:
        with _lock:
            _calls.remove(this_call)
            if not _calls:
                sys.path[:0] = _removed
                _removed.clear()


def remove_unnamed_folders(path: Sequence[str], pythonpath: str) -> tuple[list[str], list[str]]:
    """Remove what precedes the standard library in ``path`` and is not named in ``pythonpath``.

    Returns what is left, and what was removed. An empty name in ``pythonpath`` means the current
    folder, but nearly always by mistake.
    """
    library = Path(os.__file__).resolve().parent
    archive = library.with_name(f"python{sys.version_info.major}{sys.version_info.minor}.zip")
    folders = [Path(entry).resolve() for entry in path]
    ends = [i for i, folder in enumerate(folders) if folder in (library, archive)]
    n = ends[0] if ends else 0  # 0 in an unusual installation, whose library is elsewhere
    named = {Path(name).resolve() for name in pythonpath.split(os.pathsep) if name}
    kept = [entry for entry, folder in zip(path[:n], folders[:n], strict=True) if folder in named]
    removed = [entry for entry in path[:n] if entry not in kept]
    return [*kept, *path[n:]], removed


def _check_loaded_package() -> None:
    """Raise ImportError if the worker has imported an fmbench that the user did not install."""
    package = sys.modules.get("fmbench")
    if package is None:
        return
    folder = Path(str(package.__file__)).resolve().parents[1]
    off, on = ({Path(entry).resolve() for entry in entries} for entries in (_removed, sys.path))
    if folder in off - on:
        raise ImportError(
            f"it has imported the fmbench in {folder}, the folder in which it was started, and not "
            "the installed one: start it again in another folder"
        )


def _find_address() -> str | None:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:  # the call is not a task; who sent it knows the worker
        return None
