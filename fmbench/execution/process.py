"""The process of a launch: what it may use, how it ends, what it leaves.

A launch is one cell, or several that differ by their seeds alone and are measured together. It
runs in a process of its own, so that a crash, a time limit or a memory limit ends it alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fmbench.datasets.specs import Source
from fmbench.execution.backend import POLL_SECONDS, Launch, Limits, Stop
from fmbench.models import accelerators
from fmbench.utils import environment

NO_STATUS = 255  # what multiprocessing says where the fork server has not learnt the status


@dataclass
class Report:
    """What supervision learnt: the facts of each cell that the child sent, or how it failed."""

    peak_memory: int
    failure: str | None = None
    facts: list[dict[str, Any]] = field(default_factory=list)


def supervise(
    launch: Launch,
    source: Source,
    limits: Limits,
    folder: Path,
    workspaces: Sequence[Path],
    context: Any,
    stop: Stop,
) -> Report | None:
    """Measure a launch in a process and end it at its limits; None if ``stop`` was set.

    What it predicts is left in ``folder``, in a folder of its place in the launch for each cell.
    """
    receiver, sender = context.Pipe(duplex=False)
    device = limits.device_of(launch[0])
    process = context.Process(
        target=_child,
        args=(sender, launch, source, device, limits.threads, folder, workspaces),
        daemon=True,
    )
    try:
        process.start()
    except (OSError, EOFError) as error:  # the fork server was killed at this moment
        return Report(0, f"its process could not be started: {error or type(error).__name__}")
    finally:
        sender.close()
    timeout = limits.timeout * len(launch)
    deadline = time.monotonic() + timeout
    peak, message, failure, silent = 0, None, None, False
    try:
        if stop.is_set():  # while the fork server was starting: the cell need not begin
            return None
        while failure is None and message is None:
            if receiver.poll(POLL_SECONDS):
                try:
                    message = json.loads(receiver.recv_bytes())
                except EOFError:  # the process ended without a word
                    silent = True
                    break
            elif stop.is_set():
                return None
            elif time.monotonic() > deadline:
                failure = f"timed out after {timeout:g} s"
            else:
                used = _resident_bytes(process.pid)
                peak = max(peak, used)
                if used > limits.memory:
                    failure = _too_much_memory(limits)
    finally:
        # Before the child is reaped, so that its process group cannot be another's by now.
        exit_code = _end(process, wait=silent)
        receiver.close()
    if message is None:
        return Report(peak, failure or _how_it_died(exit_code, folder))
    peak = max(peak, message["peak_memory"])
    if peak > limits.memory:  # between two looks
        return Report(peak, _too_much_memory(limits))
    return Report(peak, message["failure"], message["facts"])


def _end(process: Any, *, wait: bool) -> int | None:
    """Reap the process and kill whatever it left behind; returns its exit code.

    ``wait``: it is about to end by itself, and how it does is worth knowing.
    """
    if wait:
        process.join(5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # a process that has just been started has no group of its own yet
    process.join()
    return process.exitcode


def _too_much_memory(limits: Limits) -> str:
    return f"used more than {limits.memory / 2**30:g} GB of memory"


def _how_it_died(exit_code: int | None, folder: Path) -> str:
    log = (folder / "log").read_text(errors="replace").strip() if (folder / "log").exists() else ""
    said = f": {log.splitlines()[-1][:200]}" if log else ""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"killed by signal {-exit_code} ({name}){said}"
    if exit_code == NO_STATUS:
        return f"killed as it started, or ended with status {exit_code}{said}"
    return f"ended with status {exit_code} before it had predicted{said}"


def _resident_bytes(pid: int) -> int:
    """Resident size of a process and all its descendants."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
    return total


def _child(
    sender: Connection,
    launch: Launch,
    source: Source,
    device: str,
    threads: int,
    folder: Path,
    workspaces: Sequence[Path],
) -> None:
    """The launch's own process."""
    os.setsid()  # a group of its own: Ctrl-C does not reach it, and its children end with it
    _die_with_parent()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    use_threads(threads)
    keep_freed_memory()
    facts: list[dict[str, Any]] = []
    failure = None
    try:
        from fmbench.execution.measure import measure

        facts = measure(launch, source, device, folder, workspaces)
    except MemoryError:
        failure = "ran out of memory"
    except BaseException as error:  # noqa: BLE001
        # Whatever a runner raises, SystemExit included, is this launch's result.
        traceback.print_exc()
        failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        facts = []
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    for of_cell in facts:
        of_cell["device"] = environment.device_name(device)
        of_cell["peak_gpu_memory_bytes"] = _peak_gpu_memory(device)
    message = {"facts": facts, "failure": failure, "peak_memory": peak}
    sender.send_bytes(json.dumps(message).encode())


def _peak_gpu_memory(device: str) -> int | None:
    """The most that PyTorch's allocator ever held of the GPU's memory for this process, in bytes.

    What CUDA itself takes for a process, some hundred megabytes, is not in it.
    """
    return sys.modules["torch"].cuda.max_memory_reserved() if device == "cuda" else None


def use_threads(threads: int) -> None:
    """Set every library's own thread count; the environment was read when they loaded."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if accelerators.installed():
        import daal4py

        daal4py.daalinit(threads)


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks instead of handing each one back to the kernel.

    A training step frees and asks for the same tens of megabytes again; fetching them from the
    kernel, page by page, took half of the time of a step of the CNN.
    """
    if sys.platform == "linux":
        m_mmap_threshold, m_trim_threshold = -3, -1
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(m_mmap_threshold, 32 << 20)
            libc.mallopt(m_trim_threshold, 1 << 30)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the run that started it is gone."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":
        # Also where a library holds the interpreter's lock: the server dies with the run.
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
