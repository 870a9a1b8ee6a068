"""Verdicts: the rule that gives them, the kinds of claims, and their words and colours."""

import ast
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.statistics import CONFIDENCE_TEXT, GridFigure, SampleFigure
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    MAX_SEEDS,
    Claim,
    Trial,
    Verdict,
    VerdictKind,
    decide_together,
    explain_verdicts,
    judge_claim,
    make_trial,
)
from fmbench.records.protocols import FULL, QUICK
from fmbench.suites import reader
from fmbench.suites.claims import Row

SD = 0.002  # a neural row's spread over seeds
FIVE = (0.898, 0.899, 0.9, 0.901, 0.902)  # mean 0.9, sd 0.00158


def judged(claimed, accuracies, *, half_unit=0.00005, n_runs=1, best_of=1, **options):
    return judge_claim(
        Claim(claimed, half_unit, n_runs, best_of=best_of),
        accuracies,
        **{"deterministic": False, **options},
    )


def make_runs(mean, sd, n):
    """Runs with exactly this mean and standard deviation."""
    z = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return (mean + sd * (z - z.mean()) / z.std(ddof=1)).tolist()


# ---------------------------------------------------------------- the rule


@pytest.mark.parametrize(
    ("claimed", "accuracies", "kind"),
    [
        (0.9, [], VerdictKind.NOT_RUN),
        (0.9, [0.9], VerdictKind.UNTESTABLE),
        (0.9, [0.9, 0.9], VerdictKind.UNTESTABLE),
        (0.9, FIVE, VerdictKind.REPRODUCED),
        (0.9030, FIVE, VerdictKind.REPRODUCED),
        (0.9040, FIVE, VerdictKind.WITHIN_SPREAD),
        (0.8960, FIVE, VerdictKind.WITHIN_SPREAD),
        (0.90485, FIVE, VerdictKind.WITHIN_SPREAD),  # only with its rounding
        (0.9050, FIVE, VerdictKind.UNDECIDABLE),
        (0.9120, FIVE, VerdictKind.CLAIM_HIGHER),
        (0.8880, FIVE, VerdictKind.CLAIM_LOWER),
        (0.9880, FIVE, VerdictKind.CLAIM_HIGHER),
        (0.9055, make_runs(0.9, 0.0005, 3), VerdictKind.UNDECIDABLE),
        (0.9044, make_runs(0.9, 0.0007, 4), VerdictKind.MORE_SEEDS),
        (0.90, make_runs(0.9, 0.02, 5), VerdictKind.WITHIN_SPREAD),  # a wide spread explains it
        (0.9, [0.9, 0.9, 0.9], VerdictKind.REPRODUCED),  # without spread: like deterministic
        (0.92, [0.9, 0.9, 0.9], VerdictKind.CLAIM_HIGHER),
    ],
)
def test_each_rule_gives_its_verdict(claimed, accuracies, kind):
    assert judged(claimed, accuracies).kind is kind


@pytest.mark.parametrize("n", range(1, FEWEST_SEEDS))
def test_fewer_than_three_seeds_of_a_stochastic_model_cannot_test_a_claim(n):
    verdict = judged(0.9, make_runs(0.9, 0.001, n) if n > 1 else [0.9])
    assert verdict.kind is VerdictKind.UNTESTABLE
    assert verdict.reason == f"{n} seed{'s' if n > 1 else ''} of a stochastic model, 3 needed"
    assert (verdict.interval is None) == (n == 1)


def test_one_seed_of_a_deterministic_model_tests_a_claim():
    assert judged(0.897, [0.8986], deterministic=True).kind is VerdictKind.REPRODUCED
    assert judged(0.880, [0.5703], deterministic=True).kind is VerdictKind.CLAIM_HIGHER
    assert judged(0.560, [0.5703], deterministic=True).kind is VerdictKind.CLAIM_LOWER


