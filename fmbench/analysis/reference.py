"""Writes and reads what a run measured: ``summary.json`` and ``confusion.json``.

``confusion.json`` holds the confusion matrix of every seed. There is one such pair of files for
each suite of a user's results folder, and one for fmbench's own run of the suite:
``results/reference/<suite>/summary.json`` in the checkout. The installed package contains a copy,
so that every table can show fmbench's figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from fmbench.analysis.summary import FlaggedFigure, Status, Summary
from fmbench.errors import UserError
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import Seconds, parse_json
from fmbench.records.store import Store
from fmbench.suites.bundled import PACKAGED, is_bundled, list_suites
from fmbench.suites.claims import Suite
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.files import read_regular_file, write_text_atomically

if TYPE_CHECKING:
    import numpy as np

# In the folder of a suite.
SUMMARY_FILE = "summary.json"
CONFUSION_FILE = "confusion.json"
REFERENCE_RESULTS = CHECKOUT / "results" / "reference"
PACKAGED_REFERENCE = PACKAGED / "reference"

# The largest files that are read. Those of fmbench's own runs have less than 1 MB.
MAX_SUMMARY_BYTES = 16 * 2**20
MAX_CONFUSION_BYTES = 64 * 2**20

Count = Annotated[int, Meta(ge=0, le=10**9)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
# The confusion matrix of each seed, in the order of the seeds: row = true class.
Matrices = tuple[tuple[tuple[Count, ...], ...], ...]


class _FlaggedEntry(msgspec.Struct, forbid_unknown_fields=True):
    description: str
    accuracies: tuple[Fraction, ...]


class _SummaryRow(msgspec.Struct, forbid_unknown_fields=True):
    """A row of ``summary.json``: the fields of a summary, with the reason in the status."""

    runner: str
    status: str
    n: Annotated[int, Meta(ge=1, le=10**6)]
    mean: Fraction
    sd: Fraction | None
    low: Fraction | None
    high: Fraction | None
    fit_seconds: Seconds | None
    device: str
    accuracies: tuple[Fraction, ...]
    warnings: tuple[str, ...]
    flagged: dict[str, _FlaggedEntry] = {}
    controls: dict[str, tuple[Fraction, ...]] = {}
    n_looked_at: Count | None = None


class _ConfusionFile(msgspec.Struct, forbid_unknown_fields=True):
    """The content of ``confusion.json``."""

    protocol: str
    rows: dict[str, Matrices]  # by runner


def load_reference_summaries(suite: Suite) -> dict[str, Summary]:
    """Load the summaries of fmbench's own run of a suite, by runner; none for a user's suite.

    Raises:
        UserError: the suite is one of fmbench's, but its summary is missing.
    """
    if not is_bundled(suite.path):
        return {}
    return read_summary(find_reference_folder(suite.name) / SUMMARY_FILE)


def load_reference_fit_seconds() -> dict[str, float]:
    """Load the mean seconds of a fit by runner, from fmbench's own runs of all its suites."""
    folders = map(_look_for_reference_folder, list_suites())
    summaries = [s for f in folders if f for s in read_summary(f / SUMMARY_FILE).values()]
    return {s.runner: s.fit_seconds for s in summaries if s.fit_seconds is not None}


def summarise_by_file_names(
    folder: Path, suite: Suite, known: Mapping[str, Runner]
) -> dict[str, Summary]:
    """Summarise each runner in a results folder without reading its records.

    The facts come from the summary that the last run wrote, and from the names of the record files.
    If the two differ, only the number of seeds is known. ``known`` are fmbench's runners.
    """
    path = suite.folder_in(folder) / SUMMARY_FILE
    written = read_summary(path) if path.is_file() else {}
    present: dict[str, Summary] = {}
    names = [n for n in Store(folder).list_names() if n.protocol == FULL.name and n.runner in known]
    for name in sorted({n.runner for n in names}):
        current = [
            n for n in names if n.runner == name and n.key == Cell(known[name], FULL, n.seed).key
        ]
        n_finished = sum(n.finished for n in current)
        if n_finished and name in written and written[name].n == n_finished:
            present[name] = written[name]
        elif n_finished:
            present[name] = Summary(name, Status.MEASURED, n_finished)
        elif current:
            present[name] = Summary(name, Status.FAILED)
        elif name in written:
            present[name] = Summary(name, Status.STALE)
    # File names do not say whether the record of a plug-in or an estimator is stale.
    return present | {n: s for n, s in written.items() if n not in known}


