"""Whose turn a cell is, where several runs share a results folder.

A run holds a cell's lock while it measures it. A cell that another run holds comes last; one that
another run has measured since this one was planned is not measured again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.record import Name, Record
from fmbench.records.store import Contents, Store


@dataclass(frozen=True)
class Turn:
    """What there is to do of some cells: ``mine`` are locked, ``taken`` are by another run.

    ``failed`` are cells that cannot be locked, and why: nothing could be written either.
    """

    mine: list[Cell] = field(default_factory=list)
    measured: list[tuple[Cell, Record]] = field(default_factory=list)  # meanwhile, by another run
    taken: list[Cell] = field(default_factory=list)
    failed: list[tuple[Cell, str]] = field(default_factory=list)


class Turns:
    """The turns of a run that was planned when the results folder held ``known``."""

    def __init__(self, store: Store, known: Contents) -> None:
        self._store, self._known = store, known

    @contextlib.contextmanager
    def of(self, cells: Sequence[Cell]) -> Iterator[Turn]:
        """Hold those of the cells that are to be measured, during the block."""
        turn = Turn()
        with contextlib.ExitStack() as held:
            for cell in cells:
                lock = contextlib.ExitStack()
                try:
                    mine = lock.enter_context(locks.holding(self._store.lock(Name.of_cell(cell))))
                except OSError as error:
                    turn.failed.append((cell, f"it cannot be locked: {error.strerror or error}"))
                    continue
                if not mine:
                    turn.taken.append(cell)
                elif record := self._measured_meanwhile(cell):
                    lock.close()
                    turn.measured.append((cell, record))
                else:
                    held.push(lock)
                    turn.mine.append(cell)
            yield turn

    def holder(self, cell: Cell) -> str:
        """Which process measures a cell that is taken, in words."""
        return locks.holder(self._store.lock(Name.of_cell(cell)))

    def _measured_meanwhile(self, cell: Cell) -> Record | None:
        # Compared as a whole, not by their times: a clock may go backwards.
        known = (self._known.finished.get(cell.key), self._known.failed.get(cell.key))
        for finished in (True, False):
            record = self._store.find(Name.of_cell(cell, finished=finished))
            if record is not None and record not in known:
                return record
        return None