@pytest.mark.parametrize(
    ("claimed", "half_unit", "accuracy", "exact"),
    [
        (0.944, 0.0005, 0.9443, True),
        (0.943, 0.0005, 0.9434, True),
        (0.8970, 0.00005, 0.8986, False),
        (0.9, 0.0005, 0.9005, True),  # a tie: both ends of the rounding count
        (0.9, 0.0005, 0.9006, False),
    ],
)
def test_a_deterministic_model_says_whether_its_figure_is_printed_like_the_claim(
    claimed, half_unit, accuracy, exact
):
    verdict = judged(claimed, [accuracy], half_unit=half_unit, deterministic=True)
    assert verdict.to_the_digit is exact and verdict.interval == (accuracy, accuracy)
    assert (verdict.p_within, verdict.p_beyond, verdict.p_holm) == (None, None, None)
    assert judged(claimed, FIVE).to_the_digit is None


@pytest.mark.parametrize("tenths", range(1, 10))
def test_an_exact_tie_counts_as_within_the_margin_whatever_the_binary_fractions(tenths):
    # The distance is exactly the margin plus the rounding, or one image more.
    mean = tenths / 10
    for sign in (1, -1):
        claimed = round(mean + sign * 0.0055, 4)
        at = judged(claimed, [mean], half_unit=0.0005, deterministic=True)
        assert at.kind is VerdictKind.REPRODUCED and at.delta_star == pytest.approx(0.005)
        beside = judged(round(claimed + sign * 0.0001, 4), [mean], half_unit=0.0005,
                        deterministic=True)  # fmt: skip
        assert beside.kind.differs


def test_a_claim_that_touches_the_interval_with_its_rounding_is_within_the_spread():
    low, high = judged(0.91, FIVE).interval
    for end, step in ((high, 0.0001), (low, -0.0001)):
        assert judged(end + step, FIVE, half_unit=0.0001).kind is VerdictKind.WITHIN_SPREAD
        assert judged(end + step, FIVE, half_unit=0.00009).kind is not VerdictKind.WITHIN_SPREAD


def test_what_the_tests_show_comes_before_the_spread():
    # Such a claim lies in the interval, and yet the mean is shown to be near it.
    verdict = judged(0.9001, FIVE)
    assert verdict.interval[0] < 0.9001 < verdict.interval[1]
    assert verdict.kind is VerdictKind.REPRODUCED


def test_the_paper_s_claim_for_lenet5_is_not_reproduced_at_any_plausible_spread():
    verdict = judged(0.988, [0.905, 0.909, 0.902, 0.907, 0.904])
    assert verdict.kind is VerdictKind.CLAIM_HIGHER
    assert verdict.p_beyond < 1e-4


@pytest.mark.slow
@given(
    st.lists(st.floats(0.5, 0.99), min_size=3, max_size=10),
    st.floats(0.5, 0.99),
    st.integers(1, 10),
)
def test_verdicts_agree_with_the_t_tests_of_scipy(accuracies, claimed, n_runs):
    n, mean, sd = len(accuracies), np.mean(accuracies), np.std(accuracies, ddof=1)
    assume(sd > 1e-6)
    verdict = judged(claimed, accuracies, n_runs=n_runs, margin=0.005)
    lower = stats.ttest_1samp(accuracies, claimed - 0.005, alternative="greater").pvalue
    upper = stats.ttest_1samp(accuracies, claimed + 0.005, alternative="less").pvalue
    scale = sd * math.sqrt(1 / n_runs + 1 / n)
    p_higher = stats.t.sf((claimed - 0.00005 - 0.005 - mean) / scale, n - 1)
    p_lower = stats.t.sf((mean - claimed - 0.00005 - 0.005) / scale, n - 1)
    assert verdict.p_within == pytest.approx(max(lower, upper), abs=1e-6)
    assert verdict.p_beyond == pytest.approx(min(p_higher, p_lower), rel=1e-6)
    assert verdict.p_holm == verdict.p_beyond, "it is the only test"
    low, high = stats.t.interval(0.95, n - 1, mean, scale)
    inside = low <= claimed + 0.00005 and claimed - 0.00005 <= high
    if max(lower, upper) < 0.05:
        expected = {VerdictKind.REPRODUCED}
    elif inside:
        expected = {VerdictKind.WITHIN_SPREAD}
    elif min(p_higher, p_lower) < 0.05:
        higher = p_higher < p_lower
        expected = {VerdictKind.CLAIM_HIGHER if higher else VerdictKind.CLAIM_LOWER}
    else:
        expected = {VerdictKind.MORE_SEEDS, VerdictKind.UNDECIDABLE}
    assert verdict.kind in expected


