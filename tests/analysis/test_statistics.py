"""Prediction intervals and Holm's correction, compared with scipy and statsmodels."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.statistics import compute_prediction_interval, correct_p_values

ACCURACIES = st.lists(st.floats(0.49, 0.51), min_size=2, max_size=10)


@given(ACCURACIES)
def test_the_interval_is_students_prediction_interval_for_one_new_run(accuracies):
    n, sd = len(accuracies), np.std(accuracies, ddof=1)
    low, high = stats.t.interval(0.95, n - 1, np.mean(accuracies), sd * np.sqrt(1 + 1 / n) or 1e-99)
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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction_agrees_with_statsmodels(p_values):
    from statsmodels.stats import multitest

    # statsmodels collects all garbage in each call, which takes a hundred times as long as the rest
    with mock.patch("gc.collect"):
        expected = multitest.multipletests(p_values, method="holm")[1]
    assert correct_p_values(p_values) == pytest.approx(expected.tolist(), abs=1e-12)
