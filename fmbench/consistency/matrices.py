"""Describes all confusion matrices of a test set by whole-number variables and linear constraints.

Let K be the number of classes, n_k the images of class k, and N all images. A confusion matrix C
has the true classes as rows and the predicted classes as columns. Its row sums n_k are known. Most
metrics depend on three kinds of counts only. They are the variables, 2 K + 1 instead of K * K:

- the true positives C_kk of each class,
- the predicted count of each class, which is the sum of column k,
- n_correct, the sum of all true positives.

With ``false_negatives_k = n_k - true_positives_k`` and ``false_positives_k = predicted_k -
true_positives_k``, numbers >= 0 belong to a confusion matrix exactly if

    sum of false_positives = sum of false_negatives = N - n_correct, and
    false_negatives_k + false_positives_k <= N - n_correct   for each class k.

Proof: the cells off the diagonal transport false_negatives_i (the supply of row i) to
false_positives_j (the demand of column j), and cell (i, i) is forbidden. By Gale's theorem such a
transport in whole numbers exists if supply equals demand and no set of rows supplies more than the
columns that it can reach demand. Two rows or more reach every column. Row i alone reaches all
columns but its own: false_negatives_i <= (N - n_correct) - false_positives_i.

MSE and MAE depend on single cells. If one of them is among the figures, the cells off the
diagonal are variables as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import overload

from fmbench.metrics.metric import ClassCounts
from fmbench.metrics.registry import METRICS
from fmbench.suites.rounding import Interval

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


@dataclass(frozen=True)
class Ratio:
    """A metric as a quotient of two linear forms; the denominator is never negative.

    A denominator without variables makes the metric linear. ``max_denominator`` is the largest
    possible value of the denominator. ``can_be_undefined``: the denominator can be 0, as that of
    the precision of a class that was never predicted.
    """

    numerator: LinearForm
    denominator: LinearForm
    max_denominator: int
    can_be_undefined: bool = False

    @property
    def is_linear(self) -> bool:
        """Whether the mean of this metric over runs is the metric of the summed matrix."""
        return not self.denominator.terms

    def value_at(self, point: Point) -> Fraction | None:
        """Its exact value; ``None`` for 0/0."""
        denominator = self.denominator.value_at(point)
        return Fraction(self.numerator.value_at(point), denominator) if denominator else None

    def is_defined_constraint(self) -> LinearConstraint:
        """The constraint that the denominator is not 0."""
        return LinearConstraint(self.denominator.terms, 1 - self.denominator.constant, None)

    def constraints(self, interval: Interval) -> list[LinearConstraint]:
        """Return the constraints that hold if and only if this metric lies within the interval.

        A precision of 0/0 has no value; some programs print it as 0, some as 1. So a class may
        never be predicted only if the interval contains 0 or 1.
        """
        if self.is_linear:
            scaled = interval.scaled(self.denominator.constant, -self.numerator.constant)
            return [_reduce(self.numerator.terms, *scaled.integer_range())]
        low, high = interval.fraction_range(self.max_denominator)
        above = self.numerator * low.denominator - self.denominator * low.numerator  # >= 0
        below = self.numerator * high.denominator - self.denominator * high.numerator  # <= 0
        constraints = [
            _reduce(above.terms, -above.constant, None),
            _reduce(below.terms, None, -below.constant),
        ]
        if self.can_be_undefined and 0 not in interval and 1 not in interval:
            constraints.append(self.is_defined_constraint())
        if low > high:  # no fraction with so small a denominator lies in the interval
            constraints.append(LinearConstraint((), 1, None))
        return constraints


@dataclass(frozen=True)
class MetricExpression:
    """A metric as a formula of the variables: one ratio, or the mean of one for each class."""

    parts: tuple[Ratio, ...]

    @property
    def is_linear(self) -> bool:
        """See :attr:`Ratio.is_linear`."""
        return len(self.parts) == 1 and self.parts[0].is_linear

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean of ratios, which linear constraints cannot express exactly."""
        return len(self.parts) > 1

    def lies_in(self, interval: Interval, point: Point) -> bool:
        """Whether the metric lies in the interval, exactly.

        A ratio of 0/0 may count as 0 or as 1, or it may be left out of the mean.
        """
        values = [part.value_at(point) for part in self.parts]
        known = [value for value in values if value is not None]
        total, n = sum(known, Fraction(0)), len(values)
        if len(known) == n:
            return total / n in interval
        candidates = [total / n, (total + n - len(known)) / n]
        if known:
            candidates.append(total / len(known))
        return any(value in interval for value in candidates)


