"""Runs a launch in a child process, ends it at its limits, and reports how it ended.

Each launch has a process of its own, so that a crash, a time limit or a memory limit ends that
launch alone. With it ends all that it has started (see ``server_process``).
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import DivergedError, UserError
from fmbench.execution.backend import (
    POLL_SECONDS,
    Launch,
    LaunchResult,
    Limits,
    Measurement,
    StopSignal,
)
from fmbench.execution.fork_server import (
    ForkServer,
    KeptProcess,
    ServerLostError,
    StoppedError,
    start_in_server,
)
from fmbench.execution.server_process import Recipe, describe_other_code
from fmbench.models import accelerators, workers
from fmbench.models.nn.gpu_errors import GpuStartError, describe_gpu_error
from fmbench.records.cells import Cell
from fmbench.utils import environment
from fmbench.utils.formatting import format_signal
from fmbench.utils.processes import measure_memory

LOG = "log"  # the file that holds what a child process prints
RESULT = "result.json"  # the file that holds what a child process returns
N_LOG_BYTES = 4096  # of what it prints, the end is read


def run_child_process(
    launch: Launch,
    source: LocatedDataset,
    limits: Limits,
    folder: Path,
    workspaces: Sequence[Path],
    start_server: Callable[[], ForkServer],
    stop: StopSignal,
) -> LaunchResult | None:
    """Measure a launch in a child process and end it at its limits; None if ``stop`` was set.

    ``start_server`` returns the server that forks the process. The predictions are left in
    ``folder``: in ``folder / "0"`` those of the first cell, and so on. The measurements that are
    returned have no arrays yet.

    Raises:
        UserError: the server cannot load the libraries.
    """
    device = limits.get_device(launch[0])
    arguments = (
        launch, [cell.key for cell in launch], source, device, limits, folder, workspaces,
        environment.identify_code(),
    )  # fmt: skip
    try:
        process = start_in_server(
            _run_child, arguments, folder / LOG, stop, start_server,
            _find_recipe_to_compile(launch[0], device),
        )  # fmt: skip
    except StoppedError:
        return None
    except ServerLostError:
        return _make_failure(launch, limits, "its process could not be started", peak_memory=0)
    memory = _MemoryOfProcess(process.keeper)
    deadline = time.monotonic() + limits.timeout * len(launch)
    failure = None
    try:
        while failure is None and not process.wait(POLL_SECONDS):
            if stop.is_set():
                return None
            if time.monotonic() > deadline:
                failure = f"timed out after {limits.timeout * len(launch):g} s"
            elif memory.measure() > limits.memory:
                failure = _describe_memory_failure(limits)
    finally:
        process.end()
        if process.status is None:  # its keeper was killed, and did not end what is left
            memory.kill_descendants()
    message = None
    if failure is None:
        failure, message = _read_result(process, folder)
    peak = max(memory.peak, message["peak_memory_bytes"] if message else 0)
    if message and peak > limits.memory:  # it peaked between two checks
        failure = _describe_memory_failure(limits)
    if failure is not None or message is None:
        result = _make_failure(launch, limits, failure or "it returned nothing", peak)
        return dataclasses.replace(result, gpu_started=message is None or message["gpu_started"])
    return LaunchResult(
        limits.threads,
        len(launch),
        measurements=[Measurement(**fields) for fields in message["measurements"]],
        peak_memory_bytes=peak,
    )


def _find_recipe_to_compile(cell: Cell, device: str) -> Recipe | None:
    """Return the recipe whose loops the fork server compiles before it forks; None for none.

    It runs no code of a user's own: a plug-in compiles in the process of its cell.
    """
    if device == "cuda" or cell.runner.source or not cell.runner.compiles_loops:
        return None
    return cell.runner.name, cell.hyperparameters


def _read_result(process: KeptProcess, folder: Path) -> tuple[str | None, dict[str, Any] | None]:
    """Return why a process that has ended failed, if it did, and the message that it left."""
    if not folder.exists():
        return f"its folder for temporary files, {folder}, was removed", None
    if process.status != 0:
        return _describe_exit(process.status, folder), None
    try:
        message = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _describe_exit(process.status, folder), None
    return message["failure"], message


def _make_failure(launch: Launch, limits: Limits, why: str, peak_memory: int) -> LaunchResult:
    result = LaunchResult(limits.threads, len(launch), why, peak_memory_bytes=peak_memory)
    gpu = environment.gpu_name() if limits.get_device(launch[0]) == "cuda" else None
    return dataclasses.replace(result, device=gpu) if gpu else result


def _describe_memory_failure(limits: Limits) -> str:
    return f"used more than {limits.memory / 2**30:g} GiB of memory"


def _describe_exit(status: int | None, folder: Path) -> str:
    """Say how a process that left no result has ended, with the last line that it printed."""
    line = _read_last_line(folder / LOG)
    last_line = f": {line}" if line else ""
    if status is None:
        return f"its process was killed{last_line}"
    if status >= 0:
        return f"ended with status {status} before it returned predictions{last_line}"
    return f"killed by signal {format_signal(-status)}{last_line}"


def _read_last_line(log: Path) -> str:
    """Return the last line of a log that is not empty; an empty text if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - N_LOG_BYTES))
            lines = file.read(N_LOG_BYTES).decode(errors="replace").strip().splitlines()
    except OSError:  # it was removed
        return ""
    return lines[-1].strip()[:200] if lines else ""


