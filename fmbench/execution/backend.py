"""The types that running a launch needs: its limits, its result, and the backend that runs it.

A *launch* is the cells that one child process measures: a single cell, or several whose networks
are trained together. A *backend* runs launches: on this machine
(``local.LocalBackend``) or on the workers of a Dask cluster (``cluster.client.DaskBackend``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fmbench.datasets.specs import LocatedDataset
from fmbench.records.cells import Cell
from fmbench.utils import environment

if TYPE_CHECKING:
    import numpy as np

# The longest delay before a limit or Ctrl-C is noticed; a result is noticed at once.
POLL_SECONDS = 0.2

Launch = Sequence[Cell]


@dataclass(frozen=True)
class Limits:
    """What a cell may use, and how many launches run at the same time.

    ``timeout`` is in seconds, ``memory`` in bytes of resident size. At most ``jobs`` launches run
    at the same time, each with ``threads`` threads. Up to ``together`` cells whose networks have
    the same layers share a launch: their time limits add up, but the memory limit is that of one
    cell. A fit may
    use ``workers`` processes or threads of its own: on one machine, whose jobs are its cores
    (``shares_jobs``), it takes those that are free.

    On a GPU up to ``gpu_jobs`` launches run at the same time; they are not counted in ``jobs``.
    Each may take ``gpu_memory`` bytes of the card's memory, or all of it if that is None.
    """

    timeout: float
    memory: int
    threads: int = 1
    jobs: int = 1
    device: str = "cpu"
    together: int = 1
    workers: int = 1
    shares_jobs: bool = True
    gpu_jobs: int = 1
    gpu_memory: int | None = None

    def get_device(self, cell: Cell) -> str:
        """Return the device that this cell runs on: ``cpu`` or ``cuda``."""
        return self.device if cell.runner.uses_gpu else "cpu"


@dataclass(frozen=True)
class Measurement:
    """The result of measuring one cell.

    Seconds are wall time. ``history`` has one entry for each epoch, ``details`` is what the
    classifier says about its fit. ``arrays`` are the predictions and scores as the record stores
    them; they are empty until the labels have been read (``measure.add_predictions``). ``failure``
    says why this cell alone has failed, while others of its launch have not; then it has no arrays.
    """

    fit_seconds: float
    predict_seconds: float
    history: list[dict[str, Any]]
    details: dict[str, Any]
    warnings: list[str]
    device: str  # the name of the processor or GPU
    peak_gpu_memory_bytes: int | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    failure: str | None = None


def format_utc_now() -> str:
    """Return the time of day in UTC, in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class LaunchResult:
    """How a launch ended, and the conditions under which it ran.

    A launch that finished has one measurement for each of its cells, in their order. A launch that
    failed has none, and ``failure`` says why; ``gpu_started`` is false if it failed because its
    process could not use the GPU at all. The defaults describe a launch that failed on this
    machine before its process started.
    """

    threads: int
    together: int  # how many cells the launch has
    failure: str | None = None
    gpu_started: bool = True
    measurements: list[Measurement] = field(default_factory=list)
    device: str = field(default_factory=environment.cpu_name)
    versions: dict[str, str] = field(default_factory=environment.collect_versions)
    package: dict[str, Any] = field(default_factory=environment.describe_package)
    started: str = field(default_factory=format_utc_now)
    total_seconds: float = 0.0
    # The largest number of launches that ran at the same time, this one included.
    max_concurrent: int = 1
    peak_memory_bytes: int | None = None


class StopSignal(Protocol):
    """Tells a backend to end a launch early. ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether the launch should end now."""


class LaunchQueue(NamedTuple):
    """Launches that wait for each other, and how many of them run at the same time."""

    launches: Sequence[Launch]
    jobs: int


class Backend(Protocol):
    """Runs launches.

    ``shares_jobs``: all its jobs are cores of one machine, so a fit may use those that are free.
    """

    @property
    def shares_jobs(self) -> bool:
        """Whether a fit may use the jobs that are free."""

    def run_launch(
        self,
        launch: Launch,
        source: LocatedDataset,
        limits: Limits,
        workspaces: Sequence[Path],
        on_start: Callable[[], None],
        stop: StopSignal,
    ) -> LaunchResult | None:
        """Run a launch to its end; None if it was stopped.

        ``workspaces`` are the folders, one for each cell, in which resumable runners keep their
        progress. ``on_start`` is called once, before the cells start.
        """

    def discard_progress(self, launch: Launch) -> None:
        """Delete the progress that the backend keeps of a launch whose records are saved."""

    def split_into_queues(self, launches: Sequence[Launch], limits: Limits) -> list[LaunchQueue]:
        """Distribute launches over queues that need not wait for each other."""


class RunningLaunches:
    """Counts the launches that run now, and the largest number that ran during each of them."""

    def __init__(self) -> None:
        self._max_concurrent: dict[int, int] = {}  # by the launch's id()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def track(self, launch: Launch) -> Iterator[None]:
        """Count the launch as running during the block."""
        with self._changed:
            self._max_concurrent[id(launch)] = 0
            n_running = len(self._max_concurrent)
            self._max_concurrent = {i: max(n, n_running) for i, n in self._max_concurrent.items()}
        try:
            yield
        finally:
            with self._changed:
                del self._max_concurrent[id(launch)]
                self._changed.notify_all()

    def count_max_concurrent(self, launch: Launch) -> int:
        """Return the largest number of launches that ran at the same time since this one began.

        It includes this launch, which must still be running.
        """
        with self._changed:
            return self._max_concurrent[id(launch)]

    def wait_until_none(self) -> None:
        """Wait until no launch runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._max_concurrent)


class FreeJobs:
    """The jobs of a run that no launch uses: first come, first served.

    A launch needs one job. A fit that can use several takes the free ones too. It waits until half
    of those that it can use are free: alone on one job, a long fit would end long after the others.
    """

    def __init__(self, n: int) -> None:
        self._n = self._n_free = n
        self._line: list[object] = []  # the places of the launches that wait
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def line_up(self) -> Iterator[object]:
        """Have a place in the line during the block, or until jobs are taken with it."""
        place = object()
        with self._changed:
            self._line.append(place)
        try:
            yield place
        finally:
            with self._changed:
                if place in self._line:
                    self._line.remove(place)
                    self._changed.notify_all()

    @contextlib.contextmanager
    def take(self, place: object, at_most: int) -> Iterator[int]:
        """Wait for one's turn and for free jobs; hold up to ``at_most`` of them in the block."""
        at_least = count_least_jobs(at_most, self._n)
        with self._changed:
            self._changed.wait_for(lambda: self._line[0] is place and self._n_free >= at_least)
            n_taken = min(self._n_free, max(1, at_most))
            self._n_free -= n_taken
            self._line.remove(place)
            self._changed.notify_all()
        try:
            yield n_taken
        finally:
            with self._changed:
                self._n_free += n_taken
                self._changed.notify_all()


def count_least_jobs(at_most: int, n: int) -> int:
    """Return how many of ``n`` jobs must be free for a launch that can use ``at_most`` of them."""
    return max(1, (min(at_most, n) + 1) // 2)
