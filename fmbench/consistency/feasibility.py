"""Can these claims be true of one confusion matrix? Searched in floating point, decided exactly.

Neither answer of the solver is believed. "Feasible" counts once its point, rounded to whole
numbers, is a matrix for which every claim holds in exact arithmetic. "Infeasible" counts once it is
proven: linear programming yields factors whose combination of the rows no point of the box fulfils,
and that combination is evaluated in whole numbers (a Farkas certificate). Where only whole numbers
are impossible, the box is split until every part has such a proof. All else is "not decided".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.constraints import GRID, Box, Claim, Impossible, Program
from fmbench.consistency.matrices import Form, Ratio, Row
from fmbench.consistency.solver import Deadline, Solution, contradicts, least_violation, minimise

MANY = 500  # variables: more whole numbers at once may take HiGHS minutes
MAX_NODES = 400  # parts of the box that a proof may need
MAX_STEPS = 14  # of the search for a point that fulfils a mean of ratios
APPROACH_SECONDS = 2.0  # the same search: what it does not find soon it hardly ever finds
_SLIGHT = 1e-6  # what HiGHS may be off by; decides where to look, never a verdict

Point = tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """A point for which all claims hold, or none: ``impossible`` or not decided."""

    point: Point | None = None
    impossible: bool = False


def search(program: Program, deadline: Deadline, *, thorough: bool = True) -> Outcome:
    """Look for a point. A point is exact; ``impossible`` is the solver's word, not a proof.

    Not ``thorough``: with a mean of ratios among the claims, see only whether it is impossible.
    """
    if not program.ratios:
        found = _whole(program, program.rows, program.box, deadline)
        if found.values is None:
            return Outcome(impossible=found.impossible)
        point = _rounded(program, found.values)
        return Outcome(point) if program.holds(point) else Outcome()
    try:
        box = program.tighten(program.box)
    except Impossible:
        return Outcome(impossible=True)
    rows = program.relaxation(box)
    values, factors = least_violation(rows, box, program.n_whole, deadline)
    if values is None:
        return Outcome()
    if contradicts(rows, factors, box):
        return Outcome(impossible=True)
    if not thorough:
        return Outcome()
    # What is true of the other claims may well be true of the means: they leave it little room.
    found = _whole(program, program.rows, box[: program.n_whole], deadline)
    if found.values is not None and program.holds(point := _rounded(program, found.values)):
        return Outcome(point)
    return Outcome(_approach(program, box, values, Deadline(APPROACH_SECONDS, deadline)))


def prove(program: Program, deadline: Deadline) -> Outcome:
    """Decide with proof: an exact point, or ``impossible`` beyond the solver's word."""
    open_boxes = [program.box]
    for _ in range(MAX_NODES):
        if not open_boxes:
            return Outcome(impossible=True)
        try:
            box = program.tighten(open_boxes.pop())
        except Impossible:
            continue
        rows = program.relaxation(box)
        values, factors = least_violation(rows, box, program.n_whole, deadline)
        if values is None:
            break
        if contradicts(rows, factors, box):
            continue
        point = _rounded(program, values)
        if program.holds(point):
            return Outcome(point)
        parts = _split(program, box, values)
        if parts is None:
            break
        open_boxes += parts
    return Outcome()


def extreme(program: Program, ratio: Ratio, sign: int, deadline: Deadline) -> Fraction | None:
    """The least (``sign`` 1) or greatest (-1) value of a metric under the program's claims.

    Dinkelbach's method: the least ratio a/b is the root p of min (a - p b), found from above in a
    few steps. ``None`` where there is no point or no answer in time. With a mean of ratios among
    the claims, and with :data:`MANY` variables, the value is a bound that need not be reached.
    """
    try:
        box = program.tighten(program.box) if program.ratios else program.box
    except Impossible:
        return None
    rows = program.relaxation(box)
    if not ratio.denominator.constant:
        rows.append(Row(ratio.denominator.terms, 1, None))
    whole = not program.ratios and program.n_whole <= MANY
    best: Fraction | None = None
    objective = _combined((ratio.numerator, sign)) if ratio.linear else {}
    while True:
        found = minimise(
            objective, rows, box, program.n_whole, deadline, n_asked=None if whole else 0
        )
        if found.values is None or not found.optimal:
            return None
        value = _value(ratio, found.values, sign, whole=whole)
        if best is not None and sign * value >= sign * best - _SLIGHT**2:
            return best
        best = value
        if ratio.linear:
            return best
        objective = _combined(
            (ratio.numerator, sign * best.denominator), (ratio.denominator, -sign * best.numerator)
        )


def _whole(program: Program, rows: Sequence[Row], box: Box, deadline: Deadline) -> Solution:
    """A point of whole numbers; ``impossible`` is the solver's word.

    Where there are many variables, the sums come first, and then whole cells in place of the
    fractions that go with them. Those are few: the matrices of given row and column sums are a
    polytope with whole corners, of which MSE and MAE cut off some. So only the rows of the matrix
    that have a fraction are filled anew, and if that fails, the others with them.
    """
    n = program.n_whole
    if n <= MANY:
        return minimise({}, rows, box, n, deadline)
    n_sums, width = program.polytope.right + 1, program.polytope.n_classes - 1
    found = minimise({}, rows, box, n, deadline, n_asked=n_sums)
    if found.values is None:
        return found
    values = found.values[:n]
    cut = {
        (v - n_sums) // width
        for v in range(n_sums, n)
        if abs(values[v] - round(values[v])) > _SLIGHT
    }
    for again in (cut, range(width + 1)) if cut else (cut,):
        part = [
            box[v] if v >= n_sums and (v - n_sums) // width in again else (round(x), round(x))
            for v, x in enumerate(values)
        ]
        filled = minimise({}, rows, part, n, deadline)
        if filled.values is not None:
            return filled
    return Solution(None)


