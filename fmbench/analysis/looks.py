"""Looks at a results folder while a run measures it until every row is decided.

:class:`Looks` says after each round what to measure next, and keeps the file that says what was
spent. It fits no model: :func:`fmbench.run` measures what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from fmbench.analysis.evaluation import SuiteResults, explain_untestable
from fmbench.analysis.seed_allocation import RowPlan, make_look_plan, order_work, plan_row
from fmbench.analysis.summary import Summary, count_leading_seeds, find_cells_with_records
from fmbench.analysis.until_decided import (
    UntilDecided,
    count_tests,
    describe_spending,
    find_rows,
    list_rows,
    read_until_decided,
    write_until_decided,
)
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import Record
from fmbench.suites.claims import Suite
from fmbench.suites.configurations import Configuration, build_suite_configurations


class Looks:
    """The looks of one run.

    Args:
        suite: the table whose claims are to be decided.
        results: the results folder.
        chosen: what the run measures, by name.
        named: those of them that the user asked for by name: fmbench's own run never takes the
            place of their measurement.
        max_seeds: no row gets more seeds.
        expect_seconds: how long a cell takes on one core.
        count_core_seconds: how long a measured cell took on one core.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(
        self,
        suite: Suite,
        results: Path,
        chosen: Mapping[str, Configuration],
        named: Collection[str],
        max_seeds: int,
        expect_seconds: Callable[[Cell], float],
        count_core_seconds: Callable[[Record], float],
    ) -> None:
        self._suite, self._folder = suite, suite.folder_in(results)
        self._chosen, self._named = chosen, named
        self._expect_seconds, self._count_core_seconds = expect_seconds, count_core_seconds
        before = read_until_decided(self._folder) or UntilDecided(max_seeds, 0, ())
        self._untestable = explain_untestable(suite)
        self._of_suite, _ = build_suite_configurations(suite)
        self.spent = msgspec.structs.replace(
            before.add_runners(find_rows(suite, chosen)), max_seeds=max_seeds
        )

    def start(self) -> None:
        """Write the names of this run's rows to ``until-decided.json``. Call it before measuring.

        From then on tables judge these rows by looks, also if the run is interrupted before its
        first look.
        """
        write_until_decided(self._folder, self.spent)

    def look(self, found: SuiteResults, *, retries_failed: bool = False) -> list[RowPlan]:
        """Plan every row of the file, as :meth:`plan` does, and write what was spent so far."""
        plans = self.plan(found, retries_failed=retries_failed)
        write_until_decided(self._folder, self.spent)
        return plans

    def plan(self, found: SuiteResults, *, retries_failed: bool = False) -> list[RowPlan]:
        """Plan every row of the file from what the folder has; nothing is written.

        The plans of this run's rows are returned; ``spent`` describes all rows. ``retries_failed``:
        failed seeds do not stop a row, because they are measured again.
        """
        configurations = found.configurations
        names = [row.runner for row in self.spent.rows if row.runner in configurations]
        finished = {name: found.records_of(configurations[name]) for name in names}
        rows = list_rows(
            find_rows(self._suite, dict.fromkeys(names)), self._suite, configurations,
            found.summaries, self._find_reference(found),
            lambda name: count_leading_seeds(record.identity.seed for record in finished[name]),
            lambda name: self._expect_seconds(configurations[name].cell(FULL, 0)),
            untestable=self._untestable, retries_failed=retries_failed,
        )  # fmt: skip
        look_plan = make_look_plan(self._count_tests(found), self.spent.max_seeds)
        plans = [plan_row(row, look_plan) for row in rows]

        def count_core_seconds(name: str) -> float:
            records = finished[name] + found.failed_records_of(configurations[name])
            return sum(map(self._count_core_seconds, records))

        spent = describe_spending(plans, look_plan, count_core_seconds)
        # A plug-in that an earlier run measured may be gone: what is known about it stays.
        gone = tuple(row for row in self.spent.rows if row.runner not in configurations)
        self.spent = msgspec.structs.replace(spent, rows=(*spent.rows, *gone))
        return [plan for plan in plans if plan.row.runner in self._chosen]

    def finish(self, found: SuiteResults) -> SuiteResults:
        """Look for the last time; return the results with what was spent."""
        self.look(found)
        return replace(found, until_decided=self.spent)

    def choose_cells(self, plans: list[RowPlan]) -> list[Cell]:
        """List the cells to measure next, the most useful first."""
        return [self._chosen[runner].cell(FULL, seed) for runner, seed in order_work(plans)]

    def find_failed_cells(self, found: SuiteResults) -> list[Cell]:
        """Find the cells of this run's rows that failed before."""
        return [
            cell
            for configuration in self._chosen.values()
            for cell in find_cells_with_records(configuration, FULL, found.contents)
            if cell.key in found.contents.failed
        ]

    def _count_tests(self, found: SuiteResults) -> int:
        """Count the rows that the table will test together once every one of them is measured."""
        measured = [name for name, summary in found.summaries.items() if summary.n]
        present = {*self.spent.runners, *measured, *found.reference}
        return count_tests(self._suite, self._of_suite, present, self._untestable)

    def _find_reference(self, found: SuiteResults) -> dict[str, Summary]:
        """Fmbench's own measurements that may take the place of a measurement here."""
        if found.is_reference:
            return {}
        return {name: s for name, s in found.reference.items() if name not in self._named}
