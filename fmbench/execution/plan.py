"""Says what a run would do: which cells are done, which are left, and how long they would take."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fmbench.execution import schedule
from fmbench.execution.estimate import DurationEstimate
from fmbench.execution.memory import MemoryEstimate
from fmbench.execution.session import MeasuringSession, RunOptions
from fmbench.records.cells import Cell
from fmbench.records.store import Store


@dataclass(frozen=True)
class PlannedRow:
    """The cells of one row: ``seconds`` are those of its pending cells, on one core.

    A cell that two rows share counts in the first.
    """

    name: str
    n_cells: int
    n_pending: int
    seconds: float


@dataclass(frozen=True)
class LaterLooks:
    """What a run until decided may measure, with the cells before the next look.

    At most it measures ``n_cells``, which take ``core_seconds`` on one core: every open row then
    gets all the seeds that are allowed. ``stops``: why rows get no seeds, as texts.
    """

    n_cells: int
    core_seconds: float
    stops: tuple[str, ...]


@dataclass(frozen=True)
class RunPlan:
    """What a run would do.

    Up to ``jobs`` launches would run at a time on the CPU, and all launches would take ``seconds``;
    both are None if a cluster, which is not asked, decides it. ``at_a_time`` says how many would
    run at a time, on the CPU and on a GPU. A run until decided is planned up to its next look, and
    ``later_looks`` says how long it may go on.
    """

    rows: tuple[PlannedRow, ...]
    jobs: int | None
    seconds: float | None
    at_a_time: str = ""
    later_looks: LaterLooks | None = None

    @property
    def n_cells(self) -> int:
        """The number of all cells."""
        return sum(row.n_cells for row in self.rows)

    @property
    def n_pending(self) -> int:
        """The number of cells that have to be measured."""
        return sum(row.n_pending for row in self.rows)

    @property
    def core_seconds(self) -> float:
        """The seconds that all pending cells take one after the other, on one core."""
        return sum(row.seconds for row in self.rows)


def plan_cells(
    cells_by_row: Mapping[str, Sequence[Cell]],
    pending: Collection[Cell],
    store: Store,
    estimate: DurationEstimate,
    options: RunOptions,
) -> RunPlan:
    """Plan a run that would measure the ``pending`` ones of the cells of each row.

    Raises:
        UserError: the device that was asked for does not exist.
    """
    pending_keys = {cell.key for cell in pending}
    counted: set[str] = set()
    rows = []
    for name, cells in cells_by_row.items():
        of_row = {cell.key: cell for cell in cells if cell.key not in counted}
        counted |= of_row.keys()
        seconds = [estimate.expected_seconds(of_row[key]) for key in of_row.keys() & pending_keys]
        rows.append(PlannedRow(name, len(of_row), len(seconds), sum(seconds)))
    if options.backend != "local":
        return RunPlan(tuple(rows), options.jobs, None)
    todo = list(pending)
    limits = options.limits(todo, MemoryEstimate(store.read_contents()))
    session = MeasuringSession(store, {}, limits, estimate, order=options.order)
    total = schedule.simulate_seconds(session.sort(todo), estimate.expected_seconds, limits)
    return RunPlan(tuple(rows), limits.jobs, total, session.describe_jobs(todo))
