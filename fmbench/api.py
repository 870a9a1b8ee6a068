"""The Python API: what the command line does, for notebooks and scripts.

    import fmbench

    results = fmbench.load_results("results/reference")
    results.to_frame()[["label", "claimed", "mean", "verdict"]]

Everything here is exported by ``import fmbench``. The commands of ``fmbench`` call the same
functions and print what they return. Messages for the user go to the logger ``fmbench``; errors
that the user can correct are :class:`fmbench.UserError`.

Accuracies are fractions in [0, 1], seconds are wall time, memory is in bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmbench.analysis.comparison import Comparison
    from fmbench.analysis.evaluation import JudgedRow, SuiteResults
    from fmbench.analysis.forensics.findings import ForensicsFindings
    from fmbench.analysis.forensics.plan import CellGroup, ForensicsPlan
    from fmbench.analysis.looks import Looks
    from fmbench.analysis.predictions import SuitePredictions
    from fmbench.analysis.seed_allocation import RowPlan
    from fmbench.analysis.summary import Summary
    from fmbench.audit.rerun import RerunResult
    from fmbench.audit.verify import RecordCheck, Verifier
    from fmbench.consistency.check import ConsistencyResult
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.plan import RunPlan
    from fmbench.execution.session import MakeObserver, MeasuringSession, RunOptions
    from fmbench.judging.documents import Input
    from fmbench.judging.judgement import Judgement
    from fmbench.models.registry import Runner
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import Protocol
    from fmbench.records.record import Record
    from fmbench.records.store import BrokenRecord, Store, StoreContents
    from fmbench.report.commands import Commands
    from fmbench.report.live_table import LiveTable
    from fmbench.suites.claims import Row, Suite
    from fmbench.suites.configurations import Configuration
    from fmbench.utils.table import Table

logger = logging.getLogger("fmbench")


def load_suite(name_or_path: str | Path | None = None) -> Suite:
    """Read a suite: a paper's claims, and the runner that measures each.

    ``name_or_path`` is a TOML file or the name of a suite that comes with fmbench, such as
    ``"xiao2017"``; by default Kayed et al. 2020.

    Raises:
        UserError: there is no such suite, or it is not valid.
    """
    from fmbench.suites import bundled, reader

    return reader.read_suite(
        None if name_or_path is None else bundled.find_suite(str(name_or_path))
    )


@dataclass(frozen=True)
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
        """
        from fmbench.report.tables import build_table

        return build_table(self.evaluation, name, only=only)

    def _records_of(self, runner: str) -> tuple[Configuration, list[Record]]:
        from fmbench.utils.names import suggest_names

        [runner] = _find_meant_names([runner], self.evaluation.configurations, self.suite)
        configuration = self.evaluation.configurations.get(runner)
        records = self.evaluation.records_of(configuration) if configuration else []
        if configuration is None or not records:
            measured = [name for name, s in self.evaluation.summaries.items() if s.n]
            raise UserError(
                f"{self.folder} holds no result of {runner!r}{suggest_names(runner, measured)}"
            )
        return configuration, records

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
        UserError: the suite is not valid, or the data are needed and cannot be found or fetched.
    """
    from fmbench.analysis import evaluation

    folders = _collect_folders(data)
    return Results(
        evaluation.read_results(
            Path(folder),
            _load_suite(suite),
            _choose_protocol(quick),
            folders.get(DEFAULT_DATASET.name),
        )
    )


def run(
    names: Sequence[str] = (),
    *,
    every_row: bool = False,
    suite: str | Path | Suite | None = None,
    parameters: Sequence[str] = (),
    seeds: int | None = None,
    seed_numbers: Sequence[int] = (),
    until_decided: bool = False,
    max_seeds: int | None = None,
    quick: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
    controls: bool = False,
    force: bool = False,
    refresh: bool = False,
    options: RunOptions | None = None,
    verbosity: int = 0,
    make_observer: MakeObserver | None = None,
) -> Results:
    """Measure runners, write the tables, and return the results. Finished cells are not run again.

    names: runners (``"lenet5"``), or models of your own (``"./my_model.py:make_model"``,
        ``"sklearn.ensemble:ExtraTreesClassifier"``).
    every_row: run every row of the suite instead, except those that run only if named.
    parameters: ``"name=value"`` hyperparameters in place of the recipe's.
    seeds: the number of seeds of each stochastic runner; by default 5, with ``quick`` 2.
    seed_numbers: exactly these seeds instead, such as ``[3]``.
    until_decided: seeds go only where a verdict is open. A row gets three seeds, then one at a
        time, until it is decided, or a decision has become improbable, or it has ``max_seeds`` (by
        default 20). P values are corrected for these looks. A row that no seed can decide gets one.
        With ``every_row``, a row that seeds cannot or probably will not decide gets none where
        fmbench's own measurement can take its place.
    quick: a small part of the data and few epochs; the figures cannot be compared with claims.
    data: folders of the data sets by name, or the folder of Fashion-MNIST; by default they are
        found or fetched.
    controls: also measure the models of rows with a control figure on the control's images.
    force: also run finished cells again. refresh: those made with other versions or elsewhere.
    options: what the run may use. make_observer: shows progress; by default on stderr, where a
        terminal also shows the table, and replaces row by row what is measured here.
    verbosity: -1 for errors only, 1 for more than usual.

    A cell that fails leaves a record that says why; the others go on. Ctrl-C ends the run, keeps
    what is finished and returns it.

    Raises:
        UserError: an unknown name, a suite or data that are not valid, a device that is not there,
            or options that exclude each other.
    """
    from fmbench.analysis import evaluation
    from fmbench.execution import schedule
    from fmbench.report.tables import write_tables
    from fmbench.utils.environment import collect_versions
    from fmbench.utils.file_errors import describe_os_error
    from fmbench.utils.formatting import format_number_of

    max_seeds = _check_max_seeds(
        until_decided, max_seeds,
        quick=quick, seeds=bool(seeds or seed_numbers), force=force, refresh=refresh,
    )  # fmt: skip
    seeds = max_seeds or seeds
    asked = _select_cells(
        names, every_row, _load_suite(suite), parameters, seeds, seed_numbers, quick, controls
    )
    asked.suite.find_writable_folder(Path(results))  # a link there is refused before the work
    with _MeasuringSetup(Path(results), data, options, make_observer, verbosity) as measuring:
        store, contents = measuring.store, measuring.store.read_contents()
        todo = schedule.select_pending(asked.cells, contents, force=force, refresh=refresh)
        sources = measuring.find_sources(todo)
        todo, cells = (
            [cell for cell in part if cell.dataset.name in sources] for part in (todo, asked.cells)
        )

        def read() -> SuiteResults:
            return evaluation.read_results(
                store.folder, asked.suite, asked.protocol, measuring.source.folder,
                asked.configurations, store,
            )  # fmt: skip

        if verbosity > 0:
            logger.info("records are written into %s", store.records.resolve())
            versions = (f"{name} {v}" for name, v in collect_versions().items())
            logger.info("versions: %s", ", ".join(versions))
        session = measuring.session(todo, _prepare_live_table(asked, read))
        todo = session.sort(todo)
        looks = None
        if max_seeds:
            looks = _make_looks(asked, store.folder, max_seeds, measuring.estimate, sources)
            looks.start()
        if not todo and not looks:
            logger.info(
                "nothing to do: %d cells are measured already (--force runs them again)",
                len(cells),
            )
        with session.catch_interrupt(can_continue=not force):
            if looks:
                _measure_until_decided(looks, asked, session, sources, read)
            else:
                session.measure(todo, contents, n_planned=len(cells))
    found = looks.finish(read()) if looks else read()
    unwritten = ""
    try:
        # If nothing new was measured, the tables have not changed; to score again takes seconds.
        written = write_tables(found, only_missing=not (todo or looks))
        if written and not session.interruption:
            folder = asked.suite.folder_in(store.folder)
            tables = format_number_of(len(written) // 2, "table")
            logger.info("written: %s as Markdown and CSV in %s", tables, folder)
    except OSError as error:  # such as a full disk: the records are written, and can be shown
        unwritten = describe_os_error(error)
        logger.error("a table cannot be written: %s", unwritten)
    return Results(found, tuple(session.records), session.interruption, unwritten, asked.named)


def plan_run(
    names: Sequence[str] = (),
    *,
    every_row: bool = False,
    suite: str | Path | Suite | None = None,
    parameters: Sequence[str] = (),
    seeds: int | None = None,
    seed_numbers: Sequence[int] = (),
    until_decided: bool = False,
    max_seeds: int | None = None,
    quick: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
    controls: bool = False,
    force: bool = False,
    refresh: bool = False,
    options: RunOptions | None = None,
) -> RunPlan:
    """Say what :func:`run` would do with these arguments. Nothing is measured or written.

    A run until decided is planned up to its next look, with the most that it could take. Only then
    may a data set be fetched, to score what the folder has.

    Raises:
        UserError: as :func:`run`.
    """
    from fmbench.analysis import evaluation
    from fmbench.analysis.reference import load_reference_fit_seconds
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.plan import LaterLooks, plan_cells
    from fmbench.execution.schedule import select_pending
    from fmbench.execution.session import RunOptions
    from fmbench.records.store import Store
    from fmbench.report.until_decided import list_stops

    max_seeds = _check_max_seeds(
        until_decided, max_seeds,
        quick=quick, seeds=bool(seeds or seed_numbers), force=force, refresh=refresh,
    )  # fmt: skip
    asked = _select_cells(
        names, every_row, _load_suite(suite), parameters, max_seeds or seeds, seed_numbers, quick,
        controls,
    )  # fmt: skip
    store = Store(Path(results))
    folders = _collect_folders(data)
    found = None
    if max_seeds:
        found = evaluation.read_results(
            store.folder, asked.suite, asked.protocol, folders.get(DEFAULT_DATASET.name),
            asked.configurations, store,
        )  # fmt: skip
    contents = found.contents if found else store.read_contents()
    estimate = DurationEstimate(contents, load_reference_fit_seconds())
    todo = select_pending(asked.cells, contents, force=force, refresh=refresh)
    cells_by_row, later = asked.cells_by_row, None
    if found and max_seeds:
        looks = _make_looks(asked, store.folder, max_seeds, estimate)
        unfinished = {cell.key for cell in todo}
        todo, most = _foresee_looks(looks, asked, found)
        next_keys = {cell.key for cell in todo}
        cells_by_row = {
            name: shown
            for name, cells in cells_by_row.items()
            if (shown := [c for c in cells if c.key in next_keys or c.key not in unfinished])
        }
        seconds = sum(map(estimate.expected_seconds, most))
        later = LaterLooks(len(most), seconds, tuple(list_stops(looks.spent.rows, is_over=False)))
    for title in _find_missing_data(todo, folders):
        logger.info("%s is not on this machine: the run fetches it", title)
    plan = plan_cells(cells_by_row, todo, store, estimate, options or RunOptions())
    return replace(plan, later_looks=later)


def _foresee_looks(
    looks: Looks, asked: _AskedCells, found: SuiteResults
) -> tuple[list[Cell], list[Cell]]:
    """Return two lists: the cells before the next look, and all cells that the run may measure.

    The second list contains the first. It is what the run measures in the worst case, in which no
    open row stops before it has the largest number of seeds.
    """
    from fmbench.execution.schedule import select_pending

    plans = looks.plan(found, retries_failed=True)
    others = [*looks.find_failed_cells(found), *_list_control_cells(asked)]
    todo = _choose_next_cells(looks, plans, found, others)
    open_rows = {p.row.runner for p in plans if p.next_seeds and p.row.claim and not p.row.no_test}
    of_open_rows = [
        cell for name, cells in asked.cells_by_row.items() if name in open_rows for cell in cells
    ]
    most = {cell.key: cell for cell in [*todo, *select_pending(of_open_rows, found.contents)]}
    return todo, list(most.values())


def _find_missing_data(cells: Sequence[Cell], folders: Mapping[str, Path]) -> Iterable[str]:
    """Yield the titles of the data sets that cells need and that a run would have to fetch."""
    from fmbench.datasets.locate import check_folders, locate_dataset

    check_folders(folders)
    for spec in {cell.dataset.name: cell.dataset for cell in cells}.values():
        try:
            locate_dataset(spec, folders.get(spec.name))
        except UserError:
            yield spec.title


@dataclass(frozen=True)
class _AskedCells:
    """What :func:`run` was asked to measure: every cell once, and the cells of each row."""

    suite: Suite
    protocol: Protocol
    configurations: Sequence[Configuration]
    cells: Sequence[Cell]
    cells_by_row: Mapping[str, Sequence[Cell]]
    named: tuple[str, ...]  # the rows; empty if every row was asked for


def _select_cells(
    names: Sequence[str],
    every_row: bool,
    suite: Suite,
    parameters: Sequence[str],
    seeds: int | None,
    seed_numbers: Sequence[int],
    quick: bool,
    controls: bool,
) -> _AskedCells:
    """Select the cells that :func:`run` measures, finished or not; see there.

    Raises:
        UserError: as :func:`select_configurations`.
    """
    from fmbench.suites.configurations import find_control_configurations
    from fmbench.utils.formatting import join_words

    configurations = select_configurations(names, every_row, suite, parameters)
    protocol = _choose_protocol(quick)
    on_controls = find_control_configurations(suite, configurations) if controls else []
    cells_by_row, without_seed = {}, []
    for configuration in [*configurations, *on_controls]:
        of_row = configuration.cells(protocol, seeds or protocol.default_seeds)
        if seed_numbers and configuration.runner.deterministic:
            without_seed.append(configuration.name)
        elif seed_numbers:
            of_row = [configuration.cell(protocol, seed) for seed in dict.fromkeys(seed_numbers)]
        cells_by_row[configuration.name] = of_row
    if without_seed:
        logger.info("the seed makes no difference for %s", join_words(without_seed, most=5))
    by_key = {cell.key: cell for cells in cells_by_row.values() for cell in cells}
    named = () if every_row else tuple(configuration.name for configuration in configurations)
    return _AskedCells(suite, protocol, configurations, list(by_key.values()), cells_by_row, named)


def _prepare_live_table(
    asked: _AskedCells, read: Callable[[], SuiteResults]
) -> Callable[[], LiveTable]:
    """Return what makes, once, the table of a run: the rows that were asked for, as known now."""
    from fmbench.report.live_table import LiveTable

    @cache
    def make_table() -> LiveTable:
        rows = {cell.key: name for name, cells in asked.cells_by_row.items() for cell in cells}
        return LiveTable(read, asked.named, rows)

    return make_table


def _check_max_seeds(until_decided: bool, max_seeds: int | None, **excluded: bool) -> int | None:
    """Return the largest number of seeds of a row; None if the run is not until decided.

    ``excluded``: the options that cannot be combined with it, and whether the user gave each.

    Raises:
        UserError: one of them was given, or ``max_seeds`` is not allowed.
    """
    from fmbench.analysis.verdicts import FEWEST_SEEDS, MAX_SEEDS

    if not until_decided:
        if max_seeds is not None:
            raise UserError("--max-seeds goes with --until-decided: add it, or use --seeds")
        return None
    for name, is_given in excluded.items():
        if is_given:
            raise UserError(
                f"--until-decided and --{name} exclude each other: the looks choose the seeds, and "
                "count each seed from 0 once"
            )
    chosen = MAX_SEEDS if max_seeds is None else max_seeds
    if not FEWEST_SEEDS <= chosen <= MAX_SEEDS:
        raise UserError(
            f"--max-seeds {chosen}: choose a number from {FEWEST_SEEDS} to {MAX_SEEDS}; the first "
            f"look is after {FEWEST_SEEDS} seeds, the last after {MAX_SEEDS}"
        )
    return chosen


def _make_looks(
    asked: _AskedCells,
    results: Path,
    max_seeds: int,
    estimate: DurationEstimate,
    sources: Collection[str] | None = None,
) -> Looks:
    """Make what says, after each round of seeds, which seeds the run measures next.

    ``sources``: the names of the data sets that are on this machine; rows on other images are left
    out. None: every row takes part.
    """
    from fmbench.analysis.looks import Looks
    from fmbench.execution.estimate import count_core_seconds

    chosen = {
        c.name: c for c in asked.configurations if sources is None or c.dataset.name in sources
    }
    return Looks(
        asked.suite, results, chosen, asked.named, max_seeds, estimate.expected_seconds,
        count_core_seconds,
    )  # fmt: skip


def _measure_until_decided(
    looks: Looks,
    asked: _AskedCells,
    session: MeasuringSession,
    sources: Mapping[str, LocatedDataset],
    read: Callable[[], SuiteResults],
) -> None:
    """Measure rows round by round, until each of them has stopped.

    Each cell is measured once at most: what fails stops its row. Cells of controls, which have no
    looks, belong to the first round.
    """
    from fmbench.report.until_decided import describe_next_round, list_stops

    tried: set[str] = set()
    while True:
        found = read()
        plans = looks.look(found, retries_failed=not tried)
        others = []
        if not tried:
            others = [*looks.find_failed_cells(found), *_list_control_cells(asked, sources)]
        pending = _choose_next_cells(looks, plans, found, others)
        todo = session.sort([cell for cell in pending if cell.key not in tried], is_ordered=True)
        if not todo:
            break
        logger.info("%s", describe_next_round(plans))
        tried |= {cell.key for cell in todo}
        n_finished = sum(cell.key in found.contents.finished for cell in asked.cells)
        session.measure(todo, found.contents, n_planned=n_finished + len(todo))
    logger.info("%s", "; ".join(list_stops(looks.spent.rows)))


def _choose_next_cells(
    looks: Looks, plans: list[RowPlan], found: SuiteResults, others: Iterable[Cell]
) -> list[Cell]:
    """Choose the cells to measure before the next look; finished ones are left out.

    First come the seeds that ``plans`` ask for, those that decide most for their time at the
    beginning, and then ``others``.
    """
    from fmbench.execution.schedule import select_pending

    wanted = {cell.key: cell for cell in [*looks.choose_cells(plans), *others]}
    return select_pending(wanted.values(), found.contents)


def _list_control_cells(asked: _AskedCells, sources: Collection[str] | None = None) -> list[Cell]:
    """List the cells that measure the model of a row on other images, such as the digits.

    ``sources``: the names of the data sets that are on this machine; cells on other images are left
    out. None: every cell is listed.
    """
    rows = {configuration.name for configuration in asked.configurations}
    return [
        cell
        for name, cells in asked.cells_by_row.items() if name not in rows
        for cell in cells[: asked.protocol.default_seeds]
        if sources is None or cell.dataset.name in sources
    ]  # fmt: skip


def check(
    suite: Input | Suite | None = None,
    rounding: str = "nearest",
    *,
    all_figures: bool = False,
    kind: str | None = None,
    column: str | None = None,
) -> ConsistencyResult:
    """Can the figures of a paper be true together? Arithmetic alone; nothing is run.

    ``suite`` is a suite, or any document that :func:`judge` reads; ``kind`` and ``column`` are as
    there. ``rounding`` says how the figures were shortened: ``"nearest"``, ``"truncated"`` or
    ``"either"``. The check compares sources, such as tables; ``all_figures`` also compares figure
    with figure, which may take many seconds.

    Raises:
        UserError: the document cannot be read, or the suite is not valid.
    """
    from fmbench.consistency.check import check_consistency
    from fmbench.consistency.solver import silence_solver_output

    silence_solver_output()
    loaded = _load_claims(suite, kind, column)
    return check_consistency(loaded, rounding, all_figures=all_figures)


def judge(
    *inputs: Input,
    kind: str | None = None,
    column: str | None = None,
    mapping: Sequence[str] = (),
    model: str = "",
    results: str | Path | None = None,
    rounding: str = "nearest",
    margin: float = 0.005,
    alpha: float = 0.05,
) -> Judgement:
    """Judge claims by what is measured already; nothing is run.

    inputs: files, pasted text of several lines, or claims such as ``"LeNet-5 98.80 %"``.
    kind: what a document is, by a name in :data:`fmbench.extraction.read.KINDS`; column: its
        column with the accuracies. By default both are found.
    mapping: ``"LABEL=RUNNER"``: what a label means. model: the runner of unnamed figures.
    results: a results folder; by default fmbench's own measurements count.
    rounding: how the figures were shortened: ``"nearest"``, ``"truncated"`` or ``"either"``.
    margin (a fraction) and alpha are those of the verdicts.

    Raises:
        UserError: an input cannot be read or has no figure, or a name is not known.
    """
    from fmbench.judging.documents import list_options, name_input, read_documents
    from fmbench.judging.judgement import judge_documents

    options = list_options(
        kind=kind, column=column, mapping=mapping, model=model, results=results,
        rounding=rounding, margin=None if margin == 0.005 else margin,
    )  # fmt: skip
    return judge_documents(
        read_documents(inputs, kind=kind, column=column),
        mapping=mapping, model=model, results=None if results is None else Path(results),
        rounding=rounding, margin=margin, alpha=alpha, arguments=tuple(map(name_input, inputs)),
        options=options,
    )  # fmt: skip


def import_suite(
    *inputs: Input,
    kind: str | None = None,
    column: str | None = None,
    mapping: Sequence[str] = (),
    model: str = "",
) -> str:
    """Write the claims of documents as the TOML text of a suite; each entry says where it stands.

    The arguments are those of :func:`judge`.

    Raises:
        UserError: see :func:`judge`; or an input is a suite already.
    """
    from fmbench.judging.documents import read_documents
    from fmbench.judging.judgement import draft_suite
    from fmbench.judging.suite_builder import describe_documents, write_suite_text
    from fmbench.suites.claims import Suite

    found = read_documents(inputs, kind=kind, column=column)
    if isinstance(found, Suite):
        raise UserError(f"{found.path} is a suite already")
    draft = draft_suite(found, mapping=mapping, model=model)
    draft.build(Path("suite.toml"))  # an error now is better than an invalid file
    return write_suite_text(draft, describe_documents(found))


def compare(
    names: Sequence[str] = (),
    *,
    suite: str | Path | Suite | None = None,
    quick: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
) -> ComparedRunners:
    """Is one runner better than another? From stored predictions; nothing is run.

    ``names``: two runners; without names, every pair of the suite's rows that was measured.

    Raises:
        UserError: fewer than two of them were measured.
    """
    import numpy as np

    from fmbench.analysis import comparison
    from fmbench.analysis.summary import find_current_records
    from fmbench.datasets import locate
    from fmbench.records.protocols import load_labels
    from fmbench.records.store import Store
    from fmbench.report.commands import build_commands
    from fmbench.suites.configurations import (
        build_suite_configurations,
        rebuild_recorded_configurations,
    )

    if names and (len(names) != 2 or len(set(names)) != 2):
        raise UserError("name two different runners; `fmbench list` shows them")
    protocol = _choose_protocol(quick)
    loaded = _load_suite(suite)
    rows, _ = build_suite_configurations(loaded)
    store = Store(Path(results))
    contents = store.read_contents()
    asked = {e.name: e for e in rebuild_recorded_configurations(contents.finished.values())}
    if names:
        configurations = find_configurations(names, known=rows | asked, suite=loaded)
        if len(configurations) != 2:
            raise UserError(
                f"{' and '.join(map(repr, names))} are both {configurations[0].name}: name two "
                "different runners"
            )
        for configuration in configurations:
            if configuration.dataset != DEFAULT_DATASET:
                raise UserError(
                    f"{configuration.name} was not measured on {DEFAULT_DATASET.title}: compare "
                    "two that were"
                )
    else:
        configurations = [
            configuration
            for configuration in rows.values()
            if configuration.dataset == DEFAULT_DATASET
        ]
    found = {
        configuration.name: find_current_records(configuration, protocol, contents)
        for configuration in configurations
    }
    missing = tuple(name for name, records in found.items() if not records)
    commands = build_commands(store.folder, loaded, quick=quick)
    if missing and names:
        raise UserError(
            f"{missing[0]} has no {protocol.name} result in {results}: "
            f"`{commands.run(missing[0])}` measures it"
        )
    if len(found) - len(missing) < 2:
        raise UserError(
            f"{results} holds {protocol.name} results of fewer than two rows: "
            f"`{commands.run('--all')}` measures them"
        )
    y_true = load_labels(
        protocol,
        locate.locate_dataset(folder=_collect_folders(data).get(DEFAULT_DATASET.name), fetch=True),
    )
    predictions = {
        name: np.stack([store.load_y_pred(record) for record in records])
        for name, records in found.items()
        if records
    }
    single = [
        e.name for e in configurations if len(found[e.name]) == 1 and not e.runner.deterministic
    ]
    compared = comparison.compare_runners(y_true, predictions)
    table = comparison.build_comparison_table(compared, protocol, unknown_spread=single)
    return ComparedRunners(tuple(compared), table, missing, tuple(contents.broken))


def compare_results(first: Results, against: Results, names: Sequence[str] = ()) -> Table:
    """Compare the same rows in two results folders, such as those of two machines.

    ``names``: runners; without names, every row that both have measured. Both must have been read
    for the same suite.

    Raises:
        UserError: a named row, or every row, is not measured in both.
    """
    from fmbench.analysis.two_results import build_two_results_table, pair_rows

    rows = list(pair_rows(first.evaluation.summaries, against.evaluation.summaries))
    measured = {row.runner for row in rows}
    names = _find_meant_names(names, measured, first.suite)
    if missing := [name for name in names if name not in measured]:
        raise UserError(
            f"{missing[0]} is not measured in both {first.folder} and {against.folder}; measured "
            f"in both: {', '.join(sorted(measured)) or 'nothing'}"
        )
    if not rows:
        raise UserError(f"no row is measured in both {first.folder} and {against.folder}")
    chosen = [row for row in rows if not names or row.runner in names]
    return build_two_results_table(chosen, str(first.folder), str(against.folder))


@dataclass(frozen=True)
class ComparedRunners:
    """Pairs of runners compared on the same images.

    ``not_measured`` names the rows that have no result and so are in no pair; ``broken`` are the
    records that could not be read.
    """

    pairs: tuple[Comparison, ...]
    table: Table
    not_measured: tuple[str, ...]
    broken: tuple[BrokenRecord, ...]


def forensics(
    name: str,
    *,
    suite: str | Path | Suite | None = None,
    parameters: Sequence[str] = (),
    seeds: int | None = None,
    quick: bool = False,
    readings: bool = True,
    run: bool = False,
    write: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
    options: RunOptions | None = None,
    verbosity: int = 0,
    make_observer: MakeObserver | None = None,
) -> Forensics:
    """Which story explains what a paper prints of a model? From stored records, or measured.

    ``name`` and ``parameters`` as for :func:`run`. ``readings``: also try every combination of what
    the model's source leaves open.

    Nothing is run unless ``run`` is true; then the cells that are missing are measured, the most
    telling first, and at the end more seeds of the stories that explain the most. If the correct
    procedure explains everything, or no claim is about these images, nothing else is measured.
    Ctrl-C keeps what there is. Nothing is written unless ``write`` is true: then the tables go into
    the suite's folder of the results. Without records in ``results``, fmbench's own are read, if
    they are at hand.

    Raises:
        UserError: as :func:`run`; or there is nothing to write.
    """
    from fmbench.analysis.evaluation import read_results
    from fmbench.analysis.forensics.findings import build_findings
    from fmbench.analysis.forensics.plan import ForensicsPlan
    from fmbench.analysis.forensics.stored import StoredPredictions
    from fmbench.analysis.summary import find_current_records
    from fmbench.datasets import locate
    from fmbench.records.store import Store
    from fmbench.suites.configurations import build_suite_configurations
    from fmbench.utils.file_errors import describe_os_error

    loaded = _load_suite(suite)
    rows, _ = build_suite_configurations(loaded)
    [configuration] = find_configurations([name], parameters, rows, loaded)
    protocol = _choose_protocol(quick)
    # The table counts every seed that has a record, so the stories must count them too.
    n_measured = len(
        find_current_records(configuration, protocol, Store(Path(results)).read_contents())
    )
    plan = ForensicsPlan(
        configuration.runner, max(seeds or protocol.default_seeds, n_measured), quick, readings,
        configuration.parameters, configuration.dataset, configuration.name,
    )  # fmt: skip
    claimed = any(row.runner == plan.name and row.claimed for row in loaded.rows)

    def find(
        store: Store, contents: StoreContents, source: LocatedDataset | None, judge: bool = True
    ) -> ForensicsFindings:
        judged: Sequence[JudgedRow] = ()
        if judge and claimed and source and not (quick or parameters):
            judged = read_results(store.folder, loaded, data=source.folder, store=store).rows
        return build_findings(plan, StoredPredictions(store, contents, source), loaded, judged)

    folder, records, interruption = Path(results), [], ""
    if run:
        with _MeasuringSetup(folder, data, options, make_observer, verbosity) as measuring:
            session = _measure_stories(plan, measuring, find)
            store, contents = measuring.store, measuring.store.read_contents()
            found = find(store, contents, measuring.source)
            records, interruption = session.records, session.interruption
        own = contents
    else:
        folders = _collect_folders(data)
        locate.check_folders(folders)
        store, contents, own = _read_stories(plan, folder)
        found = find(store, contents, _locate_labels(plan, contents, folders))
    planned = _plan_cells((*plan.groups, found.confirmation), own)
    if write and store.folder != folder:
        raise UserError(f"{folder} has no record of {plan.name}: measure it with --run")
    unwritten = ""
    try:
        if write and (written := found.write(loaded.find_writable_folder(folder))):
            logger.info("written: %s", ", ".join(map(str, written)))
    except OSError as error:  # as in `run`
        unwritten = describe_os_error(error)
        logger.error("a table cannot be written: %s", unwritten)
    return Forensics(found, store.folder, planned, tuple(records), interruption, unwritten)


def _measure_stories(
    plan: ForensicsPlan,
    measuring: _MeasuringSetup,
    find: Callable[[Store, StoreContents, LocatedDataset | None, bool], ForensicsFindings],
) -> MeasuringSession:
    """Measure the cells of a plan: the correct procedure first, the best stories again last."""
    from fmbench.execution import schedule
    from fmbench.utils.formatting import format_duration

    store = measuring.store
    measuring.find_sources(plan.honest.cells)
    session = measuring.session(plan.cells)

    def measure(cells: Sequence[Cell]) -> None:
        contents = store.read_contents()
        located = measuring.find_sources(schedule.select_pending(cells, contents))
        able = [cell for cell in cells if cell.dataset.name in located]
        if todo := schedule.select_pending(able, contents):
            seconds = session.estimate_seconds(todo)
            logger.info(
                "not measured yet: %d of %d cells, %s: about %s; Ctrl-C keeps what is finished",
                len(todo), len(able), session.describe_jobs(todo), format_duration(seconds),
            )  # fmt: skip
        session.measure(todo, contents, n_planned=len(able))

    def found() -> ForensicsFindings:
        return find(store, store.read_contents(), measuring.source, False)

    with session.catch_interrupt():
        measure(plan.honest.cells)
        if found().needs_no_mistake:
            logger.info("the correct procedure explains everything: nothing else is measured")
        elif found().matrix.clashes and found().needs_no_story:
            logger.info("no run gives the other figures beside the accuracy: nothing else is run")
        elif found().has_only_remarks:
            logger.info("no claim is about these images: nothing else is measured")
        else:
            measure(plan.cells)
            if best := found().best_reading:
                measure(plan.confirmation(best))
            measured: set[str] = set()  # another story may be the best with the new seeds
            while todo := [c for c in found().confirmation.cells if c.key not in measured]:
                measure(todo)
                measured.update(cell.key for cell in todo)
            if not session.records:
                logger.info("nothing to do: all is measured already")
    return session


def _read_stories(plan: ForensicsPlan, folder: Path) -> tuple[Store, StoreContents, StoreContents]:
    """Read the records of a folder, or fmbench's own if it has none of this plan.

    Returns the store with its records, and the records of ``folder`` itself.
    """
    from fmbench.analysis.reference import REFERENCE_RESULTS
    from fmbench.records.store import Store

    store = Store(folder)
    own = contents = store.read_contents()
    if not any(cell.key in own.finished or cell.key in own.failed for cell in plan.cells):
        reference = Store(REFERENCE_RESULTS)
        there = reference.read_contents()
        if any(map(there.find_finished, plan.cells)):
            logger.info(
                "%s has no record of %s: these findings are from fmbench's own records in %s",
                folder, plan.name, REFERENCE_RESULTS,
            )  # fmt: skip
            store, contents = reference, there
    return store, contents, own


def _locate_labels(
    plan: ForensicsPlan, contents: StoreContents, folders: Mapping[str, Path]
) -> LocatedDataset | None:
    """Find the default data set if a record of the plan needs its labels."""
    from fmbench.datasets import locate
    from fmbench.datasets.specs import records_have_labels

    if any(
        not records_have_labels(cell.dataset.name) and contents.find_finished(cell)
        for cell in plan.cells
    ):
        return locate.locate_dataset(folder=folders.get(DEFAULT_DATASET.name), fetch=True)
    return None


def _plan_cells(groups: Iterable[CellGroup], contents: StoreContents) -> tuple[PlannedCells, ...]:
    """List the groups of cells that are not measured, with the time that they would take."""
    from fmbench.analysis.reference import load_reference_fit_seconds
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.schedule import select_pending

    estimate = DurationEstimate(contents, load_reference_fit_seconds())
    planned = []
    for group in groups:
        pending = select_pending(group.cells, contents)
        seconds = sum(map(estimate.expected_seconds, pending))
        if pending:
            planned.append(PlannedCells(group.what, len(pending), len(group.cells), seconds))
    return tuple(planned)


@dataclass(frozen=True)
class PlannedCells:
    """A group of cells of which some are not measured; ``seconds`` is the time on one core."""

    what: str
    n_pending: int
    n_cells: int
    seconds: float


@dataclass(frozen=True)
class Forensics:
    """What :func:`forensics` found.

    ``folder`` holds the records that it read. ``planned`` is what would still have to be measured,
    the most telling first; ``new_records`` are those that it has just made; ``interruption`` and
    ``unwritten`` are as in :class:`Results`.
    """

    findings: ForensicsFindings
    folder: Path
    planned: tuple[PlannedCells, ...]
    new_records: tuple[Record, ...]
    interruption: str = ""
    unwritten: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the measuring early."""
        return bool(self.interruption)


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
    names: Sequence[str] = (),
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

    folder, folders, loaded = Path(results), _collect_folders(data), _load_suite(suite)
    store = open_existing_store(folder)
    contents = store.read_contents()
    records = [*contents.finished.values(), *contents.failed.values()]
    recorded = {record.cell["runner"] for record in records}
    recorded |= {record.asked["runner"] for record in records if record.asked}
    recorded |= {broken.path.parent.name for broken in contents.broken}
    names = _find_meant_names(names, recorded, loaded)
    source = _locate_verified_data(folders)
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


