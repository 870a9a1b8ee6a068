"""Estimates how long a cell takes, from the cells that have been measured.

The estimates decide the order of the cells (cheapest first) and the time left that a run shows.
"""

from __future__ import annotations

from dataclasses import replace

from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.records.store import StoreContents

# Seconds on one core, by the cost that a runner declares. For runners that were never measured.
DEFAULT_SECONDS = {"seconds": 20.0, "minutes": 300.0, "hours": 2400.0, "unknown": 300.0}
DEFAULT_QUICK_SECONDS = 10.0
MAX_SECONDS = 1e9  # whatever a record or a user says, an estimate can be shown as a time
MAX_WORKERS = 1024
EPOCHS = "epochs"  # the hyperparameter that the time of a fit is proportional to


class DurationEstimate:
    """Estimates the seconds of a cell from the most similar cell that has been measured.

    ``reference``: for each runner the seconds of the committed records under the full protocol.
    They are used for runners without a record in ``contents``. If the similar cell has another
    number of epochs, the time is scaled by it.
    """

    def __init__(self, contents: StoreContents, reference: dict[str, float] | None = None) -> None:
        self._reference = reference or {}
        # By runner and protocol, and by runner, protocol and variant: the newest duration.
        self._measured: dict[tuple[str, ...], tuple[float, object]] = {}  # with its epochs
        for record in contents.finished.values():
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Take a record into account, if it is finished."""
        if record.finished:
            recipe = (record.cell["runner"], record.cell["protocol"]["name"])
            seconds = count_worker_seconds(record)
            epochs = record.cell["hyperparameters"].get(EPOCHS)
            self._measured[recipe] = seconds, epochs
            self._measured[*recipe, record.cell["variant"]] = seconds, epochs

    def expected_seconds(self, cell: Cell) -> float:
        """Estimate the seconds that the cell takes with one worker."""
        recipe = (cell.runner.name, cell.protocol.name)
        for similar in ((*recipe, cell.variant), recipe):
            if similar in self._measured:
                seconds, epochs = self._measured[similar]
                return min(MAX_SECONDS, seconds * _compare_epochs(cell, epochs))
        own = replace(cell, overrides={}).hyperparameters.get(EPOCHS)
        seconds = self._reference.get(cell.runner.name, DEFAULT_SECONDS[cell.runner.cost])
        if cell.protocol.quick:
            seconds = DEFAULT_QUICK_SECONDS
        return min(MAX_SECONDS, seconds * _compare_epochs(cell, own))


def count_worker_seconds(record: Record) -> float:
    """Count the seconds that a cell took, times the workers that shared its fit."""
    share = record.total_seconds / record.together
    # The fit of a resumed cell includes the time of earlier runs, the total does not.
    n_workers = record.details.get("workers")
    if not isinstance(n_workers, int) or not 1 <= n_workers <= MAX_WORKERS:
        n_workers = 1  # it is among a plug-in's own details, and means something else
    return max(share, record.fit_seconds or 0.0) * n_workers


def count_core_seconds(record: Record) -> float:
    """Count the seconds that a cell took on one core: those of all its workers and threads."""
    return count_worker_seconds(record) * record.threads


def _compare_epochs(cell: Cell, epochs: object) -> float:
    """Return how many times as many epochs a cell has; 1 where either has no such number."""
    own = cell.hyperparameters.get(EPOCHS)
    if not isinstance(own, int) or not isinstance(epochs, int) or epochs < 1:
        return 1.0
    return own / epochs
