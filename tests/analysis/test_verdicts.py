import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.summary import Summary
from fmbench.analysis.verdicts import (
    CLAIM_HIGHER,
    CLAIM_LOWER,
    INCONCLUSIVE,
    NOT_RUN,
    REPRODUCED,
    UNTESTABLE,
    Claim,
    Verdict,
    correct,
    judge,
    on_rows,
)
from fmbench.suites.claims import Row

SD = 0.002  # a neural row's spread over seeds


def judged(claimed, accuracies, *, half_unit=0.00005, n_runs=1, **options):
    return judge(
        Claim(claimed, half_unit, n_runs), accuracies, **{"deterministic": False, **options}
    )


def test_no_record_is_not_run():
    assert judged(0.9, []).word == NOT_RUN


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_of_a_stochastic_model_test_nothing(n):
    verdict = judged(0.9, [0.9] * n)
    assert verdict.word == UNTESTABLE
    assert f"{n} seed" in str(verdict)


def test_one_seed_of_a_deterministic_model_tests_a_claim():
    assert judged(0.897, [0.8986], deterministic=True).word == REPRODUCED
    assert judged(0.880, [0.5703], deterministic=True).word == CLAIM_HIGHER
    assert judged(0.560, [0.5703], deterministic=True).word == CLAIM_LOWER


def test_a_deterministic_model_may_be_off_by_rounding_and_margin_together():
    at_the_edge = judged(0.90, [0.8945], half_unit=0.0005, deterministic=True, margin=0.005)
    assert at_the_edge.delta_star == pytest.approx(0.005)
    assert judged(0.90, [0.8946], half_unit=0.0005, deterministic=True).word == REPRODUCED
    assert judged(0.90, [0.8944], half_unit=0.0005, deterministic=True).word == CLAIM_HIGHER


def test_the_paper_s_claim_for_lenet5_is_not_reproduced_at_any_plausible_spread():
    verdict = judged(0.988, [0.905, 0.909, 0.902, 0.907, 0.904])
    assert verdict.word == CLAIM_HIGHER
    assert verdict.p_differs < 1e-4


def test_seeds_that_agree_exactly_are_judged_as_without_spread():
    assert judged(0.9, [0.9, 0.9, 0.9]).word == REPRODUCED
    assert judged(0.92, [0.9, 0.9, 0.9]).word == CLAIM_HIGHER


@given(
    st.lists(st.floats(0.5, 0.99), min_size=3, max_size=10),
    st.floats(0.5, 0.99),
    st.integers(1, 10),
)
def test_it_agrees_with_scipys_t_tests(accuracies, claimed, n_runs):
    n, mean, sd = len(accuracies), np.mean(accuracies), np.std(accuracies, ddof=1)
    if sd < 1e-6:
        return
    verdict = judged(claimed, accuracies, n_runs=n_runs, margin=0.005)
    lower = stats.ttest_1samp(accuracies, claimed - 0.005, alternative="greater").pvalue
    upper = stats.ttest_1samp(accuracies, claimed + 0.005, alternative="less").pvalue
    scale = sd * math.sqrt(1 / n_runs + 1 / n)
    p_higher = stats.t.sf((claimed - 0.00005 - 0.005 - mean) / scale, n - 1)
    p_lower = stats.t.sf((mean - claimed - 0.00005 - 0.005) / scale, n - 1)
    assert verdict.p_differs == pytest.approx(min(1, 2 * min(p_higher, p_lower)), rel=1e-6)
    assert (verdict.word == REPRODUCED) == (max(lower, upper) < 0.05)
    if verdict.word != REPRODUCED and verdict.p_differs < 0.05:
        assert verdict.word == (CLAIM_HIGHER if p_higher < p_lower else CLAIM_LOWER)


@given(st.lists(st.floats(0.5, 0.99), min_size=3, max_size=8), st.floats(0.5, 0.99))
def test_delta_star_is_the_smallest_margin_that_passes(accuracies, claimed):
    if np.std(accuracies) < 1e-6:
        return
    delta_star = judged(claimed, accuracies).delta_star
    assert judged(claimed, accuracies, margin=delta_star * 1.001).word == REPRODUCED
    assert judged(claimed, accuracies, margin=delta_star * 0.999).word != REPRODUCED


def test_holm_counts_every_tested_row_and_spares_what_was_reproduced():
    verdicts = [
        Verdict(CLAIM_HIGHER, p_differs=0.001),
        Verdict(CLAIM_LOWER, p_differs=0.03),
        Verdict(REPRODUCED, p_differs=1.0),
        Verdict(UNTESTABLE),
    ]
    words = [verdict.word for verdict in correct(verdicts)]
    assert words == [CLAIM_HIGHER, INCONCLUSIVE, REPRODUCED, UNTESTABLE]


