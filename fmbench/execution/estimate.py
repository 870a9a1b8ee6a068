"""TODO docstring."""

from __future__ import annotations

from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.records.store import Contents

# Where nothing like it was measured yet, seconds on one core by the runner's declared cost.
GUESS = {"seconds": 20.0, "minutes": 300.0, "hours": 2400.0, "unknown": 300.0}


GUESS_QUICK = 10.0


class Estimate:
    """How long a cell takes, from the most alike that has been measured."""

    def __init__(self, contents: Contents, reference: dict[str, float] | None = None) -> None:
        self._reference = reference or {}
        self._measured: dict[tuple[str, ...], float] = {}
        for record in contents.finished.values():
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Take a finished record into account."""
        if record.finished:
            question = (record.cell["runner"], record.cell["protocol"]["name"])
            # The fit may have begun in a run that was interrupted, before this record's clock.
            share = record.total_seconds / record.together
            seconds = max(share, record.fit_seconds or 0.0)
            self._measured[question] = seconds
            self._measured[*question, record.cell["variant"]] = seconds

    def __call__(self, cell: Cell) -> float:
        """Expected seconds of a cell."""
        question = (cell.runner.name, cell.protocol.name)
        for alike in ((*question, cell.variant), question):
            if alike in self._measured:
                return self._measured[alike]
        if cell.protocol.quick:
            return GUESS_QUICK
        return self._reference.get(cell.runner.name, GUESS[cell.runner.cost])
