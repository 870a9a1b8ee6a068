"""Runs a launch in a child process, ends it at its limits, and reports how it ended.

Each launch has a process of its own, so that a crash, a time limit or a memory limit ends that
launch alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fmbench.datasets.specs import LocatedDataset
from fmbench.execution import preload
from fmbench.execution.backend import (
    POLL_SECONDS,
    Launch,
    LaunchResult,
    Limits,
    Measurement,
    StopSignal,
)
from fmbench.models import accelerators, workers
from fmbench.utils import environment

UNKNOWN_STATUS = 255  # multiprocessing's exit code if the fork server did not learn the real one
EXIT_SECONDS = 60  # the longest wait for a child process that has closed its end of the pipe
LOG = "log"  # the file that holds what a child process prints


def run_child_process(
    launch: Launch,
    source: LocatedDataset,
    limits: Limits,
    folder: Path,
    workspaces: Sequence[Path],
    context: Any,
    stop: StopSignal,
) -> LaunchResult | None:
    """Measure a launch in a child process and end it at its limits; None if ``stop`` was set.

    ``context`` is the ``multiprocessing`` context that starts the process. The predictions are left
    in ``folder``: in ``folder / "0"`` those of the first cell, and so on. The measurements that are
    returned have no arrays yet.
    """
    receiver, sender = context.Pipe(duplex=False)
    device = limits.get_device(launch[0])
    process = context.Process(
        target=_run_child,
        args=(sender, launch, source, device, limits, folder, workspaces),
        daemon=True,
    )
    try:
        process.start()
    except (OSError, EOFError) as error:  # the fork server was killed at this moment
        why = f"its process could not be started: {error or type(error).__name__}"
        return _make_failure(launch, limits, why, peak_memory=0)
    finally:
        sender.close()
    deadline = time.monotonic() + limits.timeout * len(launch)
    peak, message, failure, closed = 0, None, None, False
    try:
        if stop.is_set():  # the fork server took long to start, and the run was stopped meanwhile
            return None
        while failure is None and message is None:
            if receiver.poll(POLL_SECONDS):
                try:
                    message = json.loads(receiver.recv_bytes())
                except EOFError:  # the process ended without sending a result
                    closed = True
                    break
            elif stop.is_set():
                return None
            elif time.monotonic() > deadline:
                failure = f"timed out after {limits.timeout * len(launch):g} s"
            else:
                used = measure_memory(process.pid)
                peak = max(peak, used)
                if used > limits.memory:
                    failure = _describe_memory_failure(limits)
    finally:
        exit_code = _end_process(process, ends_by_itself=closed)
        receiver.close()
    if message is None:
        return _make_failure(launch, limits, failure or _describe_exit(exit_code, folder), peak)
    peak = max(peak, message["peak_memory_bytes"])
    if peak > limits.memory:  # it peaked between two checks
        return _make_failure(launch, limits, _describe_memory_failure(limits), peak)
    if message["failure"] is not None:
        return _make_failure(launch, limits, message["failure"], peak)
    return LaunchResult(
        limits.threads,
        len(launch),
        measurements=[Measurement(**fields) for fields in message["measurements"]],
        peak_memory_bytes=peak,
    )


def _make_failure(launch: Launch, limits: Limits, why: str, peak_memory: int) -> LaunchResult:
    result = LaunchResult(limits.threads, len(launch), why, peak_memory_bytes=peak_memory)
    gpu = _find_gpu_name() if limits.get_device(launch[0]) == "cuda" else None
    return dataclasses.replace(result, device=gpu) if gpu else result


def _find_gpu_name() -> str | None:
    """Return the name of the GPU; None if it has none or was lost during the run."""
    try:
        return environment.gpu_name()
    except (RuntimeError, AssertionError):  # what PyTorch raises if the driver does not answer
        return None


def _end_process(process: Any, *, ends_by_itself: bool) -> int | None:
    """Kill a process and everything that it started, and return its exit code.

    If it ``ends_by_itself``, first wait until it has ended: its exit code says why.
    """
    if ends_by_itself:
        process.join(EXIT_SECONDS)
    # Kill the group before join(): afterwards another process group could have the same number.
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended already
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # a process that has only just started has no group of its own yet
    process.join()
    return process.exitcode


def _describe_memory_failure(limits: Limits) -> str:
    return f"used more than {limits.memory / 2**30:g} GiB of memory"


def _describe_exit(exit_code: int | None, folder: Path) -> str:
    """Say how a process that sent no result has ended, with the last line that it printed."""
    log = (folder / LOG).read_text(errors="replace").strip() if (folder / LOG).exists() else ""
    last_line = f": {log.splitlines()[-1][:200]}" if log else ""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"killed by signal {-exit_code} ({name}){last_line}"
    if exit_code == UNKNOWN_STATUS:
        return f"killed as it started, or ended with status {exit_code}{last_line}"
    return f"ended with status {exit_code} before it returned predictions{last_line}"


def measure_memory(pid: int) -> int:
    """Measure the memory of a process and all its descendants, in bytes.

    It is the resident size of the process and, of each descendant, what it shares with no other
    process: a forked one shares the images with the process, and they are counted once. Where the
    system does not say what is shared, it is the resident size of all.
    """
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        process = psutil.Process(pid)
        total += process.memory_info().rss
        for descendant in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
                total += _measure_unshared_bytes(descendant)
    return total


def _measure_unshared_bytes(process: Any) -> int:
    import psutil

    try:
        memory = process.memory_full_info()
    except psutil.AccessDenied:
        memory = process.memory_info()
    return getattr(memory, "uss", memory.rss)  # uss: unique set size


def _run_child(
    sender: Connection,
    launch: Launch,
    source: LocatedDataset,
    device: str,
    limits: Limits,
    folder: Path,
    workspaces: Sequence[Path],
) -> None:
    """Measure the launch and send the result. This is all that the child process does."""
    # Use a process group of its own: Ctrl-C in the terminal does not reach it, and killing the
    # group ends everything that it started.
    os.setsid()
    _end_with_parent()
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    use_threads(limits.threads)
    use_workers(limits.workers)
    keep_freed_memory()
    measurements: list[Measurement] = []
    failure = None
    try:
        from fmbench.execution.measure import measure_launch

        measurements = measure_launch(launch, source, device, folder, workspaces, limits.gpu_memory)
    except MemoryError:
        failure = "ran out of memory"
    except BaseException as error:  # noqa: BLE001
        # Whatever a runner raises, SystemExit included, is the result of this launch.
        traceback.print_exc()
        failure = describe_error(error)
    message = {
        "measurements": [dataclasses.asdict(measurement) for measurement in measurements],
        "failure": failure,
        "peak_memory_bytes": _measure_peak_resident_bytes(),
    }
    sender.send_bytes(json.dumps(message).encode())


def describe_error(error: BaseException) -> str:
    """Say on one line what a fit raised; for the usual errors of a GPU also what to do."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if name in ("OutOfMemoryError", "AcceleratorError") or "CUDA error" in text:
        first = text.partition(". ")[0].partition(" CUDA kernel errors")[0][:200]
        if "out of memory" in text:
            return f"ran out of the GPU's memory ({first}): allow more with --gpu-memory"
        return f"the GPU failed ({first}): if nvidia-smi finds it, run the same command again"
    return f"{name}: {text[:300]}"


