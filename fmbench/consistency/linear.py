"""Defines sums of unknown whole numbers, and limits on them.

A *variable* is an unknown whole number, such as the true positives of a class; it is written as its
position in a *point*, which has a value for each variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import overload

Point = Sequence[int]  # a value for each variable


@dataclass(frozen=True)
class LinearForm:
    """A sum of whole-number factors times variables, plus a constant."""

    terms: tuple[tuple[int, int], ...] = ()  # (variable, factor)
    constant: int = 0

    @overload
    def value_at(self, point: Sequence[int]) -> int: ...
    @overload
    def value_at(self, point: Sequence[float]) -> float: ...
    def value_at(self, point: Sequence[int] | Sequence[float]) -> float:
        """Its value at a point; exact if the point has whole numbers."""
        return sum(factor * point[variable] for variable, factor in self.terms) + self.constant

    def value_range(self, bounds: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """The least and the greatest value where each variable is within its bounds."""
        low = high = self.constant
        for variable, factor in self.terms:
            ends = factor * bounds[variable][0], factor * bounds[variable][1]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def __add__(self, other: LinearForm | int) -> LinearForm:
        if isinstance(other, int):
            return LinearForm(self.terms, self.constant + other)
        factors = dict(self.terms)
        for variable, factor in other.terms:
            factors[variable] = factors.get(variable, 0) + factor
        terms = tuple((variable, factor) for variable, factor in factors.items() if factor)
        return LinearForm(terms, self.constant + other.constant)

    def __mul__(self, factor: int) -> LinearForm:
        terms = tuple((variable, factor * value) for variable, value in self.terms if factor)
        return LinearForm(terms, factor * self.constant)

    def __neg__(self) -> LinearForm:
        return self * -1

    def __sub__(self, other: LinearForm | int) -> LinearForm:
        return self + -other

    def __rsub__(self, other: int) -> LinearForm:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__

    def divided_by(self, divisor: int) -> LinearForm:
        """The form with every number divided by a common divisor of all."""
        terms = tuple((variable, factor // divisor) for variable, factor in self.terms)
        return LinearForm(terms, self.constant // divisor)

    def common_divisor(self) -> int:
        """The greatest common divisor of its factors and its constant."""
        return gcd(self.constant, *(factor for _, factor in self.terms))


@dataclass(frozen=True)
class LinearConstraint:
    """``low <= sum of factor * variable <= high``, in whole numbers; ``None`` is no limit."""

    terms: tuple[tuple[int, int], ...]  # (variable, factor)
    low: int | None
    high: int | None

    def holds_at(self, point: Point) -> bool:
        """Whether a point fulfils it."""
        value = sum(factor * point[variable] for variable, factor in self.terms)
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def reduced(self) -> LinearConstraint:
        """The same after division by the common divisor of its factors; limits round inwards."""
        divisor = gcd(*(factor for _, factor in self.terms)) or 1
        return LinearConstraint(
            tuple((variable, factor // divisor) for variable, factor in self.terms),
            None if self.low is None else -(-self.low // divisor),
            None if self.high is None else self.high // divisor,
        )
