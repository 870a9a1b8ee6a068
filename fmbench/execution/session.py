"""Measures cells from end to end: options become limits, cells become records.

`fmbench run`, `fmbench forensics`, `fmbench verify --rerun` and :mod:`fmbench.api` all measure
through :class:`MeasuringSession`; they differ only in the cells that they ask for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.errors import UserError
from fmbench.utils import environment

if TYPE_CHECKING:
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.backend import Limits
    from fmbench.execution.cluster.client import DaskBackend
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.memory import MemoryEstimate
    from fmbench.execution.schedule import Observer
    from fmbench.records.cells import Cell
    from fmbench.records.record import Record
    from fmbench.records.store import Store, StoreContents

logger = logging.getLogger("fmbench")

# A small network alone leaves a GPU idle most of the time; on a CPU one process each is faster.
TOGETHER_ON_GPU = 10
SIX_HOURS = 6 * 3600.0

# Makes the observer of a run: (cells to run, limits, estimate, cells planned in all).
MakeObserver = Callable[
    [Sequence["Cell"], "Limits", "DurationEstimate", int], AbstractContextManager["Observer"]
]


class Verbosity(IntEnum):
    """How much a command says while it measures.

    ``QUIET``: only errors. ``VERBOSE``: also the start of each cell, the versions of the libraries
    and where the records are written.
    """

    QUIET = -1
    USUAL = 0
    VERBOSE = 1


@contextmanager
def show_no_progress(
    todo: Sequence[Cell], limits: Limits, estimate: DurationEstimate, n_planned: int
) -> Iterator[Observer]:
    """An observer that shows nothing."""
    from fmbench.execution.schedule import Observer

    yield Observer()


# What some of the options of a run may be.
DEVICES = ("auto", "cpu", "cuda")
BACKENDS = ("local", "dask")
ORDERS = ("auto", "table", "finish")


@dataclass(frozen=True)
class RunOptions:
    """What a run may use. ``None`` means that fmbench chooses.

    jobs: launches at a time (a launch is one cell, or seeds that are trained together); by default
        the cores divided by ``threads``. On this machine fewer run at a time if memory is short.
    threads: threads of each cell.
    timeout: seconds after which a cell is ended.
    memory_gib: GiB of resident memory above which a cell is ended.
    device: "auto", "cpu" or "cuda": where the neural networks run.
    together: networks with the same layers, such as the seeds of a neural runner, that are trained
        together; by default 10 on a GPU, else 1.
    backend: "local" (this machine) or "dask" (the workers of a Dask cluster).
    scheduler: the address of the Dask cluster's scheduler.
    retries: how often a cell is sent out again when its Dask worker is lost.
    order: "table" (a first table early), "finish" (longest first) or "auto": "finish" where cores
        would idle at the end.
    gpu_jobs: launches at a time on a GPU; they are not counted in ``jobs``.
    gpu_memory_gib: GiB of a GPU's memory that all of them may take together.
    """

    jobs: int | None = None
    threads: int = 1
    timeout: float = SIX_HOURS
    memory_gib: float = 8.0
    device: str = "auto"
    together: int | None = None
    backend: str = "local"
    scheduler: str | None = None
    retries: int = 2
    order: str = "auto"
    gpu_jobs: int = 4
    gpu_memory_gib: float = 16.0

    def limits(
        self, cells: Sequence[Cell], memory: MemoryEstimate, cluster: DaskBackend | None = None
    ) -> Limits:
        """The limits for these cells. A GPU is looked for only if one of them can use it.

        On this machine no more cells run at a time than its memory and that of its GPU allow; a
        message says so. Another one says why `auto` does not use a GPU that seems to be there.

        Raises:
            UserError: the device that was asked for does not exist.
        """
        from fmbench.execution.backend import Limits
        from fmbench.execution.memory import fit_into_gpu_memory, fit_into_memory

        wanted = self.device == "cuda" or any(cell.runner.uses_gpu for cell in cells)
        resolve = cluster.resolve_device if cluster else environment.resolve_device
        device = resolve(self.device) if wanted else "cpu"
        jobs, gpu_jobs = self.jobs, self.gpu_jobs
        if jobs is None and cluster:
            jobs = cluster.count_jobs(self.threads)
        if cluster and device == "cuda":
            gpu_jobs = cluster.count_gpu_jobs()
        limits = Limits(
            timeout=self.timeout,
            memory=int(self.memory_gib * 2**30),
            threads=self.threads,
            jobs=jobs or max(1, environment.count_cores() // self.threads),
            device=device,
            together=self.together or (TOGETHER_ON_GPU if device == "cuda" else 1),
            gpu_jobs=gpu_jobs,
            # On a cluster each launch has a GPU of its own.
            gpu_memory=int(self.gpu_memory_gib * 2**30) // (1 if cluster else self.gpu_jobs),
        )
        if cluster:  # the memory is that of its workers
            return limits
        lines: list[str | None] = []
        if wanted and self.device == "auto" and device == "cpu":
            lines.append(environment.describe_unused_gpu())
        if device == "cuda":
            on_card = fit_into_gpu_memory(limits, cells, environment.measure_free_gpu_memory())
            limits = on_card.limits
            lines += on_card.lines
        fitted = fit_into_memory(limits, cells, memory, environment.measure_free_memory())
        for line in filter(None, [*lines, *fitted.lines]):
            logger.warning("%s", line)
        return fitted.limits

    @contextmanager
    def connect(self, results: Path) -> Iterator[DaskBackend | None]:
        """The Dask cluster, connected while the block runs; ``None`` for the local backend.

        Raises:
            UserError: the options contradict each other, or no scheduler answers.
        """
        if self.backend == "local" and self.scheduler is not None:
            raise UserError("--scheduler needs --backend dask: add it, or remove --scheduler")
        if self.backend == "dask" and not self.scheduler:
            raise UserError(
                "--backend dask needs --scheduler, the address that `dask scheduler` prints"
            )
        with ExitStack() as stack:
            cluster = None
            if self.scheduler:
                from fmbench.execution.cluster.client import connect_to_cluster

                cluster = stack.enter_context(
                    connect_to_cluster(self.scheduler, results, self.retries, logger.warning)
                )
            yield cluster


class MeasuringSession:
    """The measurements of one command. ``records`` are the new ones, in the order of their ends.

    ``interruption`` says in words what is finished if Ctrl-C has ended it; otherwise it is empty.
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, LocatedDataset],
        limits: Limits,
        estimate: DurationEstimate,
        cluster: DaskBackend | None = None,
        make_observer: MakeObserver = show_no_progress,
        order: str = "auto",
    ) -> None:
        from fmbench.execution.schedule import GpuWatch

        self.records: list[Record] = []
        self.interruption = ""
        self._store, self._sources = store, sources
        self._limits, self._estimate = limits, estimate
        self._cluster, self._make_observer = cluster, make_observer
        self._order = order
        self._gpu_watch = GpuWatch()
        self._todo: Sequence[Cell] = ()
        self._known: StoreContents | None = None
        self._n_planned = 0

    def describe_jobs(self, cells: Sequence[Cell]) -> str:
        """Say how many of these cells run at the same time, on the CPU and on the GPU."""
        from fmbench.execution import schedule

        on_cpu, on_gpu = schedule.split_by_device(cells, self._limits)
        cpu, together = f"{self._limits.jobs} at a time", self._limits.together
        networks = f" of up to {together} networks" if together > 1 else ""
        launches = "1 launch" if self._limits.gpu_jobs == 1 else f"{self._limits.gpu_jobs} launches"
        gpu = f"{launches}{networks} at a time on the GPU"
        if on_cpu and on_gpu:
            return f"{cpu} on the CPU and {gpu}"
        return gpu if on_gpu else cpu

    def estimate_seconds(self, cells: Sequence[Cell]) -> float:
        """Estimate how long these cells take in their order."""
        from fmbench.execution import schedule

        expected = self._estimate.expected_seconds
        return schedule.simulate_seconds(cells, expected, self._limits_of_backend())

    def _limits_of_backend(self) -> Limits:
        shares_jobs = self._cluster is None or self._cluster.shares_jobs
        return replace(self._limits, shares_jobs=shares_jobs)

    def sort(self, cells: Sequence[Cell], *, is_ordered: bool = False) -> list[Cell]:
        """Sort cells as the option ``order`` says.

        ``is_ordered``: they have an order already, which only an option of the user's changes. But
        each data set is loaded once in any case.
        """
        from fmbench.execution import schedule

        if is_ordered and self._order == "auto":
            return schedule.group_by_dataset(cells)
        expected, order = self._estimate.expected_seconds, self._order
        limits = self._limits_of_backend()
        if order == "auto":
            order = schedule.choose_order(cells, expected, limits)
        return schedule.sort_cells(cells, expected, limits, order)

    @contextmanager
    def catch_interrupt(self, *, can_continue: bool = True) -> Iterator[None]:
        """Catch Ctrl-C: it ends only this block and sets ``interruption``.

        ``can_continue``: the same command would not measure again what is finished.
        """
        try:
            yield
        except KeyboardInterrupt:
            finished = "finished cells are kept"
            if self._todo:
                n_done = self._n_planned - len(self._todo) + self._count_measured()
                finished = f"{n_done} of {self._n_planned} cells are finished"
            again = "goes on with the others" if can_continue else "begins again with all"
            self.interruption = f"interrupted: {finished}; the same command {again}"

    def _count_measured(self) -> int:
        """Count the cells of the last call of :meth:`measure` that have been measured since."""
        now = self._store.read_contents()
        n = 0
        for cell in self._todo:
            before = self._known.find_finished(cell) if self._known else None
            after = now.find_finished(cell)
            n += after is not None and (
                before is None or before.measurement_id != after.measurement_id
            )
        return n

    def measure(self, todo: Sequence[Cell], contents: StoreContents, *, n_planned: int) -> None:
        """Run the cells in their order and save their records.

        ``contents`` is what the folder holds now. ``n_planned`` counts the cells that an empty
        folder would need; it is only shown. A broken record that is in a cell's way is set aside,
        and every stale record is named before its cell is measured again.
        """
        from fmbench.execution import schedule
        from fmbench.execution.cell_locks import describe_local_locks

        self._todo, self._known, self._n_planned = todo, contents, n_planned
        if not todo:
            return
        if line := describe_local_locks(self._store.folder):
            logger.warning("%s", line)
        for broken, kept in self._store.set_aside_broken(contents.broken, todo):
            logger.warning("renamed an unreadable record to %s: %s", kept, broken.why)
        for cell in todo:
            if why := contents.explain_stale(cell):
                logger.info("%s is stale (%s) and is measured again", cell.name, why)
        with self._make_observer(todo, self._limits, self._estimate, n_planned) as observer:
            self.records += schedule.run_all_cells(
                todo, self._store, self._sources, self._limits, observer,
                known=contents, cluster=self._cluster, gpu_watch=self._gpu_watch,
            )  # fmt: skip
