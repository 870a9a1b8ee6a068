"""Checks that every record is intact, agrees with itself, and is what today's code would measure.

:meth:`fmbench.records.store.Store.read_contents` finds the *broken* records: files that are not
complete records, or whose predictions do not match their checksum. Each other record gets one of
these states:

- *stale*: today's code would measure a different cell;
- *wrong*: its parts contradict each other or the labels of the data set;
- *unknown*: the plug-in, the suite or the version of fmbench that it was made with is missing here;
- *failed*: it says why the cell failed;
- *fine*: none of these.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fmbench.analysis.evaluation import BY_FMBENCH
from fmbench.audit.current_cells import CurrentCells, UnavailableError
from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import UserError
from fmbench.models.registry import BEST_EPOCH
from fmbench.plugins.model_spec import parse_model_spec
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, Protocol, load_labels
from fmbench.records.record import (
    EPOCH,
    EPOCH_Y_PRED,
    HELDOUT_ACCURACY,
    Y_PRED,
    Y_TRUE,
    Record,
    describe_changes,
    flagged_array_name,
)
from fmbench.records.store import UNREADABLE_ERRORS, Store, StoreContents
from fmbench.report.commands import build_commands_of
from fmbench.report.tables import MEASURED_BY, build_table, table_path
from fmbench.suites.claims import Suite
from fmbench.suites.reader import TABLES
from fmbench.utils.files import read_regular_file

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import SuiteResults


class State(StrEnum):
    """The state of a record; the docstring of this module explains each."""

    FINE = "fine"
    FAILED = "failed"
    UNKNOWN = "unknown"
    STALE = "stale"
    WRONG = "wrong"
    BROKEN = "broken"


BAD_STATES = (State.STALE, State.WRONG, State.BROKEN)


@dataclass(frozen=True)
class RecordCheck:
    """The result of checking one file; ``why`` gives the reason for its state."""

    path: Path
    state: State
    why: str = ""
    record: Record | None = None  # None for a broken file

    @property
    def runner_names(self) -> set[str]:
        """The names of its runner: that of its folder, and what the user typed for it."""
        asked = self.record.asked if self.record else None
        return {self.path.parent.name, *([asked["runner"]] if asked else [])}

    @property
    def is_bad(self) -> bool:
        """Whether the record is stale, wrong or broken."""
        return self.state in BAD_STATES


@dataclass(frozen=True)
class Verifier:
    """Checks the records of a results folder; ``sources`` are the available data sets, by name."""

    store: Store
    sources: Mapping[str, LocatedDataset]
    current_cells: CurrentCells = field(default_factory=CurrentCells)
    _labels: dict[tuple[str, Protocol], np.ndarray] = field(default_factory=dict)

    def check_records(self, contents: StoreContents) -> Iterator[RecordCheck]:
        """Check one record after the other."""
        for broken in contents.broken:
            state = State.UNKNOWN if broken.other_version else State.BROKEN
            yield RecordCheck(broken.path, state, broken.why)
        for record in contents.finished.values():
            yield self._check_record(record)
        for record in contents.failed.values():
            check = self._check_record(record)
            if check.state in (State.FINE, State.UNKNOWN):
                check = RecordCheck(check.path, State.FAILED, record.why or "", record)
            yield check

    def _check_record(self, record: Record) -> RecordCheck:
        path = self.store.path(record)
        try:
            cell = self.current_cells.find_cell(record)
        except UnavailableError as error:
            return RecordCheck(path, State.UNKNOWN, str(error), record)
        except UserError as error:
            return RecordCheck(path, State.STALE, str(error), record)
        if cell.key != record.key:
            why = describe_changes(record.cell, cell.to_definition())
            return RecordCheck(path, State.STALE, why, record)
        if record.finished:
            try:
                why = next(self._find_contradictions(record, cell), "")
            except UNREADABLE_ERRORS as error:
                why = f"its predictions cannot be read: {error}"
                return RecordCheck(path, State.BROKEN, why, record)
            if why:
                return RecordCheck(path, State.WRONG, why, record)
        return RecordCheck(path, State.FINE, record=record)

    def _find_contradictions(self, record: Record, cell: Cell) -> Iterator[str]:
        """Yield a text for each contradiction in a record's arrays."""
        arrays = self.store.load_arrays(record)
        known = self._load_labels(cell)
        # Records of other data sets than the default one contain the labels.
        y_true = arrays.get(Y_TRUE, known)
        if y_true is None:
            return
        if known is not None and not np.array_equal(y_true, known):
            yield "its labels are not those of the data set"
        n = len(y_true)
        if len(arrays[Y_PRED]) != n:  # of a protocol that this version does not have
            yield f"{Y_PRED} is not {n} classes"
            return
        if record.history and cell.protocol.detailed:
            yield from _find_history_contradictions(record, cell, arrays, y_true)

    def _load_labels(self, cell: Cell) -> np.ndarray | None:
        """Return the labels with which a cell is scored; None if its data set is not available."""
        source = self.sources.get(cell.dataset.name)
        if source is None:
            return None
        key = (cell.dataset.name, cell.protocol)
        if key not in self._labels:
            self._labels[key] = load_labels(cell.protocol, source)
        return self._labels[key]


