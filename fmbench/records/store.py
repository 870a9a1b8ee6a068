"""A results folder: what cells left there, read and written.

``records/<runner>/<protocol>-seed<seed>-<key>.json`` holds the facts of the run and the SHA-256
of ``...npz`` beside it, which holds ``y_pred uint8 (n,)``, ``scores float16 (n, 10)`` where they
are cheap, ``epoch_y_pred uint8 (epochs, n)`` of neural rows, ``flagged_... uint8 (n,)`` of each
flagged figure, and ``y_true uint8 (n,)`` where the data set is not Fashion-MNIST. Metrics are not
stored: they are computed from the predictions. A failed cell leaves ``...failed.json`` instead.

``unfinished/<runner>/<protocol>-seed<seed>-<key>`` is the folder of a cell whose runner keeps
something there while it fits; it goes when the cell has finished. ``locks/<runner>/....lock`` is
held by the run that measures a cell, and goes with the last of them.

The JSON is written last, each file under a temporary name, synced and renamed, so that a record
that can be seen is whole.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.errors import UserError
from fmbench.records import locks
from fmbench.records.cells import Cell, key_of
from fmbench.records.record import (
    AnotherVersion,
    Name,
    Record,
    difference,
    identity_of,
    parse,
    serialise,
)
from fmbench.utils.files import replacing

if TYPE_CHECKING:
    import numpy as np

# What a file that is no record raises when it is read as one.
UNREADABLE = (UserError, ValueError, TypeError, KeyError, OSError, RecursionError)
# What a file that is no archive of arrays raises, or one whose arrays no memory can hold.
NO_ARRAYS = (
    ValueError, TypeError, OSError, EOFError, RuntimeError, ArithmeticError, MemoryError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A file that should be a record and cannot be read as one."""

    path: Path
    why: str
    foreign: bool = False  # whole, but of another version of fmbench

    @property
    def remedy(self) -> str:
        """What to do about it."""
        again = f"`fmbench run {self.path.parent.name}` measures its cell again"
        return f"update fmbench to read it, or {again}" if self.foreign else again


@dataclass(frozen=True)
class Contents:
    """Everything in a results folder.

    A cell that failed after it had once finished is in both: the failure is not hidden, and what
    was measured is not lost.
    """

    finished: dict[str, Record]  # key -> record
    failed: dict[str, Record]
    broken: list[Broken]

    def of(self, cell: Cell) -> Record | None:
        """The finished record of exactly this cell, if any."""
        return self.finished.get(cell.key)

    def stale(self, cell: Cell) -> str | None:
        """Why the newest record of this cell's question no longer answers it; None if it does."""
        if cell.key in self.finished:
            return None
        definition = cell.definition()
        older = self._newest.get(identity_of(definition))
        return difference(older.cell, definition) if older else None

    @functools.cached_property
    def _newest(self) -> dict[tuple[str, str, str, int, str], Record]:
        """The newest finished record of each question."""
        in_time = sorted(self.finished.values(), key=lambda record: record.started)
        return {record.identity: record for record in in_time}