def write_tables(found: Results) -> list[Path]:
    """Write every table of the suite as Markdown and CSV into its folder; return the files."""
    from fmbench.report.tables import write_tables

    found.evaluation.store.prepare()
    return write_tables(found.evaluation)


def write_report(
    found: Results,
    output: str | Path | None = None,
    *,
    against: Results | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Path:
    """Write one self-contained HTML page with all results of the suite; return the file.

    ``output``: the file; by default ``report.html`` in the suite's folder. ``against``: the results
    of another folder; the page compares the rows that both have measured. ``on_step`` is told what
    begins, such as ``drawing the figures``.
    """
    from fmbench.consistency.solver import silence_solver_output
    from fmbench.report.html.page import render_page, say_nothing
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically

    silence_solver_output()
    on_step = on_step or say_nothing
    on_step("reading the predictions")
    details, commands = _load_predictions(found)
    if against is not None:
        details = replace(details, against=against.evaluation)
        commands = replace(commands, against=against.folder)
    path = Path(output or found.suite.find_writable_folder(found.folder) / "report.html")
    _make_folder(path.parent)
    page = render_page(details, commands, on_step)
    with name_file(path):
        write_text_atomically(path, page)
    return path


def format_review(found: Results, *, margin: float = 0.005, alpha: float = 0.05) -> str:
    """Format the verdicts as paragraphs to paste into a review of the paper.

    ``margin`` (a fraction) and ``alpha`` are those of the verdicts.

    Raises:
        UserError: they are the results of a quick run.
    """
    from fmbench.consistency.solver import silence_solver_output
    from fmbench.report.commands import build_commands_of
    from fmbench.report.review import describe_software, write_review
    from fmbench.report.sentences import cite_suite

    _refuse_quick_results(found)
    silence_solver_output()
    suite, evaluation = found.suite, found.evaluation
    commands = build_commands_of(evaluation)
    rows = [row for row in evaluation.judge(margin, alpha) if row.row.claimed]
    lines = [commands.run("--all"), commands.table()] if rows else []
    return write_review(
        cite_suite(suite), rows, check(suite) if suite.reported else None,
        [*lines, *([commands.check()] if suite.reported else [])],
        made_with=describe_software(evaluation.records), margin=margin,
    )  # fmt: skip


def format_eval_results(found: Results) -> str:
    """Format what was measured as YAML, as a model hub's ``.eval_results`` files have it.

    Raises:
        UserError: they are the results of a quick run.
    """
    from datetime import UTC, datetime

    from fmbench.report.review import describe_software, write_eval_results

    _refuse_quick_results(found)
    evaluation = found.evaluation
    return write_eval_results(
        evaluation.rows, made_with=describe_software(evaluation.records), today=datetime.now(UTC)
    )


def _refuse_quick_results(found: Results) -> None:
    if not found.evaluation.has_verdicts:
        raise UserError(
            "the results of a quick run say nothing about the claims, so nobody should publish "
            "them: leave out --quick"
        )


def write_figures(
    found: Results, folder: str | Path | None = None, format_: str = "svg"
) -> tuple[list[Path], dict[str, str]]:
    """Write the figures as ``svg`` or ``png``; return the files, and why others were left out.

    ``folder``: by default ``figures`` in the suite's folder.
    """
    from fmbench.analysis.summary import NO_RECORD
    from fmbench.report.figures import write

    details, commands = _load_predictions(found)
    target = Path(folder or found.suite.find_writable_folder(found.folder, "figures"))
    _make_folder(target)
    written, left_out = write.write_figures(details, target, format_)
    subject = found.suite.subject
    for name, why in left_out.items():
        if subject and why == NO_RECORD:
            left_out[name] = f"{why}: run `{commands.run(subject)}`"
    return written, left_out


def _load_predictions(found: Results) -> tuple[SuitePredictions, Commands]:
    from fmbench.analysis.predictions import load_predictions
    from fmbench.report.commands import build_commands_of

    return load_predictions(found.evaluation), build_commands_of(found.evaluation)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder {folder} cannot be made ({error.strerror}): name another place with "
            "--output"
        ) from None


