"""Simulates `fmbench run --all --until-decided`: what it costs, what it decides, how often it errs.

The rows, with their means, spreads and seconds of a fit, come from the committed reference results,
and the seconds of a newer version from the records in `results/until-decided`. So run it again
after these have changed. The results are in `until-decided.md`; the seed is fixed.

    python benchmarks/verdicts/simulate_until_decided.py           # minutes on one core
    python benchmarks/verdicts/simulate_until_decided.py --quick   # prints, writes no file
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from many_claims import CHUNK, HALF_UNIT, POINT, judge_many, judge_many_sequentially, measure
from many_claims import round_to_images as to_images
from simulate_costs import FIXED_SEEDS, TestedRow, find_rows
from simulate_verdicts import SEED, TRUE_MEAN, percent, run_script, write_table

from fmbench.analysis.reference import load_reference_summaries
from fmbench.analysis.seed_allocation import RowToDecide, Stop, make_look_plan, plan_row
from fmbench.analysis.sequential import FUTILITY, LookPlan, simulate_chances
from fmbench.analysis.verdicts import ALPHA, FEWEST_SEEDS, MARGIN, MAX_SEEDS, Claim
from fmbench.api.names import select_configurations
from fmbench.suites.reader import read_suite

RESULTS = Path(__file__).with_name("until-decided.md")
N_ROWS = 20_000  # simulated for each row of the paper
N_TABLES = 8_000  # simulated tables of the tested rows
N_PATHS = 500  # continuations from which the chance of a decision is computed
SMALLER_LIMIT = 10  # seeds: what --max-seeds 10 does
OFF = (1.0, 1.5, 2.0)  # points


@dataclass(frozen=True)
class OtherRow:
    """A configuration that `run --all` measures and whose rows no seed can decide."""

    runner: str
    deterministic: bool
    seconds: float

    @property
    def fixed_seeds(self) -> int:
        """How many seeds it gets without `--until-decided`."""
        return 1 if self.deterministic else FIXED_SEEDS


def find_tested_rows() -> list[TestedRow]:
    """The rows whose claims a rerun can test, with what fmbench measured."""
    return [row for row in find_rows() if not row.of_other_images]


def find_other_rows(tested: Sequence[TestedRow]) -> list[OtherRow]:
    """All other configurations that `run --all` measures."""
    suite = read_suite()
    summaries = load_reference_summaries(suite)
    names = {row.row.runner for row in tested}
    return [
        OtherRow(c.name, c.runner.deterministic, summaries[c.name].fit_seconds or 0.0)
        for c in select_configurations([], True, suite, [])
        if c.name not in names and c.name in summaries
    ]


@cache
def load_newer_seconds() -> dict[str, float]:
    """The seconds of a seed on one core with compiled loops, by runner."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
    from whole_run import ALONE, FOLDER, measure_core_seconds

    return measure_core_seconds((FOLDER, FOLDER / ALONE))


def stops_by_reference(row: TestedRow, plan: LookPlan) -> bool:
    """Whether fmbench's own seeds of this row say that a decision is improbable."""
    asked = RowToDecide(row.row.runner, row.row.label, row.claim, reference=row.summary.accuracies)
    return plan_row(asked, plan).stop is Stop.IMPROBABLE


# ---------------------------------------------------------------- what it costs


@dataclass(frozen=True)
class Outcome:
    """The mean number of seeds of a row, and how often it is decided."""

    seeds: float
    decided: float


def simulate_fixed(row: TestedRow, n_rows: int, n_tests: int) -> Outcome:
    """Simulate a row with a fixed number of seeds."""
    runs = draw_runs(row, n_rows, FIXED_SEEDS)
    claimed = np.full(n_rows, row.claim.accuracy)
    verdicts = judge_many(
        claimed, runs, n_runs=row.claim.n_runs, half_unit=row.claim.half_unit, level=ALPHA / n_tests
    )
    return Outcome(FIXED_SEEDS, float((verdicts.reproduced | verdicts.not_reproduced).mean()))


