"""Durations, counts and intervals are printed in a readable form."""

import pytest

from fmbench.utils.formatting import (
    format_count,
    format_duration,
    format_interval,
    format_mean_sd,
    join_words,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (8.24, "8.2 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3900, "1 h 05 min")],
)
def test_a_duration_is_printed_with_its_units(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("mean", "text"), [(0, "0"), (0.2, "<1"), (0.6, "1"), (12.4, "12")])
def test_a_mean_count_above_zero_is_never_printed_as_zero(mean, text):
    assert format_count(mean) == text


def test_a_spread_is_printed_only_of_several_values():
    assert format_mean_sd([], 2) == ""
    assert format_mean_sd([0.5], 2) == "0.50"
    assert format_mean_sd([0.4, 0.6], 2) == "0.50 ± 0.14"


def test_an_interval_without_width_is_one_number():
    assert format_interval(0.9024, 0.9141) == "90.24 to 91.41"
    assert format_interval(0.8986, 0.8986) == "89.86"
    assert format_interval(None, 0.9) == ""


@pytest.mark.parametrize(
    ("words", "most", "text"),
    [
        ([], None, ""),
        (["a"], None, "a"),
        (["a", "b"], None, "a and b"),
        (["a", "b", "c"], 3, "a, b and c"),
        (["a", "b", "c", "d"], 2, "a, b and 2 more"),
    ],
)
def test_words_are_joined_and_those_beyond_a_number_are_counted(words, most, text):
    assert join_words(iter(words), most) == text
