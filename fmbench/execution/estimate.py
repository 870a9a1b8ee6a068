"""Estimates how long a cell takes, from the cells that have been measured.

The estimates decide the order of the cells (cheapest first) and the time left that a run shows.
"""

from __future__ import annotations

from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.records.store import StoreContents

# Seconds on one core, by the cost that a runner declares. For runners that were never measured.
DEFAULT_SECONDS = {"seconds": 20.0, "minutes": 300.0, "hours": 2400.0, "unknown": 300.0}
DEFAULT_QUICK_SECONDS = 10.0


class DurationEstimate:
    """Estimates the seconds of a cell from the most similar cell that has been measured.

    ``reference``: for each runner the seconds of the committed records under the full protocol.
    They are used for runners without a record in ``contents``.
    """

    def __init__(self, contents: StoreContents, reference: dict[str, float] | None = None) -> None:
        self._reference = reference or {}
        # By runner and protocol, and by runner, protocol and variant: the newest duration.
        self._measured: dict[tuple[str, ...], float] = {}
        for record in contents.finished.values():
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Take a record into account, if it is finished."""
        if record.finished:
            recipe = (record.cell["runner"], record.cell["protocol"]["name"])
            share = record.total_seconds / record.together
            # The fit of a resumed cell includes the time of earlier runs, the total does not.
            seconds = max(share, record.fit_seconds or 0.0)
            self._measured[recipe] = seconds
            self._measured[*recipe, record.cell["variant"]] = seconds

    def expected_seconds(self, cell: Cell) -> float:
        """Estimate the seconds that the cell takes."""
        recipe = (cell.runner.name, cell.protocol.name)
        for similar in ((*recipe, cell.variant), recipe):
            if similar in self._measured:
                return self._measured[similar]
        if cell.protocol.quick:
            return DEFAULT_QUICK_SECONDS
        return self._reference.get(cell.runner.name, DEFAULT_SECONDS[cell.runner.cost])
