"""Intervals and tests of figures: they agree with scipy, statsmodels and simulations."""

from __future__ import annotations

import math
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.statistics import (
    GridFigure,
    SampleFigure,
    compute_best_of,
    compute_interval,
    compute_mean_sd,
    compute_moments_of_best,
    compute_p_beyond,
    compute_p_within,
    compute_prediction_interval,
    correct_p_values,
    get_law,
    lies_in,
)

pytestmark = pytest.mark.slow

FIVE = (0.898, 0.899, 0.9, 0.901, 0.902)
samples = st.lists(st.floats(0.5, 0.99), min_size=2, max_size=12).filter(
    lambda values: max(values) - min(values) > 1e-6
)


def simulate_law(n: int, best_of: int, n_draws: int = 200_000) -> np.ndarray:
    """Draws of (best of several new runs - m) / s, for m and s of n runs."""
    generator = np.random.default_rng(7)
    runs = generator.standard_normal((n_draws, n))
    best = generator.standard_normal((n_draws, best_of)).max(axis=1)
    return (best - runs.mean(axis=1)) / runs.std(axis=1, ddof=1)


# ---------------------------------------------------------------- intervals


@given(samples, st.integers(1, 10))
def test_the_interval_is_that_of_student_for_the_mean_of_new_runs(accuracies, n_runs):
    n, mean, sd = len(accuracies), np.mean(accuracies), np.std(accuracies, ddof=1)
    scale = sd * math.sqrt(1 / n_runs + 1 / n)
    expected = stats.t.interval(0.95, n - 1, mean, scale)
    assert compute_interval(accuracies, n_runs=n_runs) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("n", "best_of"), [(3, 5), (5, 2), (5, 30), (10, 5)])
def test_the_law_of_the_best_of_several_runs_agrees_with_a_simulation(n, best_of):
    draws, law = simulate_law(n, best_of), get_law(n, best_of=best_of)
    for p in (0.025, 0.5, 0.975):
        t = law.quantile(p)
        assert np.mean(draws <= t) == pytest.approx(p, abs=0.004)
        assert law.lower_p(t) == pytest.approx(p, abs=1e-6)
        assert law.upper_p(t) == pytest.approx(1 - p, abs=1e-6)


def test_the_best_of_more_runs_is_expected_to_be_higher():
    intervals = [compute_interval(FIVE, best_of=k) for k in (1, 2, 5, 30)]
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(intervals))


def test_the_largest_of_normal_values_has_the_moments_of_the_tables():
    # Harter 1961, expected values of normal order statistics.
    for n, mean in ((2, 0.56419), (5, 1.16296), (10, 1.53875), (100, 2.50759)):
        assert compute_best_of(n)[0] == pytest.approx(mean, abs=1e-5)
    assert compute_best_of(2)[1] == pytest.approx(math.sqrt(1 - 1 / math.pi), abs=1e-6)
    assert compute_best_of(1) == (0.0, 1.0)


def test_an_interval_may_be_cut_at_bounds():
    assert compute_interval([0.0, 1.0], bounds=(0.0, 1.0)) == (0.0, 1.0)
    low, high = compute_interval([0.0, 1.0])
    assert low < 0 and high > 1


def test_without_spread_the_interval_is_the_figure_itself():
    assert compute_interval([0.9], deterministic=True) == (0.9, 0.9)
    assert compute_interval([0.9, 0.9, 0.9]) == (pytest.approx(0.9), pytest.approx(0.9))


def test_the_interval_of_a_single_run_of_a_stochastic_model_is_not_known():
    assert compute_interval([0.9]) is None
    assert compute_interval([]) is None and compute_interval([], deterministic=True) is None


def test_a_single_run_may_borrow_the_spread_of_other_runs():
    low, high = compute_interval([0.8], spread_of=FIVE)
    half = stats.t.ppf(0.975, 4) * np.std(FIVE, ddof=1) * math.sqrt(2)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half))