def test_the_p_is_not_doubled():
    # One-sided p 0.04: a doubled p would be 0.08.
    t = stats.t.isf(0.04, 4)
    claimed = 0.9 + 0.005 + 0.00005 + t * np.std(FIVE, ddof=1) * math.sqrt(1 + 1 / 5)
    verdict = judged(claimed, FIVE)
    assert verdict.p_beyond == pytest.approx(0.04)
    assert verdict.kind is VerdictKind.CLAIM_HIGHER


@pytest.mark.slow
@given(
    st.lists(st.floats(0.5, 0.99), min_size=3, max_size=8),
    st.floats(0.5, 0.99),
    st.sampled_from([1, 4]),
)
def test_delta_star_is_the_smallest_margin_that_passes(accuracies, claimed, best_of):
    assume(np.std(accuracies) > 1e-4)
    delta_star = judged(claimed, accuracies, best_of=best_of).delta_star
    above = judged(claimed, accuracies, best_of=best_of, margin=delta_star * 1.001)
    assert above.kind is VerdictKind.REPRODUCED
    below = judged(claimed, accuracies, best_of=best_of, margin=delta_star * 0.999)
    assert below.kind is not VerdictKind.REPRODUCED


# ---------------------------------------------------------------- what never changes a verdict


runs = st.lists(st.integers(8500, 9500), min_size=3, max_size=8).map(
    lambda counts: [count / 10_000 for count in counts]
)
claims = st.integers(8300, 9700).map(lambda count: count / 10_000)
kinds_of_claim = st.sampled_from([(1, 1), (5, 1), (1, 5)])


@given(runs, claims, kinds_of_claim, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_changes_nothing(accuracies, claimed, kind, random):
    n_runs, best_of = kind
    before = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of)
    random.shuffle(accuracies)
    assert judged(claimed, accuracies, n_runs=n_runs, best_of=best_of) == before


@given(runs, claims, kinds_of_claim, st.integers(-3000, 300))
def test_shifting_claim_and_accuracies_together_changes_nothing(accuracies, claimed, kind, images):
    n_runs, best_of = kind
    before = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of)
    shift = images / 10_000
    after = judged(claimed + shift, [a + shift for a in accuracies], n_runs=n_runs,
                   best_of=best_of)  # fmt: skip
    assert (after.kind, after.seeds_needed) == (before.kind, before.seeds_needed)
    for name in ("delta_star", "p_within", "p_beyond"):
        if getattr(before, name) is not None:
            expected = pytest.approx(getattr(before, name), rel=1e-6, abs=1e-9)
            assert getattr(after, name) == expected


@given(runs, claims)
def test_claims_on_both_sides_of_the_mean_mirror_each_other(accuracies, claimed):
    mean = math.fsum(accuracies) / len(accuracies)
    mirror = {
        VerdictKind.CLAIM_HIGHER: VerdictKind.CLAIM_LOWER,
        VerdictKind.CLAIM_LOWER: VerdictKind.CLAIM_HIGHER,
    }
    assume(abs(claimed - mean) > 1e-6)
    before, after = judged(claimed, accuracies), judged(2 * mean - claimed, accuracies)
    assert after.kind is mirror.get(before.kind, before.kind)


