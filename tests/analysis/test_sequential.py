"""Verdicts after each seed: the factors, the corrected p values, and when a row stops."""

from __future__ import annotations

import importlib
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.sequential import (
    LAST_LOOK,
    Chances,
    LookPlan,
    Step,
    compute_chances,
    correct_for_looks,
    get_least_p,
    judge_sequentially,
    load_factors,
    simulate_chances,
)
from fmbench.analysis.statistics import correct_p_values
from fmbench.analysis.verdicts import Claim, VerdictKind, judge_claim

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "verdicts"
HALF_UNIT = 0.00005
ACCURACIES = (0.9012, 0.9031, 0.8996, 0.9008, 0.9019, 0.9003, 0.9025, 0.9011, 0.9006, 0.9015)


def judged(claimed, accuracies=ACCURACIES, plan=None, *, n_runs=1, best_of=1, **plan_options):
    claim = Claim(claimed, HALF_UNIT, n_runs, best_of=best_of)
    plan = plan or LookPlan(**plan_options)
    return judge_sequentially(claim, accuracies, plan, deterministic=False)


# ---------------------------------------------------------------- the factors


@pytest.mark.parametrize(
    ("test", "n_runs", "factors"),
    [
        ("reproduced", 1, (2.91, 3.87, 5.04)),
        ("not reproduced", 1, (2.12, 3.00, 4.24)),
        ("not reproduced", 5, (2.45, 3.34, 4.54)),
    ],
)
def test_the_factors_for_looks_after_3_to_10_seeds_are_those_of_an_independent_simulation(
    test, n_runs, factors
):
    law = get_least_p(test, n_runs)
    found = [law.compute_probability(p) / p for p in (0.05, 0.01, 0.001)]
    # Its errors, and those of rounding, are about .01, .01 and .03.
    assert (np.abs(np.subtract(found, factors)) < [0.01, 0.015, 0.04]).all()


def test_repeated_looks_without_correction_say_reproduced_three_times_too_often():
    # At the boundary, over looks after 3 to 10 seeds: 14.6 % instead of 5 %.
    assert get_least_p("reproduced").compute_probability(0.05) == pytest.approx(0.147, abs=0.002)


@pytest.mark.parametrize(
    ("test", "n_runs"), [("reproduced", 1), ("not reproduced", 1), ("not reproduced", 5)]
)
def test_the_corrected_p_is_below_alpha_at_the_boundary_with_probability_alpha(test, n_runs):
    generator = np.random.default_rng(11)
    n_rows = 40_000
    runs = generator.standard_normal((n_rows, LAST_LOOK))
    k = math.inf if test == "reproduced" else n_runs
    claims = generator.standard_normal(n_rows) / math.sqrt(k)
    p = []
    for n in range(3, LAST_LOOK + 1):
        mean, sd = runs[:, :n].mean(axis=1), runs[:, :n].std(axis=1, ddof=1)
        p.append(stats.t.sf((claims - mean) / (sd * math.sqrt(1 / k + 1 / n)), n - 1))
    corrected = get_least_p(test, n_runs).compute_probability(np.min(p, axis=0))
    for alpha in (0.01, 0.05, 0.2):
        error = math.sqrt(alpha * (1 - alpha) / n_rows)
        assert (corrected < alpha).mean() == pytest.approx(alpha, abs=3 * error)


def test_a_factor_grows_with_the_runs_of_the_claim_and_with_the_looks_and_is_at_most_their_number():
    tables = load_factors()
    for looks, table in tables.items():
        first, last = map(int, looks.split("-"))
        runs = sorted((name for name in table if name != "p"), key=float)
        assert runs == ["1", "2", "3", "5", "10", "20", "30", "infinity"]
        factors = np.array([table[name] / table["p"] for name in runs])
        assert (np.diff(factors, axis=0)[:, :-1] > 0).all()
        assert (np.diff(factors, axis=1) < 0).all()
        assert (factors >= 1).all() and (factors <= last - first + 1).all()
    for narrow, wide in (("3-10", "3-20"), ("5-10", "3-10"), ("5-20", "3-20"), ("5-10", "5-20")):
        for name in set(tables[narrow]) - {"p"}:
            assert (tables[narrow][name][:-1] < tables[wide][name][:-1]).all()