@pytest.mark.parametrize(
    ("low", "high", "lies"),
    [
        (0.91, 0.92, True),  # touches the upper end
        (0.9100001, 0.92, False),
        (0.80, 0.89, True),
        (0.80, 0.8899999, False),
        (0.899, 0.901, True),
        (0.1 + 0.2 + 0.61 - 1e-16, 1.0, True),  # a binary error of the last bits does not count
    ],
)
def test_a_figure_explains_a_printed_one_if_they_touch(low, high, lies):
    assert lies_in((0.89, 0.91), low, high) is lies


@given(samples)
def test_the_interval_is_students_prediction_interval_for_one_new_run(accuracies):
    n, sd = len(accuracies), np.std(accuracies, ddof=1)
    low, high = stats.t.interval(0.95, n - 1, np.mean(accuracies), sd * np.sqrt(1 + 1 / n))
    found = compute_prediction_interval(accuracies, deterministic=False)
    assert found == pytest.approx((np.mean(accuracies), sd, max(low, 0), min(high, 1)), abs=1e-9)


def test_two_runs_have_the_wide_interval_of_one_degree_of_freedom():
    mean, sd, low, high = compute_prediction_interval([0.90, 0.92], deterministic=False)
    assert (mean, sd) == pytest.approx((0.91, 0.0141421), abs=1e-7)
    assert (low, high) == pytest.approx((0.91 - 12.7062 * 0.0141421 * 1.5**0.5, 1.0), abs=1e-5)


def test_an_interval_ends_at_0_and_1():
    assert compute_prediction_interval([0.0, 1.0], deterministic=False)[2:] == (0.0, 1.0)


def test_the_spread_of_one_run_of_a_stochastic_runner_is_not_known():
    assert compute_prediction_interval([0.9], deterministic=False) == (0.9, None, None, None)


def test_a_deterministic_runner_has_a_spread_of_zero():
    assert compute_prediction_interval([0.9], deterministic=True) == (0.9, 0.0, 0.9, 0.9)


# ---------------------------------------------------------------- the two tests


@given(samples, st.floats(0.5, 0.99), st.floats(0.001, 0.05))
def test_the_p_of_two_one_sided_tests_agrees_with_scipy(accuracies, claimed, margin):
    mean, sd = compute_mean_sd(accuracies)
    above = stats.ttest_1samp(accuracies, claimed - margin, alternative="greater").pvalue
    below = stats.ttest_1samp(accuracies, claimed + margin, alternative="less").pvalue
    p = compute_p_within(claimed - mean, sd, get_law(len(accuracies)), margin)
    assert p == pytest.approx(max(above, below), abs=1e-6)


def test_the_p_of_two_one_sided_tests_agrees_with_statsmodels():
    from statsmodels.stats.weightstats import DescrStatsW

    p = DescrStatsW(np.array(FIVE)).ttost_mean(0.9012 - 0.005, 0.9012 + 0.005)[0]
    assert SampleFigure(FIVE).p_within(0.9012, 0.005) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("distance", [-0.004, 0.0, 0.003])
@pytest.mark.parametrize("best_of", [2, 10])
def test_the_expectation_of_the_best_is_tested_by_the_noncentral_t_distribution(distance, best_of):
    n, sd, margin = 5, 0.002, 0.005
    law = get_law(n, best_of=best_of)
    nc = -law.expected * math.sqrt(n)
    above = stats.nct.sf(math.sqrt(n) * (margin - distance) / sd, n - 1, nc)
    below = stats.nct.cdf(-math.sqrt(n) * (margin + distance) / sd, n - 1, nc)
    p = compute_p_within(distance, sd, law, margin)
    assert p == pytest.approx(max(above, below), abs=1e-7)


@pytest.mark.parametrize("best_of", [1, 5])
def test_the_p_of_both_tests_is_uniform_at_the_boundary(best_of):
    generator = np.random.default_rng(3)
    sd, margin, n_claims = 0.0015, 0.005, 4_000
    law = get_law(5, best_of=best_of)
    runs = generator.normal(0.9, sd, (n_claims, 5))
    means, sds = runs.mean(axis=1), runs.std(axis=1, ddof=1)
    expected = 0.9 + law.expected * sd
    above, _ = law.critical_distances(0.05)
    within = (margin - (expected + margin - means)) / sds > above
    assert within.mean() == pytest.approx(0.05, abs=0.012)
    claims = generator.normal(0.9, sd, (n_claims, best_of)).max(axis=1) + margin
    beyond = (claims - margin - means) / sds > law.quantile(0.95)
    assert beyond.mean() == pytest.approx(0.05, abs=0.012)


