"""Decides whether one confusion matrix exists for which several printed figures are all true.

The solver works in floating point, so neither of its answers is trusted. "Feasible" counts once the
solver's values, rounded to whole numbers, are a confusion matrix for which every figure is true in
exact arithmetic. "Infeasible" counts once it is proven: linear programming gives a factor for each
constraint, and the sum of the constraints times these factors is fulfilled nowhere within the
bounds. That sum is computed in whole numbers (a Farkas certificate). Where fractions are a
solution and whole numbers are not, the bounds are split until each part has such a proof. All the
rest is "not decided".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.constraints import (
    RATIO_UNIT,
    Box,
    ConstraintSystem,
    FigureConstraint,
    Infeasible,
)
from fmbench.consistency.matrices import LinearConstraint, LinearForm, Ratio
from fmbench.consistency.solver import (
    Deadline,
    Solution,
    minimise,
    minimise_violation,
    proves_infeasibility,
)

MANY_VARIABLES = 500  # with more of them, asking for whole numbers may take HiGHS minutes
MAX_PARTS = 400  # into which a proof may split the bounds
MAX_STEPS = 14  # of the search for a point that fulfils a mean of ratios
APPROACH_SECONDS = 2.0  # for the same search: what it does not find soon, it rarely finds later
TOLERANCE = 1e-6  # the error that HiGHS may make; it guides the search and decides no verdict

Point = tuple[int, ...]  # a value for each variable


@dataclass(frozen=True)
class SearchResult:
    """A point for which all figures are true, or none: ``infeasible``, or not decided."""

    point: Point | None = None
    infeasible: bool = False


def find_matrix(
    system: ConstraintSystem, deadline: Deadline, *, thorough: bool = True
) -> SearchResult:
    """Look for a confusion matrix. A point is exact; ``infeasible`` is not proven.

    Without ``thorough``, and with a mean of ratios among the figures, only look whether they are
    infeasible.
    """
    if not system.ratio_variables:
        found = _solve_in_integers(system, system.constraints, system.box, deadline)
        if found.values is None:
            return SearchResult(infeasible=found.infeasible)
        point = _rounded(system, found.values)
        return SearchResult(point) if system.is_solved_by(point) else SearchResult()
    try:
        box = system.tightened(system.box)
    except Infeasible:
        return SearchResult(infeasible=True)
    constraints = system.relaxed(box)
    values, factors = minimise_violation(constraints, box, system.n_integers, deadline)
    if values is None:
        return SearchResult()
    if proves_infeasibility(constraints, factors, box):
        return SearchResult(infeasible=True)
    if not thorough:
        return SearchResult()
    # A matrix that fulfils the other figures often fulfils the means: little is left open for them.
    found = _solve_in_integers(system, system.constraints, box[: system.n_integers], deadline)
    if found.values is not None and system.is_solved_by(point := _rounded(system, found.values)):
        return SearchResult(point)
    return SearchResult(_approach(system, box, values, Deadline(APPROACH_SECONDS, deadline)))


def decide_with_proof(system: ConstraintSystem, deadline: Deadline) -> SearchResult:
    """Find an exact point, or prove that the figures are infeasible."""
    open_boxes = [system.box]
    for _ in range(MAX_PARTS):
        if not open_boxes:
            return SearchResult(infeasible=True)
        try:
            box = system.tightened(open_boxes.pop())
        except Infeasible:
            continue
        constraints = system.relaxed(box)
        values, factors = minimise_violation(constraints, box, system.n_integers, deadline)
        if values is None:
            break
        if proves_infeasibility(constraints, factors, box):
            continue
        point = _rounded(system, values)
        if system.is_solved_by(point):
            return SearchResult(point)
        parts = _split(system, box, values)
        if parts is None:
            break
        open_boxes += parts
    return SearchResult()


def find_extreme(
    system: ConstraintSystem, ratio: Ratio, sign: int, deadline: Deadline
) -> Fraction | None:
    """The least (``sign`` 1) or greatest (``sign`` -1) value of a metric under all the figures.

    Dinkelbach's method: the least ratio a/b is the root p of min(a - p b), approached from above in
    a few steps. ``None`` where there is no point, or no answer in time. With a mean of ratios among
    the figures, and with more than :data:`MANY_VARIABLES`, the value is a bound that need not be
    reached.
    """
    try:
        box = system.tightened(system.box) if system.ratio_variables else system.box
    except Infeasible:
        return None
    constraints = system.relaxed(box)
    if ratio.can_be_undefined:
        constraints.append(ratio.is_defined_constraint())
    is_exact = not system.ratio_variables and system.n_integers <= MANY_VARIABLES
    n_required = None if is_exact else 0
    best: Fraction | None = None
    objective = dict((ratio.numerator * sign).terms) if ratio.is_linear else {}
    while True:
        found = minimise(
            objective, constraints, box, system.n_integers, deadline,
            n_required_integers=n_required,
        )  # fmt: skip
        if found.values is None or not found.optimal:
            return None
        value = _ratio_at(ratio, found.values, sign, is_exact=is_exact)
        if best is not None and sign * value >= sign * best - TOLERANCE**2:
            return best
        best = value
        if ratio.is_linear:
            return best
        weighted = ratio.numerator * best.denominator - ratio.denominator * best.numerator
        objective = dict((weighted * sign).terms)


def _solve_in_integers(
    system: ConstraintSystem,
    constraints: Sequence[LinearConstraint],
    box: Box,
    deadline: Deadline,
) -> Solution:
    """Whole numbers that fulfil the constraints; ``infeasible`` is not proven.

    With many variables, first only the sums are asked to be whole. Few cells of the matrix are then
    fractions: all matrices with given row and column sums form a polytope whose corners are whole
    numbers, and MSE and MAE cut off some of them. So only the rows of the matrix that hold a
    fraction are solved again in whole numbers, and all rows if that fails.
    """
    n = system.n_integers
    if n <= MANY_VARIABLES:
        return minimise({}, constraints, box, n, deadline)
    n_sums, width = system.model.n_correct + 1, system.model.n_classes - 1
    found = minimise({}, constraints, box, n, deadline, n_required_integers=n_sums)
    if found.values is None:
        return found
    values = found.values[:n]
    with_fractions = {
        (v - n_sums) // width
        for v in range(n_sums, n)
        if abs(values[v] - round(values[v])) > TOLERANCE
    }
    attempts = (with_fractions, range(width + 1)) if with_fractions else (with_fractions,)
    for rows in attempts:
        fixed = [
            box[v] if v >= n_sums and (v - n_sums) // width in rows else (round(x), round(x))
            for v, x in enumerate(values)
        ]
        solved = minimise({}, constraints, fixed, n, deadline)
        if solved.values is not None:
            return solved
    return Solution(None)


def _ratio_at(ratio: Ratio, values: Sequence[float], sign: int, *, is_exact: bool) -> Fraction:
    """The metric at a point. If linear, its numerator is a whole number: round it inwards."""
    exact = [Fraction(round(x)) if is_exact else Fraction(x) for x in values]
    above, below = (
        sum((factor * exact[v] for v, factor in form.terms), Fraction(form.constant))
        for form in (ratio.numerator, ratio.denominator)
    )
    if ratio.is_linear:
        slight = Fraction(TOLERANCE)
        above = Fraction(ceil(above - slight) if sign > 0 else floor(above + slight))
    return above / below


def _rounded(system: ConstraintSystem, values: Sequence[float]) -> Point:
    return tuple(round(x) for x in values[: system.n_integers])


def _split(system: ConstraintSystem, box: Box, values: Sequence[float]) -> tuple[Box, Box] | None:
    """Two boxes that together hold every whole-number point of this one.

    The cut is where the solver's point is furthest from a solution: at the variable that is
    furthest from a whole number, or at the denominator of the ratio with the largest error.
    """
    largest_error, variable, value = TOLERANCE, None, 0.0
    for v in range(system.n_integers):
        error = abs(values[v] - round(values[v]))
        if error > largest_error and box[v][0] < box[v][1]:
            largest_error, variable, value = error, v, values[v]
    for ratio, r in system.ratio_variables.items() if variable is None else ():
        below, v = ratio.denominator.value_at(values), ratio.denominator.terms[0][0]
        error = (
            abs(ratio.numerator.value_at(values) / below - values[r] / RATIO_UNIT) if below else 0
        )
        if error > largest_error and box[v][0] < box[v][1]:
            largest_error, variable, value = error, v, values[v]
    if variable is None:
        return None
    low, high = box[variable]
    cut = min(max(floor(value), low), high - 1)
    lower, upper = list(box), list(box)
    lower[variable], upper[variable] = (low, cut), (cut + 1, high)
    return lower, upper


# ------------------------------------------------------------------- points for means of ratios


def _approach(
    system: ConstraintSystem, box: Box, values: Sequence[float], deadline: Deadline
) -> Point | None:
    """Search from ``values``, step by step, for a point that fulfils the means of ratios, too.

    In each step the means are replaced by their tangents at the last point; the nearer the next
    point, the smaller the error. Where no whole numbers fulfil the tangents, fractions are used to
    come nearer first. Only a point that fulfils the exact figures is returned.
    """
    means = [figure for figure in system.figures if figure.expression.is_mean]
    n = system.n_integers
    distances = {n + i: 1 for i in range(len(means))}  # variables: how far each mean is off
    far = [(0, 10 * RATIO_UNIT * system.model.n_classes) for _ in means]
    reach = system.model.n_images
    for _ in range(MAX_STEPS):
        tangents = [c for mean in means for c in _tangent_constraints(mean, values, None)]
        near = _box_around(system, box, values, reach)
        whole = _solve_in_integers(system, [*system.constraints, *tangents], near, deadline)
        if whole.values is not None:
            point = _rounded(system, whole.values)
            if system.is_solved_by(point):
                return point
            values = whole.values
        else:
            tangents = [
                constraint for mean, distance in zip(means, distances, strict=True)
                for constraint in _tangent_constraints(mean, values, distance)
            ]  # fmt: skip
            nearer = minimise(
                distances, [*system.constraints, *tangents], [*near, *far], n, deadline,
                n_required_integers=0,
            )  # fmt: skip
            if nearer.values is None:
                return None
            values = nearer.values
        reach = max(2, reach // 3)
    return None


def _box_around(system: ConstraintSystem, box: Box, values: Sequence[float], reach: int) -> Box:
    """The part of the box where no class's counts are further than ``reach`` from ``values``."""
    near = box[: system.n_integers]
    for v in range(system.model.n_correct):
        low, high = box[v]
        middle = min(max(round(values[v]), low), high)
        near[v] = max(low, middle - reach), min(high, middle + reach)
    return near


