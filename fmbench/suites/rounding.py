"""Turns a printed figure into a number, and into the interval of values that it may stand for.

All arithmetic is exact (:class:`fractions.Fraction`), because binary numbers cannot store ends of
intervals such as 0.995 exactly, and no verdict may depend on that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fmbench.metrics.registry import METRICS

MAX_DIGITS = 24  # Decimal holds 28 digits exactly
ROUNDING_RULES = ("nearest", "truncated", "either")


def parse_figure(text: str, metric: str) -> Decimal:
    """Parse a figure: ``"98.80"``, ``"98.80%"`` and ``"0.9880"`` are the same accuracy.

    Raises:
        ValueError: not a number, or outside the range of the metric; the message says which.
    """
    value, percent = _parse_number(text)
    lowest, highest = METRICS[metric].lowest, METRICS[metric].highest
    if highest is None:
        if percent:
            raise ValueError(f"{metric} is not a percentage")
        if value < lowest:
            raise ValueError(f"{metric} {text} is below {lowest}")
        return value
    if percent or value > highest:
        value = value.scaleb(-2)
    if not lowest <= value <= highest:
        raise ValueError(f"{metric} {text} is outside [{lowest}, {highest}]")
    return value


def is_percentage(text: str, metric: str) -> bool:
    """Whether a valid figure is printed in percent: with the sign, or above the largest value 1."""
    number, percent = _parse_number(text)
    return METRICS[metric].can_be_percentage and (percent or number > 1)


def parse_half_unit(text: str, metric: str) -> Decimal:
    """Parse half a unit of rounding: ``"0.05%"`` and ``"0.0005"`` are the same.

    A number above 1 is a percentage only if it has a percent sign.

    Raises:
        ValueError: not a number, not above 0, or larger than the metric can be.
    """
    half, percent = _parse_number(text)
    highest = METRICS[metric].highest
    if percent:
        if highest is None:
            raise ValueError(f"{metric} is not a percentage")
        half = half.scaleb(-2)
    if half <= 0 or (highest is not None and half > highest):
        at_most = "" if highest is None else f" and at most {highest}"
        raise ValueError(f"{text} is not above 0{at_most}")
    return half


def parse_sd(text: str, value: str, metric: str) -> Decimal:
    """Parse the standard deviation that is printed beside a figure ``value``.

    It is in percent if it has a percent sign, or if the figure is in percent.

    Raises:
        ValueError: not a number, below 0, or larger than the metric's range.
    """
    sd, percent = _parse_number(text)
    lowest, highest = METRICS[metric].lowest, METRICS[metric].highest
    if percent and highest is None:
        raise ValueError(f"{metric} is not a percentage")
    if percent or is_percentage(value, metric):
        sd = sd.scaleb(-2)
    if sd < 0:
        raise ValueError(f"{text} is below 0")
    if highest is not None and sd > highest - lowest:
        raise ValueError(f"{text} is larger than the range of {metric}")
    return sd


def parse_count(text: str) -> int:
    """Parse a number of images.

    Raises:
        ValueError: not a whole number of at least 0.
    """
    number, percent = _parse_number(text)
    if percent or number < 0 or number != number.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number of images")
    return int(number)


def parse_share(text: str) -> Decimal:
    """Parse a share of a row of a confusion matrix: ``"0.85"`` and ``"85%"`` are the same.

    Raises:
        ValueError: not a number from 0 to 1, or from 0 % to 100 %.
    """
    share, percent = _parse_number(text)
    if percent:
        share = share.scaleb(-2)
    if not 0 <= share <= 1:
        hint = "" if percent else "; a percentage needs a percent sign"
        raise ValueError(f"{text!r} is not a share from 0 to 1{hint}")
    return share


def parse_minutes(text: str) -> Decimal:
    """Parse a time in minutes.

    Raises:
        ValueError: not a number above 0.
    """
    minutes, percent = _parse_number(text)
    if percent or minutes <= 0:
        raise ValueError(f"{text} is not a number of minutes above 0")
    return minutes


def _parse_number(text: str) -> tuple[Decimal, bool]:
    """Parse a number, and tell whether it has a percent sign."""
    stripped = text.strip()
    digits = stripped.removesuffix("%").strip()
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", digits):
        raise ValueError(f"{text!r} is not a number")
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} characters, not {len(digits)}")
    return Decimal(digits), stripped.endswith("%")


@dataclass(frozen=True)
class Interval:
    """The values from ``low`` to ``high``. An open end does not belong to the interval."""

    low: Fraction
    high: Fraction
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: Fraction | int) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def integer_range(self) -> tuple[int, int]:
        """Return the smallest and the largest whole number inside; the first is larger if empty."""
        low = floor(self.low) + 1 if self.low_open else ceil(self.low)
        high = ceil(self.high) - 1 if self.high_open else floor(self.high)
        return low, high

    def scaled(self, factor: int, offset: int = 0) -> Interval:
        """The interval of ``factor * value + offset``, for a positive factor."""
        low, high = factor * self.low + offset, factor * self.high + offset
        return Interval(low, high, self.low_open, self.high_open)

    def fraction_range(self, max_denominator: int) -> tuple[Fraction, Fraction]:
        """Return the smallest and the largest fraction inside with a denominator up to a limit.

        A quotient of two counts up to ``max_denominator`` lies in the interval if and only if it
        lies between these two fractions (both included). So the ends become fractions of small
        whole numbers, however many decimals the figure has, and open ends become closed ones.
        """
        low = -_largest_fraction_below(-self.low, max_denominator, strictly=self.low_open)
        return low, _largest_fraction_below(self.high, max_denominator, strictly=self.high_open)


def compute_interval(
    text: str,
    metric: str,
    rule: str = "nearest",
    half_unit: str | None = None,
    bound: str | None = None,
) -> Interval:
    """Compute the values of ``metric`` that are printed as ``text``.

    Rule ``nearest``: half a unit of the last printed decimal (or ``half_unit``) below and above.
    Both ends are included, because papers do not say how they round a half. Rule ``truncated``: the
    further decimals were cut off, towards zero; the end that is further from zero is not included.
    Rule ``either``: all values of both rules. ``bound``: the figure is a limit, ``"at least"`` or
    ``"at most"``, so the interval reaches to the metric's largest or smallest value. Without a
    largest value (MSE, a number of images) there is no ``"at least"``.
    """
    half = None if half_unit is None else Fraction(parse_half_unit(half_unit, metric))
    interval = round_back(parse_figure(text, metric), rule, half)
    lowest, highest = METRICS[metric].lowest, METRICS[metric].highest
    if bound == "at least" and highest is not None:
        return Interval(interval.low, max(Fraction(highest), interval.high), interval.low_open)
    if bound == "at most":
        low = min(Fraction(lowest), interval.low)
        return Interval(low, interval.high, high_open=interval.high_open)
    return interval


def compute_sd_interval(text: str, value: str, metric: str, rule: str = "nearest") -> Interval:
    """Compute the standard deviations that are printed as ``text`` beside the figure ``value``."""
    interval = round_back(parse_sd(text, value, metric), rule)
    if interval.low >= 0:
        return interval
    return Interval(Fraction(0), interval.high, high_open=interval.high_open)


def round_back(printed: Decimal, rule: str = "nearest", half: Fraction | None = None) -> Interval:
    """Compute the values that are printed as a number; see :func:`compute_interval`.

    ``half`` is the largest rounding error; by default half a unit of the last decimal.

    Raises:
        ValueError: there is no such rule.
    """
    value, exponent = Fraction(printed), printed.as_tuple().exponent
    if half is None:
        half = Fraction(10) ** int(exponent) / 2
    if rule not in ROUNDING_RULES:
        raise ValueError(f"rounding {rule!r} is not one of: {', '.join(ROUNDING_RULES)}")
    nearest = Interval(value - half, value + half)
    if rule == "nearest":
        return nearest
    if value > 0:
        cut = Interval(value, value + 2 * half, high_open=True)
    elif value < 0:
        cut = Interval(value - 2 * half, value, low_open=True)
    else:
        cut = Interval(-2 * half, 2 * half, low_open=True, high_open=True)
    if rule == "truncated":
        return cut
    low, high = min(nearest.low, cut.low), max(nearest.high, cut.high)
    return Interval(low, high, low_open=low < nearest.low, high_open=high > nearest.high)


def _largest_fraction_below(bound: Fraction, max_denominator: int, *, strictly: bool) -> Fraction:
    """Find the largest fraction up to ``bound`` with a denominator up to ``max_denominator``.

    Walks down the Stern-Brocot tree, many steps in one direction at a time. It keeps two fractions
    with ``low <= bound < high`` (``low < bound <= high`` if strictly) that are neighbours in the
    tree: every fraction between them has a denominator of at least the sum of theirs.
    """
    p, q = bound.numerator, bound.denominator
    start = ceil(bound) - 1 if strictly else floor(bound)
    (a, b), (c, d) = (start, 1), (start + 1, 1)  # low = a / b, high = c / d
    while b + d <= max_denominator:
        below, above = p * b - q * a, q * c - p * d  # how far low and high are from the bound
        steps = (below - strictly) // above if above else max_denominator
        if steps:  # low moves towards high, as often as it stays below the bound
            steps = min(steps, (max_denominator - b) // d)
            a, b = a + steps * c, b + steps * d
        else:
            steps = (above - (not strictly)) // below if below else max_denominator
            steps = min(steps, (max_denominator - d) // b)
            c, d = c + steps * a, d + steps * b
    return Fraction(a, b)