@given(samples, st.floats(0.4, 1.0), st.floats(0, 0.02), st.sampled_from([1, 5]))
def test_p_values_are_probabilities_and_the_two_sides_never_both_small(
    accuracies, claimed, excess, best_of
):
    figure = SampleFigure(tuple(accuracies), best_of=best_of)
    distance = claimed - figure.mean
    upper = figure.law.upper_p((distance - excess) / figure.sd)
    lower = figure.law.lower_p((distance + excess) / figure.sd)
    assert upper + lower >= 1 - 1e-5
    for p in (figure.p_within(claimed, 0.005), figure.p_beyond(claimed, excess)):
        assert 0 <= p <= 1


def test_arrays_of_claims_give_the_p_of_each():
    law, distances = get_law(5, n_runs=5), np.array([-0.02, 0.0, 0.004])
    within = compute_p_within(distances, 0.002, law, 0.005)
    beyond = compute_p_beyond(distances, 0.002, law, 0.005)
    for i, distance in enumerate(distances):
        assert within[i] == compute_p_within(distance, 0.002, law, 0.005)
        assert beyond[i] == compute_p_beyond(distance, 0.002, law, 0.005)


@pytest.mark.parametrize(("n", "n_runs", "best_of"), [(1, 1, 1), (5, 0, 1), (5, 1, 0), (5, 2, 2)])
def test_there_is_no_law_for_one_run_or_for_the_best_of_several_means(n, n_runs, best_of):
    with pytest.raises(ValueError, match="there is no law for"):
        get_law(n, n_runs, best_of)


@pytest.mark.parametrize(("gap", "n_runs", "best_of"), [(0.002, 1, 1), (0.02, 5, 1), (0.009, 1, 3)])
def test_the_power_is_the_share_of_samples_that_decide(gap, n_runs, best_of):
    generator = np.random.default_rng(11)
    claimed, half_unit, margin, level, n = 0.9 + gap, 0.00005, 0.005, 0.05 / 19, 8
    measured = SampleFigure(tuple(0.9 + 0.0025 * stats.norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])),
                            n_runs, best_of)  # fmt: skip
    law = get_law(n, n_runs, best_of)
    runs = generator.normal(measured.mean, measured.sd, (20_000, n))
    distance, sd = claimed - runs.mean(axis=1), runs.std(axis=1, ddof=1)
    above, below = law.critical_distances(0.05)
    within = ((margin - distance) / sd > above) & ((margin + distance) / sd > below)
    high, low = law.quantile(1 - level) * sd, law.quantile(level) * sd
    beyond = (distance - margin - half_unit > high) | (distance + margin + half_unit < low)
    high, low = law.quantile(0.975) * sd, law.quantile(0.025) * sd
    beyond &= (distance - half_unit > high) | (distance + half_unit < low)
    power = measured.power(n, claimed, half_unit, margin, 0.05, level)
    assert power == pytest.approx((within | beyond).mean(), abs=0.012)


# ---------------------------------------------------------------- the best of a grid


def test_the_moments_of_the_best_agree_with_a_simulation():
    means, sds = np.array([[0.78], [0.775], [0.79]]), np.array([[0.01], [0.02], [0.0]])
    draws = np.random.default_rng(0).normal(means, sds, (3, 400_000)).max(axis=0)
    mean, sd = compute_moments_of_best(means, sds, 400)
    assert mean[0] == pytest.approx(draws.mean(), abs=1e-4)
    assert sd[0] == pytest.approx(draws.std(), abs=1e-4)