def simulate_sequential(row: TestedRow, n_rows: int, plan: LookPlan) -> Outcome:
    """Simulate a row that is measured until it is decided or a decision is improbable."""
    runs = draw_runs(row, n_rows, plan.most_seeds)
    claimed = np.full(n_rows, row.claim.accuracy)
    found = judge_many_sequentially(claimed, runs, row.claim, plan, n_paths=N_PATHS)
    decided = float((found.reproduced | found.not_reproduced).mean())
    return Outcome(float(found.n_seeds.mean()), decided)


def draw_runs(row: TestedRow, n_rows: int, n: int) -> np.ndarray:
    """Accuracies of ``n`` runs with the mean and the spread of a row: ``float (n_rows, n)``."""
    mean, sd = row.summary.mean or 0.0, row.summary.sd or 0.0
    return to_images(mean + sd * np.random.default_rng(SEED).standard_normal((n_rows, n)))


def report_costs(tested: Sequence[TestedRow], others: Sequence[OtherRow], n_rows: int) -> str:
    """The tables of seeds, seconds and decided rows."""
    n_tests = len(tested)
    plan = make_look_plan(n_tests)
    fixed = [simulate_fixed(row, n_rows, n_tests) for row in tested]
    by_limit = {}
    for limit in (MAX_SEEDS, SMALLER_LIMIT):
        print(f"costs: at most {limit} seeds", flush=True)
        limited = replace(plan, max_seeds=limit)
        by_limit[limit] = [simulate_sequential(row, n_rows, limited) for row in tested]
    lines = []
    for row, before, after in zip(tested, fixed, by_limit[MAX_SEEDS], strict=True):
        summary = row.summary
        lines.append(
            [
                row.row.label, row.row.claimed or "", f"{100 * (summary.mean or 0):.2f}",
                f"{100 * (summary.sd or 0):.2f}", f"{summary.fit_seconds or 0:.0f}",
                f"{load_newer_seconds()[row.row.runner]:.0f}",
                f"{100 * before.decided:.1f}", f"{100 * after.decided:.1f}", f"{after.seeds:.2f}",
                "none" if stops_by_reference(row, plan) else f"{after.seeds:.2f}",
            ]
        )  # fmt: skip
    header = [
        "row", "claimed", "mean", "spread", "seconds of a fit", "newer seconds",
        f"decided by {FIXED_SEEDS} seeds", "decided by looks", "seeds",
        "seeds if fmbench's own run counts",
    ]  # fmt: skip
    return f"""## The {n_tests} rows that seeds can decide

"Decided" is the percentage of tables in which the row is reproduced or not reproduced. With
`--until-decided`, a row also stops when a decision has become improbable. The last column: where
fmbench's own seeds of a row say so before the first seed, it is not measured at all, and the table
shows fmbench's own run.

{write_table(header, lines)}
{report_totals(tested, others, fixed, by_limit, plan)}"""


