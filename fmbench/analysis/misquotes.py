"""Compares a claimed figure with the figure of the source that it quotes; nothing is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from fmbench.suites.claims import Row
from fmbench.suites.rounding import parse_figure

FAR_AWAY = Decimal("0.05")  # of accuracies


@dataclass(frozen=True)
class Misquote:
    """A claim that is not the figure of its source; both figures are as printed.

    ``slip`` says what the claim is instead, such as ``two digits swapped``. It describes the
    difference and does not say how it came about.
    """

    claimed: str
    source: str
    slip: str

    def __str__(self) -> str:
        return f"the source says {self.source}, the claim is {self.claimed}: {self.slip}"


def find_misquote(row: Row, rows: Sequence[Row]) -> Misquote | None:
    """Compare the claim of a row with its source, if somebody has read the source.

    ``rows`` are those of the suite: the figure may be that of another row of the same source. The
    source's figure, correctly rounded or cut off to the claim's digits, is no misquotation, and
    neither are zeros at its end.
    """
    if row.claimed is None or row.source is None or row.certainty != "verified":
        return None
    claimed, source = parse_figure(row.claimed, "accuracy"), parse_figure(row.source, "accuracy")
    if _is_quoted_correctly(claimed, source):
        return None
    slip = (
        _describe_slip(claimed, source)
        or _find_neighbour(row, claimed, source, rows)
        or "another figure"
    )
    return Misquote(row.claimed, row.source, slip)


def _is_quoted_correctly(claimed: Decimal, source: Decimal) -> bool:
    if claimed == source:
        return True
    unit = _get_unit(claimed)
    if unit <= _get_unit(source):  # the claim has no fewer digits, so nothing was rounded
        return False
    difference = Fraction(claimed) - Fraction(source)
    return abs(difference) <= unit / 2 or Fraction(claimed) == floor(Fraction(source) / unit) * unit


def _find_neighbour(row: Row, claimed: Decimal, source: Decimal, rows: Sequence[Row]) -> str:
    """Find another row of the same source whose figure is the claimed one; empty if there is none.

    A figure that only rounds to the claim counts if the row's own is :data:`FAR_AWAY` from it: in a
    long table some figure rounds to almost any claim.
    """
    others = {
        other.label: parse_figure(other.source, "accuracy")
        for other in reversed(rows)  # of rows with one label, the first
        if row.cited
        and other.cited == row.cited
        and other.source is not None
        and other.label != row.label
    }
    found = [label for label, figure in others.items() if figure == claimed]
    if not found and abs(claimed - source) > FAR_AWAY:
        found = [label for label, f in others.items() if _is_quoted_correctly(claimed, f)]
    return f"the figure of another row of that source, {found[-1]}" if found else ""


def _describe_slip(claimed: Decimal, source: Decimal) -> str:
    """Say how the claim differs from the source's own figure; empty if no slip makes it so."""
    ours, theirs = _get_digits(claimed), _get_digits(source)
    places = range(len(theirs))
    has_fewer_digits = _get_unit(claimed) > _get_unit(source)
    if _is_swapped(ours, theirs) and not has_fewer_digits:
        return "two digits swapped"
    if f"{claimed:f}".endswith("0") and _is_quoted_correctly(_drop_zero(claimed), source):
        return "rounded, with a zero added"
    if any(theirs[:i] + theirs[i + 1 :] == ours for i in places):
        return "a digit left out"
    if any(theirs[: i + 1] + theirs[i:] == ours for i in places):
        return "a digit doubled"
    if _is_quoted_correctly(claimed, 1 - source):
        return "the error rate"
    if _is_quoted_correctly(source, claimed):
        return "more digits than the source prints"
    unit = _get_unit(claimed)
    if abs(Fraction(claimed) - Fraction(source)) < unit * Fraction(3, 2):
        return "the last digit off by one, as after wrong rounding"
    return ""


def _is_swapped(ours: str, theirs: str) -> bool:
    """Whether the digits differ in two places, and are the same digits in another order."""
    width = max(len(ours), len(theirs))
    pairs = zip(ours.ljust(width, "0"), theirs.ljust(width, "0"), strict=True)
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    return len(differing) == 2 and differing[0] == differing[1][::-1]


def _drop_zero(figure: Decimal) -> Decimal:
    """Return a figure that ends with 0 without this digit."""
    return Decimal(f"{figure:f}"[:-1])


def _get_unit(figure: Decimal) -> Fraction:
    """Return one unit of the last printed digit."""
    return Fraction(10) ** int(figure.as_tuple().exponent)


def _get_digits(figure: Decimal) -> str:
    """Return the digits of a percentage from the tens on, without zeros at the end."""
    whole, _, decimals = f"{figure.scaleb(2):f}".partition(".")
    return (whole.zfill(2) + decimals).rstrip("0")
