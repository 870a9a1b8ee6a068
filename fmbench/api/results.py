"""A results folder, read through a suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.inputs import choose_protocol, collect_folders, load_given_suite
from fmbench.api.names import find_meant_names
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS
from fmbench.utils.formatting import format_number_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmbench.analysis.evaluation import SuiteResults
    from fmbench.records.record import Record
    from fmbench.suites.claims import Row, Suite
    from fmbench.suites.configurations import Configuration
    from fmbench.utils.table import Table


@dataclass(frozen=True, repr=False)
class Results:
    """A results folder, seen through a suite: what was claimed, and what was measured.

    ``new_records`` are those that :func:`run` has just made; ``interruption`` says what is finished
    if Ctrl-C ended that run early; ``unwritten`` says which table it could not write, and why, if
    any; ``named`` are the rows that it was asked for by name.
    """

    evaluation: SuiteResults
    new_records: tuple[Record, ...] = ()
    interruption: str = ""
    unwritten: str = ""
    named: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run early."""
        return bool(self.interruption)

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.evaluation.suite

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.evaluation.store.folder

    def to_frame(self) -> pd.DataFrame:
        """One row for each claim, in the order of the suite, then the other runners measured.

        Accuracies (claimed, source, reference, mean, sd, low, high, gap, delta_star) are floats in
        [0, 1], and NaN where there is none. ``low`` and ``high`` bound the accuracy of one new run
        at 95 %; ``gap`` is measured minus claimed; ``n`` counts seeds; ``status`` says whether the
        row was measured, and ``reason`` why not. ``measured_by`` is ``"here"``, or ``"fmbench"``
        for fmbench's own measurement of a row that has no record here.
        ``claim_low`` and ``claim_high`` bound what is claimed, such as the mean of five runs.
        ``source_protocol_verdict`` is the verdict by the source's own procedure, and ``flatters``
        what that procedure adds to the accuracy. :meth:`JudgedRow.as_dict` has every column.
        """
        import pandas as pd

        return pd.DataFrame([row.as_dict() for row in self.evaluation.rows])

    def records_frame(self) -> pd.DataFrame:
        """One row for each finished run: runner, seed, accuracy, seconds, device, versions."""
        import pandas as pd

        return pd.DataFrame(
            {
                "runner": configuration.name,
                "dataset": configuration.dataset.name,
                "seed": record.cell["seed"],
                "accuracy": accuracy,
                "fit_seconds": record.fit_seconds,
                "predict_seconds": record.predict_seconds,
                "peak_memory_bytes": record.peak_memory_bytes,
                "device": record.device,
                "threads": record.threads,
                "started": record.started,
                **{f"version_{name}": version for name, version in record.versions.items()},
            }
            for configuration, record, accuracy in self.evaluation.scored_records()
        )

    def predictions(self, runner: str) -> np.ndarray:
        """The stored predictions of a runner by seed: ``uint8 (n_seeds, n_images)``.

        Raises:
            UserError: nothing has been measured of this runner.
        """
        import numpy as np

        _, records = self._records_of(runner)
        return np.stack([self.evaluation.store.load_y_pred(record) for record in records])

    def confusion_matrix(self, runner: str) -> np.ndarray:
        """How often each class was predicted for each true class, summed over the seeds.

        ``int (n_classes, n_classes)``; row: the true class, column: the predicted class.

        Raises:
            UserError: nothing has been measured of this runner.
        """
        configuration, records = self._records_of(runner)
        return self.evaluation.confusion_matrices(configuration, records).sum(axis=0)

    def table(self, name: str = "accuracies", only: Collection[str] = ()) -> Table:
        """A table of the suite: ``"accuracies"``, ``"by-class"`` or ``"overall"``.

        ``only``: the table of accuracies has only the rows of these runners.

        Raises:
            UserError: there is no such table, or the suite has no figures for it.
        """
        from fmbench.report.tables import build_table
        from fmbench.suites.reader import TABLES

        if name not in TABLES:
            raise UserError(f"there is no table {name!r}: choose one of {', '.join(TABLES)}")
        return build_table(self.evaluation, name, only=only)

    def _records_of(self, runner: str) -> tuple[Configuration, list[Record]]:
        from fmbench.utils.names import suggest_names

        [runner] = find_meant_names([runner], self.evaluation.configurations, self.suite)
        configuration = self.evaluation.configurations.get(runner)
        records = self.evaluation.records_of(configuration) if configuration else []
        if configuration is None or not records:
            measured = [name for name, s in self.evaluation.summaries.items() if s.n]
            raise UserError(
                f"{self.folder} holds no result of {runner!r}{suggest_names(runner, measured)}"
            )
        return configuration, records

    def __repr__(self) -> str:
        rows = self.evaluation.rows
        n_here = sum(row.is_measured_here for row in rows)
        return (
            f"<Results of {self.suite.name} in {self.folder}: "
            f"{format_number_of(len(rows), 'row')}, {n_here} measured here; to_frame() has them>"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html()


def load_results(
    folder: str | Path = DEFAULT_RESULTS,
    suite: str | Path | Suite | None = None,
    *,
    quick: bool = False,
    data: Mapping[str, Path] | str | Path | None = None,
) -> Results:
    """Read a results folder. Nothing is run.

    ``suite``: a suite, its file or its name; by default Kayed et al. 2020. ``quick``: the results
    of ``fmbench run --quick``. ``data``: as for :func:`run`; the test labels score the
    predictions.

    Raises:
        UserError: the folder is a file, the suite is not valid, or the data are needed and cannot
            be found or fetched.
    """
    from fmbench.analysis import evaluation

    if Path(folder).is_file():
        raise UserError(f"{folder} is a file: name a results folder")
    folders = collect_folders(data)
    return Results(
        evaluation.read_results(
            Path(folder),
            load_given_suite(suite),
            choose_protocol(quick),
            folders.get(DEFAULT_DATASET.name),
        )
    )


def find_table_rows(results: Results, names: Iterable[str]) -> list[Row]:
    """Find the rows of a table of accuracies that names mean.

    A name is that of a runner, a label, or what papers call a runner; each may mean several rows.

    Raises:
        UserError: a name that is not known, or that no row has.
    """
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.labels import simplify
    from fmbench.utils.names import suggest_names

    rows = [judged.row for judged in results.evaluation.rows]
    known = {row.runner for row in rows if row.runner}
    found: list[Row] = []
    for name in names:
        labelled = [row for row in rows if simplify(row.label) == simplify(name) != ""]
        if name not in known and labelled:
            found += labelled
            continue
        [exact] = find_meant_names([name], known, results.suite)
        exact = exact if exact in known else str(parse_model_spec(exact))
        if exact not in known:
            near = suggest_names(exact, known)
            raise UserError(f"the table of {results.suite.name} has no row of {exact!r}{near}")
        found += [row for row in rows if row.runner == exact]
    return found
