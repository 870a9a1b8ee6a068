"""Keeps what `fmbench run --until-decided` spent on each row, and why the row stopped.

It is a file in the suite's results folder, ``until-decided.json``. The number of seeds of the rows
in it depends on what the seeds gave. So every later table judges these rows by looks, and never by
the tests for a fixed number of seeds: see :mod:`fmbench.analysis.sequential`.

:func:`list_rows` brings together what :func:`~fmbench.analysis.seed_allocation.plan_row` has to
know about each row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fmbench.analysis.seed_allocation import RowPlan, RowToDecide, Stop
from fmbench.analysis.sequential import LookPlan
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.table_verdicts import explain_no_test
from fmbench.analysis.verdicts import FEWEST_SEEDS, MAX_SEEDS, Claim, VerdictKind
from fmbench.errors import UserError
from fmbench.records.record import Seconds, parse_json
from fmbench.suites.claims import Row, Suite
from fmbench.suites.configurations import Configuration
from fmbench.utils.files import read_regular_file, write_text_atomically

UNTIL_DECIDED_FILE = "until-decided.json"
MAX_BYTES = 4 * 2**20
ABOUT = (
    "The rows of `fmbench run --until-decided`, measured or not. Tables judge them by a look after "
    "each seed. Without this file they would be judged as if the number of seeds had been fixed."
)

Seeds = Annotated[int, Meta(ge=0, le=10**6)]


class SpentRow(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was spent on a row. ``n_seeds`` count from seed 0 without a gap.

    ``stop`` and ``verdict`` are the words of :class:`~fmbench.analysis.seed_allocation.Stop` and
    :class:`~fmbench.analysis.verdicts.VerdictKind`; ``stop`` is None while the row goes on, and
    ``verdict`` unless it is decided, at the look after ``decided_at`` seeds. ``core_seconds`` is
    the sum over all its seeds, also those that failed, whichever run measured them.
    """

    label: str
    runner: str
    n_seeds: Seeds = 0
    core_seconds: Seconds = 0.0
    stop: str | None = None
    reason: str = ""
    verdict: str | None = None
    decided_at: Seeds | None = None

    def __post_init__(self) -> None:
        """Refuse words that mean nothing.

        Raises:
            ValueError: there is no such reason to stop, or no such verdict.
        """
        if self.stop is not None:
            Stop(self.stop)
        if self.verdict is not None and self.verdict not in {kind.word for kind in VerdictKind}:
            raise ValueError(f"there is no verdict {self.verdict!r}")


class UntilDecided(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The content of the file. ``n_tests`` rows are tested together."""

    max_seeds: Annotated[int, Meta(ge=FEWEST_SEEDS, le=MAX_SEEDS)]
    n_tests: Seeds
    rows: tuple[SpentRow, ...]
    about: str = ABOUT

    @property
    def runners(self) -> frozenset[str]:
        """The runners whose rows are judged by looks."""
        return frozenset(row.runner for row in self.rows)

    def add_runners(self, rows: Iterable[Row]) -> UntilDecided:
        """Return it with these rows too; nothing is known about the new ones yet."""
        known = self.runners
        new = [SpentRow(row.label, row.runner) for row in rows if row.runner not in known]
        return msgspec.structs.replace(self, rows=(*self.rows, *new))


def read_until_decided(folder: Path) -> UntilDecided | None:
    """Read the file in a suite's results folder; None if there is none.

    Raises:
        UserError: the file is damaged. Without it, it is not known how to judge the rows.
    """
    path = folder / UNTIL_DECIDED_FILE
    try:
        return msgspec.convert(parse_json(read_regular_file(path, MAX_BYTES)), UntilDecided)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise UserError(
            f"{path} is damaged, so it is not known which rows were measured until decided: "
            "remove it, then run `fmbench run --all --until-decided` again with the same folders"
        ) from None


def write_until_decided(folder: Path, content: UntilDecided) -> None:
    """Write the file into a suite's results folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(msgspec.to_builtins(content), indent=1, ensure_ascii=False)
    write_text_atomically(folder / UNTIL_DECIDED_FILE, text + "\n")


def describe_spending(
    plans: Iterable[RowPlan], plan: LookPlan, count_core_seconds: Callable[[str], float]
) -> UntilDecided:
    """Describe what was spent; ``count_core_seconds`` gives the seconds of a runner's seeds."""
    return UntilDecided(
        plan.most_seeds,
        plan.n_tests,
        tuple(
            SpentRow(
                p.row.label, p.row.runner, p.row.n, round(count_core_seconds(p.row.runner), 3),
                p.stop.value if p.stop else None, p.reason,
                p.verdict.word if p.verdict else None, p.decided_at,
            )
            for p in plans
        ),
    )  # fmt: skip


# ---------------------------------------------------------------- the rows


def find_rows(suite: Suite, runners: Collection[str]) -> list[Row]:
    """Find the rows of the suite that these runners measure.

    A runner that the suite does not name gets a new row without a claim.
    """
    rows = [row for row in suite.rows if row.runner in runners]
    return [*rows, *(Row("", name, name) for name in runners if name not in suite.runners)]


def count_tests(
    suite: Suite,
    configurations: Mapping[str, Configuration],
    present: Collection[str] = (),
    untestable: str = "",
) -> int:
    """Count the rows of a suite that are tested together once all of them are measured.

    Rows that run only if they are named count if they are among ``present``: this run or an earlier
    one measures them, or the table shows fmbench's own measurement of them. Otherwise the number
    does not depend on what is measured, so a decision stays whatever the other rows give.
    """
    runners = {
        row.runner: configurations[row.runner].runner
        for row in suite.rows
        if row.runner in configurations
    }
    return sum(
        not runners[row.runner].deterministic
        and (not runners[row.runner].by_name_only or row.runner in present)
        and not explain_no_test(row, suite.rows, untestable=untestable)
        for row in suite.rows
        if row.runner in runners
    )


def list_rows(
    rows: Sequence[Row],
    suite: Suite,
    configurations: Mapping[str, Configuration],
    summaries: Mapping[str, Summary],
    reference: Mapping[str, Summary],
    count_seeds: Callable[[str], int],
    expect_seconds: Callable[[str], float],
    *,
    untestable: str = "",
    retries_failed: bool = False,
) -> list[RowToDecide]:
    """Describe each row: its claim, its seeds so far, and what keeps it from a test.

    Args:
        rows: of the suite, or of runners in no row: those that :func:`find_rows` returns.
        suite: the table, whose rows can show that a claim misquotes its source.
        configurations, summaries: by runner.
        reference: fmbench's own measurements by runner, as far as they may take the place of a
            measurement.
        count_seeds: how many seeds of a runner are measured from seed 0 without a gap.
        expect_seconds: how long a seed of a runner takes on one core.
        untestable: why no claim of the table can be tested; empty if some can.
        retries_failed: failed seeds do not stop a row, because they are measured again.
    """
    found = []
    for row in rows:
        summary = summaries[row.runner]
        failed = summary.status is Status.FAILED and not retries_failed
        own = reference.get(row.runner) if summary.status is Status.NOT_RUN else None
        found.append(
            RowToDecide(
                row.runner, row.label, Claim.from_row(row),
                summary.accuracies[: count_seeds(row.runner)],
                deterministic=configurations[row.runner].runner.deterministic,
                no_test=explain_no_test(row, suite.rows, summary, untestable),
                failure=summary.reason if failed else "",
                seconds=expect_seconds(row.runner),
                reference=own.accuracies if own and own.status is Status.MEASURED else (),
            )
        )  # fmt: skip
    return found
