"""Runs a function of fmbench that calls a user's code, in a process with limits.

Whatever the code does (it crashes, exits, hangs or takes all memory), this process only gets one
sentence about it. Only JSON comes back, so nothing that the code returns is run here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from fmbench.models import workers
from fmbench.utils.formatting import format_signal
from fmbench.utils.processes import inherit_orphans, measure_memory

POLL_SECONDS = 0.1  # the longest delay before the end of the process or a limit is noticed
MAX_ANSWER_BYTES = 32 << 20
MAX_SEARCHES = (
    100  # for processes that the user's code has started; each search ends those it finds
)
N_LOG_BYTES = 4096  # of what the process prints, the end is kept

# Python's isolated mode imports nothing from the current folder and reads no variables. The process
# gets this process's path of modules, and the folder of this fmbench.
_START = """
import importlib.util, json, sys
sys.path[:] = json.loads(sys.argv[1])
package = sys.argv[2]
spec = importlib.util.spec_from_file_location(
    "fmbench", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["fmbench"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fmbench.plugins.limited_process import main
main(sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
"""

Send = Callable[[Any], None]


class ProcessEndedError(Exception):
    """The process ended before the function had; the message says how: "it was killed by ..."."""


def call_in_process(
    target: str,
    request: Mapping[str, Any],
    *,
    seconds: float,
    memory: int,
    variables: Mapping[str, str] | None = None,
) -> Generator[Any, None, None]:
    """Call a function of fmbench in a process of its own; yield what it sends, until it returns.

    ``target`` is ``module:function``. The function gets ``request`` and a function that sends a
    message; both are values that JSON can hold. The process is ended ``seconds`` after the last
    message, or when it and all that it started use more than ``memory`` bytes. When the block that
    reads the messages ends, all processes that it started are ended too. ``variables`` are added to
    its environment.

    Raises:
        ProcessEndedError: the process ended, or was ended, before the function returned.
    """
    receiver, sender = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, receiver)
        try:
            process = stack.enter_context(_start_process(target, sender, variables or {}))
        finally:
            os.close(sender)
        descendants: set[Any] = set()
        stack.callback(_end_processes, process, descendants)
        assert process.stdin is not None and process.stdout is not None
        # It may have ended already; its status says why.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode())
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        reader = _Reader(receiver, process.stdout.fileno())
        stack.callback(reader.close)
        deadline = time.monotonic() + seconds
        while True:
            exit_code = process.poll()
            reader.read_all(0 if exit_code is not None else POLL_SECONDS)
            for message in reader.take_messages():
                if message == _DONE:
                    return
                yield message
                deadline = time.monotonic() + seconds
            if exit_code is not None:
                raise ProcessEndedError(f"{_describe_exit(exit_code)}{reader.last_line}")
            if time.monotonic() > deadline:
                raise ProcessEndedError(f"it took more than {seconds:g} s{reader.last_line}")
            if _measure_memory(process.pid, descendants) > memory:
                raise ProcessEndedError(f"it used more than {memory / 2**30:g} GiB of memory")


_DONE = {"done": True}


def _start_process(
    target: str, sender: int, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    package = Path(__file__).parents[1].resolve()
    # An empty entry is the current folder: nothing in it may replace a library.
    path = sorted(sys.path, key=lambda entry: not entry)
    command = [
        sys.executable, "-I", "-c", _START, json.dumps(path), str(package), target,
        str(sender), str(os.getpid()),
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[sender],
        env={**os.environ, **variables},
        start_new_session=True,  # Ctrl-C in the terminal does not reach it
    )


class _Reader:
    """Reads two pipes without waiting for their ends: descendants may keep them open."""

    def __init__(self, messages: int, log: int) -> None:
        self._messages, self._log = bytearray(), b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(messages, selectors.EVENT_READ, self._add_to_messages)
        self._selector.register(log, selectors.EVENT_READ, self._add_to_log)

    def close(self) -> None:
        """Close the selector, but not the pipes."""
        self._selector.close()

    def read_all(self, seconds: float) -> None:
        """Read what is there; wait up to ``seconds`` for it."""
        if not self._selector.get_map():
            time.sleep(seconds)
            return
        n_left = MAX_ANSWER_BYTES  # a process that prints without end is still looked at
        while n_left > 0 and (ready := self._selector.select(seconds)):
            seconds = 0
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                n_left -= len(data)
                if data:
                    key.data(data)
                else:
                    self._selector.unregister(key.fd)
            if not self._selector.get_map():
                return

    def _add_to_messages(self, data: bytes) -> None:
        self._messages += data
        if len(self._messages) > MAX_ANSWER_BYTES:
            raise ProcessEndedError("it sent more than can be read")

    def _add_to_log(self, data: bytes) -> None:
        self._log = (self._log + data)[-N_LOG_BYTES:]

    def take_messages(self) -> list[Any]:
        """Return the messages that are complete."""
        *lines, rest = bytes(self._messages).split(b"\n")
        self._messages = bytearray(rest)
        try:
            return [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            raise ProcessEndedError("it sent something that is not JSON") from None

    @property
    def last_line(self) -> str:
        """The last line that the process printed, as the end of a sentence."""
        lines = self._log.decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()[:200]}" if lines else ""


def _describe_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"it ended its process with status {exit_code}"
    return f"its process was killed by signal {format_signal(-exit_code)}"


def _measure_memory(pid: int, descendants: set[Any]) -> int:
    """Measure a process and all that it has started, and add the latter to ``descendants``."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        process = psutil.Process(pid)
        descendants.update(process.children(recursive=True))
        return measure_memory([process, *descendants])
    return 0


def _end_processes(process: subprocess.Popen[bytes], descendants: set[Any]) -> None:
    """End a process and all that it started, also what has left its group."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        top = psutil.Process(process.pid)
        top.suspend()  # it starts no more, and still becomes the parent of orphans
        for _ in range(MAX_SEARCHES):
            living = [p for p in top.children(recursive=True) if _kill_unless_zombie(p)]
            if not living:
                break
    with contextlib.suppress(ProcessLookupError, PermissionError):  # its group has ended already
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for descendant in descendants:  # those of a process that has ended by itself
        _kill_unless_zombie(descendant)


def _kill_unless_zombie(process: Any) -> bool:
    import psutil

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.kill()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return True


def main(target: str, sender: int, parent: int) -> None:
    """Call the function in the process that :func:`call_in_process` started."""
    workers.end_with_parent(parent)
    inherit_orphans()
    os.set_inheritable(sender, False)  # what the user's code starts does not keep it open

    def send(message: Any) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(sender, data) :]

    request = json.loads(sys.stdin.buffer.read())
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(request, send)
    send(_DONE)
    while True:  # The parent ends this process, and first finds what the user's code has started.
        time.sleep(3600)
