"""Runs cells: groups them into launches, runs one launch after another, and writes the records.

joblib distributes the launches over threads, one thread for each job. Each thread passes its launch
to a :class:`~fmbench.execution.backend.Backend`, which runs it here or on a cluster, and writes the
records when the launch has ended. Workers never touch the results folder. Several runs may share a
results folder: ``cell_locks`` makes sure that only one of them measures each cell.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from fmbench.datasets.specs import DEFAULT_DATASET, LocatedDataset
from fmbench.execution.backend import (
    Backend,
    FreeJobs,
    Launch,
    LaunchQueue,
    LaunchResult,
    Limits,
    Measurement,
    RunningLaunches,
    count_least_jobs,
)
from fmbench.execution.cell_locks import CellLocks
from fmbench.execution.local import LocalBackend
from fmbench.records.cells import Cell
from fmbench.records.record import Record, make_user_request
from fmbench.records.store import Store, StoreContents
from fmbench.utils import environment

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger("fmbench")

# A fit with several workers may take this share of the memory limit: by default 4 of 8 GiB. Where
# its processes cannot share the images, it takes more.
SHARE_FOR_WORKERS = 0.5
# What the process of a cell takes itself, in GiB: 60,000 images as bytes, floats and doubles.
CELL_GIB = 0.75
# `auto` chooses the order that ends early if the other would take this many times as long.
MUCH_LONGER = 1.1

# So many launches in a row that cannot use the GPU at all mean that it is lost.
N_FAILED_STARTS = 2

# Seconds between two checks whether another run has released a cell's lock.
LOCK_POLL_SECONDS = 0.5


class Observer:
    """Receives the events of a run; any thread may call its methods. Here they do nothing."""

    def on_start(self, cell: Cell) -> None:
        """The process of a cell is about to start."""

    def on_end(self, cell: Cell, record: Record) -> None:
        """The record of a cell has been written."""

    def on_measured_elsewhere(self, cell: Cell, record: Record) -> None:
        """Another run has measured a cell in the meantime; it is not started here."""

    def on_wait(self, cell: Cell, holder: str) -> None:
        """Only cells are left that other runs are measuring; ``holder`` is measuring this one."""


def sort_cells(
    cells: Iterable[Cell],
    expected_seconds: Callable[[Cell], float],
    limits: Limits,
    order: str = "table",
) -> list[Cell]:
    """Sort cells for a first table early, or for an early end.

    ``table`` sorts by seed, then by expected time, shortest first: each row gets its first seed
    early. ``finish`` sorts by expected time, longest first, so that no long cell starts last. The
    time is that of a fit with all the workers that it may use. Cells of the default data set come
    before all others, so that each data set is loaded once.
    """

    def sort_key(cell: Cell) -> tuple[bool, float, float, str, int]:
        seconds = expected_seconds(cell) / count_most_workers(cell, limits)
        first, second = (-seconds, 0.0) if order == "finish" else (cell.seed, seconds)
        return cell.dataset != DEFAULT_DATASET, first, second, cell.name, cell.seed

    return sorted(cells, key=sort_key)


def group_by_dataset(cells: Iterable[Cell]) -> list[Cell]:
    """Keep the order of cells within each data set; the default data set comes first."""
    return sorted(cells, key=lambda cell: (cell.dataset != DEFAULT_DATASET, cell.dataset.name))


def choose_order(
    cells: Sequence[Cell], expected_seconds: Callable[[Cell], float], limits: Limits
) -> str:
    """Choose ``finish`` if cores would idle at the end of a run in the order ``table``.

    That is the case if, by the estimates, the run would take over a tenth longer. The cells of a
    GPU are left out, because the estimates are mostly those of a CPU.
    """
    on_cpu, _ = split_by_device(cells, limits)
    table, finish = (
        simulate_seconds(
            sort_cells(on_cpu, expected_seconds, limits, order), expected_seconds, limits
        )
        for order in ("table", "finish")
    )
    return "finish" if table > MUCH_LONGER * finish else "table"


def simulate_seconds(
    cells: Iterable[Cell], expected_seconds: Callable[[Cell], float], limits: Limits
) -> float:
    """Compute how long cells take that start in this order, each when its jobs are free.

    Those on a GPU run beside those on the CPU, so the longer of the two times counts.
    """
    on_cpu, on_gpu = split_by_device(cells, limits)
    return max(
        _simulate_cpu(on_cpu, expected_seconds, limits),
        _simulate_gpu(on_gpu, expected_seconds, limits),
    )


def split_by_device(cells: Iterable[Cell], limits: Limits) -> tuple[list[Cell], list[Cell]]:
    """Return the cells that run on the CPU and those that run on a GPU, both in their order."""
    on_cpu: list[Cell] = []
    on_gpu: list[Cell] = []
    for cell in cells:
        (on_gpu if limits.get_device(cell) == "cuda" else on_cpu).append(cell)
    return on_cpu, on_gpu


def _simulate_gpu(
    cells: Iterable[Cell], expected_seconds: Callable[[Cell], float], limits: Limits
) -> float:
    """Compute how long the launches on a GPU take.

    The seconds in a record are those of a launch that had to share the GPU. So they do not grow
    once more with the launches at a time.
    """
    ends = [0.0] * limits.gpu_jobs
    for launch in group_into_launches(cells, limits.together):
        heapq.heapreplace(ends, ends[0] + sum(map(expected_seconds, launch)))
    return max(ends)


def _simulate_cpu(
    cells: Iterable[Cell], expected_seconds: Callable[[Cell], float], limits: Limits
) -> float:
    running: list[tuple[float, int]] = []  # when each cell ends, and the jobs that it holds
    n_free, now = limits.jobs, 0.0
    for cell in cells:
        n_most = count_most_workers(cell, limits)
        n_least = count_least_jobs(n_most, limits.jobs)
        while n_free < n_least or (running and running[0][0] <= now):
            now, n_freed = heapq.heappop(running)
            n_free += n_freed
        n_jobs = min(n_free, n_most)
        n_free -= n_jobs
        heapq.heappush(running, (now + expected_seconds(cell) / n_jobs, n_jobs))
    return max((end for end, _ in running), default=now)


def count_most_workers(cell: Cell, limits: Limits) -> int:
    """Return how many processes the fit of a cell may use, if so many jobs are free."""
    if not limits.shares_jobs:
        return 1
    free_gib = SHARE_FOR_WORKERS * limits.memory / 2**30 - CELL_GIB
    n_with_memory = int(free_gib / cell.runner.worker_gib)
    return max(1, min(cell.runner.max_workers, limits.jobs, n_with_memory))


def select_pending(
    cells: Iterable[Cell], contents: StoreContents, *, force: bool = False, refresh: bool = False
) -> list[Cell]:
    """Return the cells that still have to run: those without a finished record that is up to date.

    ``force`` selects all cells. ``refresh`` also selects the cells that were measured with
    different versions, or on a different processor, than today's.
    """

    def is_done(cell: Cell) -> bool:
        record = contents.find_finished(cell)
        if record is None or cell.key in contents.failed:
            return False
        return not (refresh and environment.describe_differences(record.versions, record.device))

    return [cell for cell in cells if force or not is_done(cell)]


def group_into_launches(cells: Iterable[Cell], together: int) -> list[Launch]:
    """Group the cells into launches of up to ``together`` networks that can be trained together.

    These are the seeds of a recipe as it is registered, and variants of a recipe whose networks
    have the same layers. So a registered recipe is trained with the same companions whatever else
    the run measures. The launches are in the order of their first cells.
    """
    launches: list[list[Cell]] = []
    last_of_kind: dict[str, list[Cell]] = {}
    for cell in cells:
        # A resumable search has a folder of its own and trains many networks anyway. A plug-in's
        # classifier may not be able to train several seeds at once.
        alone = not cell.runner.uses_gpu or cell.runner.resumable or bool(cell.runner.source)
        kind = _identify_companions(cell)
        if alone or len(last_of_kind.get(kind, ())) in (0, together):
            last_of_kind[kind] = []
            launches.append(last_of_kind[kind])
        last_of_kind[kind].append(cell)
    return [sorted(launch, key=_order_in_launch) for launch in launches]


def _identify_companions(cell: Cell) -> str:
    """Return a text that is the same for cells whose networks can be trained together."""
    runner = cell.runner
    recipe_values = {name: runner.hyperparameters[name].value for name in runner.outside_layers}
    overrides = {**cell.overrides, **recipe_values} if cell.overrides else {}
    return replace(cell, seed=0, overrides=overrides).key


def _order_in_launch(cell: Cell) -> list[str]:
    """Sort cells so that those with the same optimizer and loss follow each other."""
    values = cell.hyperparameters
    return [str(values[name]) for name in cell.runner.outside_layers]


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    source: LocatedDataset,
    limits: Limits,
    observer: Observer,
    *,
    known: StoreContents | None = None,
    cluster: Backend | None = None,
) -> list[Record]:
    """Run cells on one data set, whose files are in ``source``: see :func:`run_all_cells`."""
    sources = {source.spec.name: source}
    return run_all_cells(cells, store, sources, limits, observer, known=known, cluster=cluster)


class GpuWatch:
    """Notices when launches cannot use the GPU any more. Any thread may call it."""

    def __init__(self) -> None:
        self.is_lost = False
        self._n_failed = 0  # in a row
        self._lock = threading.Lock()

    def note(self, result: LaunchResult) -> bool:
        """Note how a launch on the GPU has ended; return whether the GPU is now found lost."""
        with self._lock:
            self._n_failed = 0 if result.gpu_started else self._n_failed + 1
            was_lost = self.is_lost
            self.is_lost = was_lost or self._n_failed >= N_FAILED_STARTS
            return self.is_lost and not was_lost


def run_all_cells(
    cells: Sequence[Cell],
    store: Store,
    sources: Mapping[str, LocatedDataset],
    limits: Limits,
    observer: Observer,
    *,
    known: StoreContents | None = None,
    cluster: Backend | None = None,
    gpu_watch: GpuWatch | None = None,
) -> list[Record]:
    """Run every cell and write its record; a cell that fails leaves a record that says why.

    ``sources`` are the data sets of the cells, by their names. The cells run on this machine unless
    there is a ``cluster``. ``known`` is what the results folder held when the cells were chosen (by
    default: what it holds now). If another run on the same folder has measured a cell since then,
    its record is returned instead.

    If launches on this machine cannot use the GPU any more, a message says so, and the other cells
    for it are left without a record. ``gpu_watch``: what earlier calls of the same run know of it.

    Ctrl-C ends the running cells, wherever they run, keeps the finished records and raises
    KeyboardInterrupt.
    """
    backend = cluster or LocalBackend(neural=any(cell.runner.uses_gpu for cell in cells))
    locks = CellLocks(store, known or store.read_contents())
    limits = replace(limits, shares_jobs=backend.shares_jobs)
    run = _Run(store, sources, limits, observer, backend, locks, gpu_watch or GpuWatch())
    try:
        records: list[Record] = []
        remaining, wait_reported = list(cells), False
        while remaining:
            n_before = len(records)
            records += run.run_launches(group_into_launches(remaining, limits.together))
            remaining, run.locked_elsewhere = run.locked_elsewhere, []
            if remaining and len(records) == n_before:
                if not wait_reported:
                    observer.on_wait(remaining[0], locks.describe_holder(remaining[0]))
                wait_reported = True
                time.sleep(LOCK_POLL_SECONDS)
        return records
    finally:
        run.stop()


class _Run:
    """The state that the threads of a run share."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, LocatedDataset],
        limits: Limits,
        observer: Observer,
        backend: Backend,
        locks: CellLocks,
        gpu_watch: GpuWatch,
    ) -> None:
        self.locked_elsewhere: list[Cell] = []  # cells that another run was measuring
        self._store, self._sources, self._limits = store, sources, limits
        self._observer, self._backend, self._locks = observer, backend, locks
        self._gpu_watch = gpu_watch
        self._stop, self._running = threading.Event(), RunningLaunches()
        self._free_jobs = FreeJobs(limits.jobs)

    def run_launches(self, launches: Sequence[Launch]) -> list[Record]:
        """Run launches to their end and return the records.

        There is no record of a cell that another run is measuring; it is in ``locked_elsewhere``.
        """
        from joblib import Parallel, delayed

        def run_queue(queue: LaunchQueue) -> list[list[Record]]:
            parallel = Parallel(
                n_jobs=queue.jobs, backend="threading", batch_size=1, pre_dispatch=queue.jobs
            )
            return parallel(delayed(self._run_launch)(launch) for launch in queue.launches)

        queues = self._backend.split_into_queues(launches, self._limits)
        with ThreadPoolExecutor(len(queues)) as executor:
            try:
                futures = [executor.submit(run_queue, queue) for queue in queues]
                return [
                    record
                    for future in futures
                    for records in future.result()
                    for record in records
                ]
            except BaseException:
                self._stop.set()  # the executor waits for its threads, so they must end their cells
                raise

    def stop(self) -> None:
        """End the launches that run, and wait until their processes and folders are gone."""
        self._stop.set()
        self._running.wait_until_none()

    def _run_launch(self, launch: Launch) -> list[Record]:
        if self._stop.is_set() or (self._gpu_watch.is_lost and self._is_on_gpu(launch)):
            return []
        # It lines up before it reads any file, so that launches get jobs in their order.
        with self._line_up(launch) as place, self._locks.lock(launch) as cells:
            for cell, record in cells.measured_elsewhere:
                self._observer.on_measured_elsewhere(cell, record)
            self.locked_elsewhere.extend(cells.locked_elsewhere)
            measured = self._measure(cells.to_measure, place) if cells.to_measure else []
            failed = [self._save_failure(cell, why) for cell, why in cells.not_lockable]
            return [*(record for _, record in cells.measured_elsewhere), *measured, *failed]

    def _save_failure(self, cell: Cell, why: str) -> Record:
        self._observer.on_start(cell)
        result = LaunchResult(self._limits.threads, together=1, failure=why)
        [record] = _save_records([cell], result, self._store)
        self._observer.on_end(cell, record)
        return record

    def _line_up(self, launch: Launch) -> contextlib.AbstractContextManager[object | None]:
        """A place in the line for free jobs; None for a launch that needs none of them."""
        if self._is_on_gpu(launch) or not self._limits.shares_jobs:
            return contextlib.nullcontext()
        return self._free_jobs.line_up()

    def _is_on_gpu(self, launch: Launch) -> bool:
        return self._limits.get_device(launch[0]) == "cuda"

    def _watch_gpu(self, launch: Launch, result: LaunchResult) -> None:
        """Say on one line, once, that the GPU of this machine is lost."""
        # On a cluster the next launch may get another GPU.
        if not (self._limits.shares_jobs and self._is_on_gpu(launch)):
            return
        if self._gpu_watch.note(result):
            logger.error(  # not a warning, so that -q does not hide it
                "%d launches in a row could not use the GPU, so the other cells for it are not "
                "measured: %s",
                N_FAILED_STARTS, result.failure,
            )  # fmt: skip

    def _measure(self, launch: Launch, place: object | None) -> list[Record]:
        def on_start() -> None:
            for cell in launch:
                self._observer.on_start(cell)

        records: list[Record] = []
        with self._choose_limits(launch, place) as limits, self._running.track(launch):
            if self._stop.is_set():
                return []
            workspaces = [self._store.workspace_path(cell) for cell in launch]
            result = self._backend.run_launch(
                launch, self._sources[launch[0].dataset.name], limits, workspaces, on_start,
                self._stop,
            )  # fmt: skip
            if result is None:  # stopped
                return []
            self._watch_gpu(launch, result)
            records = _save_records(launch, result, self._store)
            if all(record.finished for record in records):
                self._backend.discard_progress(launch)
        for cell, record in zip(launch, records, strict=True):
            self._observer.on_end(cell, record)
        return records

    @contextlib.contextmanager
    def _choose_limits(self, launch: Launch, place: object | None) -> Iterator[Limits]:
        """The limits of a launch, which holds its jobs during the block."""
        if place is None:
            yield self._limits
            return
        n_most = count_most_workers(launch[0], self._limits)
        with self._free_jobs.take(place, n_most) as n_jobs:
            yield replace(self._limits, workers=n_jobs)