@given(runs, claims, kinds_of_claim, st.floats(0, 0.02), st.floats(0, 0.02))
def test_a_wider_margin_never_makes_a_claim_less_reproduced(
    accuracies, claimed, kind, margin, wider
):
    n_runs, best_of = kind
    narrow = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of, margin=margin)
    wide = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of, margin=margin + wider)
    if narrow.kind is VerdictKind.REPRODUCED:
        assert wide.kind is VerdictKind.REPRODUCED
    if wide.kind.differs:
        assert narrow.kind.differs
    assert wide.delta_star == narrow.delta_star


@given(runs, claims, kinds_of_claim, st.integers(2, 40))
def test_more_tests_never_reject_more(accuracies, claimed, kind, n_tests):
    n_runs, best_of = kind
    alone = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of)
    among = judged(claimed, accuracies, n_runs=n_runs, best_of=best_of, n_tests=n_tests)
    if among.kind.differs:
        assert among.kind is alone.kind
    if not alone.kind.differs and alone.kind in (
        VerdictKind.REPRODUCED, VerdictKind.WITHIN_SPREAD
    ):  # fmt: skip
        assert among.kind is alone.kind
    for verdict in (alone, among):
        for p in (verdict.p_within, verdict.p_beyond, verdict.p_holm):
            assert p is None or 0 <= p <= 1


# ---------------------------------------------------------------- kinds of claims


def test_a_claim_that_is_a_mean_of_many_runs_needs_a_smaller_gap_to_be_refuted():
    one, ten = judged(0.91, FIVE), judged(0.91, FIVE, n_runs=10)
    assert ten.p_beyond < one.p_beyond
    assert ten.interval[1] < one.interval[1]


def test_the_best_of_one_run_is_one_run():
    assert judged(0.91, FIVE, best_of=1) == judged(0.91, FIVE)


def test_the_best_of_many_runs_may_be_higher_than_one_run():
    claimed = 0.9098
    assert judged(claimed, FIVE).kind is VerdictKind.CLAIM_HIGHER
    verdict = judged(claimed, FIVE, best_of=30)
    assert verdict.kind is VerdictKind.WITHIN_SPREAD
    assert verdict.interval[0] > 0.9
    # The mean of single runs is too low for the best of 30.
    assert judged(0.9, FIVE, best_of=30).kind is VerdictKind.UNDECIDABLE


def judge_grid(claim, *members):
    """The verdict on the best of a grid; ``members`` are the accuracies of each configuration."""
    figure = GridFigure(tuple(SampleFigure(tuple(member)) for member in members))
    [verdict] = decide_together([Trial(claim, figure, not figure.has_spread, MARGIN, ALPHA)])
    return verdict


def test_the_best_of_a_grid_is_judged_by_the_law_of_the_maximum():
    worse, better = make_runs(0.89, 0.002, 5), make_runs(0.9, 0.002, 5)
    claim = Claim(0.902, 0.00005)
    alone = judge_claim(claim, better, deterministic=False)
    grid = judge_grid(claim, worse, better, better, better)
    assert grid.kind is VerdictKind.REPRODUCED and grid.delta_star < alone.delta_star
    assert judge_grid(Claim(0.93, 0.00005), worse, better).kind is VerdictKind.CLAIM_HIGHER
    assert judge_grid(Claim(0.87, 0.00005), worse, better).kind is VerdictKind.CLAIM_LOWER


def test_a_grid_of_deterministic_configurations_is_compared_directly():
    verdict = judge_grid(Claim(0.9, 0.0005), [0.88], [0.9003])
    assert (verdict.kind, verdict.to_the_digit) == (VerdictKind.REPRODUCED, True)
    assert judge_grid(Claim(0.89, 0.0005), [0.88], [0.9003]).kind.differs


def test_a_grid_that_varies_too_much_is_named_in_the_reason():
    members = [make_runs(0.9, 0.003, 5), make_runs(0.9, 0.003, 5)]
    verdict = judge_grid(Claim(0.9108, 0.00005), *members)
    assert verdict.kind is VerdictKind.UNDECIDABLE
    assert "the claim is the best of a grid" in verdict.reason


# ---------------------------------------------------------------- more seeds, or undecidable