def _tangent_constraints(
    mean: FigureConstraint, values: Sequence[float], distance: int | None
) -> list[LinearConstraint]:
    """The mean's tangent is within ``distance``, a variable, of the middle of its interval.

    Without such a variable: within two fifths of the interval's width.
    """
    parts, interval = mean.expression.parts, mean.interval
    slopes: dict[int, float] = {}
    offset = len(parts) * float(interval.low + interval.high) / 2
    for part in parts:
        above, below = part.numerator.value_at(values), part.denominator.value_at(values)
        if below < TOLERANCE:
            continue
        offset -= above / below
        weights: tuple[tuple[LinearForm, float], ...] = (
            (part.numerator, 1 / below), (part.denominator, -above / below**2),
        )  # fmt: skip
        for form, weight in weights:
            for variable, factor in form.terms:
                slopes[variable] = slopes.get(variable, 0.0) + weight * factor
                offset += weight * factor * values[variable]
    terms = tuple((variable, round(RATIO_UNIT * slope)) for variable, slope in slopes.items())
    end = round(RATIO_UNIT * offset)
    if distance is None:
        slack = round(RATIO_UNIT * len(parts) * float(interval.high - interval.low) * 0.4)
        return [LinearConstraint(terms, end - slack, end + slack)]
    return [
        LinearConstraint((*terms, (distance, -1)), None, end),
        LinearConstraint((*terms, (distance, 1)), end, None),
    ]