def build_record(cell: Cell, result: LaunchResult, measurement: Measurement | None) -> Record:
    """Build the record of one cell; without a measurement, the record of its failure."""
    record = Record(
        status="failed",
        key=cell.key,
        cell=cell.to_definition(),
        asked=make_user_request(cell),
        overrides=dict(cell.overrides),
        measurement_id=uuid4().hex,
        device=result.device,
        threads=result.threads,
        jobs=result.max_concurrent,
        together=result.together,
        versions=result.versions,
        package=result.package,
        started=result.started,
        total_seconds=result.total_seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        why=result.failure,
    )
    if measurement is None:
        return record
    return replace(
        record,
        status="finished",
        device=measurement.device,
        peak_gpu_memory_bytes=measurement.peak_gpu_memory_bytes,
        fit_seconds=measurement.fit_seconds,
        predict_seconds=measurement.predict_seconds,
        history=measurement.history,
        details=measurement.details,
        warnings=measurement.warnings,
    )


def _save_records(launch: Launch, result: LaunchResult, store: Store) -> list[Record]:
    """Write the record of each cell of a launch."""
    if result.failure is not None:
        return [_save_record(build_record(cell, result, None), store) for cell in launch]
    records = []
    for cell, measurement in zip(launch, result.measurements, strict=True):
        if measurement.failure is not None:
            failed = replace(result, failure=measurement.failure)
            records.append(_save_record(build_record(cell, failed, None), store))
            continue
        record = build_record(cell, result, measurement)
        records.append(_save_record(record, store, measurement.arrays))
        if records[-1].finished:
            # The workspace of a failed cell is kept: its next attempt continues from there.
            store.remove_workspace(cell)
    return records


def _save_record(
    record: Record, store: Store, arrays: Mapping[str, np.ndarray] | None = None
) -> Record:
    """Write a record; if it cannot be written, try to write that it failed."""
    try:
        return store.save(record, arrays)
    # The disk is full, the folder is gone, or a record cannot hold it: the result is lost.
    except (OSError, ValueError) as error:
        why = f"its result could not be written: {getattr(error, 'strerror', None) or error}"
        failure = replace(record, status="failed", why=why, history=[], details={})
        with contextlib.suppress(OSError):  # the disk is still full
            store.save(failure)
        return failure
