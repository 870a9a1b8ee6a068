"""Runs cells: the plan, one launch after another, resume.

joblib hands out the launches to one thread a job, and each thread starts its launch in a process of
its own; ``supervision`` says how that is kept within its limits. Isolation costs little because the
process is forked from a server that has the heavy libraries and the data loaded (``warm``) and no
thread started: nothing is imported, unpacked or checked for a cell, and yet no two launches share a
process, so that a crash, a leak or a changed setting ends with its launch. There is no pool of
workers to replace: ``benchmarks/overhead.py`` measures what a process each costs.

Where several runs share a results folder, ``turns`` says which of them measures a cell.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fmbench import environment, warm
from fmbench.cells import Cell
from fmbench.datasets import Source
from fmbench.errors import UserError
from fmbench.records import Contents, Record, Store, asked
from fmbench.supervision import Launch, Limits, supervise
from fmbench.turns import Turns

# A socket's path has at most 107 bytes, of which multiprocessing's own names take about 30.
LONGEST_TEMPORARY_PATH = 75
LOOK_SECONDS = 0.5  # between two looks at whether another run is done with a cell
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Observer(Protocol):
    """Told, from any thread, what a run is doing."""

    def started(self, cell: Cell) -> None:
        """A cell's process has been started."""

    def ended(self, cell: Cell, record: Record) -> None:
        """A cell's record has been written."""

    def measured_elsewhere(self, cell: Cell, record: Record) -> None:
        """Another run has measured a cell meanwhile; it is not started here."""

    def waits(self, cell: Cell, holder: str) -> None:
        """Nothing is left but cells that other runs measure; ``holder`` is who has this one."""


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


def launches(cells: Iterable[Cell], together: int) -> Sequence[Launch]:
    """The cells in their order, those of a neural recipe up to ``together`` seeds at a time."""
    planned: list[list[Cell]] = []
    open_: dict[str, list[Cell]] = {}
    for cell in cells:
        # An evolutionary search has a folder of its own to go on from and trains many networks.
        # What a plug-in's classifier can do beside fit and predict is not known.
        alone = not cell.runner.uses_gpu or cell.runner.resumable or bool(cell.runner.source)
        recipe = replace(cell, seed=0).key
        if alone or len(open_.get(recipe, ())) in (0, together):
            open_[recipe] = []
            planned.append(open_[recipe])
        open_[recipe].append(cell)
    return planned


def run(
    cells: Sequence[Cell],
    store: Store,
    source: Source,
    limits: Limits,
    observer: Observer,
    known: Contents | None = None,
) -> list[Record]:
    """Run every cell and write its record; a cell that fails leaves a record that says why.

    What another run on the same folder measures meanwhile is taken from there: whatever is not
    among ``known``, what the folder held when the cells were chosen (by default: holds now).

    Ctrl-C ends the running cells, keeps what is finished and raises KeyboardInterrupt.
    """
    from joblib import Parallel, delayed

    store.sweep()
    stop, beside, turns = threading.Event(), _Beside(), Turns(store, known or store.read())
    later: list[Cell] = []  # another run is at them
    neural = any(cell.runner.uses_gpu for cell in cells)
    with _fork_server(limits.threads, source, neural=neural) as context:

        def one(launch: Launch) -> list[Record]:
            with turns.of(launch) as turn:
                for cell, record in turn.measured:
                    observer.measured_elsewhere(cell, record)
                later.extend(turn.taken)
                return [*(record for _, record in turn.measured), *mine(turn.mine)]

        def mine(launch: Launch) -> list[Record]:
            if not launch:
                return []
            with beside.running(launch):
                if stop.is_set():
                    return []
                for cell in launch:
                    observer.started(cell)
                records = _run_launch(launch, store, source, limits, context, stop, beside)
            for cell, record in zip(launch, records, strict=False):  # none if it was stopped
                observer.ended(cell, record)
            return records

        parallel = Parallel(
            n_jobs=limits.jobs, backend="threading", batch_size=1, pre_dispatch=limits.jobs
        )
        try:
            records: list[Record] = []
            left, said = list(cells), False
            while left:
                n_before, planned = len(records), launches(left, limits.together)
                for of_launch in parallel(delayed(one)(each) for each in planned):
                    records += of_launch
                left, later[:] = list(later), []
                if left and len(records) == n_before:
                    if not said:
                        observer.waits(left[0], turns.holder(left[0]))
                    said = True
                    time.sleep(LOOK_SECONDS)
            return records
        finally:
            stop.set()
            beside.wait_until_alone()  # the threads still have processes to end, folders to remove