@dataclass(frozen=True)
class ListedRunner:
    """A line of ``fmbench list``.

    ``name``: what ``fmbench run`` accepts. ``label``: what the paper calls it, or its title.
    ``parameters``: its deciding parameters in words.
    ``reference`` and ``measured`` sum up fmbench's own run and the user's results. ``runner`` is
    None for a row without a runner, and for a plug-in, whose code is not loaded. ``no_runner`` says
    why a row has no runner; otherwise it is empty. ``is_row``: it is a row of the suite.
    """

    name: str
    label: str
    claimed: str | None
    reference: Summary | None
    measured: Summary | None
    runner: Runner | None
    no_runner: str = ""
    parameters: str = ""
    is_row: bool = True


def list_runners(
    names: Sequence[str] = (),
    *,
    suite: str | Path | Suite | None = None,
    results: str | Path = DEFAULT_RESULTS,
    every_runner: bool = True,
) -> list[ListedRunner]:
    """Every row of the suite and every other runner, with what was claimed and measured.

    ``names``: only these, whether or not they are rows. ``every_runner``: if false, only the rows,
    and what else was measured here for the suite. No code of a plug-in runs and no predictions are
    read.

    Raises:
        UserError: a name is neither listed nor measured.
    """
    from fmbench import runners
    from fmbench.analysis.reference import summarise_by_file_names
    from fmbench.plugins.code import find_entry_points
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.configurations import explain_no_runner, find_row_runner
    from fmbench.suites.labels import simplify
    from fmbench.suites.matching import describe_configuration
    from fmbench.utils.names import suggest_names

    loaded, known = _load_suite(suite), runners.load_runners()
    measured = summarise_by_file_names(Path(results), loaded, known)
    own_names = set(loaded.runners)
    others = {name: known[name].title for name in known if name not in own_names}
    others |= {name: f"installed: {entry.value}" for name, entry in find_entry_points().items()}
    if not (every_runner or names):
        others = {}
    for name in measured:
        if name not in own_names and name not in known:
            others.setdefault(name, "measured by name, in no suite")
    lines: list[tuple[str, str, str | None, bool]] = [
        (row.runner, row.label, row.claimed, True) for row in loaded.rows
    ]
    lines += [(name, label, None, False) for name, label in others.items()]
    if names:
        listed = {name for name, *_ in lines}
        # A row of one's own may name no runner; its label finds it all the same.
        labels = {simplify(name) for name in names}
        labels &= {simplify(label) for name, label, *_ in lines if not name}
        exact = _find_meant_names(
            [name for name in names if simplify(name) not in labels], listed, loaded
        )
        wanted = {name if name in listed else str(parse_model_spec(name)) for name in exact}
        if unknown := sorted(wanted - listed):
            near = suggest_names(unknown[0], listed)
            raise UserError(f"nothing called {unknown[0]!r} is listed or measured{near}")
        lines = [
            line
            for line in lines
            if (line[0] in wanted if line[0] else simplify(line[1]) in labels)
        ]
    without = {
        row.runner: explain_no_runner(row, known)
        for row in loaded.rows
        if not row.estimator and find_row_runner(row, known) is None
    }
    of_rows = {row.runner: runner for row in loaded.rows if (runner := find_row_runner(row, known))}
    reference = _find_listed_references(loaded, others)
    return [
        ListedRunner(
            name, label, claimed, reference.get(name), measured.get(name),
            of_rows.get(name) or known.get(name), without.get(name, ""),
            "" if ":" in name else describe_configuration(name),  # an estimator's name has them
            is_row,
        )
        for name, label, claimed, is_row in lines
    ]  # fmt: skip


