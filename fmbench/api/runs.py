"""Measuring runners, or saying what a run would measure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.api.inputs import (
    check_options,
    choose_protocol,
    collect_folders,
    list_names,
    list_parameters,
    load_given_suite,
)
from fmbench.api.measuring_setup import MeasuringSetup
from fmbench.api.names import select_configurations
from fmbench.api.results import Results
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import SuiteResults
    from fmbench.analysis.looks import Looks
    from fmbench.analysis.seed_allocation import RowPlan
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.plan import RunPlan
    from fmbench.execution.session import MakeObserver, MeasuringSession, RunOptions
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import Protocol
    from fmbench.report.live_table import LiveTable
    from fmbench.suites.claims import Suite
    from fmbench.suites.configurations import Configuration

logger = logging.getLogger("fmbench")

MAX_SEED = 2**32 - 1  # of NumPy's and scikit-learn's generators


def run(
    names: str | Sequence[str] = (),
    *,
    every_row: bool = False,
    suite: str | Path | Suite | None = None,
    parameters: str | Sequence[str] | Mapping[str, Any] = (),
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

    names: a runner or several (``"lenet5"``), or models of your own
        (``"./my_model.py:make_model"``, ``"sklearn.ensemble:ExtraTreesClassifier"``).
    every_row: run every row of the suite instead, except those that run only if named.
    parameters: hyperparameters in place of the recipe's: ``{"epochs": 3}`` or ``["epochs=3"]``.
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
        names, every_row, load_given_suite(suite), parameters, seeds, seed_numbers, quick, controls
    )
    asked.suite.find_writable_folder(Path(results))  # a link there is refused before the work
    with MeasuringSetup(Path(results), data, options, make_observer, verbosity) as measuring:
        store, contents = measuring.store, measuring.store.read_contents()
        todo = schedule.select_pending(asked.cells, contents, force=force, refresh=refresh)
        sources = measuring.find_sources(todo)
        todo, cells = (
            [cell for cell in part if cell.dataset.name in sources] for part in (todo, asked.cells)
        )
        measuring.start_loading(todo)

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
                "nothing to do: %s measured already (--force measures again)",
                "1 cell is" if len(cells) == 1 else f"{len(cells)} cells are",
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
    names: str | Sequence[str] = (),
    *,
    every_row: bool = False,
    suite: str | Path | Suite | None = None,
    parameters: str | Sequence[str] | Mapping[str, Any] = (),
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

    options = options or RunOptions()
    check_options(options)
    max_seeds = _check_max_seeds(
        until_decided, max_seeds,
        quick=quick, seeds=bool(seeds or seed_numbers), force=force, refresh=refresh,
    )  # fmt: skip
    asked = _select_cells(
        names, every_row, load_given_suite(suite), parameters, max_seeds or seeds, seed_numbers,
        quick, controls,
    )  # fmt: skip
    store = Store(Path(results))
    folders = collect_folders(data)
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
    plan = plan_cells(cells_by_row, todo, store, estimate, options)
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
    """Yield the titles of the data sets that cells need and that are not on this machine."""
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
    names: str | Sequence[str],
    every_row: bool,
    suite: Suite,
    parameters: str | Sequence[str] | Mapping[str, Any],
    seeds: int | None,
    seed_numbers: Sequence[int],
    quick: bool,
    controls: bool,
) -> _AskedCells:
    """Select the cells that :func:`run` measures, finished or not; see there.

    Raises:
        UserError: as :func:`select_configurations`; or a seed, or how many, is not allowed.
    """
    from fmbench.suites.configurations import find_control_configurations
    from fmbench.utils.formatting import join_words

    _check_seeds(seeds, seed_numbers)
    configurations = select_configurations(
        list_names(names), every_row, suite, list_parameters(parameters)
    )
    protocol = choose_protocol(quick)
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


def _check_seeds(seeds: int | None, seed_numbers: Sequence[int]) -> None:
    if seeds is not None and not (isinstance(seeds, Integral) and seeds >= 1):
        raise UserError(f"seeds: the number of seeds is a whole number from 1 on, not {seeds!r}")
    for seed in seed_numbers:
        if not (isinstance(seed, Integral) and 0 <= seed <= MAX_SEED):
            raise UserError(
                f"seed_numbers: a seed is a whole number from 0 to {MAX_SEED}, not {seed!r}"
            )


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
                f"--until-decided and --{name} exclude each other: --until-decided chooses the "
                "seeds itself, from 0 on, and measures each once on all of the data"
            )
    chosen = MAX_SEEDS if max_seeds is None else max_seeds
    if not FEWEST_SEEDS <= chosen <= MAX_SEEDS:
        raise UserError(
            f"--max-seeds {chosen}: choose a number from {FEWEST_SEEDS} to {MAX_SEEDS}; a claim is "
            f"first tested after {FEWEST_SEEDS} seeds, last after {MAX_SEEDS}"
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
