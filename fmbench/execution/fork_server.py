"""Starts the fork server: the process from which the child process of each launch is forked.

Python's ``multiprocessing`` provides the server. It starts once in a run, imports ``preload``,
which loads the heavy libraries and the data, and starts no thread. A process that is forked from it
is ready in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from multiprocessing import forkserver
from typing import Any

from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import UserError
from fmbench.execution import preload

# The path of a socket has at most 107 bytes; multiprocessing's own names take about 30 of them.
MAX_TEMPORARY_PATH = 75

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_start_lock = threading.Lock()


def start_fork_server(threads: int, source: LocatedDataset, *, neural: bool) -> Any:
    """Start the fork server unless it runs; return the ``multiprocessing`` context that uses it.

    A server that runs already keeps what it has loaded.

    Raises:
        UserError: the path of the folder for temporary files is too long for the server's socket.
    """
    temporary = tempfile.gettempdir()
    if len(temporary) > MAX_TEMPORARY_PATH:
        raise UserError(
            f"the path of the folder for temporary files, {temporary}, is too long for the fork "
            "server's socket: set TMPDIR to a folder with a shorter path"
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fmbench.execution.preload"])
    with _start_lock:
        # The server inherits these variables, and the libraries read them while they load.
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
        variables |= preload.make_variables(source, neural=neural)
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
    return context