def _find_history_contradictions(
    record: Record, cell: Cell, arrays: Mapping[str, np.ndarray], y_true: np.ndarray
) -> Iterator[str]:
    """Compare the stored learning curve with the accuracy of each epoch's predictions."""
    best = flagged_array_name(BEST_EPOCH)
    needed = [EPOCH_Y_PRED, *([best] if BEST_EPOCH in cell.runner.flagged else [])]
    if missing := [name for name in needed if name not in arrays]:
        yield f"it has no {missing[0]}"
        return
    epochs = arrays[EPOCH_Y_PRED]
    accuracies = (epochs == y_true).mean(axis=1)
    for epoch, accuracy in zip(record.history, accuracies, strict=True):
        stored = epoch.get(HELDOUT_ACCURACY)
        if stored != accuracy:
            yield (
                f"the accuracy of epoch {epoch[EPOCH]} is stored as "
                f"{'none' if stored is None else f'{stored:.4f}'}, but its predictions give "
                f"{accuracy:.4f}"
            )
    if BEST_EPOCH in cell.runner.flagged and not np.array_equal(
        arrays[best], epochs[accuracies.argmax()]
    ):
        yield f"{best} is not what its best epoch predicted"


# The columns of the table of accuracies that are compared. The others may differ for good reason: a
# verdict also depends on the claims and on the other measured runners.
MEASURED_COLUMNS = ("mean", "sd", "n", "low", "high")
MAX_TABLE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class TableVerifier:
    """Compares the tables in a results folder with those that its records give."""

    folder: Path
    suite: Suite
    read_results: Callable[[Protocol], SuiteResults]

    @cached_property
    def differences(self) -> list[tuple[Path, str]]:
        """Each file that differs, with a text that says the first difference."""
        found = []
        for protocol in (FULL, QUICK):
            paths = {n: table_path(self.folder, self.suite, n, protocol, "csv") for n in TABLES}
            existing = {name: path for name, path in paths.items() if path.exists()}
            if not existing:
                continue
            try:
                results = self.read_results(protocol)
            except UNREADABLE_ERRORS as error:  # a broken record, which is listed itself
                found += [(path, f"cannot be compared: {error}") for path in existing.values()]
                continue
            for name, path in existing.items():
                if why := _find_table_difference(path, results, name):
                    command = build_commands_of(results).table(write=True)
                    found.append((path, f"{why}: `{command}` writes the table again"))
        return found


def _find_table_difference(path: Path, results: SuiteResults, name: str) -> str | None:
    """Return a text that says the first difference between a table's file and its records."""
    table = build_table(results, name)
    try:
        content = read_regular_file(path, MAX_TABLE_BYTES).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(content, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        return f"cannot be read: {error}"

    def identify_row(row: Mapping[str, str]) -> tuple[str | None, ...]:
        return tuple(row.get(column) for column in table.names[:2])

    written = {identify_row(row): row for row in rows}
    expected = table.text_rows()
    columns = MEASURED_COLUMNS if name == "accuracies" else table.names
    for row in expected:
        written_row = written.get(identify_row(row), {})
        if _is_of_fmbench(row):
            if why := _find_figure_without_record(written_row):
                return f"{row[table.names[0]]}: {why}"
            continue  # no record of this folder decides it
        for column in columns:
            in_file = written_row.get(column, "missing")
            if in_file != row[column]:
                return (
                    f"{row[table.names[0]]}: {column} is {in_file or 'empty'} in the file, but its "
                    f"records give {row[column] or 'none'}"
                )
    remaining = [identify_row(row) for row in expected]
    for row in rows:
        if identify_row(row) in remaining:
            remaining.remove(identify_row(row))
        elif any(row.get(column) for column in columns):  # a row without figures may stay
            return f"{identify_row(row)[0]}: its records give no such row"
    return None


def _is_of_fmbench(row: Mapping[str, str]) -> bool:
    """Whether a row of a table shows fmbench's own measurement, and none of this folder."""
    return row.get(MEASURED_BY.name) == BY_FMBENCH


def _find_figure_without_record(row: Mapping[str, str]) -> str | None:
    """Say which figure of a row in a file is given as measured here, although there is no record.

    Fmbench's own measurements may change with its version, and an older version wrote none.
    """
    if _is_of_fmbench(row):
        return None
    for column, text in row.items():
        # Texts beyond the last column of a line have None as their column.
        if column and text and (column in MEASURED_COLUMNS or column.endswith("measured")):
            return f"{column} is {text} in the file, but its records give none"
    return None


def select_checks(
    checks: Sequence[RecordCheck], names: Sequence[str], folder: Path
) -> list[RecordCheck]:
    """Select the checks of the records of some runners, each once, in the order of the names.

    Raises:
        UserError: there is no record of a name.
    """
    selected: list[RecordCheck] = []
    for name in names:
        target = parse_model_spec(name).target
        found = [check for check in checks if target in check.runner_names]
        if not found:
            raise UserError(f"{folder} holds no record of {name}; `fmbench list` shows what it has")
        selected += [check for check in found if check not in selected]
    return selected
