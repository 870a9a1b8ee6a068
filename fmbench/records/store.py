"""A results folder: reads and writes the records of cells and their predictions.

``records/<runner>/<protocol>-seed<seed>-<key>.json`` holds the facts of the run and the SHA-256 of
the ``.npz`` file beside it, which holds the predictions (see ``arrays``). Metrics are not stored:
they are computed from the predictions. A failed cell leaves ``...failed.json``.

``unfinished/<runner>/<protocol>-seed<seed>-<key>`` is the folder of a cell whose runner stores its
progress while it fits. It is removed when the cell has finished. ``locks/<runner>/....lock`` is
locked by the run that measures a cell.

Each file is written under a temporary name, synced and renamed. New predictions first get the name
``....new.npz``; then the JSON is renamed, and the cell has its new record; then the predictions get
their usual name. A reader takes those that fit the JSON. So every record that is visible is
complete at every moment, also while its cell is measured again.

The files in a results folder may come from anybody. They are read only here; every record that is
returned has been checked, and a file that is not such a record is a :class:`BrokenRecord`. Symbolic
links to folders are not followed, so that nothing outside the results folder is changed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.errors import UserError
from fmbench.models import registry
from fmbench.records import locks
from fmbench.records.arrays import MAX_ARCHIVE_BYTES, check_arrays, read_arrays
from fmbench.records.cells import Cell, compute_key
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.record import (
    MAX_RECORD_BYTES,
    Y_PRED,
    Record,
    RecordIdentity,
    RecordName,
    UnsupportedSchemaError,
    decode_record,
    describe_changes,
    encode_record,
    identify_definition,
)
from fmbench.utils.files import (
    RESULTS_VARIABLE,
    FileState,
    find_link,
    is_default_results,
    read_file_and_state,
    read_regular_file,
    write_atomically,
)
from fmbench.utils.names import SAFE_NAME

if TYPE_CHECKING:
    import numpy as np

# What can be raised when a file that is not a record is read as one.
UNREADABLE_ERRORS = (UserError, ValueError, TypeError, KeyError, OSError, RecursionError)
# Other runs may write a record while it is read. Each new try means that one has just done so.
MAX_TRIES = 20
MAX_REASON = 300  # characters of the reason why a record cannot be read


@dataclass(frozen=True)
class BrokenRecord:
    """A file that should be a record and cannot be read as one."""

    path: Path
    why: str
    other_version: bool = False  # another version of fmbench wrote it; it is not damaged

    @property
    def remedy(self) -> str:
        """A sentence that tells the user how to remedy it."""
        if self.path.is_symlink() and self.path.suffix != ".json":
            return "put the folder itself in its place"
        if not SAFE_NAME.fullmatch(self.path.parent.name):  # it can be no runner's name
            return "remove it"
        if RecordName.from_path(self.path) is None:  # no cell has a record of this name
            return "remove it"
        rerun = f"{self._find_command()} measures its cell again"
        return f"update fmbench to read it, or {rerun}" if self.other_version else rerun

    def _find_command(self) -> str:
        """Find the command that measures the cell again, as far as the file's name tells it.

        That is so for fmbench's runners with their own parameters.
        """
        name = RecordName.from_path(self.path)
        runner = registry.list_runners().get(name.runner) if name else None
        for protocol, flags in ((FULL, []), (QUICK, ["--quick"])):
            if runner and name and Cell(runner, protocol, name.seed).key == name.key:
                words = ["fmbench", "run", runner.name, "--seed", str(name.seed), *flags]
                folder = self.path.parents[2]
                words += [] if is_default_results(folder) else ["--results", str(folder)]
                return f"`{shlex.join(words)}`"
        return "the command that made it"


@dataclass(frozen=True)
class StoreContents:
    """All records of a results folder, each read and checked.

    A cell that finished once and failed later is in ``finished`` and in ``failed``: both what was
    measured and the failure are shown.
    """

    finished: dict[str, Record]  # key -> record
    failed: dict[str, Record]
    broken: list[BrokenRecord]

    def find_finished(self, cell: Cell) -> Record | None:
        """Return the finished record of exactly this cell, if there is one."""
        return self.finished.get(cell.key)

    def explain_stale(self, cell: Cell) -> str | None:
        """Return what changed since the newest record with the identity of this cell.

        None if a record is up to date, or if no record has this identity.
        """
        if cell.key in self.finished:
            return None
        definition = cell.to_definition()
        older = self._newest_by_identity.get(identify_definition(definition))
        return describe_changes(older.cell, definition) if older else None

    @functools.cached_property
    def _newest_by_identity(self) -> dict[RecordIdentity, Record]:
        by_time = sorted(self.finished.values(), key=lambda record: record.started)
        return {record.identity: record for record in by_time}


class Store:
    """A results folder.

    :meth:`read_contents` reads and checks a file again only if it has changed, so use one store for
    one command. :meth:`find_record` always reads the JSON file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.unfinished = folder / "unfinished"
        self.locks = folder / "locks"
        self._records_read: dict[Path, tuple[FileState, Record]] = {}
        self._arrays_checked: dict[Path, tuple[FileState, Record]] = {}  # by the archive
        self._y_pred: dict[str, np.ndarray] = {}  # by the SHA-256 of the file that holds it

    def read_contents(self) -> StoreContents:
        """Read every record. A file that is not a record is listed in ``broken``."""
        finished: dict[str, Record] = {}
        failed: dict[str, Record] = {}
        broken = [
            BrokenRecord(link, "it is a symbolic link to a folder, which is not followed")
            for link in self._list_links()
        ]
        for path in self.list_record_files():
            try:
                record = self._read_record(path)
            except UNREADABLE_ERRORS as error:
                why = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
                other_version = isinstance(error, UnsupportedSchemaError)
                broken.append(BrokenRecord(path, why, other_version))
                continue
            if record is not None:
                (finished if record.finished else failed)[record.key] = record
        return StoreContents(finished, failed, broken)

    def list_record_files(self) -> list[Path]:
        """List the JSON files of all records, also of those that cannot be read."""
        return self._list_files("*.json")

    def list_set_aside(self) -> list[Path]:
        """List the broken files that a run has renamed to get them out of its way."""
        return self._list_files("*.broken*")

    def _list_files(self, pattern: str) -> list[Path]:
        if self.records.is_symlink():
            return []
        folders = (path for path in self.records.glob("*") if not path.is_symlink())
        return sorted(file for folder in folders for file in folder.glob(pattern))

    def _list_links(self) -> list[Path]:
        """List the folders of records that are symbolic links."""
        if self.records.is_symlink():
            return [self.records]
        return sorted(p for p in self.records.glob("*") if p.is_symlink() and p.is_dir())

    def find_record(self, name: RecordName) -> Record | None:
        """Return the record of this name; None if there is none that can be read."""
        path = name.path(self.records)
        self._records_read.pop(path, None)
        with contextlib.suppress(*UNREADABLE_ERRORS):  # it is broken
            return self._read_record(path)
        return None

    def _read_record(self, path: Path) -> Record | None:
        """Read and check a record and its arrays; None if there is no such file any more.

        Each file is read and checked again only if it has changed.

        Raises:
            UserError, ValueError, TypeError, KeyError, OSError, RecursionError: it cannot be read.
        """
        for _ in range(MAX_TRIES):
            try:
                state = FileState.from_path(path)
            except FileNotFoundError:
                if path.is_symlink():
                    raise
                return None
            try:
                return self._read_record_in_state(path, state)
            except UNREADABLE_ERRORS:
                # If a run has replaced the record meanwhile, there is another one to read.
                if _find_state(path) == state:
                    raise
        raise UserError(f"{path} changes all the time")

    def _read_record_in_state(self, path: Path, state: FileState) -> Record:
        known_state, record = self._records_read.get(path, (None, None))
        if record is None or known_state != state:
            self._refuse_links("records", path.parent.name)
            content, state = read_file_and_state(path, MAX_RECORD_BYTES)
            record = decode_record(content)
            if path != self.path(record) or record.key != compute_key(record.cell):
                raise ValueError("its file name does not match its content")
        if record.finished:
            self._check_predictions(path, record)
        self._records_read[path] = (state, record)
        return record

    def list_names(self) -> list[RecordName]:
        """List the records by their file names. No file is read, so some may be unreadable."""
        found = (RecordName.from_path(path) for path in self.list_record_files())
        return [name for name in found if name]

    def load_arrays(self, record: Record, *names: str) -> dict[str, np.ndarray]:
        """Load the arrays of a finished record: all, or those of ``names`` that it has.

        Raises:
            UserError: the file is missing, or is not the one that was written with the record.
        """
        try:
            path, content, _ = self._read_predictions(self.path(record), record)
        except UserError:
            newer = self.find_record(RecordName.from_record(record))
            if newer is None or newer == record:
                raise
            raise UserError(
                f"{self.path(record)} was measured again while it was read: run the same command "
                "again"
            ) from None
        try:
            return read_arrays(content, names)
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None

    def load_y_pred(self, record: Record) -> np.ndarray:
        """Load the predicted classes ``uint8 (n,)`` of a finished record; the store keeps them.

        Raises:
            UserError: the file is missing, or is not the one that was written with the record.
        """
        digest = record.predictions_sha256 or ""
        if digest not in self._y_pred:
            arrays = self.load_arrays(record, Y_PRED)
            if Y_PRED not in arrays:
                path = self.path(record).with_suffix(".npz")
                raise UserError(f"{path} is damaged: it has no {Y_PRED}")
            self._y_pred[digest] = arrays[Y_PRED]
        return self._y_pred[digest]

    def _check_predictions(self, path: Path, record: Record) -> None:
        """Check the arrays of a finished record, unless their file was checked and is unchanged.

        ``path`` is the record's JSON file.

        Raises:
            UserError: the file is missing, or its arrays are not those of the record.
        """
        for archive in _list_places_of_predictions(path):
            known_state, known = self._arrays_checked.get(archive, (None, None))
            if known == record and known_state == _find_state(archive):
                return
        archive, content, state = self._read_predictions(path, record)
        try:
            arrays = read_arrays(content)
            check_arrays(record, arrays)
        except ValueError as error:
            raise UserError(f"{archive} is damaged: {error}") from None
        self._arrays_checked[archive] = (state, record)
        # A copy, so that the store does not keep all the arrays of the file.
        y_pred = self._y_pred[record.predictions_sha256 or ""] = arrays[Y_PRED].copy()
        y_pred.setflags(write=False)

    def _read_predictions(self, path: Path, record: Record) -> tuple[Path, bytes, FileState]:
        """Return the file with the predictions of a record, its content and its state.

        ``path`` is the record's JSON file.

        Raises:
            UserError: no file can be read whose SHA-256 is the one in the record.
        """
        why = ""
        for archive in _list_places_of_predictions(path):
            try:
                content, state = read_file_and_state(archive, MAX_ARCHIVE_BYTES)
            except OSError as error:
                why = why or f"{archive} cannot be read: {error.strerror}"
                continue
            except ValueError as error:
                why = why or f"{archive} is damaged: {error}"
                continue
            if hashlib.sha256(content).hexdigest() == record.predictions_sha256:
                return archive, content, state
            why = why or f"{archive} is damaged: its SHA-256 is not the one in its record"
        raise UserError(why)

    def prepare(self) -> None:
        """Make the folder; complete or remove the files that killed runs left half written in it.

        Raises:
            UserError: the folder cannot be written to, or a folder in it is a symbolic link.
        """
        for folder in (self.records, self.locks, self.unfinished):
            for name in ("", *sorted(path.name for path in folder.glob("*") if path.is_dir())):
                if link := find_link(self.folder, folder.name, name):
                    raise UserError(
                        f"{link} is a symbolic link, and a run changes nothing outside of the "
                        "results folder: put the folder itself in its place"
                    )
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.records):
                pass
            self._clean_up_after_killed_runs()
        except OSError as error:
            raise UserError(
                f"the results folder {self.folder} cannot be written to ({error.strerror}): "
                "name another with --results"
            ) from None

    def set_aside_broken(
        self, broken: Iterable[BrokenRecord], cells: Iterable[Cell]
    ) -> list[tuple[BrokenRecord, Path]]:
        """Rename every broken record that ``cells`` would overwrite; returns the new paths.

        A record stays if another run holds its cell's lock, or has replaced the record by a
        readable one in the meantime.
        """
        names = {
            RecordName.from_cell(cell, finished=finished)
            for cell in cells
            for finished in (True, False)
        }
        renamed = []
        for one in broken:
            name = RecordName.from_path(one.path)
            if name in names:
                with contextlib.ExitStack() as stack:
                    try:
                        locked = stack.enter_context(locks.try_lock(self.lock_path(name)))
                    except OSError:  # the cell cannot be measured either, and the run will say so
                        continue
                    if locked and one.path.exists() and self.find_record(name) is None:
                        renamed.append((one, self.rename_broken(one)))
        return renamed

    def rename_broken(self, broken: BrokenRecord) -> Path:
        """Rename a broken record so that nothing reads or overwrites it; returns the new path.

        A record of another version of fmbench gets another ending, because it is not damaged.
        """
        n, ending = 1, "other-version" if broken.other_version else "broken"
        while (target := broken.path.with_name(f"{broken.path.name}.{ending}{n}")).exists():
            n += 1
        broken.path.rename(target)
        for predictions in list_predictions_files(broken.path):
            predictions.rename(predictions.with_name(f"{predictions.name}.{ending}{n}"))
        return target

    def save(self, record: Record, arrays: Mapping[str, np.ndarray] | None = None) -> Record:
        """Write a record and its arrays; returns it as a reader gets it.

        Until the new record is complete, readers get the earlier record of the cell.

        Raises:
            OSError: the record could not be written. An earlier record of the cell is unchanged.
            ValueError: it is not a record that could be read again. Nothing is written.
        """
        import numpy as np

        path = self.path(record)
        self._refuse_links("records", path.parent.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Forget the old files: the system may give the new ones the same inodes.
        self._records_read.pop(path, None)
        for predictions in (path.with_suffix(".npz"), name_new_predictions(path)):
            self._arrays_checked.pop(predictions, None)
        self._complete_or_remove_temporaries(RecordName.from_record(record))
        if not record.finished:
            content = encode_record(record)
            with write_atomically(path) as [facts]:
                facts.write_bytes(content)
            return decode_record(content)
        new = name_new_predictions(path)
        try:
            # Both files are complete before either is renamed. So if writing fails, an earlier
            # record of the cell is unchanged.
            with write_atomically(new, path) as [predictions, facts]:
                with predictions.open("wb") as file:
                    np.savez_compressed(file, allow_pickle=False, **(arrays or {}))
                archive = read_regular_file(predictions, MAX_ARCHIVE_BYTES)
                check_arrays(record, read_arrays(archive))
                digest = hashlib.sha256(archive).hexdigest()
                content = encode_record(replace(record, predictions_sha256=digest))
                facts.write_bytes(content)
        finally:
            with contextlib.suppress(OSError):  # readers find the predictions under either name
                self._rename_or_remove_new_predictions(path)
        path.with_suffix(".failed.json").unlink(missing_ok=True)
        return decode_record(content)

    def path(self, record: Record) -> Path:
        """Return the JSON file of a record."""
        return RecordName.from_record(record).path(self.records)

    def workspace_path(self, cell: Cell) -> Path:
        """Return the folder for the progress of an unfinished cell. It may not exist yet."""
        return RecordName.from_cell(cell).path(self.unfinished).with_suffix("")

    def lock_path(self, name: RecordName) -> Path:
        """Return the file that a run locks while it writes records of this cell."""
        return name._replace(finished=True).path(self.locks).with_suffix(".lock")

    def remove_workspace(self, cell: Cell) -> None:
        """Remove the cell's folder, and the folders above it that are then empty."""
        folder = self.workspace_path(cell)
        if find_link(self.folder, self.unfinished.name, folder.parent.name):
            return
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # the folders still hold other files
            folder.parent.rmdir()
            self.unfinished.rmdir()

    def _refuse_links(self, *parts: str) -> None:
        """Raise OSError if a folder below the results folder is a symbolic link."""
        if link := find_link(self.folder, *parts):
            raise OSError(errno.ELOOP, f"{link} is a symbolic link, which is not followed")

    def _clean_up_after_killed_runs(self) -> None:
        for path in self.locks.glob("*/*.lock"):
            name = RecordName.from_path(path.with_suffix(".json"))
            if name is None or path.is_symlink() or not path.is_file():
                continue  # it is no lock of a run
            with locks.try_lock(path) as locked:  # removes the file at the end of the block
                if locked:
                    self._complete_or_remove_temporaries(name)

    def _complete_or_remove_temporaries(self, name: RecordName) -> None:
        """Complete or remove the files of a cell that a killed run left half written.

        The caller must hold the cell's lock.

        A run that was killed between two of its renamings left the new predictions under the name
        of new ones, and the new JSON file complete, maybe under its temporary name.
        """
        path = name._replace(finished=True).path(self.records)
        for temporary in path.parent.glob(f".{name.stem}.*.tmp"):
            with contextlib.suppress(*UNREADABLE_ERRORS):  # it is not complete: removed below
                record = decode_record(read_regular_file(temporary, MAX_RECORD_BYTES))
                if self.path(record) == path:
                    self._read_predictions(path, record)
                    temporary.replace(path)
                    continue
            if temporary.is_symlink() or not temporary.is_dir():
                temporary.unlink(missing_ok=True)
        self._rename_or_remove_new_predictions(path)

    def _rename_or_remove_new_predictions(self, path: Path) -> None:
        """Give the new predictions of a record their usual name; remove those of no record."""
        new = name_new_predictions(path)
        try:
            archive = read_regular_file(new, MAX_ARCHIVE_BYTES)
            record = decode_record(read_regular_file(path, MAX_RECORD_BYTES))
            belongs = hashlib.sha256(archive).hexdigest() == record.predictions_sha256
        except UNREADABLE_ERRORS:
            belongs = False
        if belongs:
            new.replace(path.with_suffix(".npz"))
        elif new.is_symlink() or not new.is_dir():
            new.unlink(missing_ok=True)


def name_new_predictions(path: Path) -> Path:
    """Return the name of a record's predictions until its JSON file ``path`` is the new one."""
    return path.with_suffix(".new.npz")


def _list_places_of_predictions(path: Path) -> Iterator[Path]:
    """Yield where the predictions of the record ``path`` may be, in the order to look for them.

    A run may rename them from the second name to the first while they are looked for.
    """
    usual = path.with_suffix(".npz")
    yield usual
    yield name_new_predictions(path)
    yield usual


def list_predictions_files(path: Path) -> list[Path]:
    """List the files with the predictions of the record whose JSON file is ``path``."""
    candidates = (path.with_suffix(".npz"), name_new_predictions(path))
    return [file for file in candidates if file.exists() or file.is_symlink()]


def _find_state(path: Path) -> FileState | None:
    """Return the state of a file; None if there is none."""
    try:
        return FileState.from_path(path)
    except OSError:
        return None


def open_existing_store(folder: Path) -> Store:
    """Open a results folder that must exist.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"there is no results folder {folder}: name one with --results or ${RESULTS_VARIABLE}"
        )
    return Store(folder)