class _MemoryOfProcess:
    """Measures the memory of a process and of all that it has started; ``peak`` is the largest."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.peak = 0
        self._descendants: set[Any] = set()
        try:
            self._process: Any = psutil.Process(pid)
        except psutil.NoSuchProcess:  # it has ended already
            self._process = None

    def measure(self) -> int:
        """Return the bytes that are used now."""
        import psutil

        if self._process is None:
            return 0
        try:
            self._descendants = set(self._process.children(recursive=True))
        except psutil.NoSuchProcess:
            return 0
        used = measure_memory([*self._descendants])  # the keeper itself has hardly any
        self.peak = max(self.peak, used)
        return used

    def kill_descendants(self) -> None:
        """Kill what was there at the last measurement."""
        import psutil

        for process in self._descendants:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
                process.kill()


def _run_child(
    launch: Launch,
    keys: Sequence[str],
    source: LocatedDataset,
    device: str,
    limits: Limits,
    folder: Path,
    workspaces: Sequence[Path],
    code: environment.CodeIdentity,
) -> None:
    """Measure the launch and leave the result. This is all that the child process does."""
    measurements: list[Measurement] = []
    failure, gpu_started = None, True
    try:
        use_threads(limits.threads)
        use_workers(limits.workers)
        keep_freed_memory()
        from fmbench.execution.measure import measure_launch

        _check_keys(launch, keys)
        measurements = measure_launch(launch, source, device, folder, workspaces, limits.gpu_memory)
        failure = describe_other_code(code)
    except UserError as error:
        failure = " ".join(str(error).split())
    except MemoryError:
        failure = "ran out of memory"
    except BaseException as error:  # noqa: BLE001
        # Whatever a runner raises, SystemExit included, is the result of this launch.
        with contextlib.suppress(OSError, ValueError):  # it may have closed the streams
            traceback.print_exc()
        failure, gpu_started = describe_error(error), not isinstance(error, GpuStartError)
    message = {
        "measurements": [dataclasses.asdict(measurement) for measurement in measurements],
        "failure": failure,
        "gpu_started": gpu_started,
        "peak_memory_bytes": _measure_peak_resident_bytes(),
    }
    (folder / RESULT).write_text(json.dumps(message), encoding="utf-8")


def _check_keys(launch: Launch, keys: Sequence[str]) -> None:
    """Raise UserError if this process would measure other cells than the run has asked for."""
    if [cell.key for cell in launch] != list(keys):
        raise UserError(
            "the recipe in the code is another one than when this program was started: start it "
            "again"
        )


def describe_error(error: BaseException) -> str:
    """Say on one line what a fit raised; for the usual errors of a GPU also what to do."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a class of the user's, whose text is code, too
        text = "(its text cannot be read)"
    if isinstance(error, DivergedError):
        return text
    return describe_gpu_error(name, text) or f"{name}: {text[:300]}"


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
    if accelerators.has_intelex():
        import daal4py

        daal4py.daalinit(threads)


def use_workers(n: int) -> None:
    """Let a fit use several processes or threads."""
    if n > 1:
        # Python lets no daemon start processes, because they could outlive it. These cannot: the
        # keeper of this process ends them.
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