def test_more_seeds_are_asked_for_if_they_would_probably_decide():
    verdict = judged(0.912, make_runs(0.9, 0.0015, 3), n_tests=19)
    assert verdict.kind is VerdictKind.MORE_SEEDS
    assert 3 < verdict.seeds_needed <= MAX_SEEDS
    assert verdict.reason == f"{verdict.seeds_needed} in all would probably decide"


@pytest.mark.parametrize(("claimed", "sd", "n"), [(0.912, 0.0018, 3), (0.9044, 0.0007, 4)])
def test_the_number_of_seeds_is_the_smallest_that_decides_with_the_declared_probability(
    claimed, sd, n
):
    n_tests = 19
    needed = judged(claimed, make_runs(0.9, sd, n), n_tests=n_tests, half_unit=0).seeds_needed
    generator = np.random.default_rng(1)

    def share_decided(n):
        samples = generator.normal(0.9, sd, (1000, n)).tolist()
        kinds = [judged(claimed, s, half_unit=0, n_tests=n_tests).kind for s in samples]
        return np.mean([kind is VerdictKind.REPRODUCED or kind.differs for kind in kinds])

    assert share_decided(needed) > 0.76
    assert share_decided(needed - 1) < 0.84


def test_a_gap_near_the_margin_cannot_be_decided_and_says_so():
    verdict = judged(0.9057, make_runs(0.9, 0.0014, 4))
    assert verdict.kind is VerdictKind.UNDECIDABLE and verdict.seeds_needed is None
    assert verdict.reason == (
        "the gap of 0.57 points is near the margin of 0.5; 20 seeds would probably not decide"
    )


def test_a_claim_of_one_noisy_run_cannot_be_decided_and_says_so():
    verdict = judged(0.9108, make_runs(0.9, 0.003, 4))
    assert verdict.kind is VerdictKind.UNDECIDABLE
    assert verdict.reason == (
        "the claim is one run, which varies by a standard deviation of 0.30 points; 20 seeds would "
        "probably not decide"
    )
    mean = judged(0.909, make_runs(0.9, 0.004, 4), n_runs=5)
    assert mean.reason.startswith("the claim is the mean of 5 runs, which varies by")


def test_no_more_than_the_limit_of_seeds_is_ever_asked_for():
    verdict = judged(0.9052, make_runs(0.9, 0.0005, MAX_SEEDS + 1))
    assert verdict.kind is VerdictKind.UNDECIDABLE
    assert "21 seeds would probably not decide" in verdict.reason


# ---------------------------------------------------------------- many claims


def make_trials(claimed, samples):
    return [
        make_trial(Claim(c, 0.00005), s, deterministic=False)
        for c, s in zip(claimed, samples, strict=True)
    ]


def test_holms_correction_counts_every_tested_row_and_changes_no_reproduced_row():
    t = stats.t.isf(0.03, 4)
    near = 0.9 + 0.00505 + t * np.std(FIVE, ddof=1) * math.sqrt(1 + 1 / 5)
    trials = [*make_trials([0.98, near, 0.9], [FIVE] * 3), Verdict(VerdictKind.UNTESTABLE)]
    verdicts = decide_together(trials)
    assert [verdict.kind for verdict in verdicts] == [
        VerdictKind.CLAIM_HIGHER, VerdictKind.MORE_SEEDS, VerdictKind.REPRODUCED,
        VerdictKind.UNTESTABLE,
    ]  # fmt: skip
    assert verdicts[1].p_beyond == pytest.approx(0.03)
    assert verdicts[1].p_holm == pytest.approx(0.06), "three rows are tested, two p are not smaller"
    assert verdicts[3].p_holm is None


