"""A printed figure as a number, and the interval of values that would be printed so.

Exact throughout (:class:`fractions.Fraction`): the ends of these intervals, such as 0.995, have no
exact binary form, and a contradiction must not hang on that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

METRICS = (
    "accuracy", "kappa", "informedness", "specificity", "mse", "mae", "precision", "recall", "f1",
)  # fmt: skip
PER_CLASS = ("precision", "recall", "f1", "specificity", "informedness")
UNBOUNDED = ("mse", "mae")
SIGNED = ("kappa", "informedness")
MAX_DIGITS = 24  # what Decimal holds exactly, with room to spare

RULES = ("nearest", "truncated")


def parse_figure(text: str, metric: str) -> Decimal:
    """A figure as a number: ``"98.80"``, ``"98.80%"`` and ``"0.9880"`` are the same accuracy.

    Raises:
        ValueError: not a number, or outside what the metric can be; the message says which.
    """
    stripped = text.strip()
    percent = stripped.endswith("%")
    digits = stripped.removesuffix("%").strip()
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", digits):
        raise ValueError(f"{text!r} is not a number")
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} characters, not {len(digits)}")
    value = Decimal(digits)
    if metric in UNBOUNDED:
        if percent:
            raise ValueError(f"{metric} is not a percentage")
        if value < 0:
            raise ValueError(f"{metric} {text} is below 0")
        return value
    if percent or value > 1:
        value = value.scaleb(-2)
    lowest = -1 if metric in SIGNED else 0
    if not lowest <= value <= 1:
        raise ValueError(f"{metric} {text} is outside [{lowest}, 1]")
    return value


def parse_half_unit(text: str, metric: str) -> Decimal:
    """A half-unit of rounding in the metric's own unit: ``"0.05%"`` and ``"0.0005"`` are the same.

    Raises:
        ValueError: not a number, not above 0, or beyond what the metric can be.
    """
    stripped = text.strip()
    if metric in UNBOUNDED or stripped.endswith("%"):
        half = parse_figure(stripped, metric)
    else:  # never a percentage without its sign: 5 would not mean 5 %
        half = parse_figure(stripped, UNBOUNDED[0])
    if half <= 0 or (half > 1 and metric not in UNBOUNDED):
        raise ValueError(f"{text} is not above 0" + (" and at most 1" if half > 1 else ""))
    return half


@dataclass(frozen=True)
class Interval:
    """Values from ``low`` to ``high``; an open end is not among them."""

    low: Fraction
    high: Fraction
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: Fraction | int) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def whole(self) -> tuple[int, int]:
        """The smallest and the largest whole number inside (crossed where there is none)."""
        low = floor(self.low) + 1 if self.low_open else ceil(self.low)
        high = ceil(self.high) - 1 if self.high_open else floor(self.high)
        return low, high

    def scaled(self, factor: int, offset: int = 0) -> Interval:
        """The same interval of ``factor * value + offset``, for a positive factor."""
        low, high = factor * self.low + offset, factor * self.high + offset
        return Interval(low, high, self.low_open, self.high_open)

    def ratios(self, denominator: int) -> tuple[Fraction, Fraction]:
        """The outermost fractions inside whose denominators are ``denominator`` or less.

        A ratio of two counts lies in the interval exactly if it lies between these two, both
        included: the ends become small whole numbers whatever the decimals of the figure, and an
        open end becomes a closed one.
        """
        low = -_largest_below(-self.low, denominator, strictly=self.low_open)
        return low, _largest_below(self.high, denominator, strictly=self.high_open)


def interval(
    text: str, metric: str, rule: str = "nearest", half_unit: str | None = None
) -> Interval:
    """The values of ``metric`` that are printed as ``text``.

    ``nearest``: half a unit of the last printed decimal to either side (or ``half_unit``), both
    ends included, because nobody says how halves were rounded. ``truncated``: decimals were cut
    off, towards zero; the far end is not included.
    """
    printed = parse_figure(text, metric)
    value, exponent = Fraction(printed), printed.as_tuple().exponent
    half = Fraction(10) ** int(exponent) / 2
    if half_unit is not None:
        half = Fraction(parse_half_unit(half_unit, metric))
    if rule == "nearest":
        return Interval(value - half, value + half)
    if rule != "truncated":
        raise ValueError(f"rounding {rule!r} is not one of: {', '.join(RULES)}")
    if value > 0:
        return Interval(value, value + 2 * half, high_open=True)
    if value < 0:
        return Interval(value - 2 * half, value, low_open=True)
    return Interval(-2 * half, 2 * half, low_open=True, high_open=True)


def _largest_below(bound: Fraction, denominator: int, *, strictly: bool) -> Fraction:
    """The largest fraction up to ``bound`` with a denominator of at most ``denominator``.

    Walks the Stern-Brocot tree, many steps in one direction at a time. ``low <= bound < high``
    (``low < bound <= high`` if strictly) are neighbours in it: every fraction between them has a
    denominator of at least the sum of theirs.
    """
    p, q = bound.numerator, bound.denominator
    start = ceil(bound) - 1 if strictly else floor(bound)
    (a, b), (c, d) = (start, 1), (start + 1, 1)
    while b + d <= denominator:
        below, above = p * b - q * a, q * c - p * d  # how far off low = a/b and high = c/d are
        steps = (below - strictly) // above if above else denominator
        if steps:  # low moves towards high, as often as it stays below the bound
            steps = min(steps, (denominator - b) // d)
            a, b = a + steps * c, b + steps * d
        else:
            steps = (above - (not strictly)) // below if below else denominator
            steps = min(steps, (denominator - d) // b)
            c, d = c + steps * a, d + steps * b
    return Fraction(a, b)