def test_the_committed_factors_are_what_their_script_simulates(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = importlib.import_module("make_sequential_factors")
    found, errors = script.simulate(3 * script.BATCH)
    tables = load_factors()
    for i, first in enumerate(script.FIRST_LOOKS):
        for j, last in enumerate(script.LAST_LOOKS):
            for k, runs in enumerate(script.RUNS_OF_CLAIM):
                stored = tables[f"{first}-{last}"][script.name_runs(runs)][:-1]
                assert (np.abs(found[i, j, k] - stored) < 4.5 * errors[i, j, k]).all()


# ---------------------------------------------------------------- corrected p values

P_VALUES = st.lists(st.floats(1e-7, 1), min_size=1, max_size=8)
TESTS = st.sampled_from(["reproduced", "not reproduced"])
RUNS = st.integers(1, 40)


@given(P_VALUES, TESTS, RUNS)
def test_a_corrected_p_lies_between_the_least_p_and_that_p_times_the_number_of_looks(p, test, k):
    corrected = correct_for_looks(p, test, k)
    assert min(p) * 0.999999 <= corrected <= min(1, 8 * min(p)) * 1.000001


@given(P_VALUES, TESTS, RUNS)
def test_a_further_look_never_raises_the_corrected_p(p, test, k):
    by_look = [correct_for_looks(p[: i + 1], test, k) for i in range(len(p))]
    assert by_look == sorted(by_look, reverse=True)


@given(st.floats(1e-6, 0.9), TESTS, RUNS, st.sampled_from([1, 5]))
def test_the_level_of_a_look_is_the_p_whose_corrected_value_is_the_level_of_all(
    probability, test, k, best_of
):
    law = get_least_p(test, k, best_of=best_of)
    assert law.compute_probability(law.find_p(probability)) == pytest.approx(probability, rel=1e-6)


@given(st.floats(1e-6, 1), TESTS, RUNS)
def test_a_single_look_needs_no_correction(p, test, k):
    assert correct_for_looks([p], test, k, 5, 5) == pytest.approx(p)


def test_a_case_that_was_not_simulated_takes_the_stricter_neighbour():
    assert correct_for_looks([0.01], "not reproduced", 4) == correct_for_looks(
        [0.01], "not reproduced", 5
    )
    assert correct_for_looks([0.01], "not reproduced", 31) == correct_for_looks(
        [0.01], "reproduced"
    )
    for inside, simulated in (((4, 10), (3, 10)), ((6, 9), (5, 10)), ((3, 11), (3, 20))):
        assert correct_for_looks([0.05], "reproduced", 1, *inside) == correct_for_looks(
            [0.05], "reproduced", 1, *simulated
        )


def test_the_best_of_several_runs_has_its_p_multiplied_by_the_number_of_looks():
    assert correct_for_looks([0.02, 0.003], "not reproduced", best_of=30) == pytest.approx(0.024)


def test_looks_without_factors_are_refused():
    with pytest.raises(ValueError, match=r"no factors for looks after 3 to 21 seeds; .* 3 to 20"):
        correct_for_looks([0.5], "reproduced", first=3, last=21)
    with pytest.raises(ValueError, match="0 p values for looks after 3 to 10 seeds"):
        correct_for_looks([], "reproduced")
    with pytest.raises(ValueError, match="9 p values"):
        correct_for_looks([0.5] * 9, "reproduced")


# ---------------------------------------------------------------- decisions


def test_a_claim_far_away_is_decided_at_the_first_look():
    decisions = judged(0.988, n_tests=11)
    assert [d.n_seeds for d in decisions] == list(range(1, 11))
    assert [d.step for d in decisions[:3]] == [Step.GO_ON, Step.GO_ON, Step.DECIDED]
    assert [d.verdict.kind for d in decisions[:2]] == [VerdictKind.UNTESTABLE] * 2
    assert decisions[2].verdict.kind is VerdictKind.CLAIM_HIGHER
    assert judged(0.812)[2].verdict.kind is VerdictKind.CLAIM_LOWER


def test_a_claim_at_the_mean_is_reproduced():
    assert judged(0.9012)[-1].verdict.kind is VerdictKind.REPRODUCED


def test_the_p_values_are_those_of_the_plain_tests_corrected_for_the_looks_so_far():
    claim = Claim(0.9055, HALF_UNIT, 5)
    plain = [
        judge_claim(claim, ACCURACIES[:n], deterministic=False) for n in range(3, LAST_LOOK + 1)
    ]
    decisions = judge_sequentially(claim, ACCURACIES, deterministic=False)[2:]
    for i, decision in enumerate(decisions):
        so_far = plain[: i + 1]
        assert decision.verdict.p_within == pytest.approx(
            correct_for_looks([v.p_within for v in so_far], "reproduced")
        )
        assert decision.verdict.p_beyond == pytest.approx(
            correct_for_looks([v.p_beyond for v in so_far], "not reproduced", 5)
        )


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.895, 0.905), min_size=3, max_size=10, unique=True),
    st.floats(0.88, 0.92),
    st.sampled_from([(1, 1), (5, 1), (1, 5)]),
    st.sampled_from([1, 11]),
)
def test_a_decision_needs_a_corrected_p_below_the_level_and_stays(
    accuracies, claimed, kind, n_tests
):
    n_runs, best_of = kind
    decisions = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of, n_tests=n_tests)
    tested = [d for d in decisions if d.verdict.p_within is not None]
    for before, after in pairwise(tested):
        if before.step is Step.DECIDED:
            assert (after.step, after.verdict.kind) == (Step.DECIDED, before.verdict.kind)
    for d in tested:
        reproduced = d.verdict.p_within < 0.05
        differs = d.verdict.p_beyond < 0.05 / n_tests
        assert (d.step is Step.DECIDED) == (reproduced or differs)
        if d.verdict.kind is VerdictKind.REPRODUCED:
            assert reproduced
        elif d.verdict.kind.differs:
            assert differs
        else:
            assert not (reproduced or differs)


