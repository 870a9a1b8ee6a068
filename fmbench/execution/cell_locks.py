"""Locks cells, so that two runs on the same results folder never measure the same cell.

A run holds the lock of a cell while it measures the cell. If another run holds the lock, this run
tries the cell again at the end. If another run has measured the cell since this run was planned,
that record is used and the cell is not measured again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.record import Record, RecordName
from fmbench.records.store import Store, StoreContents

# Options with which Linux mounts an NFS folder so that its locks hold on this machine only.
LOCAL_LOCKS = ("nolock", "local_lock=flock", "local_lock=all")
MOUNTS = Path("/proc/self/mountinfo")


def describe_local_locks(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return a line for the user if other machines do not see the locks in ``folder``.

    Nothing but the mount's options tells it: such a lock works like any other on this machine. So
    it is noticed on Linux, for NFS. Elsewhere, and on other file systems, None is returned.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    at, found = folder.resolve(), ("", "", "")
    for line in lines:
        left, _, right = line.partition(" - ")
        if len(left.split()) < 6 or len(right.split()) < 3:
            continue
        mounted_at = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), left.split()[4])
        # Of several mounts on one folder, the last hides the others.
        if at.is_relative_to(mounted_at) and len(mounted_at) >= len(found[0]):
            kind, _, options = right.split()[:3]
            found = (mounted_at, kind, options)
    mounted_at, kind, options = found
    local = [option for option in options.split(",") if option in LOCAL_LOCKS]
    if not kind.startswith("nfs") or not local:
        return None
    return (
        f"{mounted_at} is mounted with {local[0]}, so its locks hold on this machine only: start "
        f"no run on {folder} from another machine at the same time"
    )


@dataclass(frozen=True)
class LockedCells:
    """Cells, grouped by what this run does with them."""

    to_measure: list[Cell] = field(default_factory=list)  # locked by this run
    measured_elsewhere: list[tuple[Cell, Record]] = field(default_factory=list)
    locked_elsewhere: list[Cell] = field(default_factory=list)
    # Cells whose lock file cannot be written, with the reason: no record could be written either.
    not_lockable: list[tuple[Cell, str]] = field(default_factory=list)


class CellLocks:
    """The locks of a run. ``known`` is what the results folder held when the run was planned."""

    def __init__(self, store: Store, known: StoreContents) -> None:
        self._store, self._known = store, known

    @contextlib.contextmanager
    def lock(self, cells: Sequence[Cell]) -> Iterator[LockedCells]:
        """Lock the cells that this run has to measure, until the block ends."""
        sorted_cells = LockedCells()
        with contextlib.ExitStack() as held:
            for cell in cells:
                lock = contextlib.ExitStack()
                try:
                    path = self._store.lock_path(RecordName.from_cell(cell))
                    is_ours = lock.enter_context(locks.try_lock(path))
                except OSError as error:
                    why = f"it cannot be locked: {error.strerror or error}"
                    sorted_cells.not_lockable.append((cell, why))
                    continue
                if not is_ours:
                    sorted_cells.locked_elsewhere.append(cell)
                elif record := self._find_new_record(cell):
                    lock.close()
                    sorted_cells.measured_elsewhere.append((cell, record))
                else:
                    held.push(lock)
                    sorted_cells.to_measure.append(cell)
            yield sorted_cells

    def describe_holder(self, cell: Cell) -> str:
        """Say which process holds the lock of a cell."""
        return locks.describe_holder(self._store.lock_path(RecordName.from_cell(cell)))

    def _find_new_record(self, cell: Cell) -> Record | None:
        """Return the record of a cell that was written since this run was planned, if there is one.

        Two records of one cell always have different ``measurement_id`` values. Times cannot tell
        them apart: two failures may have the same time, and a clock may be set back.
        """
        known = (self._known.finished.get(cell.key), self._known.failed.get(cell.key))
        for finished in (True, False):
            record = self._store.find_record(RecordName.from_cell(cell, finished=finished))
            if record is not None and record not in known:
                return record
        return None
