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

from fmbench.consistency.correlation import CorrelationExpression
from fmbench.consistency.linear import LinearConstraint, LinearForm, Point
from fmbench.metrics.metric import ClassCounts, Metric
from fmbench.metrics.registry import METRICS
from fmbench.suites.rounding import Interval

SMALLEST_DENOMINATOR = 1e-6  # of a ratio in floating point; below it the ratio is left out


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
            return [LinearConstraint(self.numerator.terms, *scaled.integer_range()).reduced()]
        low, high = interval.fraction_range(self.max_denominator)
        above = self.numerator * low.denominator - self.denominator * low.numerator  # >= 0
        below = self.numerator * high.denominator - self.denominator * high.numerator  # <= 0
        constraints = [
            LinearConstraint(above.terms, -above.constant, None).reduced(),
            LinearConstraint(below.terms, None, -below.constant).reduced(),
        ]
        if self.can_be_undefined and 0 not in interval and 1 not in interval:
            constraints.append(self.is_defined_constraint())
        if low > high:  # no fraction with so small a denominator lies in the interval
            constraints.append(LinearConstraint((), 1, None))
        return constraints


@dataclass(frozen=True)
class MetricExpression:
    """A metric as a formula of the variables: one ratio, or the mean of one for each class.

    The mean is weighted by ``weights``, whole numbers above 0, one for each ratio.
    """

    parts: tuple[Ratio, ...]
    weights: tuple[int, ...] = (1,)

    @property
    def is_linear(self) -> bool:
        """See :attr:`Ratio.is_linear`."""
        return len(self.parts) == 1 and self.parts[0].is_linear

    @property
    def is_relaxed(self) -> bool:
        """Whether linear constraints are weaker than the metric: it is a mean of ratios."""
        return len(self.parts) > 1

    def lies_in(self, interval: Interval, point: Point) -> bool:
        """Whether the metric lies in the interval, exactly.

        A ratio of 0/0 may count as 0 or as 1, or it may be left out of the mean.
        """
        total, known, n = Fraction(0), 0, sum(self.weights)
        for part, weight in zip(self.parts, self.weights, strict=True):
            if (value := part.value_at(point)) is not None:
                total, known = total + weight * value, known + weight
        candidates = {total / n, (total + n - known) / n}
        if known:
            candidates.add(total / known)
        return any(value in interval for value in candidates)

    def linearise(self, values: Sequence[float]) -> tuple[float, dict[int, float]]:
        """Compute its value at a point, and its derivative by each variable, in floating point."""
        total, slopes, n = 0.0, dict[int, float](), sum(self.weights)
        for part, weight in zip(self.parts, self.weights, strict=True):
            above, below = part.numerator.value_at(values), part.denominator.value_at(values)
            if below < SMALLEST_DENOMINATOR:
                continue
            total += weight / n * above / below
            for form, slope in ((part.numerator, 1 / below), (part.denominator, -above / below**2)):
                for variable, factor in form.terms:
                    slopes[variable] = slopes.get(variable, 0.0) + weight / n * slope * factor
        return total, slopes


Expression = MetricExpression | CorrelationExpression


