"""A printed figure is read as the number, and as the interval, that the paper means."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.metrics.registry import METRICS
from fmbench.suites.rounding import (
    ROUNDING_RULES,
    Interval,
    compute_interval,
    compute_sd_interval,
    parse_count,
    parse_figure,
    parse_half_unit,
    parse_sd,
    parse_share,
)


@pytest.mark.parametrize("text", ["98.80", "98.80%", "0.9880", " 98.80 % ", "0.988", "98.8"])
def test_all_notations_of_one_accuracy_are_equal(text):
    assert parse_figure(text, "accuracy") == Decimal("0.988")


@given(
    st.integers(101, 10_000),
    st.sampled_from([name for name, m in METRICS.items() if m.can_be_percentage]),
)
def test_a_percentage_with_or_without_its_sign_equals_the_fraction(n, metric):
    percent, share = Decimal(n).scaleb(-2), Decimal(n).scaleb(-4)
    assert parse_figure(f"{percent:.2f}", metric) == share
    assert parse_figure(f"{percent:.2f}%", metric) == share
    assert parse_figure(f"{share:.4f}", metric) == share


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [("0.66", "mse", "0.66"), ("98", "mae", "98"), ("-0.25", "kappa", "-0.25"), ("1", "f1", "1"),
     ("-25%", "informedness", "-0.25"), ("0.5%", "accuracy", "0.005"), ("0", "recall", "0")],
)  # fmt: skip
def test_a_figure_is_read_in_the_unit_of_its_metric(text, metric, value):
    assert parse_figure(text, metric) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "metric", "why"),
    [("", "accuracy", "not a number"), ("about 98", "accuracy", "not a number"),
     ("nan", "accuracy", "not a number"), ("inf", "mse", "not a number"),
     ("98,80", "accuracy", "not a number"), ("9_8", "accuracy", "not a number"),
     ("1e1", "accuracy", "not a number"), ("1e9999999", "accuracy", "not a number"),
     ("98.80%%", "accuracy", "not a number"), ("100.01", "accuracy", "outside [0, 1]"),
     ("-0.1", "accuracy", "outside [0, 1]"), ("-1.1", "kappa", "outside [-1, 1]"),
     ("66%", "mse", "not a percentage"), ("-0.1", "mae", "below 0")],
)  # fmt: skip
def test_an_impossible_figure_is_refused_with_the_reason(text, metric, why):
    with pytest.raises(ValueError) as caught:
        parse_figure(text, metric)
    assert why in str(caught.value)


@given(
    st.text() | st.text("0123456789.+-e%", max_size=30),
    st.sampled_from(list(METRICS)),
)
def test_any_text_is_a_value_in_the_metrics_range_or_a_value_error(text, metric):
    try:
        value = parse_figure(text, metric)
    except ValueError:
        return
    highest = METRICS[metric].highest
    assert METRICS[metric].lowest <= value <= (math.inf if highest is None else highest)


@pytest.mark.parametrize(
    ("text", "metric", "half"),
    [("0.05%", "accuracy", "0.0005"), ("0.0005", "accuracy", "0.0005"), ("5", "mse", "5")],
)
def test_a_half_unit_is_in_the_metrics_own_unit(text, metric, half):
    assert parse_half_unit(text, metric) == Decimal(half)


@pytest.mark.parametrize(
    ("text", "metric", "why"),
    [("0", "accuracy", "not above 0 and at most 1"), ("5", "accuracy", "at most 1"),
     ("-1", "mse", "not above 0"), ("5%", "mse", "not a percentage"), ("x", "mse", "not a number")],
)  # fmt: skip
def test_an_impossible_half_unit_is_refused_with_the_reason(text, metric, why):
    with pytest.raises(ValueError, match=why):
        parse_half_unit(text, metric)


@pytest.mark.parametrize(
    ("text", "rule", "low", "high"),
    [("98.80%", "nearest", "0.98795", "0.98805"), ("98.80%", "truncated", "0.9880", "0.9881"),
     ("-0.25", "truncated", "-0.26", "-0.25"), ("0.0", "truncated", "-0.1", "0.1")],
)  # fmt: skip
def test_the_interval_of_a_printed_figure_has_the_right_ends(text, rule, low, high):
    interval = compute_interval(text, "kappa", rule)
    assert (interval.low, interval.high) == (Fraction(low), Fraction(high))


@given(st.fractions(-1, 1), st.integers(1, 5), st.sampled_from(ROUNDING_RULES))
def test_a_value_lies_in_the_interval_of_its_printed_figure(value, decimals, rule):
    scaled = abs(value) * 10**decimals
    whole = round(scaled) if rule == "nearest" else int(scaled)
    text = f"{'-' * (value < 0)}{whole // 10**decimals}.{whole % 10**decimals:0{decimals}d}"
    assert value in compute_interval(text, "kappa", rule)


@given(st.fractions(0, 1, max_denominator=500), st.integers(1, 60), st.booleans(), st.booleans())
def test_the_outermost_fractions_of_an_interval_have_small_denominators(
    low, limit, low_open, high_open
):
    interval = Interval(low, low + Fraction(1, 20), low_open, high_open)
    inside = [
        Fraction(n, d) for d in range(1, limit + 1) for n in range(2 * d + 1)
        if Fraction(n, d) in interval
    ]  # fmt: skip
    first, last = interval.fraction_range(limit)
    assert (min(inside), max(inside)) == (first, last) if inside else first > last


def interval(text, metric="accuracy", *arguments, **options):
    return compute_interval(text, metric, *arguments, **options)


@given(st.integers(-1000, 1000), st.sampled_from(["nearest", "truncated"]))
def test_rounded_in_either_way_has_the_values_of_both_rules(n, rule):
    text = str(Decimal(n).scaleb(-3))
    one, either = interval(text, "kappa", rule), interval(text, "kappa", "either")
    assert either.low <= one.low and one.high <= either.high
    for end in (one.low, one.high):
        assert end in either or end not in one
    width = either.high - either.low
    assert width == Fraction(3, 2000) if n else Fraction(2, 1000)


def test_a_limit_reaches_to_the_end_of_the_metrics_range():
    over = interval("98%", bound="at least")
    assert (over.low, over.high, over.high_open) == (Fraction("0.975"), 1, False)
    below = interval("0.7", "mse", bound="at most")
    assert (below.low, below.high) == (0, Fraction("0.75"))
    cut = interval("-0.5", "kappa", "truncated", bound="at least")
    assert (cut.low, cut.low_open, cut.high) == (Fraction("-0.6"), True, 1)


@pytest.mark.parametrize(
    ("sd", "value", "low", "high"),
    [("0.21", "92.16", "0.00205", "0.00215"), ("0.21%", "0.92", "0.00205", "0.00215"),
     ("0.002", "0.92", "0.0015", "0.0025"), ("0", "92.16%", "0", "0.005")],
)  # fmt: skip
def test_a_standard_deviation_is_in_the_unit_of_its_figure(sd, value, low, high):
    found = compute_sd_interval(sd, value, "accuracy")
    assert (found.low, found.high) == (Fraction(low), Fraction(high))


@pytest.mark.parametrize(
    ("parse", "arguments", "why"),
    [(parse_sd, ("-0.1", "92", "accuracy"), "below 0"), (parse_sd, ("1%", "0.5", "mse"), "not a"),
     (parse_sd, ("2", "0.5", "recall"), "larger than the range of recall"),
     (parse_count, ("1.5",), "whole number"), (parse_count, ("-1",), "whole number"),
     (parse_count, ("9,112",), "not a number"), (parse_count, ("5%",), "whole number"),
     (parse_share, ("-0.1",), "from 0 to 1"), (parse_share, ("85",), "needs a percent sign"),
     (parse_share, ("101%",), "from 0 to 1")],
)  # fmt: skip
def test_an_impossible_spread_count_or_share_is_refused_with_the_reason(parse, arguments, why):
    with pytest.raises(ValueError, match=why):
        parse(*arguments)


def test_counts_and_shares_are_read():
    assert (parse_count("9112"), parse_count("9112.0")) == (9112, 9112)
    assert parse_share("85%") == parse_share("0.85") == Decimal("0.85")