def test_a_decision_stays_although_later_seeds_differ():
    early = (0.9000, 0.9001, 0.9002)
    decisions = judged(0.912, (*early, 0.9121, 0.9118, 0.9122, 0.9119, 0.9121, 0.9120, 0.9122))
    assert {d.verdict.kind for d in decisions[2:]} == {VerdictKind.CLAIM_HIGHER}
    assert {d.step for d in decisions[2:]} == {Step.DECIDED}


def test_a_decision_for_many_rows_passes_holms_correction_whatever_the_other_rows_give():
    n_tests = 11
    decided = judged(0.988, n_tests=n_tests)[2].verdict
    others = [judged(0.9055 + i / 1e4, n_tests=n_tests)[2].verdict for i in range(n_tests - 1)]
    assert not any(v.kind.differs for v in others)
    holm = correct_p_values([v.p_beyond for v in [*others, decided]])[-1]
    assert holm <= decided.p_holm < 0.05


def test_more_rows_make_not_reproduced_stricter_and_leave_reproduced_alone():
    claim = Claim(0.9, HALF_UNIT)
    one, many = LookPlan(), LookPlan(n_tests=19)
    assert many.find_level(claim, "not reproduced") < one.find_level(claim, "not reproduced")
    assert many.find_level(claim, "reproduced") == one.find_level(claim, "reproduced")


def test_a_row_with_a_hopeless_claim_stops_early_and_may_go_on_all_the_same():
    # One noisy run 0.6 points away: neither within the margin nor beyond it.
    noisy = (0.893, 0.905, 0.899, 0.907, 0.896, 0.903, 0.894, 0.906, 0.899, 0.902)
    decisions = judged(0.906, noisy)
    stop = next(d for d in decisions if d.step is Step.STOP)
    assert 3 <= stop.n_seeds < 10
    assert max(stop.chances.reproduced, stop.chances.not_reproduced) < 0.1
    assert stop.verdict.kind is VerdictKind.WITHIN_SPREAD
    assert "less than 10 % chance" in stop.verdict.reason
    assert decisions[-1].step is Step.STOP
    assert decisions[-1].chances is None
    assert "the last look" in decisions[-1].verdict.reason
    patient = judged(0.906, noisy, futility=0)
    assert {d.step for d in patient[:-1]} == {Step.GO_ON}
    assert [d.verdict.p_within for d in patient] == [d.verdict.p_within for d in decisions]


def test_a_row_that_goes_on_says_the_chance_of_a_decision():
    decision = judged(0.9045)[2]
    assert decision.step is Step.GO_ON
    assert decision.verdict.kind is VerdictKind.MORE_SEEDS
    best = max(decision.chances.reproduced, decision.chances.not_reproduced)
    assert f"{100 * best:.0f} % chance of a decision by 10 seeds" in decision.verdict.reason


def test_a_claim_that_the_spread_does_not_explain_is_undecidable_at_the_last_look():
    tight = (0.9000, 0.9002, 0.8999, 0.9001, 0.9003, 0.8998, 0.9001, 0.9000, 0.9002, 0.8999)
    last = judged(0.9054, tight)[-1]
    assert last.step is Step.STOP
    assert last.verdict.kind is VerdictKind.UNDECIDABLE


def test_looks_may_begin_later():
    decisions = judged(0.988, first=5)
    assert [d.step for d in decisions[:5]] == [Step.GO_ON] * 4 + [Step.DECIDED]
    assert decisions[3].verdict.reason == "the first test is after 5 seeds"
    assert decisions[3].verdict.p_beyond is None