def _find_listed_references(suite: Suite, others: Collection[str]) -> dict[str, Summary]:
    """Find fmbench's own measurement of each row of a suite, and of other runners."""
    from fmbench.analysis.reference_matching import (
        find_reference_summaries,
        load_all_reference_summaries,
    )
    from fmbench.suites.bundled import is_bundled
    from fmbench.suites.configurations import build_suite_configurations

    # To build a row's estimator imports its library, so only a suite of one's own does it.
    rows = {} if is_bundled(suite.path) else build_suite_configurations(suite)[0]
    found = find_reference_summaries(suite, rows)
    everything = load_all_reference_summaries() if others else {}
    return {name: everything[name] for name in others if name in everything} | found


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
        [exact] = _find_meant_names([name], known, results.suite)
        exact = exact if exact in known else str(parse_model_spec(exact))
        if exact not in known:
            near = suggest_names(exact, known)
            raise UserError(f"the table of {results.suite.name} has no row of {exact!r}{near}")
        found += [row for row in rows if row.runner == exact]
    return found


def find_configurations(
    names: Iterable[str],
    parameters: Sequence[str] = (),
    known: Mapping[str, Configuration] | None = None,
    suite: Suite | None = None,
) -> list[Configuration]:
    """Find what each name means: a configuration in ``known``, a runner, or a model of your own.

    A name can also be a label of ``suite``, or what papers call a runner; then a message says which
    runner is meant. If code that is not fmbench's own runs, a message names it.

    Raises:
        UserError: a name that is none of these or means several, or a parameter that the runner
            does not have.
    """
    from fmbench.plugins.code import make_announcer
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.configurations import resolve_configuration

    announce = make_announcer()
    found = {}
    for name in _find_meant_names(names, known or (), suite):
        # The name of a row may end in its data set, which the parser does not know.
        spelled = str(parse_model_spec(name, parameters)) if parameters else name
        configuration = (known or {}).get(spelled) or (known or {}).get(
            str(parse_model_spec(name, parameters))
        )
        configuration = configuration or resolve_configuration(name, parameters, announce)
        found[configuration.name] = configuration
    return list(found.values())