def simulate(gap, n_rows, n_papers, seeds=5, sd=SD):
    """Share of papers of ``n_rows`` with a row flagged, and share of rows flagged."""
    generator = np.random.default_rng(0)
    n_papers_flagged = n_flagged = 0
    for _ in range(n_papers):
        samples = generator.normal(0.9, sd, (n_rows, seeds)).tolist()
        claimed = generator.normal(0.9, sd, n_rows) + gap
        verdicts = decide_together(make_trials([round(c, 4) for c in claimed], samples))
        flagged = sum(v.kind.differs for v in verdicts)
        n_flagged += flagged
        n_papers_flagged += flagged > 0
    return n_papers_flagged / n_papers, n_flagged / (n_papers * n_rows)


@pytest.mark.slow
def test_at_most_one_of_100_papers_with_true_claims_gets_a_not_reproduced_row():
    assert simulate(gap=0.0, n_rows=19, n_papers=200)[0] <= 0.01


def test_five_seeds_are_enough_to_detect_a_gap_of_two_points():
    assert simulate(gap=0.02, n_rows=1, n_papers=500)[1] > 0.95


@pytest.mark.slow
def test_five_seeds_detect_a_gap_of_two_points_in_a_table_of_19_rows():
    assert simulate(gap=0.02, n_rows=19, n_papers=40, sd=0.0015)[1] > 0.97


def test_three_seeds_mostly_miss_a_gap_of_two_points_in_a_table():
    assert simulate(gap=0.02, n_rows=19, n_papers=30, seeds=3)[1] < 0.5


# ---------------------------------------------------------------- the claim


def test_the_claim_of_a_runner_is_the_first_figure_that_the_suite_claims_for_it():
    rows = reader.read_suite().rows
    claim = Claim.of_runner(rows, "lenet5")
    assert (claim.printed, claim.label, claim.where) == ("98.80", "CNN-LeNet-5", "Table 3")
    assert (claim.low, claim.high) == pytest.approx((0.98795, 0.98805))
    assert Claim.of_runner(rows, "perceptron") is None


@pytest.mark.parametrize(
    ("claimed", "source", "half_unit", "expected"),
    [
        ("79.80", None, None, 0.00005),
        ("79.80", "79.8", None, 0.0005),  # the last zero is padded
        ("79.80", "0.798", None, 0.0005),
        ("79.80", "79.80", None, 0.00005),
        ("90.72", "90.71999788", None, 0.00005),
        ("79.8", "79.80", None, 0.0005),
        ("79.80", "51.1", None, 0.00005),
        ("98.80", None, "0.05%", 0.0005),
        ("98.80", "98.8", "0.0001", 0.0001),  # the suite's own word counts
    ],
)
def test_padded_zeros_are_no_precision(claimed, source, half_unit, expected):
    row = Row("Table 3", "A", "a", claimed, source, half_unit=half_unit)
    assert Claim.from_row(row).half_unit == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "one run"),
        ({"mean_of": 5}, "the mean of 5 runs"),
        ({"best_of": 30}, "the best of 30 runs"),
    ],
)
def test_a_claim_says_what_kind_of_figure_it_is(options, text):
    claim = Claim.from_row(Row("Table 3", "A", "a", "90.0", **options))
    assert str(claim.quoting) == text
    assert (claim.n_runs, claim.best_of) == (
        options.get("mean_of", 1), options.get("best_of", 1)
    )  # fmt: skip


# ---------------------------------------------------------------- the declaration

PACKAGE = Path(__file__).parents[2] / "fmbench"
READERS = [PACKAGE / name for name in ("report", "cli", "audit", "api")]


@pytest.mark.parametrize("kind", VerdictKind)
def test_every_verdict_declares_everything(kind):
    # Without a sentence, the verdict's reason follows the word; without a group, it is the word.
    optional = {"sentence", "group"}
    for field in fields(kind.style):
        assert field.name in optional or getattr(kind.style, field.name) not in ("", None)
    assert len(kind.style.mark) == 1
    assert "{" not in kind.explanation()
    whole = Verdict(
        kind, "why", delta_star=0.01, p_within=0.4, p_beyond=0.001, p_holm=0.02, interval=(0.8, 0.9)
    )
    assert "{" not in whole.sentence
    assert "{" not in Verdict(kind).sentence