def report_totals(
    tested: Sequence[TestedRow],
    others: Sequence[OtherRow],
    fixed: Sequence[Outcome],
    by_limit: dict[int, list[Outcome]],
    plan: LookPlan,
) -> str:
    """The table of the whole command, by the newer seconds and by those of the reference."""
    reference = {row.row.runner: row.summary.fit_seconds or 0.0 for row in tested}
    reference |= {row.runner: row.seconds for row in others}

    def count_hours(
        seconds: dict[str, float], outcomes: Sequence[Outcome], rest: Callable[[OtherRow], int]
    ) -> float:
        of_others = sum(rest(row) * seconds[row.runner] for row in others)
        of_tested = sum(
            o.seeds * seconds[row.row.runner] for o, row in zip(outcomes, tested, strict=True)
        )
        return (of_others + of_tested) / 3600

    def write_line(
        name: str, outcomes: Sequence[Outcome], rest: Callable[[OtherRow], int]
    ) -> list[str]:
        cells = [
            name, f"{sum(o.decided for o in outcomes):.2f}",
            f"{sum(o.seeds for o in outcomes) / len(outcomes):.1f}",
        ]  # fmt: skip
        for seconds in (load_newer_seconds(), reference):
            spent = count_hours(seconds, outcomes, rest)
            total = count_hours(seconds, fixed, get_fixed_seeds)
            cells += [f"{spent:.1f}", f"{100 * spent / total:.0f} %"]
        return cells

    lines = [write_line(f"fixed {FIXED_SEEDS}", fixed, get_fixed_seeds)]
    for limit, outcomes in by_limit.items():
        limited = replace(plan, max_seeds=limit)
        known = [
            Outcome(0.0, 0.0) if stops_by_reference(row, limited) else outcome
            for row, outcome in zip(tested, outcomes, strict=True)
        ]
        lines += [
            write_line(
                f"until decided, at most {limit}, nothing known before", outcomes, lambda row: 1
            ),
            write_line(
                f"until decided, at most {limit}, fmbench's own run counts", known, lambda row: 0
            ),
        ]
    header = [
        "seeds",
        "decided rows",
        "seeds a tested row",
        "core-hours, newer seconds",
        f"of fixed {FIXED_SEEDS}, newer seconds",
        "core-hours",
        f"of fixed {FIXED_SEEDS}",
    ]
    return f"""`run --all` also measures {len(others)} configurations whose rows no seed can \
decide: nothing is claimed, the
recipe is not stated, or the claim is about other images. "Nothing known before": each of them gets
one seed, as in a suite of the user's own. "fmbench's own run counts": it takes their place.

The reference results were measured by several versions, most of them without compiled loops. The
newer seconds are those of a seed, one cell at a time, in [`results/until-decided`](
../../results/until-decided/README.md), with compiled loops.

{write_table(header, lines)}"""


def get_fixed_seeds(row: OtherRow) -> int:
    """How many seeds a row gets without `--until-decided`."""
    return row.fixed_seeds


# ---------------------------------------------------------------- how often it errs


@dataclass(frozen=True)
class Share:
    """How often something happens, in ``n`` independent cases."""

    value: float
    n: int

    def __str__(self) -> str:
        return percent(self.value, self.n)


@dataclass(frozen=True)
class Tables:
    """Simulated tables: which rows are reproduced, and which not: ``bool (n_tables, n_rows)``."""

    reproduced: np.ndarray
    not_reproduced: np.ndarray


WAYS = (f"fixed {FIXED_SEEDS}", "until decided", "until decided, fmbench's own run counts")


def judge_way(
    way: str, generator: np.random.Generator, sd: np.ndarray, claimed: np.ndarray,
    n_reference: np.ndarray, plan: LookPlan, half_unit: float,
) -> Tables:  # fmt: skip
    """Measure and judge tables of rows with the spreads ``sd (n_rows,)`` in one way.

    ``claimed`` is ``float (n_tables, n_rows)``; each model's true mean is `TRUE_MEAN`.
    """
    claim = Claim(0.0, half_unit)
    level = plan.alpha / plan.n_tests
    tables = Tables(np.zeros(claimed.shape, bool), np.zeros(claimed.shape, bool))
    for i, spread in enumerate(sd):

        def draw(n: int, spread: float = spread) -> np.ndarray:
            return to_images(TRUE_MEAN + spread * generator.standard_normal((len(claimed), n)))

        of_row = claimed[:, i]
        if way == WAYS[0]:
            verdicts = judge_many(of_row, draw(FIXED_SEEDS), half_unit=half_unit, level=level)
            yes, no = verdicts.reproduced, verdicts.not_reproduced
        else:
            found = judge_many_sequentially(
                of_row, draw(plan.most_seeds), claim, plan, n_paths=N_PATHS
            )
            yes, no = found.reproduced, found.not_reproduced
        if way == WAYS[2]:
            own = draw(int(n_reference[i]))
            skipped = are_improbable(of_row, own, claim, plan)
            # Such a row shows fmbench's own run, which has a fixed number of seeds.
            shown = judge_many(of_row, own, half_unit=half_unit, level=level)
            yes = np.where(skipped, shown.reproduced, yes)
            no = np.where(skipped, shown.not_reproduced, no)
        tables.reproduced[:, i], tables.not_reproduced[:, i] = yes, no
    return tables


