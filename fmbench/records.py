"""What a cell leaves on disk: one JSON file and one file of predictions.

``records/<runner>/<protocol>-seed<seed>-<key>.json`` holds the facts of the run and the SHA-256
of ``...npz`` beside it, which holds ``y_pred uint8 (n,)``, ``scores float16 (n, 10)`` where they
are cheap, and ``epoch_y_pred uint8 (epochs, n)`` of neural rows. Metrics are not stored: they are
computed from the predictions. A failed cell leaves ``...failed.json`` instead.

``unfinished/<runner>/<protocol>-seed<seed>-<key>`` is the folder of a cell whose runner keeps
something there while it fits; it goes when the cell has finished.

The JSON is written last, each file under a temporary name, synced and renamed, so that a record
that can be seen is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fmbench.cells import Cell, key_of
from fmbench.errors import UserError
from fmbench.files import replacing, write

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """The facts of one run of one cell. Seconds are wall time, memory is in bytes."""

    status: Literal["finished", "failed"]
    key: str
    cell: dict[str, Any]  # Cell.definition()
    device: str
    threads: int
    jobs: int  # how many cells ran side by side
    versions: dict[str, str]
    package: dict[str, Any]  # version, commit, dirty
    started: str  # ISO 8601, UTC
    total_seconds: float
    peak_memory_bytes: int | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)  # what the classifier says of its fit
    warnings: list[str] = field(default_factory=list)
    predictions_sha256: str | None = None
    why: str | None = None  # failed: the reason, in words
    schema: int = SCHEMA

    @property
    def identity(self) -> tuple[str, str, str, int, str]:
        """Which question the record answers, whatever the recipe was at the time."""
        return identity_of(self.cell)

    @property
    def finished(self) -> bool:
        """Whether there are predictions."""
        return self.status == "finished"


def identity_of(definition: Mapping[str, Any]) -> tuple[str, str, str, int, str]:
    """Runner, data set, protocol, seed and variant of a cell's definition."""
    return (
        definition["runner"], definition["dataset"], definition["protocol"]["name"],
        definition["seed"], definition["variant"],
    )  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A file that should be a record and cannot be read as one."""

    path: Path
    why: str


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
        older = [r for r in self.finished.values() if r.identity == identity_of(definition)]
        if not older:
            return None
        return difference(max(older, key=lambda r: r.started).cell, definition)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What changed between two definitions of a cell, in words."""
    changes = [
        f"{name.replace('data_sha256', 'data')} {_short(old[name])} -> {_short(new[name])}"
        for name in ("revision", "data_sha256")
        if old[name] != new[name]
    ]
    for group in ("hyperparameters", "protocol"):
        before, after = old[group], new[group]
        changes += [
            f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
            for name in sorted(before | after)
            if before.get(name) != after.get(name)
        ]
    return ", ".join(changes) or "written by another version of fmbench"


def _short(value: Any) -> str:
    return f"{value[:8]}..." if isinstance(value, str) and len(value) > 12 else str(value)


class Store:
    """A results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"
        self.unfinished = folder / "unfinished"

    def read(self) -> Contents:
        """Read every record. A file that is not one is named in ``broken``, never raised."""
        finished: dict[str, Record] = {}
        failed: dict[str, Record] = {}
        broken: list[Broken] = []
        for path in sorted(self.records.glob("*/*.json")):
            try:
                record = _parse(path.read_text(encoding="utf-8"))
                if path != self.path(record) or record.key != key_of(record.cell):
                    raise ValueError("its content is that of another cell")
                if record.finished:
                    self._predictions(record)
            except (UserError, ValueError, TypeError, KeyError, OSError, RecursionError) as error:
                broken.append(Broken(path, str(error) or type(error).__name__))
                continue
            (finished if record.finished else failed)[record.key] = record
        return Contents(finished, failed, broken)

    def keys(self) -> set[str]:
        """Keys of the finished records, by their file names alone."""
        names = (path.name for path in self.records.glob("*/*.json"))
        return {name.split("-")[-1].removesuffix(".json") for name in names}

    def arrays(self, record: Record, *names: str) -> dict[str, np.ndarray]:
        """Arrays of a finished record, all of them unless named.

        Raises:
            UserError: the file is not what was written beside the record.
        """
        import numpy as np

        content = io.BytesIO(self._predictions(record))
        with np.load(content, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names or arrays.files}

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
        """Make the folder; raises UserError if it cannot be written to."""
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.records):
                pass
        except OSError as error:
            raise UserError(
                f"the results folder {self.folder} cannot be written to ({error.strerror}): "
                "name another with --results"
            ) from None

    def set_aside(self, broken: Broken) -> Path:
        """Rename a broken record so that nothing reads or overwrites it; returns the new path."""
        target = broken.path.with_name(f"{broken.path.name}.broken")
        n = 1
        while target.exists():
            n += 1
            target = broken.path.with_name(f"{broken.path.name}.broken{n}")
        broken.path.rename(target)
        return target

    def save(self, record: Record, arrays: Mapping[str, np.ndarray] | None = None) -> Record:
        """Write a record and its arrays; returns it with the predictions' SHA-256 filled in."""
        import numpy as np

        path = self.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not record.finished:
            with replacing(path) as temporary:
                write(temporary, _serialise(record))
            return record
        # Both are whole before either is renamed: an earlier record of the cell outlives a failure.
        with replacing(path) as facts, replacing(path.with_suffix(".npz")) as predictions:
            with predictions.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **(arrays or {}))
                os.fsync(file.fileno())
            digest = hashlib.sha256(predictions.read_bytes()).hexdigest()
            record = Record(**{**asdict(record), "predictions_sha256": digest})
            write(facts, _serialise(record))
        path.with_suffix(".failed.json").unlink(missing_ok=True)
        return record

    def path(self, record: Record) -> Path:
        """The JSON file of a record; a failure never takes the name of a result."""
        ending = "json" if record.finished else "failed.json"
        return self.records / record.cell["runner"] / f"{_name(record.cell, record.key)}.{ending}"

    def workspace(self, cell: Cell) -> Path:
        """The folder, not made yet, that belongs to an unfinished cell."""
        return self.unfinished / cell.runner.name / _name(cell.definition(), cell.key)

    def discard_workspace(self, cell: Cell) -> None:
        """Remove the cell's folder and those above it that are then empty."""
        folder = self.workspace(cell)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
            self.unfinished.rmdir()


def _name(definition: Mapping[str, Any], key: str) -> str:
    return f"{definition['protocol']['name']}-seed{definition['seed']}-{key}"


def _serialise(record: Record) -> bytes:
    return (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode()


def _parse(text: str) -> Record:
    fields = json.loads(text)
    if not isinstance(fields, dict) or "schema" not in fields:
        raise ValueError("not a record of fmbench")
    if fields["schema"] != SCHEMA:
        raise ValueError(
            f"version {fields['schema']!r}, this fmbench reads version {SCHEMA}: update fmbench"
        )
    record = Record(**fields)
    if record.status not in ("finished", "failed"):
        raise ValueError(f"status {record.status!r}")
    _ = record.identity
    return record