def _value(ratio: Ratio, values: Sequence[float], sign: int, *, whole: bool) -> Fraction:
    """The metric at a point; at one of fractions, its numerator rounded inwards if linear."""
    exact = [Fraction(round(x)) if whole else Fraction(x) for x in values]
    above, below = (
        sum((factor * exact[v] for v, factor in form.terms), Fraction(form.constant))
        for form in (ratio.numerator, ratio.denominator)
    )
    if ratio.linear:
        slight = Fraction(_SLIGHT)
        above = Fraction(ceil(above - slight) if sign > 0 else floor(above + slight))
    return above / below


def _rounded(program: Program, values: Sequence[float]) -> Point:
    return tuple(round(x) for x in values[: program.n_whole])


def _combined(*parts: tuple[Form, int]) -> dict[int, int]:
    """The factors of a sum of forms, each times a whole number."""
    total: dict[int, int] = {}
    for form, times in parts:
        for variable, factor in form.terms:
            total[variable] = total.get(variable, 0) + times * factor
    return total


def _split(program: Program, box: Box, values: Sequence[float]) -> tuple[Box, Box] | None:
    """Two boxes that hold all the whole points of this one, cut where the relaxation is wrong."""
    worst, where, amount = _SLIGHT, None, 0.0
    for v in range(program.n_whole):
        off = abs(values[v] - round(values[v]))
        if off > worst and box[v][0] < box[v][1]:
            worst, where, amount = off, v, values[v]
    for ratio, r in program.ratios.items() if where is None else ():
        below, calls = ratio.denominator.at(values), ratio.denominator.terms[0][0]
        off = abs(ratio.numerator.at(values) / below - values[r] / GRID) if below else 0.0
        if off > worst and box[calls][0] < box[calls][1]:
            worst, where, amount = off, calls, values[calls]
    if where is None:
        return None
    low, high = box[where]
    cut = min(max(floor(amount), low), high - 1)
    lower, upper = list(box), list(box)
    lower[where], upper[where] = (low, cut), (cut + 1, high)
    return lower, upper


# ------------------------------------------------------------------- points for means of ratios


def _approach(
    program: Program, box: Box, values: Sequence[float], deadline: Deadline
) -> Point | None:
    """A point for which the means of ratios hold too, in steps from ``values``.

    In each step the means are replaced by their tangents at the last point, which is the more exact
    the nearer it lies. Where no whole numbers fit those, fractions come nearer first. The exact
    figures decide.
    """
    means = [claim for claim in program.claims if claim.expression.is_mean]
    n = program.n_whole
    distances = {n + i: 1 for i in range(len(means))}
    far = [(0, 10 * GRID * program.polytope.n_classes) for _ in means]
    reach = program.polytope.n
    for _ in range(MAX_STEPS):
        tangents = [row for claim in means for row in _tangent(claim, values, None)]
        near = _around(program, box, values, reach)
        whole = _whole(program, [*program.rows, *tangents], near, deadline)
        if whole.values is not None:
            point = _rounded(program, whole.values)
            if program.holds(point):
                return point
            values = whole.values
        else:
            tangents = [
                row for claim, d in zip(means, distances, strict=True)
                for row in _tangent(claim, values, d)
            ]  # fmt: skip
            nearer = minimise(
                distances, [*program.rows, *tangents], [*near, *far], n, deadline, n_asked=0
            )
            if nearer.values is None:
                return None
            values = nearer.values
        reach = max(2, reach // 3)
    return None


def _around(program: Program, box: Box, values: Sequence[float], reach: int) -> Box:
    """The part of the box in which no class's hits or calls are further than ``reach`` away."""
    near = box[: program.n_whole]
    for v in range(program.polytope.right):
        low, high = box[v]
        middle = min(max(round(values[v]), low), high)
        near[v] = max(low, middle - reach), min(high, middle + reach)
    return near


def _tangent(claim: Claim, values: Sequence[float], distance: int | None) -> list[Row]:
    """The mean's tangent at a point is within ``distance`` (a variable) of its interval's middle.

    Without a variable: within two fifths of the interval's width.
    """
    parts, within = claim.expression.parts, claim.within
    slopes: dict[int, float] = {}
    offset = len(parts) * float(within.low + within.high) / 2
    for part in parts:
        above, below = part.numerator.at(values), part.denominator.at(values)
        if below < _SLIGHT:
            continue
        offset -= above / below
        for form, weight in ((part.numerator, 1 / below), (part.denominator, -above / below**2)):
            for variable, factor in form.terms:
                slopes[variable] = slopes.get(variable, 0.0) + weight * factor
                offset += weight * factor * values[variable]
    terms = tuple((variable, round(GRID * slope)) for variable, slope in slopes.items())
    end = round(GRID * offset)
    if distance is None:
        slack = round(GRID * len(parts) * float(within.high - within.low) * 0.4)
        return [Row(terms, end - slack, end + slack)]
    return [Row((*terms, (distance, -1)), None, end), Row((*terms, (distance, 1)), end, None)]