def test_a_grid_of_one_configuration_is_that_configuration():
    one = SampleFigure(FIVE)
    grid = GridFigure((one,))
    assert grid.expected == pytest.approx(one.expected)
    assert grid.figure_sd == pytest.approx(one.figure_sd)
    assert grid.interval == pytest.approx(one.interval, abs=2e-4)
    assert grid.p_within(0.902, 0.005) == pytest.approx(one.p_within(0.902, 0.005), abs=0.01)
    assert grid.p_beyond(0.907, 0.003) == pytest.approx(one.p_beyond(0.907, 0.003), abs=0.005)
    assert grid.smallest_margin(0.902, 0.05) == pytest.approx(
        one.smallest_margin(0.902, 0.05), abs=3e-4
    )
    assert grid.power(15, 0.902, 0, 0.005, 0.05, 0.05) == pytest.approx(
        one.power(15, 0.902, 0, 0.005, 0.05, 0.05), abs=0.05
    )


def test_a_coarser_figure_of_a_grid_is_harder_to_refute():
    grid = GridFigure((SampleFigure(FIVE), SampleFigure(tuple(a - 0.001 for a in FIVE))))
    claimed = grid.expected + 0.008
    sharp, coarse = (grid.power(10, claimed, half, 0.005, 0.05, 0.05) for half in (0, 0.002))
    assert coarse < sharp - 0.1


def test_a_grid_of_deterministic_configurations_gives_the_best_of_them():
    grid = GridFigure(tuple(SampleFigure((a,)) for a in (0.8, 0.86, 0.85)))
    assert not grid.has_spread
    assert (grid.expected, grid.figure_sd, grid.interval) == (0.86, 0, (0.86, 0.86))


def test_a_deterministic_configuration_is_a_lower_limit_of_the_best():
    grid = GridFigure((SampleFigure(FIVE), SampleFigure((0.8995,))))
    assert grid.interval[0] == pytest.approx(0.8995, abs=1e-3)
    assert grid.expected > 0.8995


@pytest.mark.slow
def test_few_honest_best_figures_of_a_grid_lie_outside_of_the_interval():
    # Many equal configurations are the worst case: the best of noisy means looks too good.
    generator = np.random.default_rng(5)
    means, sds = np.full(12, 0.9), np.full(12, 0.0025)
    n_outside, n_grids = 0, 20
    for _ in range(n_grids):
        runs = [generator.normal(m, s, 5) for m, s in zip(means, sds, strict=True)]
        grid = GridFigure(tuple(SampleFigure(tuple(r), n_runs=5) for r in runs))
        new = generator.normal(means, sds / math.sqrt(5)).max()
        n_outside += not lies_in(grid.interval, new, new)
    assert n_outside <= 2


# ---------------------------------------------------------------- Holm's correction


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction_agrees_with_statsmodels(p_values):
    from statsmodels.stats import multitest

    # statsmodels collects all garbage in each call, which takes a hundred times as long as the rest
    with mock.patch("gc.collect"):
        expected = multitest.multipletests(p_values, method="holm")[1]
    assert correct_p_values(p_values) == pytest.approx(expected.tolist(), abs=1e-12)


@pytest.mark.parametrize("own", [0, 3])
def test_the_error_of_what_a_grid_adds_is_that_of_a_simulation(own):
    # The first configuration may be one of the grid, or (index 3) another model.
    means, sds, sizes = (0.9, 0.899, 0.902, 0.9), (0.002, 0.004, 0.0, 0.002), (5, 1, 1, 5)
    generator = np.random.default_rng(5)

    def measure(noise):
        return [
            SampleFigure(
                tuple(mean + noise * sd / math.sqrt(n) * generator.standard_normal()
                      + sd * np.linspace(-1, 1, n) / max(np.linspace(-1, 1, n).std(ddof=1), 1e-9)
                      if n > 1 else [mean + noise * sd * generator.standard_normal()]),
                spread_of=(0.0, sd * math.sqrt(2)) if n == 1 and sd else (),
            )
            for mean, sd, n in zip(means, sds, sizes, strict=True)
        ]  # fmt: skip

    def gain(models):
        return GridFigure(tuple(models[:3])).expected - models[own].mean

    models = measure(0)
    error = GridFigure(tuple(models[:3])).compute_gain_error(models[own])
    gains = [gain(measure(1)) for _ in range(2000)]
    assert error == pytest.approx(np.std(gains), rel=0.1)