def are_improbable(
    claimed: np.ndarray, own: np.ndarray, claim: Claim, plan: LookPlan
) -> np.ndarray:
    """Which rows are not measured, because of fmbench's own seeds ``float (n_rows, n)``."""
    mean, sd = measure(own)
    n = own.shape[1]
    improbable = np.zeros(len(claimed), bool)
    rows = np.flatnonzero(sd > 0)
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        chances = simulate_chances(
            claim, claimed[some] - mean[some], sd[some], n, plan, N_PATHS, start_again=True
        )
        improbable[some] = np.maximum(*chances) < plan.futility
    return improbable


def report_errors(tested: Sequence[TestedRow], n_tables: int) -> str:
    """The tables of wrong decisions and of claims that are found to be wrong."""
    sd = np.array([row.summary.sd or 0.0 for row in tested])
    n_reference = np.array([row.summary.n for row in tested])
    plan = make_look_plan(len(tested))
    shape = (n_tables, len(sd))
    wrong, found = [], []
    for way in WAYS:
        print(f"errors: {way}", flush=True)
        generator = np.random.default_rng(SEED)
        one_run = sd * generator.standard_normal(shape)

        def judge(
            claimed: np.ndarray,
            half_unit: float = 0.0,
            way: str = way,
            generator: np.random.Generator = generator,
        ) -> Tables:
            return judge_way(way, generator, sd, claimed, n_reference, plan, half_unit)

        honest = judge(to_images(TRUE_MEAN + one_run), HALF_UNIT)
        worst = judge(TRUE_MEAN + MARGIN + one_run)
        edge = judge(np.full(shape, TRUE_MEAN + MARGIN))
        by_row = edge.reproduced.mean(axis=0)
        wrong.append(
            [
                way, str(Share(float(honest.not_reproduced.any(axis=1).mean()), n_tables)),
                str(Share(float(worst.not_reproduced.any(axis=1).mean()), n_tables)),
                str(Share(float(by_row.mean()), edge.reproduced.size)),
                str(Share(float(by_row.max()), n_tables)),
            ]
        )  # fmt: skip
        shares = [Share(float(honest.reproduced.mean()), honest.reproduced.size)]
        for points in OFF:
            off = judge(to_images(TRUE_MEAN + points * POINT + one_run), HALF_UNIT)
            shares.append(Share(float(off.not_reproduced.mean()), off.not_reproduced.size))
        found.append([way, *map(str, shares)])
    return f"""## Wrong decisions

Tables of {len(sd)} rows with the spreads above, in percent. "Not reproduced" is decided at \
{plan.alpha:g} over the
number of rows. *Honest*: each claim is one run of the model that is rerun; at least one row is
called "not reproduced". *Worst case*: each claim is one run of a model that is better by exactly
the margin, and the same is counted: the family-wise error. *At the margin*: each claim differs from
the mean by exactly the margin, and the row is called "reproduced": the mean over the rows, and the
row with most errors.

{write_table(["seeds", "honest", "worst case", "at the margin", "its worst row"], wrong)}
## Right decisions

Percent of the rows: honest claims of one run that are reproduced, and claims of one run of a model
that is better by so many points that are not reproduced.

{write_table(["seeds", "honest", *(f"{points} off" for points in OFF)], found)}"""


def build_report(divisor: int = 1) -> str:
    """Simulate everything, with ``divisor`` times fewer repetitions."""
    tested = find_tested_rows()
    others = find_other_rows(tested)
    return f"""# What `--until-decided` costs and decides

Made by `benchmarks/verdicts/simulate_until_decided.py` (seed {SEED}) from the reference results,
never edited by hand. It simulates `fmbench run --all --until-decided` with the means and the
spreads that fmbench measured. Looks are after {FEWEST_SEEDS}, {FEWEST_SEEDS + 1}, ... {MAX_SEEDS} \
seeds; each p value is corrected for all of
them. A decision is improbable if its probability is below {100 * FUTILITY:g} %. "±" is the \
standard error of the
simulation.

{report_costs(tested, others, N_ROWS // divisor)}
{report_errors(tested, N_TABLES // divisor)}"""


if __name__ == "__main__":
    run_script(__doc__ or "", build_report, RESULTS)
