"""Computes how far figures that contradict each other are from being possible together.

The *severity* is the factor by which the rounding intervals of all the figures must grow, each
around its middle, until one confusion matrix exists for which all figures are true. It is found in
two steps:

1. A linear program gives the factor for matrices that may have fractions. A precision is not
   linear, so the program is solved again at its own solution a few times: the algorithm of
   Crouzeix, Ferland and Schaible for generalised fractional programs (J. Optimization Theory and
   Applications 47, 1985).
2. The factor counts if a confusion matrix is found for intervals that have grown by a little more,
   and none exists for a little less. Otherwise the factor is searched by bisection.

A matrix that is found is checked in exact arithmetic. That none exists is the solver's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, sqrt

from fmbench.consistency.constraints import ConstraintSystem, FigureConstraint
from fmbench.consistency.feasibility import decide_with_proof, find_matrix
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.solver import WorkLimit, minimise_largest

ACCURACY = 0.01  # of the severity, as a share of it
ROUGH_ACCURACY = 0.05
ACCURACY_NEAR_ONE = 0.001  # the same if the severity is below 2
MAX_WORK = 3000.0  # see WorkLimit
MAX_ROUNDS = 12  # linear programs of the first step; three or four suffice as a rule
MAX_DOUBLINGS = 20  # of the factor, in the search for a matrix
LARGEST_DENOMINATOR = 10**4  # of a factor as a fraction


def compute_severity(
    model: MatrixModel, figures: Sequence[FigureConstraint], limit: WorkLimit
) -> float | None:
    """Compute the severity of figures that cannot all be true, to within :data:`ACCURACY`.

    If a question of the search is not decided within the limit, :data:`ROUGH_ACCURACY` has to
    suffice, and ``None`` is returned if that is not reached either.
    """
    limit = WorkLimit(MAX_WORK, limit)
    guess = _solve_relaxation(model, figures, limit)
    if guess is None:
        return None
    accuracy = ACCURACY_NEAR_ONE if guess < 2 else ACCURACY
    impossible, possible = 1.0, inf
    for step in range(MAX_DOUBLINGS):  # upwards until a matrix is found
        factor = max(guess, 1.0) * (1 + accuracy / 3 * 2**step)
        answer = _can_be_true(model, figures, factor, limit)
        if answer:
            possible = factor
            break
        if answer is False:
            impossible = factor
    below = guess * (1 - accuracy / 3)
    if impossible < below and _can_be_true(model, figures, below, limit) is False:
        impossible = below
    while possible > impossible * (1 + 2 * accuracy):
        factor = sqrt(possible * impossible) if possible < inf else inf
        answer = None if factor == inf else _can_be_true(model, figures, factor, limit)
        if answer is None and possible > impossible * (1 + 2 * ROUGH_ACCURACY):
            return None
        if answer is None:
            break
        possible, impossible = (factor, impossible) if answer else (possible, factor)
    return guess if impossible <= guess <= possible else sqrt(possible * impossible)


def _can_be_true(
    model: MatrixModel, figures: Sequence[FigureConstraint], factor: float, limit: WorkLimit
) -> bool | None:
    """Whether all figures can be true after their intervals have grown; ``None``: not decided."""
    exact = Fraction(factor).limit_denominator(LARGEST_DENOMINATOR)
    system = ConstraintSystem(model, [figure.widened(exact) for figure in figures])
    found = find_matrix(system, limit)
    if system.is_exact and found.point is None and not found.infeasible:
        # The solver's rounding errors were too large; smaller and smaller bounds may help.
        found = decide_with_proof(system, limit)
    return True if found.point is not None else False if found.infeasible else None


def _solve_relaxation(
    model: MatrixModel, figures: Sequence[FigureConstraint], limit: WorkLimit
) -> float | None:
    """Compute a factor that is needed in any case: fractions are allowed, and means left out.

    A figure asks for ``|numerator - middle * denominator| <= factor * half * denominator``, where
    half is half the width of its interval. The least factor is the least possible value of the
    largest of these quotients.
    """
    parts = [
        (figure.expression.parts[0], figure.interval)
        for figure in figures
        if not figure.expression.is_relaxed
    ]
    point: Sequence[float] = [
        *model.n_per_class, *model.n_per_class, model.n_images,
        *[0.0] * (len(model.bounds) - model.n_correct - 1),
    ]  # fmt: skip
    factor = 1.0
    for _ in range(MAX_ROUNDS if parts else 0):
        forms = []
        for part, interval in parts:
            middle, half = (interval.low + interval.high) / 2, (interval.high - interval.low) / 2
            size = float(half) * max(part.denominator.value_at(point), 1.0)
            for sign in (1, -1):
                edge = sign * float(middle) + factor * float(half)
                forms.append((part.numerator, sign / size, part.denominator, -edge / size))
        values, _ = minimise_largest(forms, model.constraints, model.bounds, limit)
        if values is None:
            return None
        point = values
        reached = 0.0
        for part, interval in parts:
            middle, half = (interval.low + interval.high) / 2, (interval.high - interval.low) / 2
            below = part.denominator.value_at(point)
            if below > 1e-9:
                distance = abs(part.numerator.value_at(point) / below - float(middle))
                reached = max(reached, distance / float(half))
        previous, factor = factor, reached
        if abs(previous - factor) <= ACCURACY / 20 * factor:
            break
    return factor
