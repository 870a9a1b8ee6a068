"""Runs in the fork server, and in the two processes that it starts for each launch.

The server forks a *keeper*, and the keeper forks the process that measures. The keeper runs no code
of a user. It waits until the process has ended, or until the run asks for its end or is gone. Then
it ends everything that the process has started, and reports the status.

On Linux, orphans become children of the keeper (it is a "subreaper"), so nothing escapes from it:
neither a process that calls ``setsid`` nor one whose parent has ended. Elsewhere a process that
does both escapes.

Messages to the run are lines of JSON. ``fork_server`` is the other side.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pickle
import select
import signal
import socket
import sys
import time
import traceback
from multiprocessing import spawn
from typing import Any, NamedTuple, NoReturn

from fmbench.execution import preload
from fmbench.models import accelerators, workers
from fmbench.utils import environment
from fmbench.utils.processes import inherit_orphans

N_LENGTH_BYTES = 8  # a request begins with the number of its bytes
KILL_SECONDS = 30.0  # the longest wait for killed processes: one may hang in the kernel
SEARCH_SECONDS = 0.02  # between two searches for processes that are left


Recipe = tuple[str, dict[str, Any]]  # the name of a runner of the package, and hyperparameters


class Call(NamedTuple):
    """A function that a new process calls, and what the process needs for that."""

    path: list[str]  # where modules are looked for
    main: tuple[str, str] | None  # the script whose classes are in the call
    log: str  # the file for what the process prints
    to_compile: Recipe | None  # whose loops are compiled before the process is forked
    pickled: bytes  # the function and its arguments


def serve(descriptor: int, to_load: list[Any], loads_first: bool) -> None:
    """Load the libraries and the data, then fork a keeper for each request, until the run ends.

    The loops that a request needs are compiled before its keeper is forked.

    ``to_load`` are the arguments of ``preload.load``. Unless ``loads_first``, it is called in each
    process of a launch, and not here.
    """
    # The kernel clears away keepers that have ended. Ctrl-C is the business of the run.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the run has ended
        try:
            if loads_first:
                preload.load(*to_load)
        except Exception as error:  # noqa: BLE001
            # Whatever a library raises while it is loaded: the run tells it to the user.
            _send(connection, {"problem": f"{type(error).__name__}: {error}"})
            return
        _modules_of_server.update(sys.modules)
        code = environment.read_code_identity()
        warning = accelerators.find_intelex_problem() if loads_first else None
        _send(connection, {"folder": code.folder, "sha256": code.sha256, "warning": warning})
        while request := _receive(connection):
            payload, control = request
            call = Call(*pickle.loads(payload))  # noqa: S301 (from this run's own process)
            if loads_first and call.to_compile is not None:
                preload.compile_loops(*call.to_compile)
            if os.fork() == 0:
                connection.close()
                _keep(control, call, None if loads_first else to_load)
            control.close()


_modules_of_server: set[str] = set()


def describe_other_code(expected: environment.CodeIdentity) -> str | None:
    """Say why this process, which the server has forked, may not have run the ``expected`` code.

    The server has imported that code. Only what was imported later can be other code.
    """
    later = set(sys.modules) - _modules_of_server
    parts = {f"fmbench.{part}" for part in environment.MEASURING_CODE}
    if any(".".join(name.split(".")[:2]) in parts for name in later):
        return environment.describe_other_code(expected, environment.read_code_identity())
    return None


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket) -> tuple[bytes, socket.socket] | None:
    """Return the next request and the socket for the messages about it; None at the end."""
    header, descriptors, _, _ = socket.recv_fds(connection, N_LENGTH_BYTES, 1)
    if len(header) < N_LENGTH_BYTES:
        return None
    control = socket.socket(fileno=descriptors[0])
    payload = bytearray()
    n_bytes = int.from_bytes(header, "big")
    while len(payload) < n_bytes:
        data = connection.recv(min(n_bytes - len(payload), 1 << 20))
        if not data:
            return None
        payload += data
    return bytes(payload), control


def _keep(control: socket.socket, call: Call, to_load: list[Any] | None) -> NoReturn:
    """Start the process of a launch; report its status when all that it has started has ended.

    ``to_load`` is what that process still has to load; None for nothing.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        inherit_orphans()
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            control.close()
            _run_call(call, keeper, to_load)
        waiter = _Waiter(pid)
        with contextlib.suppress(OSError):  # the run has ended
            _send(control, {"keeper": keeper, "pid": pid})
        waiter.wait_for_end(control)
        waiter.end_all()
        with contextlib.suppress(OSError):
            _send(control, {"status": waiter.status})
    finally:
        os._exit(0)


class _Waiter:
    """Waits for the children of this process; ``status`` is the exit status of the first."""

    def __init__(self, pid: int) -> None:
        self.status: int | None = None  # negative: the number of the signal
        self._pid = pid
        self._wakes, wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler, nothing is woken

    def wait_for_end(self, control: socket.socket) -> None:
        """Wait until the process has ended, or until the other end of ``control`` is closed."""
        while self._reap() and self.status is None:
            ready, _, _ = select.select([control.fileno(), self._wakes], [], [])
            if control.fileno() in ready:
                return
            self._forget_wakes()

    def end_all(self) -> None:
        """Kill all descendants of this process, and wait until they have ended."""
        import psutil

        if sys.platform != "linux":
            with contextlib.suppress(OSError):  # the group has ended
                os.killpg(self._pid, signal.SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while self._reap() and time.monotonic() < deadline:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # it has ended
                    process.kill()
            select.select([self._wakes], [], [], SEARCH_SECONDS)
            self._forget_wakes()

    def _reap(self) -> bool:
        """Clear away the children that have ended; return whether there are others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self.status = os.waitstatus_to_exitcode(status)

    def _forget_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wakes, 4096):
                pass


def _run_call(call: Call, keeper: int, to_load: list[Any] | None) -> NoReturn:
    """Call the function, and end this process."""
    code = 1
    try:
        # A session of its own: neither Ctrl-C in the terminal nor its closing reaches it.
        os.setsid()
        workers.end_with_parent(keeper)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Python lets no daemon start processes of its own: a fit uses the cores that it was given.
        multiprocessing.current_process().daemon = True
        log = os.open(call.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        if to_load is not None:
            preload.load(*to_load)
        sys.path[:] = call.path
        if call.main is not None:
            _import_main(*call.main)
        function, arguments = pickle.loads(call.pickled)  # noqa: S301 (from the same call)
        function(*arguments)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the log has it and the status says so
        with contextlib.suppress(OSError, ValueError):  # the streams may be closed
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def _import_main(kind: str, name: str) -> None:
    """Import the script with which the run was started, as ``multiprocessing`` does."""
    process: Any = multiprocessing.current_process()
    process._inheriting = True  # a script that starts a run as it is imported is refused
    try:
        spawn.prepare({kind: name})
    finally:
        del process._inheriting
