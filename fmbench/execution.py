"""Runs cells: the plan, a process for each cell, hard limits, resume.

joblib hands out the cells to one thread a job. Each thread starts its cell in a process forked
from a server that has the heavy libraries loaded and no thread started, so that a process costs
milliseconds, and a crash, a time limit or a memory limit ends that cell alone.
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
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from fmbench import accelerators, environment
from fmbench.cells import Cell
from fmbench.datasets import Source
from fmbench.records import Contents, Record, Store, asked

POLL_SECONDS = 0.2  # how late a limit or Ctrl-C is noticed; a result is noticed at once
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a cell may use. ``timeout`` is in seconds, ``memory`` in bytes of resident size."""

    timeout: float
    memory: int
    threads: int = 1
    jobs: int = 1
    device: str = "cpu"

    def device_of(self, cell: Cell) -> str:
        """The device that this cell runs on."""
        return self.device if cell.runner.uses_gpu else "cpu"


class Observer(Protocol):
    """Told, from any thread, what a run is doing."""

    def started(self, cell: Cell) -> None:
        """A cell's process has been started."""

    def ended(self, cell: Cell, record: Record) -> None:
        """A cell's record has been written."""


def in_order(cells: Iterable[Cell], expected_seconds: Callable[[Cell], float]) -> list[Cell]:
    """Seed by seed, the cheapest first: a whole table early, better as the run goes on."""
    return sorted(cells, key=lambda cell: (cell.seed, expected_seconds(cell), cell.name))


def pending(
    cells: Iterable[Cell], contents: Contents, *, force: bool = False, refresh: bool = False
) -> list[Cell]:
    """The cells that still have to run: all but those whose record is finished and not stale.

    ``force`` runs every cell again, ``refresh`` those measured with other versions or on another
    processor than today's.
    """

    def is_done(cell: Cell) -> bool:
        record = contents.of(cell)
        if record is None or cell.key in contents.failed:
            return False
        return not (refresh and environment.differences(record.versions, record.device))

    return [cell for cell in cells if force or not is_done(cell)]


def run(
    cells: Sequence[Cell], store: Store, source: Source, limits: Limits, observer: Observer
) -> list[Record]:
    """Run every cell and write its record; a cell that fails leaves a record that says why.

    Ctrl-C ends the running cells, keeps what is finished and raises KeyboardInterrupt.
    """
    from joblib import Parallel, delayed

    stop, beside = threading.Event(), _Beside()
    with _fork_server(limits.threads, any(cell.runner.uses_gpu for cell in cells)) as context:

        def one(cell: Cell) -> Record | None:
            with beside.running(cell):
                if stop.is_set():
                    return None
                observer.started(cell)
                record = _run_cell(cell, store, source, limits, context, stop, beside)
            if record is not None:
                observer.ended(cell, record)
            return record

        parallel = Parallel(
            n_jobs=limits.jobs, backend="threading", batch_size=1, pre_dispatch=limits.jobs
        )
        try:
            return [r for r in parallel(delayed(one)(cell) for cell in cells) if r is not None]
        finally:
            stop.set()
            beside.wait_until_alone()  # the threads still have processes to end, folders to remove


class _Beside:
    """Which cells run at the moment, and how many at most while each one did."""

    def __init__(self) -> None:
        self._most: dict[int, int] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def running(self, cell: Cell) -> Iterator[None]:
        with self._changed:
            self._most[id(cell)] = 0
            self._most = {i: max(n, len(self._most)) for i, n in self._most.items()}
        try:
            yield
        finally:
            with self._changed:
                del self._most[id(cell)]
                self._changed.notify_all()

    def most(self, cell: Cell) -> int:
        with self._changed:
            return self._most[id(cell)]

    def wait_until_alone(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._most)


