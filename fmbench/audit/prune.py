"""Lists records of a results folder that may be removed, and removes the listed ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from fmbench.audit.verify import RecordCheck, State
from fmbench.records import locks
from fmbench.records.record import RecordName
from fmbench.records.store import Store, list_predictions_files
from fmbench.utils.files import FileState

IN_USE = "a run is using it"  # why a record is kept that could be removed later


@dataclass(frozen=True)
class RemovableRecord:
    """The files of one record, their state when they were listed, and why they may be removed."""

    files: tuple[Path, ...]
    state: State
    why: str
    _file_states: tuple[FileState | None, ...]

    @classmethod
    def from_path(cls, path: Path, state: State, why: str) -> RemovableRecord:
        """List the file ``path`` and, if there are any, its predictions.

        The JSON file comes first: once it is gone, nothing reads the predictions.
        """
        files = (path, *(list_predictions_files(path) if path.suffix == ".json" else ()))
        return cls(files, state, why, tuple(map(_find_state, files)))

    @property
    def unchanged(self) -> bool:
        """Whether the files are still as they were when they were listed."""
        return tuple(map(_find_state, self.files)) == self._file_states


def list_removable(
    store: Store, checks: Iterable[RecordCheck], states: set[State]
) -> Iterator[RemovableRecord]:
    """List the records whose state is one of ``states``: stale, failed or broken.

    A failed record counts as failed even if it is stale too. The broken records include those that
    a run has set aside. Records of another version of fmbench are not broken.
    """
    for check in checks:
        record = check.record
        if State.FAILED in states and record is not None and not record.finished:
            yield RemovableRecord.from_path(check.path, State.FAILED, record.why or "")
        elif check.state in states:
            yield RemovableRecord.from_path(check.path, check.state, check.why)
    if State.BROKEN in states:
        for path in store.list_set_aside():
            yield RemovableRecord.from_path(path, State.BROKEN, "set aside by a run")


def remove_record(store: Store, removable: RemovableRecord) -> str:
    """Remove the files of a record. Return an empty text, or why the record was not removed.

    It is kept if a run has changed the files or holds the record's lock, or if a file cannot be
    removed.
    """
    path = removable.files[0]
    try:
        with ExitStack() as stack:
            name = RecordName.from_path(path)
            free = name is None or stack.enter_context(locks.try_lock(store.lock_path(name)))
            if not free or not removable.unchanged:
                return IN_USE
            for file in removable.files:
                file.unlink()
    except OSError as error:
        return f"it cannot be removed ({error.strerror})"
    with suppress(OSError):  # the folder holds other records
        path.parent.rmdir()
    return ""


def _find_state(path: Path) -> FileState | None:
    """Return the state of a file itself, not of the one that a link leads to; None if it is gone.

    A link may lead nowhere, and is removed all the same.
    """
    try:
        return FileState.from_stat(path.lstat())
    except OSError:
        return None