def read_summary(path: Path) -> dict[str, Summary]:
    """Read what :func:`write_summary` wrote, by runner.

    Raises:
        UserError: the file holds anything else.
    """
    try:
        rows = parse_json(read_regular_file(path, MAX_SUMMARY_BYTES))["rows"]
        parsed = msgspec.convert(rows, dict[str, _SummaryRow])
        return {name: _parse_summary(name, row) for name, row in parsed.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise _describe_damage(path) from None


def write_summary(path: Path, summaries: Iterable[Summary], versions: list[dict[str, str]]) -> None:
    """Write the summaries of measured runners, rounded so that all machines write the same."""
    content = {
        "protocol": FULL.title,
        "versions": versions,
        "rows": {s.runner: _format_summary(s) for s in summaries if s.n},
    }
    write_text_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_confusion_matrices(path: Path, matrices: Mapping[str, np.ndarray]) -> None:
    """Write the confusion matrices ``int (seeds, classes, classes)`` of each runner.

    One line for each seed, so that the file stays short and its changes can be read.
    """
    rows = []
    for name, of_seeds in sorted(matrices.items()):
        lines = (json.dumps(matrix.tolist(), separators=(",", ":")) for matrix in of_seeds)
        rows.append(f"  {json.dumps(name)}: [\n   " + ",\n   ".join(lines) + "\n  ]")
    content = ",\n".join(rows)
    write_text_atomically(
        path, f'{{\n "protocol": {json.dumps(FULL.title)},\n "rows": {{\n{content}\n }}\n}}\n'
    )


def read_confusion_matrices(path: Path) -> dict[str, Matrices]:
    """Read what :func:`write_confusion_matrices` wrote, by runner.

    Raises:
        UserError: the file holds anything else than square matrices of counts.
    """
    try:
        content = parse_json(read_regular_file(path, MAX_CONFUSION_BYTES))
        rows = msgspec.convert(content, _ConfusionFile).rows
        if not all(map(_are_confusion_matrices, rows.values())):
            raise ValueError("not square matrices of counts")
    except (OSError, ValueError, RecursionError):
        raise _describe_damage(path) from None
    return rows


def _are_confusion_matrices(matrices: Matrices) -> bool:
    """Whether they are square, of one size, and count the same images of each class."""
    sizes = {len(matrix) for matrix in matrices}
    if len(sizes) != 1 or sizes == {0}:
        return False
    (n,) = sizes
    if any(len(row) != n for matrix in matrices for row in matrix):
        return False
    class_sizes = {tuple(map(sum, matrix)) for matrix in matrices}
    return len(class_sizes) == 1 and sum(class_sizes.pop()) > 0


def find_reference_folder(suite: str) -> Path:
    """Find the folder with fmbench's own run of a suite, in the checkout or the package.

    Raises:
        UserError: this installation lacks it.
    """
    folder = _look_for_reference_folder(suite)
    if folder is None:
        raise UserError(
            "this installation of fmbench lacks its reference results: install it again"
        )
    return folder


def _look_for_reference_folder(suite: str) -> Path | None:
    folders = (folder / suite for folder in (REFERENCE_RESULTS, PACKAGED_REFERENCE))
    return next((folder for folder in folders if (folder / SUMMARY_FILE).is_file()), None)


def _describe_damage(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged: `fmbench table --suite {path.parent.name} --write --results "
        f"{path.parent.parent}` writes it again"
    )


def _format_summary(summary: Summary) -> dict[str, Any]:
    row = _round_floats(asdict(summary) | {"status": summary.status_text})
    del row["reason"]
    for name in ("flagged", "controls"):
        if not row[name]:
            del row[name]
    if row["n_looked_at"] is None:
        del row["n_looked_at"]
    return row


def _parse_summary(name: str, row: _SummaryRow) -> Summary:
    """Make the summary of a runner from its row in the reference file.

    Raises:
        ValueError: the fields of the row contradict each other.
    """
    if row.runner != name or len(row.accuracies) != row.n:
        raise ValueError("it is not the summary of this runner and of these seeds")
    if row.n_looked_at is not None and row.n_looked_at > row.n:
        raise ValueError("the looks use more seeds than there are")
    status, _, reason = row.status.partition(": ")
    fields = msgspec.structs.asdict(row)
    flagged = {
        name: FlaggedFigure(figure.description, figure.accuracies)
        for name, figure in row.flagged.items()
    }
    return Summary(**fields | {"status": Status(status), "reason": reason, "flagged": flagged})


def _round_floats(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _round_floats(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_round_floats(v) for v in value]
    return value