@contextlib.contextmanager
def _fork_server(threads: int, neural: bool) -> Iterator[Any]:
    # The libraries read these when they load, which is in the server.
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update({name: str(threads) for name in THREAD_VARIABLES})
    context = multiprocessing.get_context("forkserver")
    preload = ["fmbench.harness", "fmbench.features", "sklearn.svm", "sklearn.ensemble"]
    context.set_forkserver_preload([*preload, "fmbench.training"] if neural else preload)
    try:
        yield context
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_cell(
    cell: Cell,
    store: Store,
    source: Source,
    limits: Limits,
    context: Any,
    stop: threading.Event,
    beside: _Beside,
) -> Record | None:
    """One cell from start to record; None if the run was stopped meanwhile."""
    from fmbench.harness import collect

    device = limits.device_of(cell)
    clock = time.monotonic()
    record = Record(
        status="failed",
        key=cell.key,
        cell=cell.definition(),
        device=environment.cpu_name(),
        threads=limits.threads,
        jobs=1,
        versions=environment.versions(),
        package=environment.package(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        total_seconds=0.0,
        asked=asked(cell),
    )

    def ended(**facts: Any) -> Record:
        seconds = round(time.monotonic() - clock, 3)
        return replace(record, total_seconds=seconds, jobs=beside.most(cell), **facts)

    try:
        # What a killed runner still writes into its folder is no reason to fail.
        with tempfile.TemporaryDirectory(prefix="fmbench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            workspace = store.workspace(cell)
            report = _supervise(cell, source, limits, device, folder, workspace, context, stop)
            if report is None:
                return None
            facts = {**report.facts, "peak_memory_bytes": report.peak_memory}
            if report.failure is not None:
                return store.save(ended(**facts, why=report.failure))
            outcome = collect(cell, source, folder, facts["history"])
            facts["history"] = outcome.history
            finished = store.save(ended(**facts, status="finished"), outcome.arrays)
        # Of a failed cell it is kept: the next attempt goes on from there.
        store.discard_workspace(cell)
        return finished
    except OSError as error:  # the disk is full, the folder gone: this cell's result is lost
        failure = ended(why=f"its result could not be written: {error.strerror or error}")
        with contextlib.suppress(OSError):
            store.save(failure)
        return failure


@dataclass
class _Report:
    """What supervision learnt: the facts that the child sent, or how it failed."""

    facts: dict[str, Any]
    peak_memory: int
    failure: str | None = None


def _supervise(
    cell: Cell,
    source: Source,
    limits: Limits,
    device: str,
    folder: Path,
    workspace: Path,
    context: Any,
    stop: threading.Event,
) -> _Report | None:
    """Run the cell in a process and end it at its limits; None if ``stop`` was set."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_child,
        args=(sender, cell, source, device, limits.threads, folder, workspace),
        daemon=True,
    )
    process.start()
    sender.close()
    deadline = time.monotonic() + limits.timeout
    peak, message, failure, silent = 0, None, None, False
    try:
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
                failure = f"timed out after {limits.timeout:g} s"
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
        failure = failure or _how_it_died(exit_code, folder)
        return _Report({}, peak, failure)
    peak = max(peak, message["peak_memory"])
    if peak > limits.memory:  # between two looks
        return _Report({}, peak, _too_much_memory(limits))
    return _Report(message["facts"], peak, message["failure"])


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
    cell: Cell,
    source: Source,
    device: str,
    threads: int,
    folder: Path,
    workspace: Path,
) -> None:
    """The cell's own process."""
    os.setsid()  # a group of its own: Ctrl-C does not reach it, and its children end with it
    _die_with_parent()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    use_threads(threads)
    keep_freed_memory()
    facts: dict[str, Any] = {}
    failure = None
    try:
        from fmbench.harness import measure

        facts = measure(cell, source, device, folder, workspace)
        facts["device"] = environment.device_name(device)
    except MemoryError:
        failure = "ran out of memory"
    except BaseException as error:  # noqa: BLE001
        # Whatever a runner raises, SystemExit included, is this cell's result.
        traceback.print_exc()
        failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        facts = {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    message = {"facts": facts, "failure": failure, "peak_memory": peak}
    sender.send_bytes(json.dumps(message).encode())


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
