"""Claims beside the figures of their sources: which differ, and how."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.analysis.misquotes import Misquote, find_misquote
from fmbench.suites import reader
from fmbench.suites.claims import Row


def row(claimed, source, *, certainty="verified", cited="Xiao", label="A"):
    return Row("Table 3", label, "a", claimed, source, cited, certainty)


def slip(claimed, source, rows=()):
    found = find_misquote(row(claimed, source), rows)
    return found and found.slip


@pytest.mark.parametrize(
    ("claimed", "source"),
    [
        ("79.80", "79.8"),
        ("79.80", "0.798"),
        ("0.798", "79.80"),
        ("90.72", "90.71999788"),
        ("90.71", "90.71999788"),  # cut off
        ("90.7", "90.71999788"),
        ("0.907", "90.71999788"),
        ("90", "89.7"),
        ("100", "99.96"),
    ],
)
def test_correct_rounding_cutting_off_and_padding_are_no_misquotation(claimed, source):
    assert slip(claimed, source) is None


@pytest.mark.parametrize(
    ("claimed", "source", "expected"),
    [
        ("91.71", "91.17", "two digits swapped"),
        ("0.939", "0.9329", "a digit left out"),
        ("0.967", "0.9607", "a digit left out"),
        ("93.39", "93.9", "a digit doubled"),
        ("48.9", "51.1", "the error rate"),
        ("48.90", "51.1", "the error rate"),
        ("79.83", "79.8", "more digits than the source prints"),
        ("79.80", "79.76", "rounded, with a zero added"),
        ("90.80", "90.83", "rounded, with a zero added"),
        ("90.73", "90.71999788", "the last digit off by one, as after wrong rounding"),
        ("79.9", "79.8", "the last digit off by one, as after wrong rounding"),
        ("78.33", "87.1", "another figure"),
        ("9.5", "95", "another figure"),
    ],
)
def test_each_difference_has_its_words(claimed, source, expected):
    assert slip(claimed, source) == expected


def test_the_figure_of_another_row_of_the_same_source_is_named():
    others = [
        row(None, "88.0", label="GradientBoosting"),
        row(None, "88.0", label="Another source", cited="Someone else"),
    ]
    expected = "the figure of another row of that source, GradientBoosting"
    assert slip("88.00", "51.1", others) == expected
    assert slip("88.00", "51.1", others[1:]) == "another figure"
    assert slip("88.00", "51.1", [row("88.00", "51.1")]) == "another figure", "its own row"


@pytest.mark.parametrize(
    ("claimed", "source", "other", "expected"),
    [
        ("90.9", "90.83", "90.89", "the last digit off by one, as after wrong rounding"),
        ("90.3", "90.83", "90.3", "a digit left out"),
        ("91.71", "91.17", "91.71", "two digits swapped"),
        ("89.2", "90.83", "89.2", "the figure of another row of that source, B"),
        ("89.2", "90.83", "89.20", "the figure of another row of that source, B"),
        ("89.2", "90.83", "89.24", "another figure"),  # some figure of a long table rounds to it
        ("83.2", "90.83", "83.24", "the figure of another row of that source, B"),
    ],
)
def test_slips_of_the_row_s_own_figure_come_before_another_row(claimed, source, other, expected):
    assert slip(claimed, source, [row(None, other, label="B")]) == expected


def test_among_the_other_rows_an_equal_figure_comes_before_one_that_rounds_to_the_claim():
    others = [row(None, "83.24", label="B"), row(None, "83.2", label="C")]
    assert slip("83.2", "90.83", others).endswith("C")
    assert slip("83.2", "90.83", [*others[::-1], row(None, "83.2", label="D")]).endswith("C")


@pytest.mark.parametrize("certainty", ["second hand", "recalled", "not found", "own"])
def test_a_source_that_nobody_has_read_proves_nothing(certainty):
    assert find_misquote(row("88.00", "51.1", certainty=certainty), []) is None


def test_without_a_claim_or_a_source_there_is_nothing_to_compare():
    assert find_misquote(row(None, "51.1"), []) is None
    assert find_misquote(row("88.00", None), []) is None


def test_only_one_row_of_the_paper_misquotes_its_source():
    rows = reader.read_suite().rows
    found = {r.label: m for r in rows if (m := find_misquote(r, rows))}
    slip = "the figure of another row of that source, GradientBoostingClassifier"
    assert found == {"GaussianNB": Misquote("88.00", "51.1", slip)}
    assert str(found["GaussianNB"]) == f"the source says 51.1, the claim is 88.00: {slip}"


# ---------------------------------------------------------------- figures of every kind


percentages = st.integers(10_000, 99_999).map(lambda n: Decimal(n).scaleb(-3))  # 10.000 to 99.999


@given(
    percentages,
    st.integers(0, 2),
    st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN]),
    st.booleans(),
)
def test_no_correct_rounding_is_ever_a_misquotation(source, decimals, rounding, as_fraction):
    claimed = source.quantize(Decimal(1).scaleb(-decimals), rounding)
    text = f"{claimed.scaleb(-2) if as_fraction else claimed:f}"
    assert slip(text, f"{source:f}") is None


@given(percentages, st.integers(1, 4))
def test_padded_zeros_are_never_a_misquotation(source, n_zeros):
    assert slip(f"{source:f}{'0' * n_zeros}", f"{source:f}") is None


@given(percentages, st.integers(0, 3))
def test_two_swapped_digits_are_always_found(source, place):
    digits = f"{source:f}".replace(".", "")
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    if swapped == digits or swapped[0] == "0":
        return
    claimed = f"{swapped[:2]}.{swapped[2:]}"
    assert slip(claimed, f"{source:f}") == "two digits swapped"


@given(percentages, percentages)
def test_a_figure_beyond_rounding_is_always_a_misquotation(claimed, source):
    if claimed != source:
        assert slip(f"{claimed:f}", f"{source:f}")
