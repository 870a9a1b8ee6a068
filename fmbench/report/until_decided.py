"""Says what `fmbench run --until-decided` spent on each row, and why the row stopped.

The note is for the table of accuracies and the terminal; the table is for the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from fmbench.analysis.seed_allocation import RowPlan, Stop, order_work
from fmbench.analysis.until_decided import UNTIL_DECIDED_FILE, SpentRow, UntilDecided
from fmbench.analysis.verdicts import FEWEST_SEEDS, MAX_SEEDS
from fmbench.utils.formatting import format_duration, format_number_of, join_words
from fmbench.utils.table import COUNT, SECONDS, Column, Table

LOOKS = f"{FEWEST_SEEDS} to {MAX_SEEDS} seeds"
LEFT_OUT = (
    "not measured, because by fmbench's own seeds a decision is improbable (name them to measure "
    "them all the same)"
)
MOST_NAMES = 8  # of rows in one line; the others are counted
SPENDING_COLUMNS = (
    Column("row"),
    Column("runner"),
    Column("seeds", COUNT),
    Column("core seconds", SECONDS),
    Column("stopped"),
    Column("reason"),
)


def describe_until_decided(spent: UntilDecided) -> Iterator[str]:
    """Describe in two notes which rows are judged by looks, and why each stopped."""
    total = sum(_seconds_by_runner(spent.rows).values())
    n_measured = sum(row.n_seeds > 0 for row in spent.rows)
    yield (
        f"judged by looks: {format_number_of(len(spent.rows), 'row')}, {n_measured} of them with "
        f"seeds, in {format_duration(total)} on one core. Looks are planned after each of {LOOKS}, "
        "and p values are corrected for all of them. So they hold although the number of seeds "
        "depends on what the seeds gave."
    )
    yield f"why they stopped: {'; '.join(list_stops(spent.rows))}; {UNTIL_DECIDED_FILE} has each."


def describe_next_round(plans: Iterable[RowPlan]) -> str:
    """Say which rows get seeds next; in each group, those that are measured first come first."""
    by_runner: dict[str, list[RowPlan]] = {}
    for plan in plans:
        by_runner.setdefault(plan.row.runner, []).append(plan)
    groups: dict[str, list[str]] = {}
    for runner in dict.fromkeys(runner for runner, _ in order_work(chain(*by_runner.values()))):
        plan = max(by_runner[runner], key=lambda plan: len(plan.next_seeds))
        groups.setdefault(_name_step(plan), []).append(plan.row.label)
    if not groups:
        return "next: cells that failed before, and controls; no row needs another seed"
    return "next: " + "; ".join(
        f"{step}: {join_words(labels, most=MOST_NAMES)}" for step, labels in groups.items()
    )


def _name_step(plan: RowPlan) -> str:
    if plan.row.no_test:
        return "one seed, which cannot decide"
    if plan.row.deterministic:
        return "one run, because the model is deterministic"
    if plan.row.n < FEWEST_SEEDS:
        return f"seeds up to {FEWEST_SEEDS}, then the first test of the claim"
    return "one more seed"


def list_stops(rows: Sequence[SpentRow], *, is_over: bool = True) -> list[str]:
    """Say, in one text for each reason to stop, how many rows stopped for it.

    The text names these rows (if they are many, the first ones), but not the rows that no seed can
    decide. ``is_over``: the run has ended, so one more text names the rows that have not stopped.
    """
    stopped = {stop: [row for row in rows if row.stop == stop.value] for stop in Stop}
    improbable = stopped[Stop.IMPROBABLE]
    left_out = [row for row in improbable if not row.n_seeds]
    groups = [
        ("decided", stopped[Stop.DECIDED]),
        ("open, but a decision is improbable", [r for r in improbable if r.n_seeds]),
        (LEFT_OUT, left_out),
        ("open at the limit on the seeds", stopped[Stop.LIMIT]),
        ("stopped by a seed that failed", stopped[Stop.FAILED]),
        ("not finished", [row for row in rows if is_over and row.stop is None]),
    ]
    lines = [
        f"{len(group)} {words}: {join_words(map(_name_row, group), most=MOST_NAMES)}"
        for words, group in groups
        if group
    ]
    if untested := stopped[Stop.NO_TEST]:
        lines.append(f"{len(untested)} that no seed can decide")
    return lines


def _name_row(row: SpentRow) -> str:
    return f"{row.label} (n = {row.n_seeds})" if row.n_seeds else row.label


def build_spending_table(spent: UntilDecided) -> Table:
    """Build the table of what was spent: one line for each row, in the order of the file."""
    total = sum(_seconds_by_runner(spent.rows).values())
    return Table(
        "Seeds until decided",
        SPENDING_COLUMNS,
        [
            {
                "row": row.label, "runner": row.runner, "seeds": row.n_seeds,
                "core seconds": row.core_seconds, "stopped": row.stop or "not finished",
                "reason": row.reason,
            }
            for row in spent.rows
        ],
        (
            f"Each row got seeds until it stopped, for the reason given. Looks are after {LOOKS}, "
            f"and each p value is corrected for all of them; at most {spent.max_seeds} seeds were "
            f"allowed. Rows that are tested together: {spent.n_tests}.",
            f"All rows together took {format_duration(total)} on one core.",
        ),
    )  # fmt: skip


def _seconds_by_runner(rows: Sequence[SpentRow]) -> dict[str, float]:
    """The seconds of each runner once: two rows may share its seeds."""
    return {row.runner: row.core_seconds for row in rows}
