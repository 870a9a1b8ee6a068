"""Are the records what they say, and still the answer to today's question? Each is looked at.

What :meth:`fmbench.store.Store.read` finds is *broken*: a file that is no whole record, or whose
predictions are not those that it describes. Of the others, a record is *stale* if today's code
would make it otherwise, *wrong* if its parts contradict each other or the labels, and *unknown* if
the plug-in, the suite or the version of fmbench that it is of is not at hand to compare.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fmbench.audit.lookup import Counterparts, Gone
from fmbench.datasets.specs import Source
from fmbench.errors import UserError
from fmbench.models.registry import BEST_EPOCH
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, Protocol
from fmbench.records.record import Record, difference, flagged_array
from fmbench.records.store import UNREADABLE, Contents, Store
from fmbench.report.tables import build_table, table_path
from fmbench.suites.claims import Suite
from fmbench.suites.reader import TABLES

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import Results

State = Literal["fine", "failed", "unknown", "stale", "wrong", "broken"]
BAD: tuple[State, ...] = ("stale", "wrong", "broken")
N_CLASSES = 10


@dataclass(frozen=True)
class Finding:
    """What was found of one file. ``why`` is in words; empty where nothing is to be said."""

    path: Path
    state: State
    why: str = ""
    record: Record | None = None  # of a file that is one

    @property
    def bad(self) -> bool:
        """Whether something should be done about it."""
        return self.state in BAD


@dataclass(frozen=True)
class Verifier:
    """Looks at the records of a results folder; ``sources`` are the data sets at hand, by name."""

    store: Store
    sources: Mapping[str, Source]
    counterparts: Counterparts = field(default_factory=Counterparts)
    _labels: dict[tuple[str, Protocol], np.ndarray] = field(default_factory=dict)

    def findings(self, contents: Contents) -> Iterator[Finding]:
        """What there is to say of each record, one after the other."""
        for broken in contents.broken:
            yield Finding(broken.path, "unknown" if broken.foreign else "broken", broken.why)
        for record in contents.finished.values():
            yield self._finding(record)
        for record in contents.failed.values():
            finding = self._finding(record)
            fine = finding.state in ("fine", "unknown")
            yield Finding(finding.path, "failed", record.why or "", record) if fine else finding

    def _finding(self, record: Record) -> Finding:
        path = self.store.path(record)
        try:
            cell = self.counterparts.of(record)
        except Gone as error:
            return Finding(path, "unknown", str(error), record)
        except UserError as error:
            return Finding(path, "stale", str(error), record)
        if cell.key != record.key:
            why = difference(record.cell, cell.definition())
            return Finding(path, "stale", why, record)
        if record.finished:
            try:
                why = next(self._contradictions(record, cell), "")
            except UNREADABLE as error:
                return Finding(path, "broken", f"its predictions cannot be read: {error}", record)
            if why:
                return Finding(path, "wrong", why, record)
        return Finding(path, "fine", record=record)

    def _contradictions(self, record: Record, cell: Cell) -> Iterator[str]:
        arrays = self.store.arrays(record)
        known = self._truth(cell)
        y_true = arrays.get("y_true", known)  # of another data set, the record has its labels
        if y_true is None:
            return
        if known is not None and not np.array_equal(y_true, known):
            yield "its labels are not those of the data set"
        n = len(y_true)
        for name in ("y_pred", *(name for name in arrays if name.startswith("flagged_"))):
            if not _are_classes(arrays[name], (n,)):
                yield f"{name} is not {n} classes from 0 to 9"
        if "scores" in arrays and arrays["scores"].shape != (n, N_CLASSES):
            yield f"scores have shape {arrays['scores'].shape}, not {(n, N_CLASSES)}"
        if record.history and cell.protocol.detailed:
            yield from _of_epochs(record, cell, arrays, y_true)

    def _truth(self, cell: Cell) -> np.ndarray | None:
        source = self.sources.get(cell.dataset.name)
        if source is None:
            return None
        question = (cell.dataset.name, cell.protocol)
        if question not in self._labels:
            self._labels[question] = protocols.labels(cell.protocol, source)
        return self._labels[question]


def _are_classes(y_pred: np.ndarray, shape: tuple[int, ...]) -> bool:
    return y_pred.dtype == np.uint8 and y_pred.shape == shape and y_pred.max() < N_CLASSES


def _of_epochs(
    record: Record, cell: Cell, arrays: Mapping[str, np.ndarray], y_true: np.ndarray
) -> Iterator[str]:
    """The stored curve against what each epoch predicted."""
    epochs, shape = arrays["epoch_y_pred"], (len(record.history), len(y_true))
    if not _are_classes(epochs, shape):
        yield f"epoch_y_pred is not classes {shape}"
        return
    accuracies = (epochs == y_true).mean(axis=1)
    for epoch, accuracy in zip(record.history, accuracies, strict=True):
        if epoch["heldout_accuracy"] != accuracy:
            said = f"says {epoch['heldout_accuracy']:.4f}, its predictions give {accuracy:.4f}"
            yield f"epoch {epoch['epoch']:g} {said}"
    best = flagged_array(BEST_EPOCH)
    if BEST_EPOCH in cell.runner.flagged and not np.array_equal(
        arrays[best], epochs[accuracies.argmax()]
    ):
        yield f"{best} is not what its best epoch predicted"


@dataclass(frozen=True)
class Tables:
    """The tables that a folder holds, against those that its records give."""

    folder: Path
    suite: Suite
    read: Callable[[Protocol], Results]

    @cached_property
    def differences(self) -> list[tuple[Path, str]]:
        """Each file that says something else than the records, and the first place where."""
        found = []
        for protocol in (FULL, QUICK):
            paths = {n: table_path(self.folder, self.suite, n, protocol, "csv") for n in TABLES}
            present = {name: path for name, path in paths.items() if path.exists()}
            if not present:
                continue
            try:
                outcome = self.read(protocol)
            except UNREADABLE as error:  # a record, which is named as such
                found += [(path, f"cannot be compared: {error}") for path in present.values()]
                continue
            for name, path in present.items():
                if why := _difference(path, outcome, name):
                    found.append((path, why))
        return found


# Of the accuracies, what is measured: a verdict also depends on the claims and on who else is measured.
MEASURED = ("mean", "sd", "n", "low", "high")
ANEW = "`fmbench table --write` writes it anew"


def _difference(path: Path, outcome: Results, name: str) -> str | None:
    table = build_table(outcome, name)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return f"cannot be read: {error}: {ANEW}"

    def first(row: Mapping[str, str]) -> tuple[str | None, ...]:
        return tuple(row.get(column) for column in table.columns[:2])

    written = {first(row): row for row in rows}
    columns = MEASURED if name == "accuracies" else table.columns
    for row in table.rows:
        for column in columns:
            said = written.get(first(row), {}).get(column, "nothing")
            if said != row[column]:
                gives = f"its records give {row[column] or 'none'}"
                return f"{row[table.columns[0]]}: {column} is {said}, {gives}: {ANEW}"
    left = [first(row) for row in table.rows]
    for row in rows:
        if first(row) in left:
            left.remove(first(row))
        elif any(row.get(column) for column in columns):  # a row without figures claims nothing
            return f"{first(row)[0]}: its records give no such row: {ANEW}"
    return None
