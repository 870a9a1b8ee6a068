"""Decides whether one confusion matrix exists for which several printed figures are all true.

The solver computes in floating point, so each of its answers is checked exactly:

- "Feasible": the solver's values are rounded to whole numbers. The answer counts if they are a
  confusion matrix for which every figure is true in exact arithmetic.
- "Infeasible": linear programming gives a factor for each constraint. The answer counts if the sum
  of the constraints, each times its factor, cannot be fulfilled within the bounds (a Farkas
  certificate). This sum is computed in whole numbers. If fractions fulfil the constraints but no
  whole numbers were found, the bounds are split until each part has such a proof.
- In all other cases the answer is "not decided".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from fmbench.consistency.linear import LinearConstraint, LinearForm
from fmbench.consistency.matrices import Ratio
from fmbench.consistency.solver import (
    Solution,
    WorkLimit,
    minimise,
    minimise_largest,
    minimise_violation,
    proves_infeasibility,
)

MANY_VARIABLES = 500  # with more variables, HiGHS may need minutes to find whole numbers
MAX_PARTS = 400  # a proof splits the bounds into at most this many parts
MAX_STEPS = 14  # the search for a point that fulfils a mean of ratios ends after these
# By which share of its size a class is predicted too often, or too rarely, where a search starts.
EXCESSES = (0.0, 0.05, 0.2, -0.2, 0.6)
APPROACH_WORK = 2000.0  # and after this much work; it rarely finds a point later
SOLVER_ERROR = 1e-9  # more than the error of a ratio at the solution of a linear program
TOLERANCE = 1e-6  # the rounding error of HiGHS; used in the search, never in a proof

Point = tuple[int, ...]  # a value for each variable


@dataclass(frozen=True)
class FeasibilityResult:
    """A point for which all figures are true; without one, ``infeasible`` or not decided."""

    point: Point | None = None
    infeasible: bool = False


def find_matrix(
    system: ConstraintSystem, limit: WorkLimit, *, thorough: bool = True
) -> FeasibilityResult:
    """Look for a confusion matrix. A point is exact; ``infeasible`` is not proven.

    If ``thorough`` is false and a figure is a mean of ratios or an MCC, this only tests whether the
    figures are infeasible.
    """
    if system.is_exact:
        found = _solve_in_integers(system, system.constraints, system.box, limit)
        if found.values is None:
            return FeasibilityResult(infeasible=found.infeasible)
        point = _round_point(system, found.values)
        return FeasibilityResult(point) if system.is_solved_by(point) else FeasibilityResult()
    try:
        box = system.tightened(system.box)
    except Infeasible:
        return FeasibilityResult(infeasible=True)
    constraints = system.relaxed(box)
    values, factors = minimise_violation(constraints, box, system.n_integers, limit)
    if values is None:
        return FeasibilityResult()
    if proves_infeasibility(constraints, factors, box):
        return FeasibilityResult(infeasible=True)
    if not thorough:
        return FeasibilityResult()
    # A matrix that fulfils the other figures often fulfils the means as well. If each class is
    # predicted as often as it occurs, precision, recall and F1 are equal, and so are MCC and kappa.
    for tried in (box[: system.n_integers], _fix_predicted_counts(system, box)):
        found = _solve_in_integers(system, system.linear_constraints(tried), tried, limit)
        if found.values is not None:
            point = _round_point(system, found.values)
            if system.is_solved_by(point):
                return FeasibilityResult(point)
    approach = WorkLimit(APPROACH_WORK, limit)
    for start, reach in _choose_starts(system, box, values, approach):
        near = _search_for_means(system, box, start, reach, approach)
        if near is not None:
            return FeasibilityResult(near)
    # Where the tangents lead nowhere, the corners of smaller and smaller boxes often do.
    return decide_with_proof(system, WorkLimit(APPROACH_WORK, limit))


def find_proof(system: ConstraintSystem, limit: WorkLimit) -> frozenset[int] | None:
    """Prove with one linear program that not all figures can be true.

    Returns the positions in ``system.figures`` of the figures that the proof needs, or ``None`` if
    there is no such proof. The figures may still contradict each other then: only whole numbers may
    show it.
    """
    for constraint, owner in zip(system.constraints, system.owners, strict=True):
        if owner is not None and _has_no_whole_number(constraint):
            return frozenset([owner])
    constraints, owners = map(list, zip(*system.relaxed_with_owners(system.box), strict=True))
    values, factors = minimise_violation(constraints, system.box, system.n_integers, limit)
    if values is None:
        return None
    if proves_infeasibility(constraints, factors, system.box):
        largest = max(map(abs, factors))
        clear = [factor if abs(factor) > TOLERANCE * largest else 0.0 for factor in factors]
        if not proves_infeasibility(constraints, clear, system.box):
            clear = factors
        return frozenset(
            owner
            for owner, factor in zip(owners, clear, strict=True)
            if owner is not None and factor
        )
    if system.is_exact:
        return None
    everything = frozenset(range(len(system.figures)))  # the tighter bounds come from all figures
    try:
        box = system.tightened(system.box)
    except Infeasible:
        return everything
    constraints = system.relaxed(box)
    _, factors = minimise_violation(constraints, box, system.n_integers, limit)
    return everything if proves_infeasibility(constraints, factors, box) else None


def _has_no_whole_number(constraint: LinearConstraint) -> bool:
    """Whether the limits exclude every value, as for 98.765 % of 100 images."""
    return (
        constraint.low is not None
        and constraint.high is not None
        and constraint.low > constraint.high
    )


def decide_with_proof(system: ConstraintSystem, limit: WorkLimit) -> FeasibilityResult:
    """Find an exact point, or prove that the figures are infeasible."""
    open_boxes = [system.box]
    for _ in range(MAX_PARTS):
        if not open_boxes:
            return FeasibilityResult(infeasible=True)
        if limit.reached:
            break
        try:
            box = system.tightened(open_boxes.pop())
        except Infeasible:
            continue
        constraints = system.relaxed(box)
        values, factors = minimise_violation(constraints, box, system.n_integers, limit)
        if values is None:
            break
        if proves_infeasibility(constraints, factors, box):
            continue
        point = _round_point(system, values)
        if system.is_solved_by(point):
            return FeasibilityResult(point)
        if system.excludes_correlation(box, point):
            continue
        parts = _split(system, box, values)
        if parts is None:
            break
        open_boxes += parts
    return FeasibilityResult()


def find_extreme(
    system: ConstraintSystem,
    ratio: Ratio,
    sign: int,
    limit: WorkLimit,
    *,
    bound_only: bool = False,
) -> Fraction | None:
    """Find the lowest (``sign`` 1) or highest (``sign`` -1) value of a metric under the figures.

    Dinkelbach's method: the lowest ratio a/b is the root p of min(a - p b), approached from above
    in a few steps. Returns ``None`` if there is no point, or no answer within the limit.

    In some cases the value is only a bound: the true lowest value may be higher (the true highest
    lower). These are: ``bound_only``, a figure is a mean of ratios or an MCC or limits the cells of
    the matrix, and more than :data:`MANY_VARIABLES` besides the cells.
    """
    try:
        box = system.box if system.is_exact else system.tightened(system.box)
    except Infeasible:
        return None
    constraints = system.relaxed(box)
    if ratio.can_be_undefined:
        constraints.append(ratio.is_defined_constraint())
    n_sums = system.model.n_correct + 1
    bound_only |= n_sums > MANY_VARIABLES or system.limits_cells
    # With whole sums, the best cells are whole numbers as well, unless a figure limits them.
    n_required = 0 if bound_only else n_sums
    best: Fraction | None = None
    objective = dict((ratio.numerator * sign).terms) if ratio.is_linear else {}
    while True:
        found = minimise(
            objective, constraints, box, system.n_integers, limit,
            n_required_integers=n_required,
        )  # fmt: skip
        if found.values is None or not found.optimal:
            return None
        value = _evaluate_ratio(ratio, found.values, sign, n_required)
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
    limit: WorkLimit,
) -> Solution:
    """Find whole numbers that fulfil the constraints; ``infeasible`` is not proven.

    With many variables, the first solve requires whole numbers only for the sums. Few cells of the
    matrix are fractions then: all matrices with given row and column sums form a polytope whose
    corners are whole numbers, and MSE and MAE cut off some of them. So only the rows of the matrix
    with a fraction are solved again in whole numbers. If that fails, all rows are.
    """
    n = system.n_integers
    if n <= MANY_VARIABLES:
        return minimise({}, constraints, box, n, limit)
    n_sums, width = system.model.n_correct + 1, system.model.n_classes - 1
    found = minimise({}, constraints, box, n, limit, n_required_integers=n_sums)
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
        solved = minimise({}, constraints, fixed, n, limit)
        if solved.values is not None:
            return solved
    return Solution(None)


def _evaluate_ratio(ratio: Ratio, values: Sequence[float], sign: int, n_whole: int) -> Fraction:
    """Compute the metric at a point whose first ``n_whole`` values are whole numbers.

    If the metric is linear, its numerator is a whole number, so it is rounded. Otherwise a value
    that comes from fractions is moved outwards by more than the error of the solver.
    """
    exact = [Fraction(round(x)) if v < n_whole else Fraction(x) for v, x in enumerate(values)]
    above, below = (
        sum((factor * exact[v] for v, factor in form.terms), Fraction(form.constant))
        for form in (ratio.numerator, ratio.denominator)
    )
    if ratio.is_linear:
        slight = Fraction(TOLERANCE)
        above = Fraction(ceil(above - slight) if sign > 0 else floor(above + slight))
    elif any(v >= n_whole for form in (ratio.numerator, ratio.denominator) for v, _ in form.terms):
        return above / below - sign * Fraction(SOLVER_ERROR)
    return above / below


def _round_point(system: ConstraintSystem, values: Sequence[float]) -> Point:
    return tuple(round(x) for x in values[: system.n_integers])


def _split(system: ConstraintSystem, box: Box, values: Sequence[float]) -> tuple[Box, Box] | None:
    """Split the box into two that together hold all its whole-number points.

    It is cut at the variable whose value is furthest from a whole number. If all are whole numbers,
    it is cut at the denominator of the ratio with the largest error, or, if there is none, at the
    predicted count, or the number of correct images, with the widest bounds.
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
        variable = max(system.correlated_variables, key=lambda v: box[v][1] - box[v][0], default=0)
        value = values[variable]
        if not system.correlated_variables or box[variable][0] == box[variable][1]:
            return None
    low, high = box[variable]
    cut = min(max(floor(value), low), high - 1)
    lower, upper = list(box), list(box)
    lower[variable], upper[variable] = (low, cut), (cut + 1, high)
    return lower, upper