def simulate(gap, n_rows, n_papers, seeds=5):
    """Share of papers of ``n_rows`` with a row flagged, and share of rows flagged."""
    generator = np.random.default_rng(0)
    n_papers_flagged = n_flagged = 0
    for _ in range(n_papers):
        runs = generator.normal(0.9, SD, (n_rows, seeds))
        claims = generator.normal(0.9, SD, n_rows) + gap
        words = [
            v.word
            for v in correct(
                [judged(round(c, 4), r.tolist()) for c, r in zip(claims, runs, strict=True)]
            )
        ]
        flagged = sum(word in (CLAIM_HIGHER, CLAIM_LOWER) for word in words)
        n_flagged += flagged
        n_papers_flagged += flagged > 0
    return n_papers_flagged / n_papers, n_flagged / (n_papers * n_rows)


def test_honest_papers_are_flagged_at_most_once_in_a_hundred():
    assert simulate(gap=0.0, n_rows=19, n_papers=400)[0] <= 0.01


def test_a_gap_of_two_points_is_found_with_five_seeds():
    assert simulate(gap=0.02, n_rows=1, n_papers=2000)[1] > 0.95


def test_a_gap_of_two_points_is_mostly_missed_with_three_seeds_in_a_table():
    assert simulate(gap=0.02, n_rows=19, n_papers=100, seeds=3)[1] < 0.5


# ---------------------------------------------------------------- the rows of a table


def row(claimed="90.00", recipe="stated", **fields):
    return Row("Table 3", "A model", "model", claimed, recipe=recipe, **fields)


def measured(*accuracies, **fields):
    n, mean = len(accuracies), float(np.mean(accuracies))
    sd = float(np.std(accuracies, ddof=1)) if n > 1 else 0.0
    return Summary("model", "measured", n, mean, sd, accuracies=accuracies, **fields)


FIVE = measured(0.898, 0.899, 0.9, 0.901, 0.902)


@pytest.mark.parametrize(
    ("the_row", "summary", "verdict"),
    [
        (row(), FIVE, "reproduced"),
        (row("98.80"), FIVE, "not reproduced, claim higher"),
        (row("80.00"), FIVE, "not reproduced, claim lower"),
        (row("90.90"), FIVE, "inconclusive"),
        (row(recipe="partly stated"), FIVE, "reproduced"),
        (row(recipe="not stated"), FIVE, "untestable: recipe not stated"),
        (row(None), FIVE, "untestable: nothing claimed"),
        (row(), measured(0.9, 0.9001), "untestable: 2 seeds of a stochastic model, 3 needed"),
        (row("90.50"), measured(0.9), "reproduced"),
        (row("90.51"), measured(0.9), "not reproduced, claim higher"),
        (row("90.5"), measured(0.8996), "reproduced"),
        (row(), None, "not run: no runner yet"),
        (row(), Summary("model", "not run"), "not run"),
        (row(), Summary("model", "stale: revision 1 -> 2"), "not run: stale: revision 1 -> 2"),
        (row(), replace(FIVE, status="failed: killed (seed 5)"), "failed: killed (seed 5)"),
    ],
)
def test_each_row_of_a_table_gets_a_verdict(the_row, summary, verdict):
    summaries = {} if summary is None else {"model": summary}
    assert [str(v) for v in on_rows([the_row], summaries)] == [verdict]


def test_the_margin_and_the_level_decide():
    near = row("90.70")
    assert on_rows([near], {"model": FIVE})[0].word == INCONCLUSIVE
    assert on_rows([near], {"model": FIVE}, margin=0.01)[0].word == REPRODUCED
    assert on_rows([near], {"model": FIVE}, margin=0.0, alpha=0.2)[0].word == CLAIM_HIGHER


def test_a_claim_that_averages_runs_is_known_better():
    [one] = on_rows([row("91.00")], {"model": FIVE})
    [ten] = on_rows([row("91.00", mean_of=10)], {"model": FIVE})
    assert ten.p_differs < one.p_differs


def test_more_rows_ask_more_of_each():
    close = row("91.20")
    alone = on_rows([close], {"model": FIVE})
    among = on_rows([close] + [row()] * 30, {"model": FIVE})
    assert alone[0].word == CLAIM_HIGHER
    assert among[0].word == INCONCLUSIVE