class MatrixModel:
    """All confusion matrices of a test set with ``n_per_class`` images of each class.

    ``has_cells``: the cells off the diagonal are variables as well.
    """

    def __init__(self, n_per_class: Sequence[int], *, has_cells: bool) -> None:
        self.n_per_class = tuple(n_per_class)
        self.has_cells = has_cells
        self.n_classes, self.n_images = len(n_per_class), sum(n_per_class)
        self.n_correct = 2 * self.n_classes  # the index of this variable
        self.bounds = [(0, n) for n in n_per_class] + [(0, self.n_images)] * (self.n_classes + 1)
        classes = range(self.n_classes)
        self.cells: dict[tuple[int, int], int] = {}  # the variable of each cell off the diagonal
        if has_cells:
            pairs = [(i, j) for i in classes for j in classes if i != j]
            self.cells = {pair: self.n_correct + 1 + v for v, pair in enumerate(pairs)}
            self.bounds += [(0, self.n_per_class[i]) for i, _ in pairs]
        self.constraints = self._build_matrix_constraints()

    def true_positives(self, k: int) -> int:
        """The variable of class k's true positives, C_kk."""
        return k

    def predicted(self, k: int) -> int:
        """The variable of class k's predicted count, the sum of column k."""
        return self.n_classes + k

    def _build_matrix_constraints(self) -> list[LinearConstraint]:
        """Build the constraints that hold for every confusion matrix, see the top of this file."""
        classes, n = range(self.n_classes), self.n_per_class
        all_correct = tuple((self.true_positives(k), 1) for k in classes)
        all_predicted = tuple((self.predicted(k), 1) for k in classes)
        constraints = [
            LinearConstraint((*all_correct, (self.n_correct, -1)), 0, 0),
            LinearConstraint(all_predicted, self.n_images, self.n_images),
        ]
        for k in classes:
            correct, predicted = self.true_positives(k), self.predicted(k)
            no_cell = ((predicted, 1), (correct, -2), (self.n_correct, 1))
            constraints.append(LinearConstraint(((predicted, 1), (correct, -1)), 0, None))
            constraints.append(LinearConstraint(no_cell, None, self.n_images - n[k]))
        if self.has_cells:
            for k in classes:
                correct, predicted = self.true_positives(k), self.predicted(k)
                others = [j for j in classes if j != k]
                row = ((self.cells[k, j], 1) for j in others)
                column = ((self.cells[j, k], 1) for j in others)
                constraints.append(LinearConstraint((*row, (correct, 1)), n[k], n[k]))
                constraints.append(LinearConstraint((*column, (correct, 1), (predicted, -1)), 0, 0))
        return constraints

    def expression(self, name: str, class_: int | None = None) -> MetricExpression:
        """Return a metric as a formula of the variables, from its declaration in the registry.

        ``class_``: the metric of this class; if None, that of all classes. A macro average is the
        mean over the classes.

        Raises:
            ValueError: the metric cannot be computed from the confusion matrix, or it needs the
                cells off the diagonal and this model does not have them.
        """
        metric = METRICS[name]
        if metric.overall_fraction is not None:
            return MetricExpression(
                (self._build_ratio(*metric.overall_fraction(_UnknownCounts(self))),)
            )
        if metric.class_fraction is None:
            raise ValueError(f"{name} is not a quotient of counts of the confusion matrix")
        parts = tuple(
            self._build_ratio(*metric.class_fraction(self._class_counts(k)))
            for k in (range(self.n_classes) if class_ is None else [class_])
        )
        if len(parts) > 1 and all(part.is_linear for part in parts):
            parts = (self._build_mean(parts),)
        return MetricExpression(parts)

    def _class_counts(self, k: int) -> ClassCounts:
        return ClassCounts(
            true_positives=LinearForm(((self.true_positives(k), 1),)),
            predicted=LinearForm(((self.predicted(k), 1),)),
            actual=self.n_per_class[k],
            n_images=self.n_images,
        )

    def _build_ratio(self, numerator: LinearForm | int, denominator: LinearForm | int) -> Ratio:
        """Build the quotient, reduced by the common divisor of all its numbers."""
        above, below = LinearForm() + numerator, LinearForm() + denominator
        divisor = gcd(above.common_divisor(), below.common_divisor())
        above = self._replace_known_sums(above.divided_by(divisor))
        below = self._replace_known_sums(below.divided_by(divisor))
        least, greatest = below.value_range(self.bounds)
        factors = dict(below.terms)
        if all(self.n_classes <= variable < self.n_correct for variable in factors):
            # The predicted counts add up to N, so the sum is smallest if one class gets all images.
            smallest = min(factors.get(self.predicted(k), 0) for k in range(self.n_classes))
            least = max(least, below.constant + self.n_images * smallest)
        return Ratio(above, below, greatest, can_be_undefined=least <= 0)

    def _build_mean(self, parts: Sequence[Ratio]) -> Ratio:
        """Combine the mean of linear ratios into one ratio."""
        denominator = reduce(lcm, (part.denominator.constant for part in parts))
        numerator = LinearForm()
        for part in parts:
            numerator += part.numerator * (denominator // part.denominator.constant)
        denominator *= len(parts)
        return Ratio(
            self._replace_known_sums(numerator), LinearForm((), denominator), denominator
        )  # fmt: skip

    def _replace_known_sums(self, form: LinearForm) -> LinearForm:
        """Replace sums over all classes, if all their factors are equal.

        The sum of the true positives becomes the variable n_correct, and the sum of the predicted
        counts becomes N. This makes kappa linear on a test set with equally large classes.
        """
        factors, constant = dict(form.terms), form.constant
        for variable in (self.true_positives, self.predicted):
            indices = [variable(k) for k in range(self.n_classes)]
            different = {factors.get(index, 0) for index in indices}
            if len(different) == 1 and (factor := different.pop()):
                for index in indices:
                    del factors[index]
                if variable == self.true_positives:
                    factors[self.n_correct] = factors.get(self.n_correct, 0) + factor
                else:
                    constant += factor * self.n_images
        return LinearForm(tuple(factors.items()), constant)


class _UnknownCounts:
    """The counts of an unknown matrix, see :class:`fmbench.metrics.metric.MatrixCounts`."""

    def __init__(self, model: MatrixModel) -> None:
        self._model = model
        self.n_images = model.n_images
        self.actual = model.n_per_class
        self.n_correct = LinearForm(((model.n_correct, 1),))
        self.predicted = [
            LinearForm(((model.predicted(k), 1),)) for k in range(model.n_classes)
        ]  # fmt: skip

    def weighted_sum(self, weight: Callable[[int, int], int]) -> LinearForm:
        model = self._model
        if not model.has_cells:
            raise ValueError("a metric that uses `weighted_sum` must declare `needs_cells`")
        diagonal = {(k, k): model.true_positives(k) for k in range(model.n_classes)}
        terms = ((v, weight(i, j)) for (i, j), v in (model.cells | diagonal).items())
        return LinearForm(tuple((variable, factor) for variable, factor in terms if factor))


def _reduce(
    terms: tuple[tuple[int, int], ...], low: int | None, high: int | None
) -> LinearConstraint:
    """Divide a constraint by the common divisor of its factors, and round its limits inwards."""
    divisor = gcd(*(factor for _, factor in terms)) or 1
    return LinearConstraint(
        tuple((variable, factor // divisor) for variable, factor in terms),
        None if low is None else -(-low // divisor),
        None if high is None else high // divisor,
    )