# ------------------------------- search for a point that fulfils means of ratios, or an MCC


def _choose_starts(
    system: ConstraintSystem, box: Box, values: Sequence[float], limit: WorkLimit
) -> Iterator[tuple[Sequence[float], int]]:
    """Yield points at which the search for means starts, and how far its first step may go.

    The first point is a solution without the means. The others are those solutions that come
    nearest to the following: the recall of each class is the value of the first mean, and each is
    predicted as often as it occurs, or alternately more and less often. The latter matters: where
    precision equals recall, a small step does not change F1 against the mean of the two.
    "Means" here and below are means of ratios, and MCCs.
    """
    yield values, system.model.n_images
    mean = next(figure for figure in system.figures if figure.expression.is_relaxed)
    share = float(mean.interval.low + mean.interval.high) / 2
    n_integers, n_classes = system.n_integers, system.model.n_classes
    for excess in EXCESSES:
        distances = []
        for k, size in enumerate(system.model.n_per_class):
            signed = 0 if k == n_classes - 1 and n_classes % 2 else excess * (-1) ** k
            wanted = (
                (k, round(share * size)),
                (system.model.predicted(k), round(size + signed * size)),
            )
            for variable, count in wanted:
                difference = LinearForm(((variable, 1),), -count)
                distances += [(difference, 1 / size), (difference, -1 / size)]
        start, _ = minimise_largest(
            [(form, weight, LinearForm(), 0.0) for form, weight in distances],
            system.constraints, box[:n_integers], limit,
        )  # fmt: skip
        if start is not None:
            yield start, max(2, max(system.model.n_per_class) // 5)


def _search_for_means(
    system: ConstraintSystem,
    box: Box,
    values: Sequence[float],
    reach: int,
    limit: WorkLimit,
) -> Point | None:
    """Search, starting at ``values``, for a point that also fulfils the means of ratios.

    Each step replaces the means by their tangents at the last point. First it looks for whole
    numbers that fulfil the tangents. If they do not fulfil the exact figures, it goes to the point
    with fractions that comes nearest to the means, if that is nearer than the last one. Otherwise
    the next step is shorter, where tangents are more exact. Only a point that fulfils the exact
    figures is returned. No count changes by more than ``reach`` in the first step.
    """
    means = [figure for figure in system.figures if figure.expression.is_relaxed]
    n, n_classes = system.n_integers, system.model.n_classes
    distances = {n + i: 1 for i in range(len(means))}  # the variable for the error of each mean
    far = [(0, 10 * RATIO_UNIT * system.model.n_classes) for _ in means]
    error = _compute_error(means, values)
    for _ in range(MAX_STEPS):
        near = _build_box_around(system, box, values, reach)
        tangents = [c for mean in means for c in _build_tangents(mean, values, None, n_classes)]
        whole = _solve_in_integers(system, [*system.constraints, *tangents], near, limit)
        if whole.values is not None:
            point = _round_point(system, whole.values)
            if system.is_solved_by(point):
                return point
        tangents = [
            constraint for mean, distance in zip(means, distances, strict=True)
            for constraint in _build_tangents(mean, values, distance, n_classes)
        ]  # fmt: skip
        nearer = minimise(
            distances, [*system.constraints, *tangents], [*near, *far], n, limit,
            n_required_integers=0,
        )  # fmt: skip
        previous = error
        for found in (nearer.values, whole.values):
            if found is not None and (new := _compute_error(means, found)) < error:
                values, error = found, new
        if error > previous / 2:
            if limit.reached or reach <= 2:
                return None
            reach = max(2, reach // 3)
    return None


def _compute_error(means: Sequence[FigureConstraint], values: Sequence[float]) -> float:
    """Compute how far the means are from the middle of their intervals, in all."""
    middles = [float(mean.interval.low + mean.interval.high) / 2 for mean in means]
    found = [mean.expression.linearise(values)[0] for mean in means]
    return sum(abs(value - middle) for value, middle in zip(found, middles, strict=True))


def _fix_predicted_counts(system: ConstraintSystem, box: Box) -> Box:
    """Fix the predicted count of each class at its size, or as near to it as the box allows."""
    fixed = box[: system.n_integers]
    for k, size in enumerate(system.model.n_per_class):
        low, high = box[v := system.model.predicted(k)]
        fixed[v] = (min(max(size, low), high),) * 2
    return fixed


def _build_box_around(
    system: ConstraintSystem, box: Box, values: Sequence[float], reach: int
) -> Box:
    """Reduce the box to counts that differ from ``values`` by at most ``reach``."""
    near = box[: system.n_integers]
    for v in range(system.model.n_correct):
        low, high = box[v]
        middle = min(max(round(values[v]), low), high)
        near[v] = max(low, middle - reach), min(high, middle + reach)
    return near


def _build_tangents(
    mean: FigureConstraint, values: Sequence[float], distance: int | None, n_classes: int
) -> list[LinearConstraint]:
    """Build constraints that keep the mean's tangent near the middle of its interval.

    ``distance`` is the variable that says how far it may be from the middle. If it is None, the
    limit is two fifths of the interval's width.
    """
    interval, unit = mean.interval, RATIO_UNIT * n_classes
    value, slopes = mean.expression.linearise(values)
    offset = float(interval.low + interval.high) / 2 - value
    offset += sum(slope * values[variable] for variable, slope in slopes.items())
    terms = tuple((variable, round(unit * slope)) for variable, slope in slopes.items())
    end = round(unit * offset)
    if distance is None:
        slack = round(unit * float(interval.high - interval.low) * 0.4)
        return [LinearConstraint(terms, end - slack, end + slack)]
    return [
        LinearConstraint((*terms, (distance, -1)), None, end),
        LinearConstraint((*terms, (distance, 1)), end, None),
    ]
