"""Collects the constraints that several printed figures put on one confusion matrix.

A *variable* is an unknown whole number, such as the true positives of a class
(:mod:`fmbench.consistency.matrices`). A *constraint* limits a sum of variables: the printed
accuracy 98.80 % of 10,000 images limits the number of correct images to 9,879.5 to 9,880.5, so to
9,880. Figures contradict each other where no values of the variables fulfil all constraints.
This module solves nothing; :mod:`fmbench.consistency.feasibility` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fmbench.consistency.correlation import CorrelationExpression
from fmbench.consistency.linear import LinearConstraint, LinearForm
from fmbench.consistency.matrices import Expression, MatrixModel, MetricExpression, Ratio
from fmbench.suites.rounding import Interval

RATIO_UNIT = 10**7  # the ratio r of a class is the variable RATIO_UNIT * r
MAX_ROUNDS = 10  # bounds are tightened at most this often

Box = list[tuple[int, int]]  # for each variable the least and the greatest value


class Infeasible(Exception):
    """No values fulfil the constraints; this is proven."""


@dataclass(frozen=True)
class FigureConstraint:
    """What a printed figure says: this metric lies in this interval."""

    expression: Expression
    interval: Interval

    def widened(self, factor: Fraction) -> FigureConstraint:
        """The constraint after the interval has grown by a factor, around its middle."""
        low, high = self.interval.low, self.interval.high
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        interval = replace(self.interval, low=middle - half, high=middle + half)
        return replace(self, interval=interval)


class ConstraintSystem:
    """The constraints and bounds of every confusion matrix for which all figures are true.

    For a mean of ratios (macro precision, macro F1) each class's ratio gets a variable r_k in
    [0, 1]. The equation ``numerator = r_k * denominator`` is not linear. It is replaced by
    McCormick's four linear inequalities, which follow from it within given bounds. They are weaker
    than the equation; the narrower the bounds, the smaller the difference. If a ratio is 0/0, its
    r_k may have any value. The MCC is bounded by linear constraints as well
    (:mod:`fmbench.consistency.correlation`).

    ``box`` may limit the model's variables further, for a confusion matrix that is known in part.
    """

    def __init__(
        self, model: MatrixModel, figures: Sequence[FigureConstraint], box: Box | None = None
    ) -> None:
        self.model, self.figures = model, figures
        self.n_integers = len(model.bounds)  # the variables after these are the r_k
        self.constraints = list(model.constraints)
        self.ratio_constraints: list[LinearConstraint] = []
        # For each constraint the position of the figure that it comes from; None: of the model.
        self.owners: list[int | None] = [None] * len(self.constraints)
        self.ratio_owners: list[int] = []
        self.bounds: Box = list(model.bounds if box is None else box)
        self.box: Box = list(self.bounds)
        self.ratio_variables: dict[Ratio, int] = {}
        self._correlations: list[tuple[int, CorrelationExpression]] = []
        single: list[tuple[int, Ratio]] = []
        for i, figure in enumerate(figures):
            expression = figure.expression
            if isinstance(expression, CorrelationExpression):
                self._correlations.append((i, expression))
            elif expression.is_relaxed:
                self._add_mean(expression, figure.interval)
                self.ratio_owners.append(i)
            else:
                single.append((i, expression.parts[0]))
                self.constraints += expression.parts[0].constraints(figure.interval)
                self.owners += [i] * (len(self.constraints) - len(self.owners))
        # A figure of one class bounds its ratio, unless that may be 0/0.
        for i, part in single:
            interval = figures[i].interval
            is_defined = not part.can_be_undefined or not (0 in interval or 1 in interval)
            if part in self.ratio_variables and is_defined:
                low, high = interval.scaled(RATIO_UNIT).integer_range()
                terms = ((self.ratio_variables[part], 1),)
                self.ratio_constraints.append(LinearConstraint(terms, low - 1, high + 1))
                self.ratio_owners.append(i)

    @property
    def is_exact(self) -> bool:
        """Whether the linear constraints say exactly what the figures say."""
        return not self.ratio_variables and not self._correlations

    @property
    def correlated_variables(self) -> tuple[int, ...]:
        """The variables on which an MCC depends; empty if none is among the figures."""
        return next((expression.variables for _, expression in self._correlations), ())

    def excludes_correlation(self, box: Box, point: Sequence[int]) -> bool:
        """Whether an MCC has one value only within the box, and that is not the printed one."""
        return all(box[v][0] == box[v][1] == point[v] for v in self.correlated_variables) and any(
            not expression.lies_in(self.figures[i].interval, point)
            for i, expression in self._correlations
        )

    @property
    def limits_cells(self) -> bool:
        """Whether a figure, such as an MSE, limits single cells of the matrix."""
        n_sums = self.model.n_correct + 1
        return self.bounds[n_sums:] != self.model.bounds[n_sums:] or any(
            v >= n_sums
            for figure in self.figures
            for part in figure.expression.parts
            for v, _ in part.numerator.terms
        )

    def _add_mean(self, expression: MetricExpression, interval: Interval) -> None:
        for part in expression.parts:
            if part not in self.ratio_variables:
                self.ratio_variables[part] = len(self.box)
                self.box.append((0, RATIO_UNIT))
        total = sum(expression.weights)
        low, high = interval.scaled(RATIO_UNIT * total).integer_range()
        terms = tuple(
            (self.ratio_variables[part], weight)
            for part, weight in zip(expression.parts, expression.weights, strict=True)
        )
        self.ratio_constraints.append(LinearConstraint(terms, low - 1, high + 1))

    def is_solved_by(self, point: Sequence[int]) -> bool:
        """Whether these whole numbers are a confusion matrix for which every figure is true."""
        bounds = zip(point, self.bounds, strict=True)
        return (
            all(low <= x <= high for x, (low, high) in bounds)
            and all(constraint.holds_at(point) for constraint in self.model.constraints)
            and all(figure.expression.lies_in(figure.interval, point) for figure in self.figures)
        )

    def tightened(self, box: Box) -> Box:
        """Narrow the bounds without excluding a solution, and return them.

        Raises:
            Infeasible: there is no solution within the bounds.
        """
        box = list(box)
        for _ in range(MAX_ROUNDS):
            before = list(box)
            for constraint in (*self.constraints, *self.ratio_constraints):
                self._tighten_by_constraint(constraint, box)
            for constraint, _ in self._build_correlation_constraints(box):
                self._tighten_by_constraint(constraint, box)
            for ratio, r in self.ratio_variables.items():
                self._tighten_by_ratio(ratio, r, box)
            if box == before:
                break
        return box

    def _tighten_by_constraint(self, constraint: LinearConstraint, box: Box) -> None:
        """Bound each variable by the values that the constraint allows within the box."""
        low, high = constraint.low, constraint.high
        least, greatest = LinearForm(constraint.terms).value_range(box)
        if (high is None or greatest <= high) and (low is None or least >= low):
            return  # it holds for all values within the bounds
        if (high is not None and least > high) or (low is not None and greatest < low):
            raise Infeasible
        ends = [
            (c * box[v][0], c * box[v][1]) if c > 0 else (c * box[v][1], c * box[v][0])
            for v, c in constraint.terms
        ]
        for (v, c), (smallest, largest) in zip(constraint.terms, ends, strict=True):
            if high is not None and largest > (room := high - (least - smallest)):
                self._bound(box, v, room, c, is_upper=c > 0)
            if low is not None and smallest < (need := low - (greatest - largest)):
                self._bound(box, v, need, c, is_upper=c < 0)

    def _tighten_by_ratio(self, ratio: Ratio, r: int, box: Box) -> None:
        """Narrow by ``RATIO_UNIT * numerator = r * denominator``; neither side is below 0."""
        above = ratio.numerator.value_range(box)
        below = ratio.denominator.value_range(box)
        if below[0] > 0:
            self._bound(box, r, RATIO_UNIT * above[1], below[0], is_upper=True)
        if below[1] > 0:
            self._bound(box, r, RATIO_UNIT * above[0], below[1], is_upper=False)
        low, high = box[r]
        if len(ratio.numerator.terms) == 1 and not ratio.numerator.constant:
            ((v, factor),) = ratio.numerator.terms
            self._bound(box, v, low * below[0], RATIO_UNIT * factor, is_upper=factor < 0)
            self._bound(box, v, high * below[1], RATIO_UNIT * factor, is_upper=factor > 0)
            above = ratio.numerator.value_range(box)
        if len(ratio.denominator.terms) == 1:
            ((v, factor),), constant = ratio.denominator.terms, ratio.denominator.constant
            if low:
                room = RATIO_UNIT * above[1] - low * constant
                self._bound(box, v, room, low * factor, is_upper=factor > 0)
            if high:
                need = RATIO_UNIT * above[0] - high * constant
                self._bound(box, v, need, high * factor, is_upper=factor < 0)

    def _bound(self, box: Box, v: int, above: int, below: int, *, is_upper: bool) -> None:
        """Bound a variable by ``above / below``, rounded inwards if it is a whole number."""
        low, high = box[v]
        inwards = v < self.n_integers
        if is_upper:
            high = min(high, above // below if inwards else -(-above // below))
        else:
            low = max(low, -(-above // below) if inwards else above // below)
        if low > high:
            raise Infeasible
        box[v] = low, high

    def relaxed(self, box: Box) -> list[LinearConstraint]:
        """Return linear constraints that every solution within the box fulfils.

        If :attr:`is_exact`, whole numbers that fulfil them are a solution.
        """
        return [constraint for constraint, _ in self.relaxed_with_owners(box)]

    def relaxed_with_owners(self, box: Box) -> list[tuple[LinearConstraint, int | None]]:
        """Return each constraint of :meth:`relaxed` with the position of its figure, if any.

        McCormick's inequalities belong to no figure, because they hold for every matrix.
        """
        return [
            *zip(self.constraints, self.owners, strict=True),
            *zip(self.ratio_constraints, self.ratio_owners, strict=True),
            *self._build_correlation_constraints(box),
            *((constraint, None) for constraint in self._build_mccormick_constraints(box)),
        ]

    def linear_constraints(self, box: Box) -> list[LinearConstraint]:
        """Return the constraints of :meth:`relaxed` without those of means of ratios."""
        return [*self.constraints, *(c for c, _ in self._build_correlation_constraints(box))]

    def _build_correlation_constraints(self, box: Box) -> Iterator[tuple[LinearConstraint, int]]:
        for i, expression in self._correlations:
            for constraint in expression.constraints(self.figures[i].interval, box):
                yield constraint, i

    def _build_mccormick_constraints(self, box: Box) -> Iterator[LinearConstraint]:
        """Yield McCormick's inequalities for each ratio within the box.

        With r in [low, high] and denominator in [least, greatest], for instance
        ``(r - low) * (denominator - least) >= 0``, and so
        ``RATIO_UNIT * numerator >= low * denominator + least * r - low * least``.
        """
        for ratio, r in self.ratio_variables.items():
            (low, high), (least, greatest) = box[r], ratio.denominator.value_range(box)
            for edge, end, is_lower in (
                (low, least, True), (high, greatest, True),
                (high, least, False), (low, greatest, False),
            ):  # fmt: skip
                r_times_end = LinearForm(((r, end),) if end else ())
                form = ratio.numerator * RATIO_UNIT - ratio.denominator * edge - r_times_end
                limit = -edge * end - form.constant
                yield LinearConstraint(
                    form.terms, limit if is_lower else None, None if is_lower else limit
                )
