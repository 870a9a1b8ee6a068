"""Writes and reads ``summary.json``: what a run measured, of fmbench's committed run and a user's.

The committed run of a suite lies in ``results/reference/<suite>`` of the checkout; the installed
package carries a copy of each suite's ``summary.json``, so that every table can show it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmbench.analysis.summary import Status, Summary
from fmbench.errors import UserError
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.suites.bundled import PACKAGED, is_bundled, suite_names
from fmbench.suites.claims import Suite
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.files import write_text_atomically

SUMMARY_FILE = "summary.json"  # in the folder of a suite
REFERENCE_RESULTS = CHECKOUT / "results" / "reference"
PACKAGED_REFERENCE = PACKAGED / "reference"


def reference_summaries(suite: Suite) -> dict[str, Summary]:
    """The summaries of the committed run of a suite, by runner; none for a user's own suite.

    Raises:
        UserError: this is a suite of fmbench, and neither checkout nor package has its summary.
    """
    if not is_bundled(suite.path):
        return {}
    path = _reference_file(suite.name)
    if path is None:
        raise UserError(
            "this installation of fmbench lacks its reference results: install it again"
        )
    return read_summary(path)


def reference_fit_seconds() -> dict[str, float]:
    """Mean seconds of a fit by runner, from the committed runs of all suites of fmbench."""
    paths = filter(None, map(_reference_file, suite_names()))
    summaries = [summary for path in paths for summary in read_summary(path).values()]
    return {s.runner: s.fit_seconds for s in summaries if s.fit_seconds is not None}


def summaries_without_records(
    folder: Path, suite: Suite, known: Mapping[str, Runner]
) -> dict[str, Summary]:
    """The state of each runner in a results folder, found without reading a record.

    It is taken from the summary that the last run wrote and from the names of the record files.
    Where the two do not agree, only the number of seeds is known. ``known`` are fmbench's runners.
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
    # For plug-ins, and rows that name an estimator, the file names do not tell what is stale.
    return present | {n: s for n, s in written.items() if n not in known}


def read_summary(path: Path) -> dict[str, Summary]:
    """Read what :func:`write_summary` wrote, by runner.

    Raises:
        UserError: the file holds anything else.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {name: _parse_summary(row) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged: `fmbench table --write --results {path.parent.parent}` writes it "
            "again"
        ) from None


def write_summary(path: Path, summaries: Iterable[Summary], versions: list[dict[str, str]]) -> None:
    """Write the summaries of measured runners, rounded so that the file is the same everywhere."""
    content = {
        "protocol": FULL.title,
        "versions": versions,
        "rows": {s.runner: _as_json(s) for s in summaries if s.n},
    }
    write_text_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _reference_file(suite: str) -> Path | None:
    """The committed summary of a suite, from the checkout or from the installed package."""
    paths = (folder / suite / SUMMARY_FILE for folder in (REFERENCE_RESULTS, PACKAGED_REFERENCE))
    return next((path for path in paths if path.is_file()), None)


def _as_json(summary: Summary) -> dict[str, Any]:
    row = _rounded(asdict(summary) | {"status": summary.status_text})
    del row["reason"]
    if not row["flagged"]:
        del row["flagged"]
    return row


def _parse_summary(row: dict[str, Any]) -> Summary:
    status, _, reason = row["status"].partition(": ")
    return Summary(
        **row
        | {
            "status": Status(status),
            "reason": reason,
            "accuracies": tuple(row["accuracies"]),
            "warnings": tuple(row["warnings"]),
            "flagged": {k: tuple(v) for k, v in row.get("flagged", {}).items()},
        }
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(v) for v in value]
    return value
