"""The summaries of fmbench's own committed runs, and of a user's: written, read, found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.analysis.summary import Summary
from fmbench.errors import UserError
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.suites.bundled import PACKAGED, is_bundled
from fmbench.suites.bundled import bundled as bundled_suites
from fmbench.suites.claims import Suite
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.files import write_text

if TYPE_CHECKING:
    pass

SUMMARY_FILE = "summary.json"  # in the folder of a suite
REFERENCE_RESULTS = CHECKOUT / "results" / "reference"


@dataclass(frozen=True)
class Reference:
    """The summary of fmbench's own committed run."""

    rows: dict[str, Summary]

    @property
    def fit_seconds(self) -> dict[str, float]:
        """Mean seconds of a fit by runner, for time estimates."""
        return {n: s.fit_seconds for n, s in self.rows.items() if s.fit_seconds is not None}


def reference(suite: Suite) -> Reference:
    """The summary of the committed run of a suite, from the checkout or the installed package.

    It is empty for a suite that does not come with fmbench.
    """
    if not is_bundled(suite.path):
        return Reference({})
    for folder in (REFERENCE_RESULTS, PACKAGED / "reference"):
        path = suite.folder_in(folder) / SUMMARY_FILE
        if path.is_file():
            return Reference(read_summary(path))
    raise UserError("this installation of fmbench lacks its reference results: install it again")


def all_fit_seconds() -> dict[str, float]:
    """Mean seconds of a fit by runner, from the committed runs of all suites of fmbench."""
    found: dict[str, float] = {}
    for name in bundled_suites():
        for folder in (REFERENCE_RESULTS, PACKAGED / "reference"):
            path = folder / name / SUMMARY_FILE
            if path.is_file():
                found |= Reference(read_summary(path)).fit_seconds
                break
    return found


def known_summaries(folder: Path, suite: Suite, known: Mapping[str, Runner]) -> dict[str, Summary]:
    """What there is of each runner in a results folder, without reading a record.

    From the summary that the last run wrote and from the names of the records' files: where they
    do not agree, only the count is known.
    """
    path = suite.folder_in(folder) / SUMMARY_FILE
    written = read_summary(path) if path.is_file() else {}
    present: dict[str, Summary] = {}
    names = [n for n in Store(folder).names() if n.protocol == FULL.name and n.runner in known]
    for name in sorted({n.runner for n in names}):
        runner = known[name]
        current = {
            finished: sum(
                n.key == Cell(runner, FULL, n.seed).key
                for n in names
                if n.runner == name and n.finished is finished
            )
            for finished in (True, False)
        }
        if current[True] and name in written and written[name].n == current[True]:
            present[name] = written[name]
        elif current[True]:
            present[name] = Summary(name, f"n={current[True]}, see `fmbench table`")
        elif current[False]:
            present[name] = Summary(name, "failed")
        elif name in written:
            present[name] = Summary(name, "stale")
    # Plug-ins, and rows of a suite that name an estimator: whether they are stale is not known.
    return present | {n: s for n, s in written.items() if n not in known}


def read_summary(path: Path) -> dict[str, Summary]:
    """Read what :func:`write_summary` wrote; raises UserError if it is anything else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {
            name: Summary(
                **row
                | {
                    "accuracies": tuple(row["accuracies"]),
                    "warnings": tuple(row["warnings"]),
                    "flagged": {k: tuple(v) for k, v in row.get("flagged", {}).items()},
                }
            )
            for name, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged: `fmbench table --write --results {path.parent.parent}` writes it anew"
        ) from None


def write_summary(path: Path, summaries: Iterable[Summary], versions: list[dict[str, str]]) -> None:
    """Write the summaries of measured runners, rounded so that the file is the same everywhere."""
    content = {
        "protocol": FULL.title,
        "versions": versions,
        "rows": {
            s.runner: {k: v for k, v in _rounded(asdict(s)).items() if k != "flagged" or v}
            for s in summaries
            if s.n
        },
    }
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(v) for v in value]
    return value
