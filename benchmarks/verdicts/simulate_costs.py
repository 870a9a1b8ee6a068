"""Simulates how many seeds and core-hours the paper's table needs, with and without early stops.

The rows, with their means, spreads and seconds of a fit, come from the committed reference results,
so run it again after these have changed. The results are in `costs.md`; the seed is fixed.

    python benchmarks/verdicts/simulate_costs.py           # a minute on one core
    python benchmarks/verdicts/simulate_costs.py --quick   # a smoke test; prints, writes no file
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from many_claims import HALF_UNIT, POINT, Look, judge_many, judge_many_sequentially, round_to_images
from scipy.optimize import brentq
from scipy.stats import nct, t
from simulate_verdicts import SEED, TRUE_MEAN, percent, run_script, write_table

from fmbench.analysis.reference import load_reference_summaries
from fmbench.analysis.sequential import FUTILITY, LookPlan
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import ALPHA, FEWEST_SEEDS, Claim
from fmbench.suites.claims import Row
from fmbench.suites.reader import read_suite

RESULTS = Path(__file__).with_name("costs.md")
FIXED_SEEDS = 5
N_TABLES = 10_000
N_ROWS = 100_000

# Weights of the comparison with an e-process: true distances from the boundary, in spreads.
E_PROCESS_DISTANCES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0])


@dataclass(frozen=True)
class TestedRow:
    """A row whose claim a rerun can test, and what fmbench measured for it."""

    row: Row
    claim: Claim
    summary: Summary

    @property
    def of_other_images(self) -> bool:
        """Whether its claim is about another release of the images, so that it gets no test."""
        return self.row.images != "today"


def find_rows() -> list[TestedRow]:
    """The rows of the paper with a claim, a stated recipe and a measured spread."""
    suite = read_suite()
    summaries = load_reference_summaries(suite)
    rows = []
    for row in suite.rows:
        claim, summary = Claim.from_row(row), summaries.get(row.runner)
        if claim is None or summary is None or row.recipe == "not stated":
            continue
        if summary.status is Status.MEASURED and summary.n >= FEWEST_SEEDS and summary.sd:
            rows.append(TestedRow(row, claim, summary))
    return rows


# ---------------------------------------------------------------- ways to decide


@dataclass(frozen=True)
class Way:
    """One way to decide when a row has enough seeds."""

    name: str
    plan: LookPlan | None = None  # None: a fixed number of seeds
    e_process: bool = False


def build_ways(n_tests: int) -> list[Way]:
    """The ways that the table compares."""
    exact = LookPlan(n_tests=n_tests, futility=0)
    return [
        Way(f"fixed {FIXED_SEEDS}"),
        Way(f"exact sequential, {exact.first} to {exact.last}", exact),
        Way("the same with futility", replace(exact, futility=FUTILITY)),
        Way(f"always-valid e-process, {exact.first} to {exact.last}", exact, e_process=True),
    ]


@cache
def find_e_threshold(n: int, n_runs: float, level: float) -> float:
    """The t from which the e-value is at least 1 / level.

    The e-value is a mean of likelihood ratios of t, for the distances in `E_PROCESS_DISTANCES`
    against none. It grows with t, and its product with the level is a test that may be repeated
    after any number of seeds (Pérez-Ortiz et al. 2024, arXiv 2208.07610).
    """
    shifts = E_PROCESS_DISTANCES / math.sqrt(1 / n_runs + 1 / n)

    def excess(x: float) -> float:
        return float(np.mean(nct.pdf(x, n - 1, shifts))) / float(t.pdf(x, n - 1)) - 1 / level

    high = 1.0
    while excess(high) < 0:
        high *= 2
        if high > 1e4:  # so few seeds cannot reach this level
            return high
    return float(brentq(excess, 0.0, high))


def make_e_look(claim: Claim, plan: LookPlan) -> Look:
    """The tests of an e-process at a look."""

    def look(gap: np.ndarray, sd: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        within = find_e_threshold(n, math.inf, plan.alpha) * sd / math.sqrt(n)
        scale = sd * math.sqrt(1 / claim.n_runs + 1 / n)
        beyond = find_e_threshold(n, claim.n_runs, plan.alpha / plan.n_tests) * scale
        yes = plan.margin - np.abs(gap) > within
        return yes, np.abs(gap) - plan.margin - claim.half_unit > beyond

    return look


def simulate_way(
    generator: np.random.Generator, way: Way, claim: Claim, claimed: np.ndarray, mean: float,
    sd: float, n_tests: int,
) -> tuple[float, float, float]:  # fmt: skip
    """Simulate rows: the mean number of seeds, and the shares reproduced and not reproduced."""
    last = FIXED_SEEDS if way.plan is None else way.plan.last
    runs = round_to_images(mean + sd * generator.standard_normal((len(claimed), last)))
    if way.plan is None:
        verdicts = judge_many(
            claimed, runs, n_runs=claim.n_runs, half_unit=claim.half_unit, level=ALPHA / n_tests
        )
        return (
            float(FIXED_SEEDS),
            float(verdicts.reproduced.mean()),
            float(verdicts.not_reproduced.mean()),
        )
    look = make_e_look(claim, way.plan) if way.e_process else None
    found = judge_many_sequentially(claimed, runs, claim, way.plan, look=look)
    return (
        float(found.n_seeds.mean()),
        float(found.reproduced.mean()),
        float(found.not_reproduced.mean()),
    )


# ---------------------------------------------------------------- the report


def report_rows(rows: Sequence[TestedRow]) -> str:
    """The table of the rows."""
    lines = [
        [
            r.row.label, r.row.claimed or "", str(r.claim.n_runs),
            f"{100 * (r.summary.mean or 0):.2f}", f"{100 * (r.summary.sd or 0):.2f}",
            f"{r.summary.fit_seconds or 0:.0f}",
            "no: claimed of other images" if r.of_other_images else "yes",
        ]
        for r in rows
    ]  # fmt: skip
    header = ["row", "claimed", "runs of the claim", "mean", "spread", "seconds of a fit", "tested"]
    return write_table(header, lines)


def report_ways(rows: Sequence[TestedRow], n_tables: int, n_rows: int) -> str:
    """The table of the ways to decide, for some rows."""
    lines = []
    n_tests = len(rows)
    for way in build_ways(n_tests):
        print(f"{n_tests} rows: {way.name}", flush=True)
        generator = np.random.default_rng(SEED)
        seeds = seconds = 0.0
        for r in rows:
            claimed = np.full(n_tables, r.claim.accuracy)
            mean, sd = r.summary.mean or 0.0, r.summary.sd or 0.0
            used, _, _ = simulate_way(generator, way, r.claim, claimed, mean, sd, n_tests)
            seeds += used / n_tests
            seconds += used * (r.summary.fit_seconds or 0.0)
        one_run = Claim(0.0, HALF_UNIT)
        shares = []
        for spread, off, which in ((0.25, 0.0, 1), (0.15, 1.0, 2)):
            sd = spread * POINT
            better = TRUE_MEAN + off * POINT
            claimed = round_to_images(better + sd * generator.standard_normal(n_rows))
            shares.append(
                simulate_way(generator, way, one_run, claimed, TRUE_MEAN, sd, n_tests)[which]
            )
        lines.append(
            [
                way.name,
                f"{seeds:.1f}",
                f"{seconds / 3600:.1f}",
                *(percent(share, n_rows, 1) for share in shares),
            ]
        )
    header = [
        "seeds", "seeds a row", "core-hours", "honest one-run claim reproduced (spread .25)",
        "1.0 off not reproduced (spread .15)",
    ]  # fmt: skip
    return write_table(header, lines)


def build_report(divisor: int = 1) -> str:
    """Simulate everything, with ``divisor`` times fewer repetitions."""
    n_tables, n_rows = N_TABLES // divisor, N_ROWS // divisor
    rows = find_rows()
    tested = [r for r in rows if not r.of_other_images]
    return f"""# What early stops save

Made by `benchmarks/verdicts/simulate_costs.py` (seed {SEED}) from the reference results, never
edited by hand. It simulates the table of the paper: each row has the claim of the paper, and seeds
with the mean and the spread that fmbench measured. "±" is the standard error of the simulation.
"Not reproduced" is decided at {ALPHA:g} over the number of rows that are tested together.

## The {len(rows)} rows with a claim, a stated recipe and a spread

{report_rows(rows)}
If all {len(rows)} rows are tested:

{report_ways(rows, n_tables, n_rows)}
If only the {len(tested)} rows are tested whose claims are about today's images:

{report_ways(tested, n_tables, n_rows)}"""


if __name__ == "__main__":
    run_script(__doc__ or "", build_report, RESULTS)
