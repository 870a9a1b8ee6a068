"""The simulations in benchmarks/verdicts judge like fmbench, and their results keep the limits."""

from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fmbench.analysis.sequential import N_PATHS, LookPlan, Step, judge_sequentially
from fmbench.analysis.statistics import GridFigure, SampleFigure
from fmbench.analysis.verdicts import (
    Claim,
    VerdictKind,
    decide_together,
    judge_claim,
    make_trial,
)
from fmbench.records.record import decode_record
from fmbench.suites.reader import read_suite
from fmbench.utils.environment import CHECKOUT

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "verdicts"
HALF_UNIT = 0.00005
KINDS = [(1, 1), (5, 1), (1, 5), (1, 30)]  # runs of the claim, best of


@pytest.fixture(autouse=True)
def scripts_are_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def many_claims():
    return importlib.import_module("many_claims")


@pytest.fixture
def simulate_verdicts():
    return importlib.import_module("simulate_verdicts")


@pytest.fixture
def simulate_costs():
    return importlib.import_module("simulate_costs")


def draw_rows(n_rows, n_seeds, seed=3):
    """Claims at all distances from the mean, and accuracies of models with all spreads."""
    generator = np.random.default_rng(seed)
    spreads = generator.choice([0.0003, 0.0015, 0.003, 0.008], n_rows)
    distances = generator.normal(0, 0.01, n_rows)
    runs = np.round(0.9 + spreads[:, None] * generator.standard_normal((n_rows, n_seeds)), 4)
    runs[: n_rows // 20] = runs[: n_rows // 20, :1]  # no spread
    return np.round(0.9 + distances, 4), runs


@pytest.mark.parametrize(("n_runs", "best_of"), KINDS)
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_many_claims_get_the_verdicts_of_judge_claim(many_claims, n_seeds, n_runs, best_of):
    claimed, runs = draw_rows(100, n_seeds)
    found = many_claims.judge_many(claimed, runs, n_runs=n_runs, best_of=best_of)
    verdicts = [
        judge_claim(Claim(c, HALF_UNIT, n_runs, best_of=best_of), list(r), deterministic=False)
        for c, r in zip(claimed, runs, strict=True)
    ]
    kinds = [v.kind for v in verdicts]
    assert found.reproduced.tolist() == [k is VerdictKind.REPRODUCED for k in kinds]
    assert found.within_spread.tolist() == [k is VerdictKind.WITHIN_SPREAD for k in kinds]
    assert found.not_reproduced.tolist() == [k.differs for k in kinds]
    assert min(found.reproduced.sum(), found.within_spread.sum(), found.not_reproduced.sum()) > 4


@pytest.mark.parametrize("n_runs", [1, 5])
def test_tables_get_the_verdicts_that_fmbench_decides_together(many_claims, n_runs):
    claimed, runs = draw_rows(240, 5)
    claimed, runs = claimed[20:].reshape(20, 11), runs[20:].reshape(20, 11, 5)
    found = many_claims.judge_tables(claimed, runs, n_runs=n_runs)
    for table in range(20):
        trials = [
            make_trial(Claim(c, HALF_UNIT, n_runs), list(r), deterministic=False)
            for c, r in zip(claimed[table], runs[table], strict=True)
        ]
        assert found[table].tolist() == [v.kind.differs for v in decide_together(trials)]


@pytest.mark.parametrize(
    ("n_runs", "best_of", "futility", "max_seeds"),
    [(1, 1, 0, None), (1, 1, 0.1, None), (5, 1, 0.1, None), (1, 1, 0.1, 5)],
)
def test_rows_stop_where_judge_sequentially_stops(
    many_claims, n_runs, best_of, futility, max_seeds
):
    plan = LookPlan(n_tests=11, futility=futility, max_seeds=max_seeds)
    claim = Claim(0.0, HALF_UNIT, n_runs, best_of=best_of)
    claimed, runs = draw_rows(60, plan.most_seeds)
    found = many_claims.judge_many_sequentially(claimed, runs, claim, plan, n_paths=N_PATHS)
    for i in range(len(claimed)):
        row = Claim(claimed[i], HALF_UNIT, n_runs, best_of=best_of)
        decisions = judge_sequentially(row, list(runs[i]), plan, deterministic=False)
        stop = next(d for d in decisions if d.step is not Step.GO_ON)
        assert found.n_seeds[i] == stop.n_seeds
        assert found.reproduced[i] == (stop.verdict.kind is VerdictKind.REPRODUCED)
        assert found.not_reproduced[i] == stop.verdict.kind.differs


def test_claims_of_a_grid_are_found_like_those_of_the_grid_figure(simulate_verdicts):
    generator = np.random.default_rng(2)
    n, excess, level = 4, 0.00505, 0.05 / 19
    means, spreads = simulate_verdicts.GRID_MEANS / 100, simulate_verdicts.GRID_SPREADS / 100
    runs = means[:, None] + spreads[:, None] * generator.standard_normal((n, len(means), 5))
    claimed = np.linspace(0.745, 0.83, n)
    found = simulate_verdicts.find_grids_beyond(claimed, runs, 1, level)
    grids = [GridFigure(tuple(SampleFigure(tuple(m)) for m in row)) for row in runs.tolist()]
    expected = [g.p_beyond(c, excess) < level for g, c in zip(grids, claimed, strict=True)]
    assert found.tolist() == expected
    assert 0 < sum(expected) < n


def test_honest_claims_are_drawn_as_their_kind_says(simulate_verdicts):
    generator = np.random.default_rng(0)
    sd = np.full(20_000, 0.002)
    expected = {  # mean and spread in standard deviations of one run
        "one run": (0, 1), "mean of 5": (0, 0.447), "best of 5": (1.163, 0.669),
        "best of 30": (2.043, 0.492),
    }  # fmt: skip
    drawn = {k.name: k.draw_claims(generator, sd) for k in simulate_verdicts.KINDS}
    for name, (mean, spread) in expected.items():
        claims = (drawn[name] - 0.9) / 0.002
        assert (claims.mean(), claims.std()) == pytest.approx((mean, spread), abs=0.02)


# ---------------------------------------------------------------- the scripts and their results


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "title"),
    [
        ("make_sequential_factors", "factor at p = .05, .01, .001"),
        ("simulate_verdicts", "# How often the verdicts are right"),
        ("simulate_costs", "# What early stops save"),
        ("simulate_until_decided", "# What `--until-decided` costs and decides"),
    ],
)
def test_a_script_runs_quickly_with_few_simulations(script, title):
    result = subprocess.run(
        [sys.executable, "-W", "error", SCRIPTS / f"{script}.py", "--quick"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert title in result.stdout


def read_tables(path):
    """The tables of a Markdown file: lists of rows, each a list of cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
    ]


def find_rows(header):
    """The rows of the one committed table whose first columns have these titles."""
    tables = [t for t in read_tables(SCRIPTS / "results.md") if t[0][: len(header)] == header]
    (table,) = tables
    return table[2:]


def to_number(cell):
    return float(cell.split(" ±")[0])


def test_honest_claims_of_each_kind_are_called_not_reproduced_in_at_most_1_percent_of_tables():
    rows = find_rows(["the claim is", "3 seeds"])
    assert [row[0] for row in rows] == [
        "one run", "mean of 5", "best of 5", "best of 30", "best epoch",
        "best of a grid of 12, one run each", "best of a grid of 12, mean of 5 each",
    ]  # fmt: skip
    assert max(to_number(cell) for row in rows for cell in row[1:]) <= 1


def test_the_text_names_the_spreads_and_the_numbers_of_rows_for_which_the_limits_hold():
    text = (SCRIPTS / "results.md").read_text(encoding="utf-8")
    worst = {float(r[0]): max(map(to_number, r[1:])) for r in find_rows(["spread in points"])}
    low, high = (max(s for s, share in worst.items() if share <= limit) for limit in (1, 5))
    assert f"at most 1 % up to {low:g}, at most the level of 5 % up to {high:g}," in text
    assert "rows are tested together: 1, 6, 11. It does not with: 19." in text


def test_the_costs_start_from_the_committed_summary(simulate_costs):
    # Fails after new records: then run simulate_costs.py again.
    tables = read_tables(SCRIPTS / "costs.md")
    committed = {row[0]: row[3:6] for row in next(t for t in tables if t[0][0] == "row")[2:]}
    assert committed == {
        r.row.label: [f"{100 * r.summary.mean:.2f}", f"{100 * r.summary.sd:.2f}",
                      f"{r.summary.fit_seconds:.0f}"]
        for r in simulate_costs.find_rows()
    }  # fmt: skip


def find_until_decided_rows(header):
    """The rows of the one table of until-decided.md whose first columns have these titles."""
    tables = read_tables(SCRIPTS / "until-decided.md")
    (table,) = (t for t in tables if t[0][: len(header)] == header)
    return {row[0]: row[1:] for row in table[2:]}


def test_the_costs_until_decided_start_from_the_committed_summary(simulate_costs):
    # Fails after new records: then run simulate_until_decided.py again.
    committed = {name: row[1:4] for name, row in find_until_decided_rows(["row"]).items()}
    assert committed == {
        r.row.label: [f"{100 * r.summary.mean:.2f}", f"{100 * r.summary.sd:.2f}",
                      f"{r.summary.fit_seconds:.0f}"]
        for r in simulate_costs.find_rows()
        if not r.of_other_images
    }  # fmt: skip


def test_until_decided_takes_at_most_40_percent_of_five_seeds_and_decides_as_many_rows():
    costs = find_until_decided_rows(["seeds", "decided rows"])
    fixed, known = costs["fixed 5"], costs["until decided, at most 20, fmbench's own run counts"]
    assert int(known[-1].removesuffix(" %")) <= 40
    assert float(known[0]) >= float(fixed[0]) - 0.02  # the rest are the rows that stop at once


def test_the_newer_seconds_are_those_of_the_committed_records():
    # Fails after new records: then run simulate_until_decided.py again.
    seconds = defaultdict(list)
    for path in (CHECKOUT / "results" / "until-decided").glob("**/records/*/*.json"):
        record = decode_record(path.read_bytes())
        assert (record.status, record.threads) == ("finished", 1)
        if record.jobs == 1:
            seconds[record.cell["runner"]].append(record.total_seconds)
    committed = find_until_decided_rows(["row"])
    for row in read_suite().rows:
        if row.label in committed:
            measured = seconds[row.runner]
            assert float(committed[row.label][4]) == pytest.approx(np.mean(measured), abs=0.6)


def test_until_decided_keeps_the_family_wise_error_and_finds_more():
    wrong = find_until_decided_rows(["seeds", "honest", "worst case"])
    right = find_until_decided_rows(["seeds", "honest", "1.0 off"])
    for way in ("until decided", "until decided, fmbench's own run counts"):
        assert max(map(to_number, wrong[way])) <= 5.6  # the level, and twice the error
        assert np.all(
            np.array([to_number(c) for c in right[way]]) > [to_number(c) for c in right["fixed 5"]]
        )


def test_five_seeds_find_the_claims_that_are_off():
    power = {tuple(row[:2]): [to_number(c) for c in row[2:]] for row in find_rows(
        ["rows tested together", "seeds"])}  # fmt: skip
    # Eleven rows of the paper have a spread; six of them are about today's images.
    for n_rows in ("6", "11"):
        assert (np.round(power[n_rows, "5"]) >= [22, 78, 99]).all()


def test_the_errors_at_the_boundary_keep_the_level():
    fixed = {row[0]: [to_number(c) for c in row[1:]] for row in find_rows(["decision", "3 seeds"])}
    shift = -HALF_UNIT / (0.0015 * math.sqrt(1 + 1 / 5))  # the room for rounding
    exact = 100 * stats.nct.sf(stats.t.isf(0.05, 4), 4, shift)
    printed = fixed["not reproduced, one run, printed with two decimals"][1]
    assert printed == pytest.approx(exact, abs=0.1)
    assert all(4.5 <= share <= 5.5 for shares in fixed.values() for share in shares)
    sequential = find_rows(["looks after ... seeds", "decision"])
    assert len(sequential) == 16
    assert all(4.5 <= to_number(row[3]) <= 5.5 for row in sequential)
    naive = next(row for row in sequential if row[:2] == ["3 to 10", "reproduced"])[4]
    assert to_number(naive) == pytest.approx(14.7, abs=0.3)
