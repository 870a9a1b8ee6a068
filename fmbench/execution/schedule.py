"""Runs cells: the plan, one launch after another, the record of each, resume.

joblib hands out the launches to one thread a job. Each thread has its launch measured, here or by
a worker of a cluster (a :class:`~fmbench.launching.Place`), and writes its records as soon as it
has ended: no worker ever touches the results folder. Where several runs share that folder,
``turns`` says which of them measures a cell.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from fmbench.datasets.specs import Source
from fmbench.execution.backend import Beside, Launch, Limits, Measured, Place, not_started
from fmbench.execution.cell_locks import Turns
from fmbench.execution.local import Here
from fmbench.records.cells import Cell
from fmbench.records.record import Record, asked
from fmbench.records.store import Contents, Store
from fmbench.utils import environment

LOOK_SECONDS = 0.5  # between two looks at whether another run is done with a cell


class Observer:
    """Told, from any thread, what a run is doing. This one has nothing to say to it."""

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
    *,
    known: Contents | None = None,
    cluster: Place | None = None,
) -> list[Record]:
    """Run every cell and write its record; a cell that fails leaves a record that says why.

    They run on this machine, or on a ``cluster``. What another run on the same folder measures
    meanwhile is taken from there: whatever is not among ``known``, what the folder held when the
    cells were chosen (by default: holds now).

    Ctrl-C ends the running cells, wherever they run, keeps what is finished and raises
    KeyboardInterrupt.
    """
    place = cluster or Here(neural=any(cell.runner.uses_gpu for cell in cells))
    work = _Work(store, source, limits, observer, place, Turns(store, known or store.read()))
    try:
        records: list[Record] = []
        left, said = list(cells), False
        while left:
            n_before = len(records)
            records += work.done(launches(left, limits.together))
            left, work.taken = work.taken, []
            if left and len(records) == n_before:
                if not said:
                    observer.waits(left[0], work.turns.holder(left[0]))
                said = True
                time.sleep(LOOK_SECONDS)
        return records
    finally:
        work.end()


class _Work:
    """What the threads of a run share. ``taken`` are cells that another run is at."""

    def __init__(
        self,
        store: Store,
        source: Source,
        limits: Limits,
        observer: Observer,
        place: Place,
        turns: Turns,
    ) -> None:
        self.turns = turns
        self.taken: list[Cell] = []
        self._store, self._source, self._limits = store, source, limits
        self._observer, self._place = observer, place
        self._stop, self._busy = threading.Event(), Beside()

    def done(self, planned: Sequence[Launch]) -> list[Record]:
        """The records of launches, once they have ended; none of those that another run is at."""
        from joblib import Parallel, delayed

        def lane(launches: Sequence[Launch], jobs: int) -> list[list[Record]]:
            parallel = Parallel(n_jobs=jobs, backend="threading", batch_size=1, pre_dispatch=jobs)
            return parallel(delayed(self._one)(each) for each in launches)

        lanes = self._place.lanes(planned, self._limits)
        with ThreadPoolExecutor(len(lanes)) as side_by_side:
            try:
                futures = [side_by_side.submit(lane, *each) for each in lanes]
                return [r for each in futures for records in each.result() for r in records]
            except BaseException:
                self._stop.set()  # else the executor would wait for the threads' work
                raise

    def end(self) -> None:
        """Return when no thread has a process to end or a folder to remove any more."""
        self._stop.set()
        self._busy.wait_until_alone()

    def _one(self, launch: Launch) -> list[Record]:
        if self._stop.is_set():
            return []
        with self.turns.of(launch) as turn:
            for cell, record in turn.measured:
                self._observer.measured_elsewhere(cell, record)
            self.taken.extend(turn.taken)
            mine = self._measured(turn.mine) if turn.mine else []
            failed = [self._failed(cell, why) for cell, why in turn.failed]
            return [*(record for _, record in turn.measured), *mine, *failed]

    def _failed(self, cell: Cell, why: str) -> Record:
        self._observer.started(cell)
        [record] = _saved([cell], not_started([cell], self._limits, why), self._store)
        self._observer.ended(cell, record)
        return record

    def _measured(self, launch: Launch) -> list[Record]:
        def started() -> None:
            for cell in launch:
                self._observer.started(cell)

        with self._busy.running(launch):
            if self._stop.is_set():
                return []
            workspaces = [self._store.workspace(cell) for cell in launch]
            measured = self._place.measure(
                launch, self._source, self._limits, workspaces, started, self._stop
            )
            records = _saved(launch, measured, self._store) if measured else []
            if records and all(record.finished for record in records):
                self._place.saved(launch)
        for cell, record in zip(launch, records, strict=False):  # none if it was stopped
            self._observer.ended(cell, record)
        return records


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