def _find_meant_names(
    names: Iterable[str], known: Collection[str], suite: Suite | None
) -> list[str]:
    """Return the exact name of the runner that each typed name means.

    A typed name is exact already, or a label, or a name that papers use.

    ``known`` are exact names besides those of runners and plug-ins. ``suite`` is by default Kayed
    et al. 2020. A message says what each name means.

    Raises:
        UserError: a name that means no runner, or several.
    """
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.typed_names import find_meant_runner, is_exact_name

    exact = []
    for name in names:
        if name in known or str(parse_model_spec(name)) in known or is_exact_name(name, suite):
            exact.append(name)
            continue
        meant = find_meant_runner(name, suite or load_suite())
        logger.info("%s", meant.why)
        exact.append(meant.name)
    return exact


def select_configurations(
    names: Sequence[str], every_row: bool, suite: Suite, parameters: Sequence[str]
) -> list[Configuration]:
    """What :func:`run` measures: the named runners, or every row of the suite.

    Raises:
        UserError: both or neither were asked for, or a name is not known.
    """
    from fmbench.suites.configurations import build_suite_configurations
    from fmbench.utils.formatting import join_words

    if every_row == bool(names):
        raise UserError("name the runners to run, or --all, not both; `fmbench list` shows them")
    rows, missing = build_suite_configurations(suite)
    if names:
        return find_configurations(names, parameters, rows, suite)
    if parameters:
        raise UserError("-p goes with the names of the runners to run, not with --all")
    for name, model in missing.items():
        labels = join_words(row.label for row in suite.rows if row.runner == name)
        logger.warning("left out %s: %s", labels, model.reason)
    chosen = [
        configuration for configuration in rows.values() if not configuration.runner.by_name_only
    ]
    if not chosen:
        raise UserError(
            f"{suite.path}: no row can be run with --all; name its runners (`fmbench list`)"
        )
    return chosen