class MatrixModel:
    """All confusion matrices of a test set with ``n_per_class`` images of each class.

    ``has_cells``: the cells off the diagonal are variables as well. ``n_runs``: the matrix is the
    sum of so many runs, and ``n_per_class`` counts each image as often. A printed number of images
    is then the mean of the runs.
    """

    def __init__(self, n_per_class: Sequence[int], *, has_cells: bool, n_runs: int = 1) -> None:
        self.n_per_class = tuple(n_per_class)
        self.n_runs = n_runs
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

    def cell(self, true: int, predicted: int) -> int:
        """The variable of one cell of the matrix.

        Raises:
            ValueError: it is off the diagonal, and this model does not have such cells.
        """
        if true == predicted:
            return self.true_positives(true)
        if not self.has_cells:
            raise ValueError("this model has no cells off the diagonal")
        return self.cells[true, predicted]

    def build_point(self, rows: Sequence[Sequence[int]]) -> Point:
        """Return the value of each variable for a matrix, whose rows are the true classes."""
        classes = range(self.n_classes)
        right = [rows[k][k] for k in classes]
        predicted = [sum(rows[i][k] for i in classes) for k in classes]
        return (*right, *predicted, sum(right), *(rows[i][j] for i, j in self.cells))

    def expression(
        self,
        name: str,
        class_: int | None = None,
        *,
        average: str | None = None,
        predicted_as: int | None = None,
    ) -> Expression:
        """Return a metric as a formula of the variables, from its declaration in the registry.

        ``class_``: the metric of this class; if None, that of all classes. ``average`` says how the
        values of the classes become one: "macro" (the default) is their mean, "weighted" the mean
        weighted by the size of each class, and "micro" the formula applied to the sums of the
        counts of all classes. A cell is the number of images of ``class_`` that were predicted as
        ``predicted_as``.

        Raises:
            ValueError: the metric cannot be computed from the confusion matrix, or it needs the
                cells off the diagonal and this model does not have them.
        """
        if name == "mcc":
            return CorrelationExpression(
                self.n_per_class, tuple(map(self.predicted, range(self.n_classes))), self.n_correct
            )
        metric = METRICS[name]
        if metric.cell_fraction is not None:
            if class_ is None or predicted_as is None:
                raise ValueError(f"{name} needs a class and the class that was predicted")
            cell = LinearForm(((self.cell(class_, predicted_as), 1),))
            return self._build_single(metric, metric.cell_fraction(cell))
        if metric.overall_fraction is not None:
            return self._build_single(metric, metric.overall_fraction(_UnknownCounts(self)))
        if metric.class_fraction is None:
            raise ValueError(f"{name} is not a quotient of counts of the confusion matrix")
        if class_ is not None:
            return self._build_single(metric, metric.class_fraction(self._class_counts(class_)))
        if average == "micro":
            return self._build_single(metric, metric.class_fraction(self._pooled_counts()))
        parts = tuple(
            self._build_ratio(*metric.class_fraction(self._class_counts(k)))
            for k in range(self.n_classes)
        )
        common = gcd(*self.n_per_class) if average == "weighted" else 0
        weights = tuple(n // common if common else 1 for n in self.n_per_class)
        if len(parts) > 1 and all(part.is_linear for part in parts):
            return MetricExpression((self._build_mean(parts, weights),))
        return MetricExpression(parts, weights)

    def _build_single(
        self, metric: Metric, quotient: tuple[LinearForm | int, LinearForm | int]
    ) -> MetricExpression:
        above, below = quotient
        return MetricExpression(
            (self._build_ratio(above, below * self.n_runs if metric.is_count else below),)
        )

    def _class_counts(self, k: int) -> ClassCounts:
        return ClassCounts(
            true_positives=LinearForm(((self.true_positives(k), 1),)),
            predicted=LinearForm(((self.predicted(k), 1),)),
            actual=self.n_per_class[k],
            n_images=self.n_images,
        )

    def _pooled_counts(self) -> ClassCounts:
        """The sums of the counts of all classes, each of which has all images of the test set."""
        return ClassCounts(
            true_positives=LinearForm(((self.n_correct, 1),)),
            predicted=self.n_images,
            actual=self.n_images,
            n_images=self.n_images * self.n_classes,
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

    def _build_mean(self, parts: Sequence[Ratio], weights: Sequence[int]) -> Ratio:
        """Combine the weighted mean of linear ratios into one ratio."""
        common = reduce(lcm, (part.denominator.constant for part in parts))
        numerator = LinearForm()
        for part, weight in zip(parts, weights, strict=True):
            numerator += part.numerator * (weight * common // part.denominator.constant)
        denominator = LinearForm((), common * sum(weights))
        divisor = gcd(numerator.common_divisor(), denominator.constant)
        numerator, denominator = numerator.divided_by(divisor), denominator.divided_by(divisor)
        return Ratio(self._replace_known_sums(numerator), denominator, denominator.constant)

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
        self.correct_by_class = [
            LinearForm(((model.true_positives(k), 1),)) for k in range(model.n_classes)
        ]  # fmt: skip
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