class _Beside:
    """Which launches run at the moment, and how many at most while each one did."""

    def __init__(self) -> None:
        self._most: dict[int, int] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def running(self, launch: Launch) -> Iterator[None]:
        with self._changed:
            self._most[id(launch)] = 0
            self._most = {i: max(n, len(self._most)) for i, n in self._most.items()}
        try:
            yield
        finally:
            with self._changed:
                del self._most[id(launch)]
                self._changed.notify_all()

    def most(self, launch: Launch) -> int:
        with self._changed:
            return self._most[id(launch)]

    def wait_until_alone(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._most)


@contextlib.contextmanager
def _fork_server(threads: int, source: Source, *, neural: bool) -> Iterator[Any]:
    if len(tempfile.gettempdir()) > LONGEST_TEMPORARY_PATH:
        raise UserError(
            f"the folder for temporary files, {tempfile.gettempdir()}, is too deep for the socket "
            "of a worker: set TMPDIR to a folder with a shorter path"
        )
    # The server starts with the first process and reads these: the libraries, when they load.
    wanted = dict.fromkeys(THREAD_VARIABLES, str(threads)) | warm.order(source, neural=neural)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fmbench.warm"])
    try:
        yield context
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_launch(
    launch: Launch,
    store: Store,
    source: Source,
    limits: Limits,
    context: Any,
    stop: threading.Event,
    beside: _Beside,
) -> list[Record]:
    """One launch from start to records; none if the run was stopped meanwhile."""
    from fmbench.harness import collect

    clock = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")

    def record(cell: Cell, **facts: Any) -> Record:
        common: dict[str, Any] = {
            "key": cell.key,
            "cell": cell.definition(),
            "device": environment.cpu_name(),
            "threads": limits.threads,
            "jobs": beside.most(launch),
            "together": len(launch),
            "versions": environment.versions(),
            "package": environment.package(),
            "started": started,
            "asked": asked(cell),
            "total_seconds": round(time.monotonic() - clock, 3),
        }
        return Record(**{**common, **facts})

    def save(cell: Cell, arrays: Mapping[str, Any] | None = None, **facts: Any) -> Record:
        try:
            return store.save(record(cell, **facts), arrays)
        except OSError as error:  # the disk is full, the folder gone: this cell's result is lost
            why = f"its result could not be written: {error.strerror or error}"
            failure = record(cell, status="failed", why=why)
            with contextlib.suppress(OSError):
                store.save(failure)
            return failure

    # What a killed runner still writes into its folder is no reason to fail.
    with tempfile.TemporaryDirectory(prefix="fmbench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        workspaces = [store.workspace(cell) for cell in launch]
        report = supervise(launch, source, limits, folder, workspaces, context, stop)
        if report is None:
            return []
        measured: dict[str, Any] = {"peak_memory_bytes": report.peak_memory}
        if report.failure is not None:
            failed = {**measured, "status": "failed", "why": report.failure}
            return [save(cell, **failed) for cell in launch]
        records = []
        for place, (cell, facts) in enumerate(zip(launch, report.facts, strict=True)):
            outcome = collect(cell, source, folder / str(place), facts["history"])
            facts = {**measured, **facts, "history": outcome.history, "status": "finished"}
            records.append(save(cell, outcome.arrays, **facts))
            if records[-1].finished:
                # Of a failed cell it is kept: the next attempt goes on from there.
                store.discard_workspace(cell)
    return records