class _MeasuringSetup:
    """What every measuring function needs: the results folder, the data, the cluster."""

    def __init__(
        self,
        results: Path,
        data: Mapping[str, Path] | str | Path | None,
        options: RunOptions | None,
        make_observer: MakeObserver | None,
        verbosity: int = 0,
    ) -> None:
        from fmbench.execution.session import RunOptions, Verbosity
        from fmbench.records.store import Store

        self._stack = ExitStack()
        self._options = options or RunOptions()
        self._make_observer = make_observer
        self._verbosity = Verbosity(verbosity)
        self.store = Store(results)
        self.store.prepare()
        self._results = results
        self._folders = _collect_folders(data)
        self.source = _locate_verified_data(self._folders)
        self._sources = {self.source.spec.name: self.source}

    def __enter__(self) -> _MeasuringSetup:
        self._cluster = self._stack.enter_context(self._options.connect(self._results))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    @cached_property
    def estimate(self) -> DurationEstimate:
        """How long a cell will take, from records here and from fmbench's own runs."""
        from fmbench.analysis.reference import load_reference_fit_seconds
        from fmbench.execution.estimate import DurationEstimate

        return DurationEstimate(self._contents, load_reference_fit_seconds())

    @cached_property
    def _contents(self) -> StoreContents:
        return self.store.read_contents()

    def find_sources(self, cells: Sequence[Cell]) -> Mapping[str, LocatedDataset]:
        """Find the other data sets that these cells need.

        If one is missing, a message says so, and its cells are left out.
        """
        from fmbench.datasets.locate import find_other_datasets

        self._sources |= find_other_datasets(
            {cell.dataset.name for cell in cells}, self._folders, fetch=True
        )
        return self._sources

    def session(
        self, cells: Sequence[Cell], make_table: Callable[[], LiveTable] | None = None
    ) -> MeasuringSession:
        """What measures the cells, within the limits that the options give for them.

        ``make_table``: makes the table that is shown above the progress.
        """
        from fmbench.execution.memory import MemoryEstimate
        from fmbench.execution.session import MeasuringSession
        from fmbench.report.progress import Scorer, show_progress

        limits = self._options.limits(cells, MemoryEstimate(self._contents), self._cluster)
        show = partial(
            show_progress, scorer=Scorer(self.store, self._sources), make_table=make_table,
            verbosity=self._verbosity,
        )  # fmt: skip
        return MeasuringSession(
            self.store, self._sources, limits, self.estimate, self._cluster,
            self._make_observer or show, self._options.order,
        )  # fmt: skip


