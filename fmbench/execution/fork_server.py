"""Starts the fork server, from which the process of each launch is forked, and talks to it.

The server starts once in a run. It loads the heavy libraries and the data (see ``preload``) and
starts no thread, so a process that is forked from it is ready in milliseconds. On macOS it loads
nothing, and each process that it forks loads everything, which takes seconds.

Only fmbench's own code and what the user named may run there. Python would put the current folder
first on the path, and what lies in it by chance, such as a ``random.py`` or another ``fmbench/``,
would be imported. So the server gets the path of this process without such folders, and this
process's own fmbench. ``multiprocessing`` has a fork server, too; it is not used because it does
not let its caller choose the path, and because its socket is a file.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import multiprocessing
import os
import pickle
import pickletools
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import UserError
from fmbench.execution.server_process import N_LENGTH_BYTES, Call, Recipe
from fmbench.utils import environment
from fmbench.utils.import_path import copy_variables, split_path

logger = logging.getLogger("fmbench")

# Apple's own libraries, which NumPy and PyTorch use, may end a process that is forked after they
# were loaded.
LOADS_FIRST = sys.platform != "darwin"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

POLL_SECONDS = 0.1  # the longest delay before a stop is noticed
ANSWER_SECONDS = 120.0  # the longest wait for a server that has loaded everything
END_SECONDS = 60.0  # the longest wait for the end of a process that was asked to end
N_STARTS = 3  # how often a server is started for one launch, if it is killed each time

_START = """
import importlib.util, json, sys
path, package, descriptor, to_load, loads_first = json.loads(sys.argv[1])
sys.path[:] = path
spec = importlib.util.spec_from_file_location(
    "fmbench", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["fmbench"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fmbench.execution.server_process import serve
serve(descriptor, to_load, loads_first)
"""


class Stop(Protocol):
    """Tells whether the run was stopped."""

    def is_set(self) -> bool:
        """Whether to wait no longer."""


class ServerLostError(Exception):
    """The fork server was killed."""


class StoppedError(Exception):
    """The run was stopped while it waited for the fork server."""


class ForkServer:
    """A process that forks others. Any thread may call its methods."""

    def __init__(self, threads: int, source: LocatedDataset, *, neural: bool) -> None:
        first, _ = split_path(sys.path, os.environ.get("PYTHONPATH", ""))
        # The libraries read these variables while they load.
        variables = copy_variables() | dict.fromkeys(THREAD_VARIABLES, str(threads))
        package = environment.identify_code().folder
        to_load = [source.spec.name, str(source.folder), neural]
        self._lock = threading.Lock()
        self._is_ready = False
        self._problem = ""  # why it cannot be used
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair()
        with theirs:
            options = json.dumps([first, package, theirs.fileno(), to_load, LOADS_FIRST])
            flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-P", "-c", _START, options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=variables,
                start_new_session=True,  # Ctrl-C in the terminal does not reach it
            )

    @property
    def is_running(self) -> bool:
        """Whether the server can be asked for a process."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the server. The processes that it has started do not end."""
        if os.getpid() != self._owner:  # a copy of the process that started it
            return
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def wait_until_ready(self, stop: Stop) -> None:
        """Wait until the server has loaded the libraries and the data.

        Raises:
            StoppedError: ``stop`` was set; the server is ended.
            ServerLostError: it was killed.
            UserError: something cannot be loaded, or the code has changed since the run started.
        """
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if stop.is_set():
                raise StoppedError
        try:
            if self._is_ready:
                return
            if not self._problem:
                answer = _read_line(self._socket, stop)
                if answer is None:
                    raise ServerLostError
                self._problem = _find_problem(answer)
                if line := answer.get("warning"):
                    logger.warning("%s", line)
            if self._problem:
                self.end()
                raise UserError(self._problem)
            self._is_ready = True
        except StoppedError:
            self.end()
            raise
        finally:
            self._lock.release()

    def start_process(
        self,
        function: Callable[..., None],
        arguments: Sequence[Any],
        log: Path,
        stop: Stop,
        to_compile: Recipe | None = None,
    ) -> KeptProcess:
        """Call a function in a new process; what it prints goes into the file ``log``.

        Before, the server compiles the loops of the recipe ``to_compile``, if it has not yet.

        Raises:
            StoppedError: ``stop`` was set.
            ServerLostError: the server was killed, or does not answer.
        """
        first, last = split_path(sys.path, os.environ.get("PYTHONPATH", ""))
        pickled = pickle.dumps((function, tuple(arguments)))
        main = _describe_main() if _names_main(pickled) else None
        call = Call([*first, *last], main, str(log), to_compile, pickled)
        payload = pickle.dumps(tuple(call))
        control, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                self._socket.settimeout(ANSWER_SECONDS)
                header = len(payload).to_bytes(N_LENGTH_BYTES, "big")
                socket.send_fds(self._socket, [header], [theirs.fileno()])
                self._socket.sendall(payload)
            answer = _read_line(control, stop, ANSWER_SECONDS)
            if answer is None:
                raise ServerLostError
            return KeptProcess(control, answer["keeper"])
        except OSError:
            control.close()
            raise ServerLostError from None
        except BaseException:
            control.close()
            raise


class KeptProcess:
    """The process of a launch, and its keeper. ``status`` is known when it has ended.

    A negative status is the number of the signal that killed it. It stays None if the keeper was
    killed, which ends the process, too.
    """

    def __init__(self, control: socket.socket, keeper: int) -> None:
        self.status: int | None = None
        self.keeper = keeper
        self._control = control
        self._has_ended = False

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process and of all that it has started; return whether it came.

        It has ended, too, if its keeper was killed.
        """
        ready, _, _ = select.select([self._control], [], [], seconds)
        if not ready:
            return False
        answer = _read_line(self._control, None, END_SECONDS)
        self.status = None if answer is None else answer["status"]
        self._has_ended = True
        return True

    def end(self) -> None:
        """End the process and all that it has started, if it has not ended."""
        if not self._has_ended:
            with contextlib.suppress(OSError):  # its keeper has ended
                self._control.shutdown(socket.SHUT_WR)
            self.wait(END_SECONDS)
        self._control.close()


def _find_problem(answer: dict[str, Any]) -> str:
    """Say why the server that has given this answer cannot be used; nothing if it can."""
    if "problem" in answer:
        return f"the libraries cannot be loaded: {answer['problem']}"
    here = environment.identify_code()
    there = environment.CodeIdentity(answer["folder"], answer["sha256"])
    # A record would name the commit of other code.
    return environment.describe_other_code(here, there) or ""


def _read_line(
    connection: socket.socket, stop: Stop | None, seconds: float | None = None
) -> dict[str, Any] | None:
    """Read a message; None if the other side has ended, or said nothing for so many seconds.

    Raises:
        StoppedError: ``stop`` was set.
    """
    line = bytearray()
    deadline = None if seconds is None else time.monotonic() + seconds
    while not line.endswith(b"\n"):
        if stop is not None and stop.is_set():
            raise StoppedError
        if deadline is not None and time.monotonic() > deadline:
            return None
        if not select.select([connection], [], [], POLL_SECONDS)[0]:
            continue
        try:
            data = connection.recv(1)  # no byte of the next message
        except ConnectionResetError:
            return None
        if not data:
            return None
        line += data
    return dict(json.loads(line))


def _names_main(pickled: bytes) -> bool:
    """Whether something in it is defined in the script with which this process was started."""
    return any(argument == "__main__" for _, argument, _ in pickletools.genops(pickled))


def _describe_main() -> tuple[str, str] | None:
    """Say how the script with which this process was started is imported elsewhere."""
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return "init_main_from_name", name
    path = getattr(main, "__file__", None)
    return None if path is None else ("init_main_from_path", str(Path(path).resolve()))


_server: ForkServer | None = None
_server_lock = threading.Lock()


def start_fork_server(threads: int, source: LocatedDataset, *, neural: bool) -> ForkServer:
    """Start the fork server unless it runs. It loads on; ``wait_until_ready`` waits for it.

    A server that runs already keeps what it has loaded.

    Raises:
        UserError: a process of a launch asks for it, because its script starts a run on import.
    """
    global _server
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UserError(
            "the script starts a run while it is imported: put the call under "
            'if __name__ == "__main__":'
        )
    with _server_lock:
        if _server is None or not _server.is_running:
            # Before the server imports anything: records name this code.
            environment.describe_package()
            environment.identify_code()
            _server = ForkServer(threads, source, neural=neural)
            atexit.register(_server.end)
        return _server


def start_in_server(
    function: Callable[..., None],
    arguments: Sequence[Any],
    log: Path,
    stop: Stop,
    start_server: Callable[[], ForkServer],
    to_compile: Recipe | None = None,
) -> KeptProcess:
    """Call a function in a process that the fork server forks; start the server if it was killed.

    Before, the server compiles the loops of the recipe ``to_compile``, if it has not yet.

    Raises:
        StoppedError: ``stop`` was set.
        ServerLostError: each server was killed at this moment.
        UserError: the server cannot load the libraries.
    """
    for attempt in range(1, N_STARTS + 1):
        server = start_server()
        try:
            server.wait_until_ready(stop)
            return server.start_process(function, arguments, log, stop, to_compile)
        except ServerLostError:
            server.end()
            if attempt == N_STARTS:
                raise
    raise AssertionError("unreachable")