def test_no_two_verdicts_look_the_same_on_a_measured_row():
    shown = [kind for kind in VerdictKind if kind is not VerdictKind.NOT_RUN]
    for field in ("word", "mark", "terminal_style"):
        assert len({getattr(kind.style, field) for kind in shown}) == len(shown), field
    assert len({(k.style.plot_marker, k.style.filled) for k in shown}) == len(shown)
    assert len({kind.css_class for kind in VerdictKind}) == len(VerdictKind)


def test_the_words_are_those_of_the_specification_and_accuse_nobody():
    assert [kind.word for kind in VerdictKind] == [
        "reproduced", "within one run's spread", "not reproduced, claim higher",
        "not reproduced, claim lower", "more seeds needed", "not decidable at this margin",
        "misquotes its source", "claimed of other images", "untestable", "failed", "not run",
    ]  # fmt: skip
    for kind in VerdictKind:
        for text in (kind.word, kind.style.meaning, kind.style.explanation, kind.style.sentence):
            for word in ("fraud", "wrong", "false", "error", "over-claim", "cheat"):
                assert word not in text.lower()


def test_the_sentence_of_a_verdict_gives_its_figures():
    assert judged(0.9001, FIVE).sentence == (
        ": the mean of new runs lies within 0.5 points of the claim (p < 0.05)"
    )
    assert judged(0.897, [0.8986], deterministic=True).sentence == (
        ": the mean of new runs lies within 0.5 points of the claim"
    )
    within = judged(0.904, FIVE)
    assert within.sentence == (
        f": the claim lies in the {CONFIDENCE_TEXT} prediction interval of what is claimed, 89.52 "
        "to 90.48 %, so nothing is odd about it"
    )
    higher = judged(0.988, FIVE)
    assert higher.sentence.startswith(" (p < 0.05 after correction for the number of rows): ")
    assert "only if 8.95 points were allowed" in higher.sentence


def test_the_notes_explain_both_directions_of_not_reproduced_together():
    text = explain_verdicts(margin=0.01, alpha=0.1)
    assert text.startswith("reproduced: the mean of new runs lies within 1 points of the claim")
    assert text.count("not reproduced: ") == 1 and "p < 0.1 after Holm" in text
    assert VerdictKind.FAILED.style.meaning not in text


def test_the_notes_can_explain_only_the_verdicts_that_occur():
    text = explain_verdicts(kinds=[VerdictKind.MISQUOTED, VerdictKind.NOT_RUN])
    assert text.startswith("misquotes its source: ") and ";" not in text.split("given")[0]
    assert "untestable" not in text


def test_reports_and_commands_read_the_words_of_verdicts_from_the_declaration():
    words = {kind.word for kind in VerdictKind if kind.style.in_legend}
    classes = {kind.css_class for kind in VerdictKind if kind.style.in_legend}
    found = []
    for place in READERS:
        files = [place] if place.is_file() else sorted(place.rglob("*.*"))
        for file in files:
            if file.suffix == ".py":
                nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                texts = [n.value for n in nodes if isinstance(n, ast.Constant)]
                found += [(file.name, t) for t in texts if t in words | classes]
            elif file.suffix in (".j2", ".css", ".js"):
                text = file.read_text(encoding="utf-8")
                found += [(file.name, w) for w in words if f'"{w}"' in text or f"'{w}'" in text]
                found += [(file.name, c) for c in classes if f".{c}" in text]
    assert not found


def test_the_options_of_the_commands_have_the_declared_defaults():
    from fmbench.cli.forensics import forensics
    from fmbench.cli.run import run
    from fmbench.cli.table import table

    defaults = {option.name: option.default for option in table.params}
    assert (defaults["margin"], defaults["alpha"]) == (100 * MARGIN, ALPHA)
    for command in (run, forensics):
        [seeds] = [option for option in command.params if option.name == "seeds"]
        assert f"[default: {FULL.default_seeds}; quick: {QUICK.default_seeds}]" in seeds.help
