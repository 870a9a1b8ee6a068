"""Which seeds are measured next, and why a row stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.analysis.seed_allocation import (
    RowPlan,
    RowToDecide,
    Stop,
    make_look_plan,
    order_work,
    plan_row,
)
from fmbench.analysis.sequential import judge_sequentially
from fmbench.analysis.verdicts import MAX_SEEDS, Claim, VerdictKind

HALF_UNIT = 0.00005
CLAIM = Claim(0.9, HALF_UNIT)
PLAN = make_look_plan(6)


def row(accuracies=(), claim=CLAIM, **options):
    return RowToDecide("model", "A model", claim, tuple(accuracies), **options)


def draw(n, *, mean=0.9, sd=0.0015, seed=0):
    generator = np.random.default_rng(seed)
    return tuple(np.round(mean + sd * generator.standard_normal(n), 4).tolist())


def measure_until_it_stops(asked, accuracies, plan):
    """Follow the plans of a row, one after the other, with these accuracies by seed."""
    while (found := plan_row(asked, plan)).stop is None:
        assert found.next_seeds[0] == asked.n
        asked = replace(asked, accuracies=accuracies[: found.next_seeds[-1] + 1])
    return found


# ---------------------------------------------------------------- each reason to stop


def test_a_row_gets_the_seeds_of_the_first_look_and_stops_when_it_is_decided():
    assert plan_row(row(), PLAN).next_seeds == (0, 1, 2)
    assert plan_row(row(draw(2)), PLAN).next_seeds == (2,)
    found = plan_row(row(draw(3, mean=0.812)), PLAN)
    assert (found.stop, found.verdict) == (Stop.DECIDED, VerdictKind.CLAIM_HIGHER)
    assert (found.decided_at, found.next_seeds) == (3, ())
    assert found.reason == "not reproduced, claim higher, after 3 seeds"


def test_an_open_row_gets_one_more_seed():
    found = plan_row(row((0.8985, 0.9005, 0.9020)), PLAN)
    assert (found.stop, found.next_seeds) == (None, (3,))
    assert 0.1 < found.chance <= 1


def test_a_row_stops_when_a_decision_has_become_improbable():
    found = plan_row(row(draw(6, mean=0.8945), claim=CLAIM), PLAN)
    assert (found.stop, found.verdict) == (Stop.IMPROBABLE, None)
    assert found.reason == "less than 10 % chance of a decision by 20 seeds"


def test_a_row_stops_at_the_limit():
    plan = make_look_plan(6, 4)
    found = plan_row(row((0.8965, 0.9005, 0.9030, 0.9001)), plan)
    assert (found.stop, found.reason) == (Stop.LIMIT, "no decision after 4 seeds, the limit")
    more = plan_row(row((0.8965, 0.9005, 0.9030, 0.9001, 0.8955)), plan)
    assert (more.stop, more.reason) == (Stop.LIMIT, "no decision after 5 seeds, the limit")


def test_a_failed_seed_stops_a_row():
    found = plan_row(row(draw(4), failure="killed (seed 4)"), PLAN)
    assert (found.stop, found.reason) == (Stop.FAILED, "killed (seed 4)")


@pytest.mark.parametrize("claim", [CLAIM, None])
def test_a_row_that_no_seed_can_decide_gets_one_seed(claim):
    asked = row(claim=claim, no_test="untestable: recipe not stated" if claim else "")
    assert plan_row(asked, PLAN).next_seeds == (0,)
    found = plan_row(replace(asked, accuracies=(0.9,)), PLAN)
    assert (found.stop, found.verdict) == (Stop.NO_TEST, None)
    assert found.reason == ("untestable: recipe not stated" if claim else "nothing claimed")


def test_a_row_that_no_seed_can_decide_gets_none_if_fmbench_has_measured_it():
    asked = row(no_test="untestable: recipe not stated", reference=draw(5))
    assert plan_row(asked, PLAN).stop is Stop.NO_TEST


def test_a_deterministic_model_gets_one_seed_which_decides():
    asked = row(deterministic=True)
    assert plan_row(asked, PLAN).next_seeds == (0,)
    found = plan_row(replace(asked, accuracies=(0.9001,)), PLAN)
    assert (found.stop, found.verdict) == (Stop.DECIDED, VerdictKind.REPRODUCED)


def test_a_row_is_not_measured_if_fmbenchs_own_seeds_say_that_a_decision_is_improbable():
    # The four seeds of EDEN, whose claim is 90.60: .68 below their mean.
    asked = row(claim=Claim(0.906, HALF_UNIT), reference=(0.9132, 0.9089, 0.9134, 0.9158))
    found = plan_row(asked, PLAN)
    assert (found.stop, found.next_seeds) == (Stop.IMPROBABLE, ())
    assert found.reason.startswith("by fmbench's own 4 seeds, less than 10 % chance")
    # Once it has seeds of its own, they alone count.
    assert plan_row(replace(asked, accuracies=(0.9132,)), PLAN).next_seeds == (1, 2)
    # A clear case, or too few seeds of fmbench's own, are measured.
    assert plan_row(row(reference=draw(5, mean=0.85)), PLAN).next_seeds == (0, 1, 2)
    assert plan_row(replace(asked, reference=(0.9132, 0.9089)), PLAN).next_seeds == (0, 1, 2)


# ---------------------------------------------------------------- what holds for every row

SPREADS = st.sampled_from([0.0, 0.0004, 0.0015, 0.003, 0.008])
ROWS = st.builds(
    lambda mean, sd, seed: draw(MAX_SEEDS, mean=mean, sd=sd, seed=seed),
    st.floats(0.88, 0.92), SPREADS, st.integers(0, 2**32 - 1),
)  # fmt: skip
CLAIMS = st.sampled_from([CLAIM, Claim(0.9, HALF_UNIT, 5)])
LIMITS = st.integers(3, MAX_SEEDS)


@settings(max_examples=30, deadline=None)
@given(ROWS, CLAIMS, LIMITS, st.integers(0, MAX_SEEDS))
def test_a_row_either_stops_or_gets_the_next_seeds_up_to_the_limit(accuracies, claim, limit, n):
    found = plan_row(row(accuracies[:n], claim), make_look_plan(6, limit))
    assert (found.stop is None) == bool(found.next_seeds)
    assert found.next_seeds == tuple(range(n, n + len(found.next_seeds)))
    assert all(seed < limit for seed in found.next_seeds)
    assert (found.verdict is not None) == (found.stop is Stop.DECIDED)
    assert 0 <= found.chance <= 1


@settings(max_examples=20, deadline=None)
@given(ROWS, CLAIMS, st.integers(0, MAX_SEEDS))
def test_records_that_were_there_before_never_change_what_the_looks_decide(accuracies, claim, n):
    alone = measure_until_it_stops(row(claim=claim), accuracies, PLAN)
    continued = measure_until_it_stops(row(accuracies[:n], claim), accuracies, PLAN)
    if alone.stop is Stop.DECIDED:
        assert (continued.verdict, continued.decided_at) == (alone.verdict, alone.decided_at)
    elif continued.stop is Stop.DECIDED:  # the seeds went on after it would have stopped
        assert continued.decided_at > alone.row.n
    if n <= alone.row.n:
        assert continued == alone


def test_the_levels_of_the_looks_do_not_depend_on_the_limit():
    for test in ("reproduced", "not reproduced"):
        levels = {make_look_plan(6, limit).find_level(CLAIM, test) for limit in (3, 10, 11, 20)}
        assert len(levels) == 1


@settings(max_examples=20, deadline=None)
@given(ROWS, CLAIMS, LIMITS, LIMITS)
def test_another_limit_never_changes_what_is_decided(accuracies, claim, limit, other):
    low, high = sorted((limit, other))
    first = measure_until_it_stops(row(claim=claim), accuracies, make_look_plan(6, low))
    second = measure_until_it_stops(replace(first.row), accuracies, make_look_plan(6, high))
    if first.stop is Stop.DECIDED:
        assert (second.verdict, second.decided_at) == (first.verdict, first.decided_at)


@settings(max_examples=20, deadline=None)
@given(ROWS, CLAIMS, st.integers(3, MAX_SEEDS), st.integers(1, 20))
def test_a_row_is_decided_where_the_sequential_test_decides(accuracies, claim, n, n_tests):
    plan = make_look_plan(n_tests)
    found = plan_row(row(accuracies[:n], claim), plan)
    last = judge_sequentially(claim, accuracies[:n], plan, deterministic=False)[-1]
    assert (found.stop is Stop.DECIDED) == (last.decided_at is not None)
    assert found.decided_at == last.decided_at
    if last.decided_at is not None:
        before = [*range(3, last.decided_at)]
        assert all(plan_row(row(accuracies[:k], claim), plan).verdict is None for k in before)


# ---------------------------------------------------------------- the order of the work


def planned(runner, seeds, chance, seconds):
    asked = RowToDecide(runner, runner, CLAIM, seconds=seconds)
    return RowPlan(asked, next_seeds=seeds, chance=chance)


def test_rows_that_decide_most_for_the_least_compute_come_first():
    plans = [
        planned("dear", (0, 1, 2), 1.0, 1000),
        planned("no test, long", (0,), 0.0, 50),
        planned("no test, short", (0,), 0.0, 5),
        planned("cheap", (0, 1, 2), 1.0, 10),
        planned("cheap and doubtful", (3,), 0.1, 10),
        planned("stopped", (), 1.0, 1),
    ]
    assert order_work(plans) == [
        ("cheap", 0), ("cheap", 1), ("cheap", 2), ("cheap and doubtful", 3), ("dear", 0),
        ("dear", 1), ("dear", 2), ("no test, short", 0), ("no test, long", 0),
    ]  # fmt: skip


def test_two_rows_of_one_runner_share_its_seeds():
    plans = [planned("model", (0,), 0.0, 10), planned("model", (0, 1, 2), 0.5, 10)]
    assert order_work(plans) == [("model", 0), ("model", 1), ("model", 2)]


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 3), st.floats(0, 1),
            st.floats(0, 1e9),
        )
    )
)  # fmt: skip
def test_the_order_has_every_seed_once_and_the_seeds_of_a_runner_together(drawn):
    plans = [
        planned(runner, tuple(range(first, first + n)), chance, seconds)
        for runner, first, n, chance, seconds in drawn
    ]
    order = order_work(plans)
    assert sorted(order) == sorted({(p.row.runner, s) for p in plans for s in p.next_seeds})
    runners = [runner for runner, _ in order]
    assert [r for i, r in enumerate(runners) if r not in runners[:i]] == [
        r for i, r in enumerate(runners) if i == 0 or runners[i - 1] != r
    ]