class Store:
    """A results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.unfinished = folder / "unfinished"
        self.locks = folder / "locks"

    def read(self) -> Contents:
        """Read every record. A file that is not one is named in ``broken``, never raised."""
        finished: dict[str, Record] = {}
        failed: dict[str, Record] = {}
        broken: list[Broken] = []
        for path in sorted(self.records.glob("*/*.json")):
            try:
                record = self._read(path)
            except UNREADABLE as error:
                why = str(error) or type(error).__name__
                broken.append(Broken(path, why, foreign=isinstance(error, AnotherVersion)))
                continue
            (finished if record.finished else failed)[record.key] = record
        return Contents(finished, failed, broken)

    def find(self, name: Name) -> Record | None:
        """The record of this name; None if there is none that can be read."""
        path = name.path(self.records)
        with contextlib.suppress(*UNREADABLE):
            return self._read(path)
        return None

    def _read(self, path: Path) -> Record:
        record = parse(path.read_text(encoding="utf-8"))
        if path != self.path(record) or record.key != key_of(record.cell):
            raise ValueError("its content is that of another cell")
        if record.finished:
            self._predictions(record)
        return record

    def names(self) -> list[Name]:
        """What is there by the file names alone: quick, and whether it can be read is not known."""
        found = (Name.parse(path) for path in sorted(self.records.glob("*/*.json")))
        return [name for name in found if name]

    def arrays(self, record: Record, *names: str) -> dict[str, np.ndarray]:
        """Arrays of a finished record: those of the names that it has, all of them unless named.

        Raises:
            UserError: the file is not what was written beside the record.
        """
        from numpy.lib.format import read_array

        content = self._predictions(record)
        found = {}
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in archive.namelist():
                    name = member.removesuffix(".npy")
                    if not names or name in names:
                        with archive.open(member) as file:
                            found[name] = read_array(file, allow_pickle=False)
        except NO_ARRAYS as error:  # anybody can write a checksum that fits
            path = self.path(record).with_suffix(".npz")
            why = str(error) or type(error).__name__
            raise UserError(f"{path} is damaged: {why}") from None
        return found

    def _predictions(self, record: Record) -> bytes:
        path = self.path(record).with_suffix(".npz")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != record.predictions_sha256:
            raise UserError(f"{path} is damaged: not the predictions that its record describes")
        return content

    def y_pred(self, record: Record) -> np.ndarray:
        """The predicted classes ``uint8 (n,)`` of a finished record."""
        return self.arrays(record, "y_pred")["y_pred"]

    def prepare(self) -> None:
        """Make the folder, and finish what killed runs left half done in it.

        Raises:
            UserError: it cannot be written to.
        """
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.records):
                pass
            self._sweep()
        except OSError as error:
            raise UserError(
                f"the results folder {self.folder} cannot be written to ({error.strerror}): "
                "name another with --results"
            ) from None

    def make_way(
        self, broken: Iterable[Broken], cells: Iterable[Cell]
    ) -> list[tuple[Broken, Path]]:
        """Set aside every broken record that ``cells`` would overwrite; returns where each went.

        One whose cell another run holds is that run's to set aside; one that a run has replaced by
        a whole record meanwhile stays.
        """
        taken = {
            Name.of_cell(cell, finished=finished) for cell in cells for finished in (True, False)
        }
        aside = []
        for one in broken:
            name = Name.parse(one.path)
            if name in taken:
                with locks.holding(self.lock(name)) as mine:
                    if mine and one.path.exists() and self.find(name) is None:
                        aside.append((one, self.set_aside(one)))
        return aside

    def set_aside(self, broken: Broken) -> Path:
        """Rename a broken record so that nothing reads or overwrites it; returns the new path.

        What another version of fmbench wrote is kept apart from what is of no use to anybody.
        """
        n, kind = 1, "foreign" if broken.foreign else "broken"
        while (target := broken.path.with_name(f"{broken.path.name}.{kind}{n}")).exists():
            n += 1
        broken.path.rename(target)
        predictions = broken.path.with_suffix(".npz")
        if predictions.exists():
            predictions.rename(predictions.with_name(f"{predictions.name}.{kind}{n}"))
        return target

    def save(self, record: Record, arrays: Mapping[str, np.ndarray] | None = None) -> Record:
        """Write a record and its arrays; returns it with the predictions' SHA-256 filled in.

        Raises:
            OSError: it could not be written; what was there before is as it was.
        """
        import numpy as np

        path = self.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._settle(record.cell["runner"], Name.of(record).stem)
        if not record.finished:
            with replacing(path) as [facts]:
                facts.write_bytes(serialise(record))
            return record
        # Both are whole before either is renamed: an earlier record of the cell outlives a failure.
        with replacing(path.with_suffix(".npz"), path) as [predictions, facts]:
            with predictions.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **(arrays or {}))
            digest = hashlib.sha256(predictions.read_bytes()).hexdigest()
            record = replace(record, predictions_sha256=digest)
            facts.write_bytes(serialise(record))
        path.with_suffix(".failed.json").unlink(missing_ok=True)
        return record

    def path(self, record: Record) -> Path:
        """The JSON file of a record."""
        return Name.of(record).path(self.records)

    def workspace(self, cell: Cell) -> Path:
        """The folder, not made yet, that belongs to an unfinished cell."""
        return Name.of_cell(cell).path(self.unfinished).with_suffix("")

    def lock(self, name: Name) -> Path:
        """The file that a run locks while it writes records of this cell."""
        return name._replace(finished=True).path(self.locks).with_suffix(".lock")

    def _sweep(self) -> None:
        """Remove what runs that were killed left: locks that nobody holds, files half written."""
        for path in self.locks.glob("*/*.lock"):
            with locks.holding(path) as mine:  # which removes it at the end
                if mine:
                    self._settle(path.parent.name, path.stem)

    def _settle(self, runner: str, stem: str) -> None:
        """Put in place or remove what is half written of a cell, as the holder of its lock.

        A run that was killed between its two renamings left new predictions beside old facts, or
        none, and the new facts whole under their temporary name.
        """
        for left in (self.records / runner).glob(f".{stem}.*.tmp"):
            with contextlib.suppress(*UNREADABLE):
                record = parse(left.read_text(encoding="utf-8"))
                if self.path(record).name == f"{stem}.json" and self._predictions(record):
                    left.replace(self.path(record))
                    continue
            left.unlink(missing_ok=True)

    def discard_workspace(self, cell: Cell) -> None:
        """Remove the cell's folder and those above it that are then empty."""
        folder = self.workspace(cell)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
            self.unfinished.rmdir()
