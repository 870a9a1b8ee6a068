"""Whether runs can have a printed mean and standard deviation is decided as by trying all runs."""

import random
import statistics
from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.consistency.spreads import DEFINITIONS, decide_spread, is_spread_possible
from fmbench.suites.rounding import Interval, compute_interval


def compute_exactly(counts, n, definition):
    """Return the mean and the variance of the accuracies."""
    divisor = len(counts) - (definition == "sample")
    mean = Fraction(sum(counts), len(counts) * n)
    return mean, sum((Fraction(c, n) - mean) ** 2 for c in counts) / divisor


@cache
def list_all(n, k, definition):
    """All pairs of mean and variance that k runs of n images can have."""
    runs = combinations_with_replacement(range(n + 1), k)
    return {compute_exactly(counts, n, definition) for counts in runs}


def root(value):
    """The root, to 20 decimals."""
    return Fraction(isqrt(value.numerator * 10**40 // value.denominator), 10**20)


def print_with(value, decimals):
    """The interval of a value printed with these decimals."""
    half, printed = Fraction(1, 2 * 10**decimals), round(value, decimals)
    return Interval(printed - half, printed + half)


intervals = st.builds(
    lambda low, width, low_open, high_open: Interval(low, low + width, low_open, high_open),
    st.fractions(0, 1, max_denominator=40), st.fractions(0, Fraction(1, 8), max_denominator=60),
    st.booleans(), st.booleans(),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=100)
@given(st.integers(1, 7), st.integers(2, 6), intervals, intervals, st.sampled_from(DEFINITIONS))
def test_small_cases_are_decided_as_by_trying_all_runs(n, k, mean, sd, definition):
    def has_this_root(variance):
        above = variance > sd.low**2 or (variance == sd.low**2 and not sd.low_open)
        return above and (variance < sd.high**2 or (variance == sd.high**2 and not sd.high_open))

    exists = any(m in mean and has_this_root(v) for m, v in list_all(n, k, definition))
    assert decide_spread(n, k, mean, sd)[definition] == exists


def test_every_single_mean_and_variance_is_decided_exactly():
    """Sums s and the whole numbers V = k q - s^2 of all runs, and the V between them."""
    for n, k in ((1, 2), (4, 2), (6, 3), (5, 4), (4, 5), (3, 6), (2, 7)):
        found = defaultdict(set)
        for counts in combinations_with_replacement(range(n + 1), k):
            found[sum(counts)].add(k * sum(c * c for c in counts) - sum(counts) ** 2)
        for s, variations in found.items():
            mean = Fraction(s, k * n)
            for v in range(max(variations) + 2):
                low, high = (
                    root(Fraction(v, (k * n) ** 2)),
                    root(Fraction(2 * v + 1, 2 * (k * n) ** 2)),
                )
                below = root(Fraction(max(2 * v - 1, 0), 2 * (k * n) ** 2))
                assert below <= low <= high
                sd = Interval(below, high)  # holds no other V
                answer = decide_spread(n, k, Interval(mean, mean), sd)
                assert answer["population"] == (v in variations), (n, k, s, v)


@settings(max_examples=60)
@given(
    st.sampled_from((1000, 10_000, 60_000, 10**6)), st.sampled_from((2, 3, 4, 5, 10, 30)),
    st.integers(0, 10**6), st.sampled_from(DEFINITIONS), st.integers(2, 7),
)  # fmt: skip
def test_runs_that_exist_are_never_called_impossible(n, k, seed, definition, decimals):
    rng = random.Random(seed)
    centre, width = rng.uniform(0.5, 1), 10 ** rng.uniform(-5, -1)
    counts = [min(n, max(0, round(n * rng.gauss(centre, width)))) for _ in range(k)]
    mean, variance = compute_exactly(counts, n, definition)
    printed = print_with(mean, decimals), print_with(root(variance), decimals)
    assert decide_spread(n, k, *printed)[definition] is not False
    assert is_spread_possible(n, k, *printed) is not False


def figures(mean, sd):
    return compute_interval(mean, "accuracy"), compute_interval(sd, "accuracy")


@pytest.mark.parametrize(
    ("k", "mean", "sd", "is_possible"),
    [
        (5, "0.9216", "0.0021", True),
        (2, "0.9216", "0.0021", True),
        (5, "0.9999", "0.0021", False),  # five runs with this mean differ by at most 5 images
        (5, "0.9216", "0.7000", False),  # no accuracies in [0, 1] vary so much
        (5, "0.92163", "0.00000", False),  # five equal runs have a mean of four decimals
        (5, "0.92160", "0.00000", True),
        (2, "0.92160", "0.000071", False),  # two runs have an even sum, so an even difference
        (2, "0.92165", "0.000071", True),
    ],
)
def test_figures_of_10000_images_are_decided(k, mean, sd, is_possible):
    assert is_spread_possible(10_000, k, *figures(mean, sd)) is is_possible


def test_the_definition_of_the_standard_deviation_matters():
    counts = [9200, 9203, 9205, 9211]
    sample = f"{statistics.stdev(counts) / 10_000:.8f}"
    assert decide_spread(10_000, 4, *figures("0.920475", sample)) == {
        "sample": True, "population": False
    }  # fmt: skip


def test_large_cases_are_decided_at_once():
    assert is_spread_possible(10**6, 1000, *figures("0.921634", "0.002134")) is True
    assert is_spread_possible(10**6, 1000, *figures("0.999999", "0.002134")) is False


@pytest.mark.parametrize(
    ("n", "k", "message"), [(10, 1, "at least 2 runs"), (0, 2, "at least 1 image")]
)
def test_questions_without_sense_are_refused(n, k, message):
    with pytest.raises(ValueError, match=message):
        is_spread_possible(n, k, *figures("0.9", "0.1"))
