"""Removes records from a results folder: those that were listed before, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from fmbench.audit.verify import RecordCheck
from fmbench.records import locks
from fmbench.records.record import RecordName
from fmbench.records.store import Store


@dataclass(frozen=True)
class RemovableRecord:
    """The files of one record, their state when they were listed, and why they may be removed."""

    files: tuple[Path, ...]
    state: str
    why: str
    _file_states: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_path(cls, path: Path, state: str, why: str) -> RemovableRecord:
        """List the file ``path`` and, if there are any, its predictions.

        The JSON file comes first: without it, nothing takes the predictions for a record.
        """
        predictions = path.with_suffix(".npz")
        has_predictions = predictions.exists() and path.suffix == ".json"
        files = (path, predictions) if has_predictions else (path,)
        return cls(files, state, why, tuple(map(_read_file_state, files)))

    @property
    def unchanged(self) -> bool:
        """Whether the files are still as they were when they were listed."""
        try:
            return tuple(map(_read_file_state, self.files)) == self._file_states
        except OSError:
            return False


def list_removable(
    store: Store, checks: Iterable[RecordCheck], states: set[str]
) -> Iterator[RemovableRecord]:
    """List the records in one of ``states``: ``stale``, ``failed`` and ``broken``.

    A failed record counts as failed even if it is stale too. The broken records include those that
    a run has set aside. Records of another version of fmbench are not broken.
    """
    for check in checks:
        record = check.record
        if "failed" in states and record is not None and not record.finished:
            yield RemovableRecord.from_path(check.path, "failed", record.why or "")
        elif check.state in states:
            yield RemovableRecord.from_path(check.path, check.state, check.why)
    if "broken" in states:
        for path in sorted(store.records.glob("*/*.broken*")):
            yield RemovableRecord.from_path(path, "broken", "set aside by a run")


def remove_record(store: Store, removable: RemovableRecord) -> bool:
    """Remove the files of a record.

    Returns False, and removes nothing, if a run has changed the files or holds the record's lock.
    """
    path = removable.files[0]
    with ExitStack() as stack:
        name = RecordName.from_path(path)
        free = name is None or stack.enter_context(locks.try_lock(store.lock_path(name)))
        if not free or not removable.unchanged:
            return False
        for file in removable.files:
            file.unlink()
    with suppress(OSError):  # the folder holds other records
        path.parent.rmdir()
    return True


def _read_file_state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
