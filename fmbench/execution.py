"""Runs cells: the plan, one launch after another, the record of each, resume.

joblib hands out the launches to one thread a job. Each thread has its launch measured, here or by
a worker of a cluster (a :class:`~fmbench.launching.Place`), and writes its records as soon as it
has ended: only this machine ever touches the results folder.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from fmbench import environment
from fmbench.cells import Cell
from fmbench.datasets import Source
from fmbench.launching import Beside, Here, Measured, Place
from fmbench.records import Contents, Record, Store, asked
from fmbench.supervision import Launch, Limits


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
    cluster: Place | None = None,
) -> list[Record]:
    """Run every cell and write its record; a cell that fails leaves a record that says why.

    They run on this machine, or on a ``cluster``. Ctrl-C ends the running cells, wherever they
    run, keeps what is finished and raises KeyboardInterrupt.
    """
    from joblib import Parallel, delayed

    place = cluster or Here(neural=any(cell.runner.uses_gpu for cell in cells))
    stop, busy = threading.Event(), Beside()

    def one(launch: Launch) -> list[Record]:
        def started() -> None:
            for cell in launch:
                observer.started(cell)

        with busy.running(launch):
            if stop.is_set():
                return []
            workspaces = [store.workspace(cell) for cell in launch]
            measured = place.measure(launch, source, limits, workspaces, started, stop)
            records = _saved(launch, measured, store) if measured else []
        for cell, record in zip(launch, records, strict=False):  # none if it was stopped
            observer.ended(cell, record)
        return records

    def lane(planned: Sequence[Launch], jobs: int) -> list[list[Record]]:
        parallel = Parallel(n_jobs=jobs, backend="threading", batch_size=1, pre_dispatch=jobs)
        return parallel(delayed(one)(each) for each in planned)

    lanes = place.lanes(launches(cells, limits.together), limits)
    with ThreadPoolExecutor(len(lanes)) as side_by_side:
        try:
            done = [side_by_side.submit(lane, planned, jobs) for planned, jobs in lanes]
            return [r for each in done for records in each.result() for r in records]
        finally:
            stop.set()
            busy.wait_until_alone()  # the threads still have processes to end, folders to remove


def _saved(launch: Launch, measured: Measured, store: Store) -> list[Record]:
    """The records of a launch, written."""

    def record(cell: Cell, **facts: Any) -> Record:
        common = {"key": cell.key, "cell": cell.definition(), "asked": asked(cell)}
        return Record(**{**common, **measured.where, **facts})

    if measured.failure is not None:
        return [_save(record(c, status="failed", why=measured.failure), store) for c in launch]
    records = []
    for cell, (facts, arrays) in zip(launch, measured.cells, strict=True):
        records.append(_save(record(cell, **facts, status="finished"), store, arrays))
        if records[-1].finished:
            # Of a failed cell it is kept: the next attempt goes on from there.
            store.discard_workspace(cell)
    return records


def _save(record: Record, store: Store, arrays: Mapping[str, Any] | None = None) -> Record:
    try:
        return store.save(record, arrays)
    except OSError as error:  # the disk is full, the folder gone: this cell's result is lost
        why = f"its result could not be written: {error.strerror or error}"
        failure = replace(record, status="failed", why=why, history=[], details={})
        with contextlib.suppress(OSError):
            store.save(failure)
        return failure
