"""Which story explains what a paper prints of a model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.api.inputs import (
    choose_protocol,
    collect_folders,
    list_parameters,
    load_given_suite,
)
from fmbench.api.measuring_setup import MeasuringSetup
from fmbench.api.names import find_configurations
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import JudgedRow
    from fmbench.analysis.forensics.findings import ForensicsFindings
    from fmbench.analysis.forensics.plan import CellGroup, ForensicsPlan
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.session import MakeObserver, MeasuringSession, RunOptions
    from fmbench.records.cells import Cell
    from fmbench.records.record import Record
    from fmbench.records.store import Store, StoreContents
    from fmbench.suites.claims import Suite

logger = logging.getLogger("fmbench")


def forensics(
    name: str,
    *,
    suite: str | Path | Suite | None = None,
    parameters: str | Sequence[str] | Mapping[str, Any] = (),
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

    loaded = load_given_suite(suite)
    rows, _ = build_suite_configurations(loaded)
    given = list_parameters(parameters)
    [configuration] = find_configurations([name], given, rows, loaded)
    protocol = choose_protocol(quick)
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
        with MeasuringSetup(folder, data, options, make_observer, verbosity) as measuring:
            session = _measure_stories(plan, measuring, find)
            store, contents = measuring.store, measuring.store.read_contents()
            found = find(store, contents, measuring.source)
            records, interruption = session.records, session.interruption
        own = contents
    else:
        folders = collect_folders(data)
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
    measuring: MeasuringSetup,
    find: Callable[[Store, StoreContents, LocatedDataset | None, bool], ForensicsFindings],
) -> MeasuringSession:
    """Measure the cells of a plan: the correct procedure first, the best stories again last."""
    from fmbench.execution import schedule
    from fmbench.utils.formatting import format_duration

    store = measuring.store
    located = measuring.find_sources(plan.honest.cells)
    honest = [cell for cell in plan.honest.cells if cell.dataset.name in located]
    measuring.start_loading(schedule.select_pending(honest, store.read_contents()))
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


@dataclass(frozen=True, repr=False)
class Forensics:
    """What :func:`forensics` found.

    ``folder`` holds the records that it read. ``planned`` is what would still have to be measured,
    the most informative first; ``new_records`` are those that it has just made; ``interruption``
    and ``unwritten`` are as in :class:`Results`.
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

    def __repr__(self) -> str:
        n_missing = sum(group.n_pending for group in self.planned)
        name = self.findings.plan.name
        return f"<Forensics of {name} in {self.folder}: {n_missing:,} cells not measured>"
