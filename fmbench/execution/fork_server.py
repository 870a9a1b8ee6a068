"""Starts the process that forks one child process for each launch."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from fmbench.datasets.specs import Source
from fmbench.errors import UserError
from fmbench.execution import preload

if TYPE_CHECKING:
    pass

# A socket's path has at most 107 bytes, of which multiprocessing's own names take about 30.
LONGEST_TEMPORARY_PATH = 75


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


_starting = threading.Lock()


def fork_server(threads: int, source: Source, *, neural: bool) -> Any:
    """The context whose processes come from the server, which is started unless it runs.

    Raises:
        UserError: the folder for temporary files cannot hold its socket.
    """
    if len(tempfile.gettempdir()) > LONGEST_TEMPORARY_PATH:
        raise UserError(
            f"the folder for temporary files, {tempfile.gettempdir()}, is too deep for the socket "
            "of a worker: set TMPDIR to a folder with a shorter path"
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fmbench.execution.preload"])
    with _starting:
        # The server reads these as it starts: the libraries, when they load.
        wanted = dict.fromkeys(THREAD_VARIABLES, str(threads)) | preload.order(
            source, neural=neural
        )
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
    return context
