"""Checking the records of a results folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.inputs import (
    collect_folders,
    list_names,
    load_given_suite,
    locate_verified_data,
)
from fmbench.api.names import find_meant_names
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    from fmbench.audit.rerun import RerunResult
    from fmbench.audit.verify import RecordCheck, Verifier
    from fmbench.execution.session import MakeObserver, RunOptions
    from fmbench.suites.claims import Suite


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found: one check for each record, and the tables that differ."""

    checks: tuple[RecordCheck, ...]
    table_differences: tuple[tuple[Path, str], ...]
    verifier: Verifier
    named: tuple[str, ...]

    @property
    def is_bad(self) -> bool:
        """Whether a record or a table is broken, stale or wrong."""
        return bool(self.table_differences) or any(check.is_bad for check in self.checks)

    def rerun(
        self,
        options: RunOptions | None = None,
        make_observer: MakeObserver | None = None,
        verbosity: int = 0,
    ) -> RerunResult:
        """Measure the records again, in a temporary folder, and compare the predictions."""
        from fmbench.audit.rerun import rerun_records
        from fmbench.execution.session import RunOptions, Verbosity
        from fmbench.report.progress import show_progress

        return rerun_records(
            self.checks, self.named, self.verifier, options or RunOptions(),
            make_observer or partial(show_progress, verbosity=Verbosity(verbosity)),
        )  # fmt: skip


def verify(
    names: str | Sequence[str] = (),
    *,
    suite: str | Path | Suite | None = None,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
) -> Verification:
    """Check every record of a results folder, and its tables. Nothing is changed or run.

    ``names``: only the records of these runners, and no tables.

    Raises:
        UserError: there is no such folder, or it has no record of a name.
    """
    from fmbench.analysis.evaluation import read_results
    from fmbench.audit.current_cells import CurrentCells
    from fmbench.audit.verify import TableVerifier, Verifier, select_checks
    from fmbench.datasets import locate
    from fmbench.datasets.specs import DATASETS
    from fmbench.records.store import open_existing_store
    from fmbench.report.progress import track_progress

    folder, folders, loaded = Path(results), collect_folders(data), load_given_suite(suite)
    store = open_existing_store(folder)
    contents = store.read_contents()
    records = [*contents.finished.values(), *contents.failed.values()]
    recorded = {record.cell["runner"] for record in records}
    recorded |= {record.asked["runner"] for record in records if record.asked}
    recorded |= {broken.path.parent.name for broken in contents.broken}
    names = find_meant_names(list_names(names), recorded, loaded)
    source = locate_verified_data(folders)
    others = locate.find_other_datasets(
        (r.cell["dataset"] for r in contents.finished.values() if r.cell["dataset"] in DATASETS),
        folders, fetch=False, consequence="the records' own labels are used for",
    )  # fmt: skip
    verifier = Verifier(store, {source.spec.name: source, **others}, CurrentCells(loaded))
    n = len(contents.broken) + len(contents.finished) + len(contents.failed)
    checks = list(track_progress(verifier.check_records(contents), "checking records", n))
    if names:
        return Verification(tuple(select_checks(checks, names, folder)), (), verifier, tuple(names))
    tables = TableVerifier(
        folder,
        loaded,
        lambda protocol: read_results(folder, loaded, protocol, source.folder, store=store),
    )
    return Verification(tuple(checks), tuple(tables.differences), verifier, ())
