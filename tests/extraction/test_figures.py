"""Printed figures are read with every printed decimal, whatever their style."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.extraction.figures import (
    check_range,
    choose_percent,
    describe_error_rate,
    find_decimal_comma,
    normalise_signs,
    parse_printed_figure,
)

NO_BREAK, THIN, NARROW, MINUS = "\u00a0", "\u2009", "\u202f", "\u2212"


def read(text: str, **known: bool | None) -> tuple[str, str | None, str, int | None] | None:
    """Return value, spread, bound and total of a printed figure."""
    figure = parse_printed_figure(text, **known)  # type: ignore[arg-type]
    return None if figure is None else (figure.value, figure.sd, figure.bound, figure.out_of)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("98.80 %", "98.80%"), ("98.80%", "98.80%"), ("98.80", "98.80"), ("0.988", "0.988"),
        (".988", "0.988"), ("98,80", "98.80"), ("98,80 %", "98.80%"), ("98.", "98"),
        (f"98.80{NARROW}%", "98.80%"), (f"98.80{THIN}%", "98.80%"), ("%98.8", "98.8%"),
        ("98.80 percent", "98.80%"), ("98.80 per cent", "98.80%"), ("98,8 Prozent", "98.8%"),
        ("\uff19\uff18\uff0e\uff18\uff10\uff05", "98.80%"), ("98\u00b780", "98.80"),
        ("\u0669\u0668\u066b\u0668\u066a", "98.8%"), ("9.880e-01", "0.9880"),
        (f"{MINUS}0.02", "-0.02"), ("\u20130.02", "-0.02"), ("-.5", "-0.5"), ("-0,5", "-0.5"),
        ("about 98 %", "98%"), ("~98", "98"), ("\u2248 98.8", "98.8"), ("up to 98.8", "98.8"),
        ("98.8*", "98.8"), ("98.8\u2020", "98.8"), ("98.8\u00b2", "98.8"), ("**98.8**", "98.8"),
        ("98.80 [21]", "98.80"), ("0.91582385515", "0.91582385515"), ("100%", "100%"),
    ],
)  # fmt: skip
def test_every_style_gives_the_printed_value_and_its_decimals(text: str, value: str) -> None:
    assert read(text) == (value, None, "", None)


@pytest.mark.parametrize(
    ("text", "value", "sd"),
    [
        ("92.16 \u00b1 0.21", "92.16", "0.21"), ("92.16\u00b10.21%", "92.16%", "0.21%"),
        ("(92.16 \u00b1 0.21) %", "92.16%", "0.21%"), ("92.16 +- 0.21", "92.16", "0.21"),
        ("92.16 +/- 0.21 %", "92.16%", "0.21%"), ("92.16 (\u00b1 0.21)", "92.16", "0.21"),
        ("92.16% \u00b1 0.21%", "92.16%", "0.21%"), ("92,16 \u00b1 0,21", "92.16", "0.21"),
        ("92.16(21)", "92.16", "0.21"), ("0.9216(21)", "0.9216", "0.0021"),
        ("92.16 (0.21)", "92.16", "0.21"), ("0.9216 \u00b1 0.21%", "0.9216", "0.0021"),
    ],
)  # fmt: skip
def test_a_spread_is_read_in_the_form_of_the_value(text: str, value: str, sd: str) -> None:
    assert read(text) == (value, sd, "", None)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (">98", "at least"), ("\u2265 98", "at least"), (">= 98", "at least"),
        ("over 98", "at least"), ("at least 98", "at least"), ("98+", "at least"),
        ("more than 98", "at least"), ("<98", "at most"), ("\u2264 98", "at most"),
        ("below 98", "at most"), ("no more than 98", "at most"),
    ],
)  # fmt: skip
def test_a_bound_is_kept(text: str, bound: str) -> None:
    assert read(text) == ("98", None, bound, None)


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("58591/60000", "58591", 60_000), ("58,591 / 60,000", "58591", 60_000),
        (f"58{THIN}591/60{THIN}000", "58591", 60_000), ("9880 of 10000", "9880", 10_000),
        ("58 591 / 60 000", "58591", 60_000), ("9,880 out of the 10,000", "9880", 10_000),
        ("9880/10000 (98.80%)", "9880", 10_000), ("9876/10000 (99%)", "9876", 10_000),
    ],
)  # fmt: skip
def test_a_quotient_of_counts_keeps_both(text: str, part: str, whole: int) -> None:
    assert read(text) == (part, None, "", whole)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "\u2014", "n/a", "N/A", "SVC", "k=5", "28x28", "98.2-98.8", "98.2 to 98.8", "+0.3",
        "12,34,5", "1.2.3", "1.234,567.8", "92(3)", "92.2 (3)", "88.3 (89.1)", "0.988/0.991",
        "99/98", "1/2", "24/7", "9880/10000 (97.1%)", "98.8 % 91.2 %", "10\u00b2", "10\u207b\u00b3",
        "\u00bd", "1e99", "98 80", "- 98.8", "9" * 130, "ten",
    ],
)  # fmt: skip
def test_what_is_not_one_figure_is_none(text: str) -> None:
    assert read(text) is None


def test_a_comma_before_three_digits_separates_thousands_unless_more_is_known() -> None:
    assert read("1,234") == ("1234", None, "", None)
    assert read("89,700") == ("89700", None, "", None)
    assert read("89,700", decimal_comma=True) == ("89.700", None, "", None)
    assert read("89,700 %") == ("89.700%", None, "", None)
    assert read("89,700", percent=True) == ("89.700%", None, "", None)
    assert read("0,897") == ("0.897", None, "", None)
    assert read("1,234,567") == ("1234567", None, "", None)


def test_a_point_is_a_decimal_point_unless_more_is_known() -> None:
    assert read("10.000") == ("10.000", None, "", None)
    assert read("10.000", decimal_comma=True) == ("10000", None, "", None)
    assert read("1.234.567") == ("1234567", None, "", None)
    assert read("1.234,5") == ("1234.5", None, "", None)
    assert read("1,234.5") == ("1234.5", None, "", None)


@pytest.mark.parametrize(
    ("text", "known", "value", "bound"),
    [
        ("1.2 %", {}, "98.8%", ""), ("1.20", {}, "98.80%", ""), ("0.012", {}, "0.988", ""),
        ("6.9", {"percent": True}, "93.1%", ""), ("<2%", {}, "98%", "at least"),
        (">2%", {}, "98%", "at most"), ("0,5 %", {}, "99.5%", ""),
    ],
)  # fmt: skip
def test_an_error_rate_becomes_the_accuracy(
    text: str, known: dict[str, bool], value: str, bound: str
) -> None:
    figure = parse_printed_figure(text, error_rate=True, percent=known.get("percent"))
    assert figure is not None
    assert (figure.value, figure.bound, figure.is_error_rate) == (value, bound, True)


def test_wrong_images_become_right_images() -> None:
    figure = parse_printed_figure("125/10000", error_rate=True)
    assert figure is not None
    assert (figure.value, figure.out_of) == ("9875", 10_000)


def test_an_interval_behind_the_figure_is_left_out_if_the_figure_lies_in_it() -> None:
    assert read("92.16 [91.6, 92.7]") == ("92.16", None, "", None)
    assert read("92.16 (95% CI 91.6\u201392.7)") == ("92.16", None, "", None)
    assert read("92.16 [93.0, 94.0]") is None


def test_the_same_figure_in_percent_behind_the_fraction_is_left_out() -> None:
    assert read("0.9216 (92.16%)") == ("0.9216", None, "", None)


def test_the_printed_text_is_one_line_without_control_characters() -> None:
    figure = parse_printed_figure(" 98.80\x07 \n\t% ")
    assert figure is not None
    assert figure.printed == "98.80 %"


# ---- round trip ----------------------------------------------------------------------------------

NUMBERS = st.integers(0, 5).flatmap(
    lambda decimals: st.integers(0, 100 * 10**decimals).map(
        lambda units: f"{Decimal(units).scaleb(-decimals):f}"
    )
)
BLANKS = st.sampled_from(["", " ", NO_BREAK, THIN, NARROW])


@given(
    number=NUMBERS,
    before=st.sampled_from(["", " ", "~", "about ", "(", "**"]),
    blank=BLANKS,
    sign=st.sampled_from(["", "%", "\uff05"]),
    mark=st.sampled_from(["", "*", "\u2020", " "]),
)
@settings(max_examples=100)
def test_a_number_in_any_style_keeps_its_value_and_decimals(
    number: str, before: str, blank: str, sign: str, mark: str
) -> None:
    close = {"(": ")", "**": "**"}.get(before, "")
    value = number + ("%" if sign else "")
    assert read(f"{before}{number}{blank}{sign}{close}{mark}") == (value, None, "", None)


@given(number=NUMBERS, blank=BLANKS, sign=st.sampled_from(["", "%"]))
@settings(max_examples=100)
def test_a_decimal_comma_is_read_where_it_is_known(number: str, blank: str, sign: str) -> None:
    text = f"{number.replace('.', ',')}{blank}{sign}"
    assert read(text, decimal_comma=True) == (number + sign, None, "", None)


@given(
    number=NUMBERS,
    spread=st.integers(0, 99),
    plus_minus=st.sampled_from(["\u00b1", "+-", "+/-", "\\pm"]),
    blank=BLANKS,
    sign=st.sampled_from(["", "%"]),
    comma=st.booleans(),
)
@settings(max_examples=100)
def test_a_spread_in_any_style_keeps_its_value_and_decimals(
    number: str, spread: int, plus_minus: str, blank: str, sign: str, comma: bool
) -> None:
    decimals = len(number.partition(".")[2])
    sd = f"{Decimal(spread).scaleb(-decimals):f}"
    text = f"{number}{blank}{plus_minus}{blank}{sd}"
    text = text.replace(".", ",") if comma else text
    known = {"decimal_comma": True} if comma else {}
    assert read(text + sign, **known) == (number + sign, sd + sign, "", None)


@given(
    units=st.integers(1, 10**6),
    decimals=st.integers(1, 4),
    last=st.integers(1, 99),
    minus=st.sampled_from(["", MINUS, "-"]),
)
@settings(max_examples=60)
def test_a_spread_in_units_of_the_last_digit_is_read(
    units: int, decimals: int, last: int, minus: str
) -> None:
    number = f"{Decimal(units).scaleb(-decimals):f}"
    sd = f"{Decimal(last).scaleb(-decimals):f}"
    expected = number.replace("-", "") if not minus else f"-{number}"
    assert read(f"{minus}{number}({last})") == (expected, sd, "", None)


@given(
    whole=st.integers(100, 10**7),
    share=st.floats(0, 1),
    separator=st.sampled_from(["", ",", "'", "\u2019", NO_BREAK, THIN, NARROW, " "]),
    slash=st.sampled_from(["/", " / ", " of ", " out of ", "\u2044"]),
)
@settings(max_examples=100)
def test_counts_in_any_grouping_keep_their_values(
    whole: int, share: float, separator: str, slash: str
) -> None:
    part = int(whole * share)
    text = f"{part:,}{slash}{whole:,}".replace(",", separator)
    assert read(text) == (str(part), None, "", whole)


@given(number=NUMBERS)
@settings(max_examples=60)
def test_an_error_rate_and_its_accuracy_sum_to_one_hundred(number: str) -> None:
    figure = parse_printed_figure(f"{number} %", error_rate=True)
    assert figure is not None
    accuracy = Decimal(figure.value.removesuffix("%"))
    assert accuracy + Decimal(number) == 100
    assert accuracy.as_tuple().exponent == Decimal(number).as_tuple().exponent


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_no_text_breaks_the_reader(text: str) -> None:
    figure = parse_printed_figure(text)
    if figure is not None:
        Decimal(figure.value.removesuffix("%"))
        assert figure.printed.isprintable()
    assert normalise_signs(text).isprintable()


# ---- columns and ranges --------------------------------------------------------------------------


def test_a_column_shows_its_decimal_sign() -> None:
    assert find_decimal_comma(["89,700", "91,2"]) is True
    assert find_decimal_comma(["89,700", "91.2"]) is False
    assert find_decimal_comma(["0,897", "0,912"]) is True
    assert find_decimal_comma(["89,700", "91,250"]) is None
    assert find_decimal_comma(["1.234.567", "10.000"]) is True
    assert find_decimal_comma(["89,7", "91.2"]) is None
    assert find_decimal_comma(["SVC", ""]) is None


def test_a_column_of_fractions_is_not_in_percent_whatever_its_head_says() -> None:
    assert choose_percent(["0.988", "0.91"], stated=True) is False
    assert choose_percent(["98.8", "0.91"], stated=True) is True
    assert choose_percent(["98.8", "91"], stated=None) is True
    assert choose_percent(["98.8", "0.91"], stated=None) is None
    assert choose_percent(["98.8 %", "n/a"], stated=None) is None
    assert choose_percent(["58591/60000"], stated=None) is None


def test_a_figure_outside_the_range_of_its_metric_is_refused_in_one_line() -> None:
    for text, metric in [("189.7 %", "accuracy"), ("-0.1", "accuracy"), ("0.5%", "mse")]:
        figure = parse_printed_figure(text)
        assert figure is not None
        with pytest.raises(ValueError, match=metric) as error:
            check_range(figure, metric)
        assert "\n" not in str(error.value)


def test_figures_inside_their_range_pass() -> None:
    for text, metric in [("98.8", "accuracy"), ("-0.1", "kappa"), ("1.32", "mse"), ("1", "f1")]:
        figure = parse_printed_figure(text)
        assert figure is not None
        check_range(figure, metric)
    quotient = parse_printed_figure("58591/60000")
    assert quotient is not None
    check_range(quotient, "accuracy")


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("0.8658999800682068", "0.8659"), ("0.86589998", "0.8659"),
        ("86.58999800682068", "86.59"), ("86.58999633789062 %", "86.59%"),
        ("0.9873333573341370", "0.987333"), ("0.8886999999999999", "0.8887"),
        ("88.86999999999999", "88.87"), ("0.9133333333333333", "0.913333333333"),
        ("0.12345678", "0.12345678"), ("0.123456789", "0.123456789"), ("0.910000", "0.910000"),
    ],
)  # fmt: skip
def test_a_binary_number_written_out_in_full_is_the_decimal_that_it_stands_for(
    printed: str, value: str
) -> None:
    figure = parse_printed_figure(printed)
    assert figure is not None
    assert (figure.value, figure.printed) == (value, printed)


@given(st.integers(0, 60_000))
@settings(max_examples=100)
def test_an_accuracy_of_32_bits_is_read_within_half_an_image(right: int) -> None:
    printed = struct.unpack("<f", struct.pack("<f", right / 60_000))[0]
    figure = parse_printed_figure(repr(printed))
    assert figure is not None
    assert abs(Decimal(figure.value) - Decimal(right) / 60_000) < Decimal("8e-6")


def test_what_is_printed_is_kept_beside_the_accuracy_of_an_error_rate() -> None:
    for text, kept in (("20.2", "20.2"), (">98", ">98"), ("87,4", "87,4"), ("= 91.2 %", "91.2 %")):
        figure = parse_printed_figure(text, error_rate=text == "20.2", percent=True)
        assert figure is not None
        assert figure.printed == kept
        expected = "printed as an error rate of 20.2 %" if figure.is_error_rate else ""
        assert describe_error_rate(figure, "") == expected


def test_an_error_in_class_numbers_is_at_most_the_largest_difference() -> None:
    figure = parse_printed_figure("21")
    assert figure is not None
    check_range(figure, "mse")
    with pytest.raises(ValueError, match=r"mae 21 is outside \[0, 9\]"):
        check_range(figure, "mae")


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("0.8999999761581421", "0.9000"), ("0.9000000000000001", "0.9000"),
        ("89.99999761581421", "90.00"), ("0.800000011920929", "0.8000"),
    ],
)  # fmt: skip
def test_a_binary_number_keeps_the_zeros_of_a_share_of_ten_thousand(printed, value):
    figure = parse_printed_figure(printed)
    assert figure is not None
    assert figure.value == value


def test_a_colon_for_the_point_is_read_before_a_percent_sign_but_a_split_is_none():
    figure = parse_printed_figure("89:53%")
    assert figure is not None and figure.value == "89.53%"
    assert parse_printed_figure("80:20%") is None
    assert parse_printed_figure("12:30") is None