def test_a_model_without_spread_is_decided_without_looks():
    claim = Claim(0.897, HALF_UNIT)
    (decision,) = judge_sequentially(claim, [0.8986], deterministic=True)
    assert (decision.step, decision.verdict.kind) == (Step.DECIDED, VerdictKind.REPRODUCED)
    assert judged(0.9, [0.9] * 4)[2].step is Step.DECIDED


def test_more_seeds_than_looks_are_refused():
    with pytest.raises(ValueError, match="10 seeds, but the last look is after 8"):
        judged(0.9, last=8)


def test_delta_star_is_the_smallest_margin_that_a_look_accepts():
    look = judged(0.9055)[4]
    at_look = judge_claim(
        Claim(0.9055, HALF_UNIT),
        ACCURACIES[:5],
        deterministic=False,
        margin=1.001 * look.verdict.delta_star,
    )
    level = get_least_p("reproduced").find_p(0.05)
    assert at_look.p_within == pytest.approx(level, rel=0.01)
    assert at_look.p_within < level


# ---------------------------------------------------------------- chances


def test_the_chance_of_a_decision_is_near_1_or_0_where_that_is_plain():
    assert compute_chances(Claim(0.9012, HALF_UNIT), ACCURACIES[:5]).reproduced > 0.99
    assert compute_chances(Claim(0.95, HALF_UNIT), ACCURACIES[:3]).not_reproduced > 0.9
    assert compute_chances(Claim(0.906, HALF_UNIT), ACCURACIES[:9]) == Chances(
        pytest.approx(0, abs=0.01), pytest.approx(0, abs=0.01)
    )


@pytest.mark.parametrize(
    ("n_runs", "best_of", "claimed", "kind", "n_paths"),
    [
        (1, 1, 0.904, VerdictKind.REPRODUCED, 200),
        (1, 1, 0.912, VerdictKind.CLAIM_HIGHER, 200),
        (5, 1, 0.910, VerdictKind.CLAIM_HIGHER, 200),
        (1, 5, 0.903, VerdictKind.REPRODUCED, 40),
        (1, 5, 0.915, VerdictKind.CLAIM_HIGHER, 40),
    ],
)
def test_chances_are_the_shares_of_decisions_if_the_seeds_are_continued(
    n_runs, best_of, claimed, kind, n_paths
):
    claim, plan = Claim(claimed, HALF_UNIT, n_runs, best_of=best_of), LookPlan(last=8, futility=0)
    measured = [0.8985, 0.9031, 0.9006, 0.9034, 0.9004]
    n, mean, sd = len(measured), np.mean(measured), np.std(measured, ddof=1)
    generator = np.random.default_rng(5)
    found = 0
    for _ in range(n_paths):
        true_sd = sd * math.sqrt((n - 1) / generator.chisquare(n - 1))
        true_mean = mean + true_sd / math.sqrt(n) * generator.standard_normal()
        later = true_mean + true_sd * generator.standard_normal(plan.last - n)
        decisions = judge_sequentially(claim, [*measured, *later], plan, deterministic=False)
        found += decisions[-1].verdict.kind is kind
    chances = compute_chances(claim, measured, plan)
    chance = max(chances.reproduced, chances.not_reproduced)
    assert 0.3 < chance < 0.9
    error = math.sqrt(chance * (1 - chance) / n_paths)
    assert found / n_paths == pytest.approx(chance, abs=3 * error)


def test_chances_of_many_rows_are_those_of_each_row():
    claim = Claim(0.0, HALF_UNIT)
    distances, spreads = np.array([0.0, 0.004, -0.02]), np.array([0.002, 0.001, 0.003])
    together = simulate_chances(claim, distances, spreads, 4)
    for i in range(3):
        alone = simulate_chances(claim, distances[[i]], spreads[[i]], 4)
        assert [a[0] for a in alone] == [b[i] for b in together]


def test_a_coarsely_printed_claim_has_less_chance_to_be_called_not_reproduced():
    measured = [0.8985, 0.9031, 0.9006, 0.9034, 0.9004]
    fine, coarse = (compute_chances(Claim(0.912, h), measured) for h in (HALF_UNIT, 0.005))
    assert coarse.not_reproduced < fine.not_reproduced - 0.2
    assert coarse.reproduced == fine.reproduced


def test_without_a_look_left_or_without_spread_there_is_no_chance_to_compute():
    with pytest.raises(ValueError, match="after 10 of 10 seeds"):
        compute_chances(Claim(0.9, HALF_UNIT), ACCURACIES)
    with pytest.raises(ValueError, match="spread 0"):
        compute_chances(Claim(0.9, HALF_UNIT), [0.9, 0.9, 0.9])