def _measure_peak_resident_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def use_threads(threads: int) -> None:
    """Set the thread count of every library that is loaded.

    Changing the environment variables would have no effect: the libraries have read them already,
    while they loaded.
    """
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if accelerators.is_installed():
        import daal4py

        daal4py.daalinit(threads)


def use_workers(n: int) -> None:
    """Let a fit use several processes or threads."""
    if n > 1:
        # Python lets no daemon start processes, because they could outlive it. These cannot: they
        # are in its process group, and they end when it ends.
        multiprocessing.current_process().daemon = False
        workers.allow_workers(n)


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks instead of handing each one back to the kernel.

    Each training step frees tens of megabytes, and the next one allocates them again. Getting them
    from the kernel, page by page, took half of the time of a step of the CNN.
    """
    if sys.platform == "linux":
        m_mmap_threshold, m_trim_threshold = -3, -1
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(m_mmap_threshold, 32 << 20)
            libc.mallopt(m_trim_threshold, 1 << 30)


def _end_with_parent() -> None:
    """Make sure that this process ends when the run that started it ends, for whatever reason."""

    def wait_and_kill() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait_and_kill, daemon=True).start()
    # The thread cannot run while a library holds the interpreter's lock. The kernel can kill this
    # process even then: when the fork server ends, which ends with the run.
    forked = os.getpid() != preload.IMPORTED_BY
    workers.end_with_parent(preload.IMPORTED_BY if forked else os.getppid())