def _load_claims(suite: Input | Suite | None, kind: str | None, column: str | None) -> Suite:
    """Load a suite, or build one from a document."""
    from fmbench.suites.claims import Suite

    if suite is None or isinstance(suite, Suite):
        return _load_suite(suite)
    if isinstance(suite, str | Path) and Path(suite).suffix == ".toml" and not (kind or column):
        return _load_suite(suite)
    from fmbench.judging.documents import name_input, read_documents
    from fmbench.judging.judgement import draft_suite

    found = read_documents([suite], kind=kind, column=column)
    if isinstance(found, Suite):
        return found
    draft = draft_suite(found)
    for note in draft.notes:
        logger.info("%s", note)
    return draft.build(Path(name_input(suite)))


def _load_suite(suite: str | Path | Suite | None) -> Suite:
    return load_suite(suite) if suite is None or isinstance(suite, str | Path) else suite


def _choose_protocol(quick: bool) -> Protocol:
    from fmbench.records.protocols import FULL, QUICK

    return QUICK if quick else FULL


def _locate_verified_data(folders: Mapping[str, Path]) -> LocatedDataset:
    """Find or fetch the default data set and check its files.

    Wrong files are an error of the user, so they are refused before any cell runs.
    """
    from fmbench.datasets import loading, locate

    source = locate.locate_dataset(folder=folders.get(DEFAULT_DATASET.name), fetch=True)
    loading.verify_files(source.spec, source.folder)
    return source


def _collect_folders(data: Mapping[str, Path] | str | Path | None) -> dict[str, Path]:
    """The folders of the data sets by name; a single folder is that of Fashion-MNIST."""
    if data is None:
        return {}
    if isinstance(data, str | Path):
        return {DEFAULT_DATASET.name: Path(data)}
    return {get_dataset(name).name: Path(folder) for name, folder in data.items()}
