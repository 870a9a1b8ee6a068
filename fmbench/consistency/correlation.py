"""Bounds the Matthews correlation coefficient (MCC) of a confusion matrix by linear constraints.

For K classes (Gorodkin 2004), with n_k images of class k, N images, p_k of them predicted as class
k, and c of them correct:

    MCC = X / sqrt(S Q),  X = c N - sum n_k p_k,  S = N^2 - sum p_k^2,  Q = N^2 - sum n_k^2.

X is linear in the unknown counts, Q is known, and S is concave. So "MCC is at most t" for t >= 0
describes a convex region, which tangents bound from outside. "MCC is at least t" for t > 0 needs a
lower bound of sqrt(S Q) that is linear in a *box*, which gives each variable's least and greatest
value. Two bounds of S are used:

- p_k^2 <= (l + u) p_k - l u, where p_k is in [l, u];
- sum (p_k - n_k)^2 <= 2 e^2, where e = N - c is the number of errors. The e errors move at most e
  images to other classes, and take as many away. On a test set with equally large classes kappa is
  X / Q, so this says: kappa <= MCC <= kappa / sqrt(1 - 2 e^2 / Q) for kappa >= 0.

All constraints are in whole numbers and hold for every matrix within the box, so a proof that uses
them is exact. The narrower the box, the nearer are the constraints to the MCC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt, sqrt
from typing import ClassVar

from fmbench.consistency.linear import LinearConstraint, LinearForm, Point
from fmbench.suites.rounding import Interval

VALUES_OF_ZERO_BY_ZERO = (0, 1, -1)  # what programs print if only one class occurs


@dataclass(frozen=True)
class CorrelationExpression:
    """The MCC as a formula of the variables.

    ``predicted`` are the variables of the predicted counts, ``n_correct`` that of all true
    positives.
    """

    n_per_class: tuple[int, ...]
    predicted: tuple[int, ...]
    n_correct: int

    parts: ClassVar[tuple[()]] = ()  # it is no quotient of linear forms
    is_linear: ClassVar[bool] = False  # the mean over runs does not follow from the summed matrix
    is_relaxed: ClassVar[bool] = True  # linear constraints are weaker than the metric

    @property
    def variables(self) -> tuple[int, ...]:
        """All variables on which it depends."""
        return (*self.predicted, self.n_correct)

    @cached_property
    def n_images(self) -> int:
        """N."""
        return sum(self.n_per_class)

    @cached_property
    def _known_square(self) -> int:
        """Q."""
        return self.n_images**2 - sum(n * n for n in self.n_per_class)

    @cached_property
    def _covariance(self) -> LinearForm:
        """X."""
        correct = LinearForm(((self.n_correct, self.n_images),))
        return correct - self._sum_predicted(self.n_per_class)

    def _sum_predicted(self, factors: Sequence[int]) -> LinearForm:
        """The sum of each factor times a class's predicted count; with equal factors a number."""
        if len(set(factors)) == 1:
            return LinearForm((), factors[0] * self.n_images)
        return LinearForm(tuple(zip(self.predicted, factors, strict=True)))

    def lies_in(self, interval: Interval, point: Point) -> bool:
        """Whether the MCC lies in the interval, exactly; 0/0 may count as 0, 1 or -1."""
        unknown = self.n_images**2 - sum(point[v] ** 2 for v in self.predicted)
        square = unknown * self._known_square
        if not square:
            return any(value in interval for value in VALUES_OF_ZERO_BY_ZERO)
        x = self._covariance.value_at(point)
        from_low = _compare_with_root(x, interval.low, square)
        from_high = _compare_with_root(x, interval.high, square)
        is_above = from_low > 0 or (from_low == 0 and not interval.low_open)
        return is_above and (from_high < 0 or (from_high == 0 and not interval.high_open))

    def linearise(self, values: Sequence[float]) -> tuple[float, dict[int, float]]:
        """Compute its value at a point, and its derivative by each variable, in floating point."""
        n = self.n_images
        unknown = max(float(n * n) - sum(values[v] ** 2 for v in self.predicted), 1.0)
        root = sqrt(unknown * self._known_square) or 1.0
        x = self._covariance.value_at(values)
        slopes = {self.n_correct: n / root}
        for v, size in zip(self.predicted, self.n_per_class, strict=True):
            slopes[v] = (x * values[v] / unknown - size) / root
        return x / root, slopes

    # ------------------------------------------------------------------ linear constraints

    def constraints(
        self, interval: Interval, box: Sequence[tuple[int, int]]
    ) -> Iterator[LinearConstraint]:
        """Yield constraints that every matrix in the box with this MCC fulfils.

        They hold for a matrix with the MCC 0/0 as well, whatever the interval.
        """
        if self._known_square == 0:
            return
        yield from self._limit(self._covariance, interval.high, box)
        yield from self._limit(-self._covariance, -interval.low, box)

    def _limit(
        self, x: LinearForm, end: Fraction, box: Sequence[tuple[int, int]]
    ) -> Iterator[LinearConstraint]:
        """Yield constraints that follow from ``x <= end * sqrt(S Q)``."""
        scaled = x * end.denominator
        if end >= 0:
            for tangent, root in self._build_upper_bounds(box):
                # sqrt(a) <= (a / r + r) / 2 for any r > 0, and S <= tangent
                yield _at_most_zero(
                    scaled * (2 * root)
                    - (tangent * self._known_square + root * root) * end.numerator
                )
            return
        least, greatest = self._bound_unknown_square(box)
        # sqrt(a) >= (a + r s) / (r + s) if it lies in [r, s]
        low, high = isqrt(least * self._known_square), isqrt(greatest * self._known_square) + 1
        for below in self._build_lower_bounds(box):
            bound = below * self._known_square + low * high
            yield _at_most_zero(scaled * (low + high) - bound * end.numerator)

    def _build_upper_bounds(
        self, box: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[LinearForm, int]]:
        """Yield tangents of S, each with the root of S Q where it touches.

        They touch at the class sizes and at the middle of the box.
        """
        bounds = [box[v] for v in self.predicted]
        sizes = zip(self.n_per_class, bounds, strict=True)
        near = tuple(min(max(n, low), high) for n, (low, high) in sizes)
        middle = tuple((low + high) // 2 for low, high in bounds)
        for touched in dict.fromkeys((near, middle)):
            squares = sum(p * p for p in touched)
            tangent = self.n_images**2 + squares - 2 * self._sum_predicted(touched)
            if (there := self.n_images**2 - squares) > 0:
                yield tangent, max(1, isqrt(there * self._known_square))

    def _build_lower_bounds(self, box: Sequence[tuple[int, int]]) -> Iterator[LinearForm]:
        """Yield linear forms that are at most S."""
        bounds = [box[v] for v in self.predicted]
        products = sum(low * high for low, high in bounds)
        yield self.n_images**2 + products - self._sum_predicted([sum(ends) for ends in bounds])
        fewest, most = self._bound_errors(box)
        errors = LinearForm(((self.n_correct, -1),), self.n_images)
        squares = errors * (fewest + most) - fewest * most  # at least e^2
        moved = self._sum_predicted(self.n_per_class) - sum(n * n for n in self.n_per_class)
        yield self._known_square - 2 * moved - 2 * squares

    def _bound_errors(self, box: Sequence[tuple[int, int]]) -> tuple[int, int]:
        low, high = box[self.n_correct]
        return self.n_images - high, self.n_images - low

    def _bound_unknown_square(self, box: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Return numbers between which S lies."""
        n, n_classes = self.n_images, len(self.n_per_class)
        bounds = sorted((box[v] for v in self.predicted), key=sum, reverse=True)
        left = n - sum(low for low, _ in bounds)  # images above the least predicted counts
        squares = sum(low * low for low, _ in bounds)
        for low, high in bounds:
            more = min(max(left, 0), high - low)
            left -= more
            squares += (low + high) * more  # low^2 + (low + high) more is at least p^2
        _, errors = self._bound_errors(box)
        moved = 2 * errors * (max(self.n_per_class) - min(self.n_per_class))
        least = max(0, n * n - squares, self._known_square - moved - 2 * errors * errors)
        greatest = min(n * n - -(-n * n // n_classes), self._known_square + moved)
        return least, max(least, greatest)


def _at_most_zero(form: LinearForm) -> LinearConstraint:
    return LinearConstraint(form.terms, None, -form.constant).reduced()


def _compare_with_root(x: int, factor: Fraction, square: int) -> int:
    """Return -1, 0 or 1: whether x is below, equal to or above ``factor * sqrt(square)``."""
    other = factor.numerator
    signed = x * abs(x) * factor.denominator**2 - other * abs(other) * square
    return (signed > 0) - (signed < 0)
