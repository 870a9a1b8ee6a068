"""A results folder: reads and writes the records of cells and their predictions.

``records/<runner>/<protocol>-seed<seed>-<key>.json`` holds the facts of the run and the SHA-256 of
the ``.npz`` file beside it. That file holds ``y_pred uint8 (n,)``; ``scores float16 (n, classes)``
where they are cheap; ``epoch_y_pred uint8 (epochs, n)`` of neural runners; ``flagged_... uint8
(n,)`` of each flagged figure; and ``y_true uint8 (n,)`` where the data set is not the default one.
Metrics are not stored: they are computed from the predictions. A failed cell leaves
``...failed.json``.

``unfinished/<runner>/<protocol>-seed<seed>-<key>`` is the folder of a cell whose runner stores its
progress while it fits. It is removed when the cell has finished. ``locks/<runner>/....lock`` is
locked by the run that measures a cell.

Each file is written under a temporary name, synced and renamed; the JSON comes last. So every
record that is visible is complete.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import lzma
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fmbench.errors import UserError
from fmbench.records import locks
from fmbench.records.cells import Cell, compute_key
from fmbench.records.record import (
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
from fmbench.utils.files import FileState, write_atomically

if TYPE_CHECKING:
    import numpy as np

# What can be raised when a file that is not a record is read as one.
UNREADABLE_ERRORS = (UserError, ValueError, TypeError, KeyError, OSError, RecursionError)
# What can be raised when a file is not an archive of arrays, or its arrays do not fit in memory.
UNREADABLE_ARRAY_ERRORS = (
    ValueError, TypeError, OSError, EOFError, RuntimeError, ArithmeticError, MemoryError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class BrokenRecord:
    """A file that should be a record and cannot be read as one."""

    path: Path
    why: str
    other_version: bool = False  # another version of fmbench wrote it; it is not damaged

    @property
    def remedy(self) -> str:
        """A sentence that tells the user how to remedy it."""
        rerun = f"`fmbench run {self.path.parent.name}` measures its cell again"
        return f"update fmbench to read it, or {rerun}" if self.other_version else rerun


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

    :meth:`read_contents` and the methods that load arrays read and hash a file again only if it
    has changed, so use one store for one command. :meth:`find_record` always reads the file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.unfinished = folder / "unfinished"
        self.locks = folder / "locks"
        self._records_read: dict[Path, tuple[FileState, Record]] = {}
        self._digests: dict[Path, tuple[FileState, str]] = {}
        self._y_pred: dict[str, np.ndarray] = {}  # by the SHA-256 of the file that holds it

    def read_contents(self) -> StoreContents:
        """Read every record. A file that is not a record is listed in ``broken``."""
        finished: dict[str, Record] = {}
        failed: dict[str, Record] = {}
        broken: list[BrokenRecord] = []
        for path in self.list_record_files():
            try:
                record = self._read_record_if_changed(path)
            except UNREADABLE_ERRORS as error:
                why = str(error) or type(error).__name__
                other_version = isinstance(error, UnsupportedSchemaError)
                broken.append(BrokenRecord(path, why, other_version))
                continue
            (finished if record.finished else failed)[record.key] = record
        return StoreContents(finished, failed, broken)

    def list_record_files(self) -> list[Path]:
        """List the JSON files of all records, also of those that cannot be read."""
        return sorted(self.records.glob("*/*.json"))

    def list_set_aside(self) -> list[Path]:
        """List the broken files that a run has renamed to get them out of its way."""
        return sorted(self.records.glob("*/*.broken*"))

    def find_record(self, name: RecordName) -> Record | None:
        """Return the record of this name; None if there is none that can be read."""
        path = name.path(self.records)
        with contextlib.suppress(*UNREADABLE_ERRORS):  # there is none, or it is broken
            return self._read_record(path)
        return None

    def _read_record(self, path: Path) -> Record:
        record = decode_record(path.read_bytes())
        if path != self.path(record) or record.key != compute_key(record.cell):
            raise ValueError("its file name does not match its content")
        if record.finished:
            self._open_predictions(record).close()
        return record

    def _read_record_if_changed(self, path: Path) -> Record:
        state = FileState.from_path(path)
        known_state, record = self._records_read.get(path, (None, None))
        if record is None or known_state != state:
            record = self._read_record(path)
            self._records_read[path] = (state, record)
        elif record.finished:
            self._open_predictions(record).close()
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
        from numpy.lib.format import read_array

        found = {}
        try:
            with self._open_predictions(record) as content, zipfile.ZipFile(content) as archive:
                for member in archive.namelist():
                    name = member.removesuffix(".npy")
                    if not names or name in names:
                        with archive.open(member) as file:
                            found[name] = read_array(file, allow_pickle=False)
        except UNREADABLE_ARRAY_ERRORS as error:  # the checksum matches, but the file is no archive
            why = str(error) or type(error).__name__
            raise UserError(f"{self._predictions_path(record)} is damaged: {why}") from None
        return found

    def load_y_pred(self, record: Record) -> np.ndarray:
        """Load the predicted classes ``uint8 (n,)`` of a finished record; the store keeps them.

        Raises:
            UserError: the file is missing, or is not the one that was written with the record.
        """
        digest = record.predictions_sha256 or ""
        if digest not in self._y_pred:
            arrays = self.load_arrays(record, Y_PRED)
            if Y_PRED not in arrays:
                raise UserError(f"{self._predictions_path(record)} is damaged: it has no {Y_PRED}")
            arrays[Y_PRED].setflags(write=False)
            self._y_pred[digest] = arrays[Y_PRED]
        return self._y_pred[digest]

    def _open_predictions(self, record: Record) -> BinaryIO:
        """Open the predictions of a record and check their SHA-256, if the file has changed."""
        path = self._predictions_path(record)
        try:
            file = path.open("rb")
            try:
                state = FileState.from_stat(os.fstat(file.fileno()))
                known_state, digest = self._digests.get(path, (None, ""))
                if known_state != state:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    file.seek(0)
                    self._digests[path] = (state, digest)
                if digest != record.predictions_sha256:
                    raise UserError(f"{path} is damaged: its SHA-256 is not the one in its record")
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        return file

    def prepare(self) -> None:
        """Make the folder; complete or remove the files that killed runs left half written in it.

        Raises:
            UserError: the folder cannot be written to.
        """
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
                with locks.try_lock(self.lock_path(name)) as locked:
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
        predictions = broken.path.with_suffix(".npz")
        if predictions.exists():
            predictions.rename(predictions.with_name(f"{predictions.name}.{ending}{n}"))
        return target

    def save(self, record: Record, arrays: Mapping[str, np.ndarray] | None = None) -> Record:
        """Write a record and its arrays; returns it with the predictions' SHA-256 filled in.

        Raises:
            OSError: the record could not be written. An earlier record of the cell is unchanged.
        """
        import numpy as np

        path = self.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Forget the old files: the system may give the new ones the same inodes.
        self._records_read.pop(path, None)
        self._digests.pop(path.with_suffix(".npz"), None)
        self._complete_or_remove_temporaries(
            record.cell["runner"], RecordName.from_record(record).stem
        )
        if not record.finished:
            with write_atomically(path) as [facts]:
                facts.write_bytes(encode_record(record))
            return record
        # Both files are complete before either is renamed. So if writing fails, an earlier record
        # of the cell is unchanged.
        with write_atomically(path.with_suffix(".npz"), path) as [predictions, facts]:
            with predictions.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **(arrays or {}))
            digest = hashlib.sha256(predictions.read_bytes()).hexdigest()
            record = replace(record, predictions_sha256=digest)
            facts.write_bytes(encode_record(record))
        path.with_suffix(".failed.json").unlink(missing_ok=True)
        return record

    def path(self, record: Record) -> Path:
        """Return the JSON file of a record."""
        return RecordName.from_record(record).path(self.records)

    def _predictions_path(self, record: Record) -> Path:
        return self.path(record).with_suffix(".npz")

    def workspace_path(self, cell: Cell) -> Path:
        """Return the folder for the progress of an unfinished cell. It may not exist yet."""
        return RecordName.from_cell(cell).path(self.unfinished).with_suffix("")

    def lock_path(self, name: RecordName) -> Path:
        """Return the file that a run locks while it writes records of this cell."""
        return name._replace(finished=True).path(self.locks).with_suffix(".lock")

    def remove_workspace(self, cell: Cell) -> None:
        """Remove the cell's folder, and the folders above it that are then empty."""
        folder = self.workspace_path(cell)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # the folders still hold other files
            folder.parent.rmdir()
            self.unfinished.rmdir()

    def _clean_up_after_killed_runs(self) -> None:
        for path in self.locks.glob("*/*.lock"):
            with locks.try_lock(path) as locked:  # removes the file at the end of the block
                if locked:
                    self._complete_or_remove_temporaries(path.parent.name, path.stem)

    def _complete_or_remove_temporaries(self, runner: str, stem: str) -> None:
        """Complete or remove the files of a cell that a killed run left half written.

        The caller must hold the cell's lock.

        A run that was killed between its two renamings left new predictions beside an old JSON
        file, or beside none, and the new JSON file complete under its temporary name.
        """
        for temporary in (self.records / runner).glob(f".{stem}.*.tmp"):
            with contextlib.suppress(*UNREADABLE_ERRORS):  # it is not complete: removed below
                record = decode_record(temporary.read_bytes())
                if self.path(record).name == f"{stem}.json":
                    self._open_predictions(record).close()
                    temporary.replace(self.path(record))
                    continue
            temporary.unlink(missing_ok=True)


def open_existing_store(folder: Path) -> Store:
    """Open a results folder that must exist.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no results folder {folder}: name one with --results")
    return Store(folder)
