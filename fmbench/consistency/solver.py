"""Solves linear constraints in floating point with HiGHS, and checks proofs exactly.

A *box* gives each variable's least and greatest value.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmbench.consistency.constraints import RATIO_UNIT, Box
from fmbench.consistency.linear import LinearConstraint, LinearForm

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

MAX_SOLVE_SECONDS = 30.0  # limit for one solve; the other limits end nearly all before it
MAX_NODES = 2000  # limit for HiGHS's search tree in one solve
PROOF_BITS = 40  # precision to which the factors of a proof are rounded
MAX_UNSCALED_BITS = 12  # constraints with larger factors are scaled down for HiGHS
# The work of one solve: of a linear program and each factor of its constraints, of a program in
# whole numbers, each factor and each node of its search tree. As milliseconds on one core of an AMD
# EPYC, they predict the time of a whole check to within a factor of about 2 (76 checks of tables).
WORK_OF_LINEAR, WORK_OF_LINEAR_FACTOR = 2.0, 0.003
WORK_OF_WHOLE, WORK_OF_WHOLE_FACTOR, WORK_OF_NODE = 5.0, 0.02, 1.0


class WorkLimit:
    """Ends a search after some work; questions without an answer stay "not decided".

    Work is counted, not timed, so that the same figures get the same answers on every machine,
    fast or busy. A unit of work takes about a millisecond (:data:`WORK_OF_LINEAR`). ``within`` is
    another limit: work counts for both, and this one ends when either is reached.
    """

    def __init__(self, work: float, within: WorkLimit | None = None) -> None:
        self._left, self._within = work, within

    def add(self, work: float) -> None:
        """Count work that was done."""
        self._left -= work
        if self._within is not None:
            self._within.add(work)

    @property
    def reached(self) -> bool:
        """Whether all the work is done that this limit allows."""
        return self._left <= 0 or (self._within is not None and self._within.reached)


def silence_solver_output() -> None:
    """Discard what HiGHS prints, until the process ends; ``sys.stdout`` works as before.

    HiGHS prints one line even if it is told to be silent (jump-dev/HiGHS.jl issue 312), and other
    programs read what :mod:`fmbench.cli` prints.
    """
    try:
        if sys.stdout.fileno() != 1:
            return
    except (AttributeError, OSError, ValueError):  # not a file, as in a notebook
        return
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = ours


@dataclass(frozen=True)
class Solution:
    """The ``values`` of the variables (class ratios times RATIO_UNIT); ``None`` if none were found.

    ``infeasible`` and ``optimal`` are HiGHS's own answers, true within its tolerances.
    """

    values: list[float] | None
    infeasible: bool = False
    optimal: bool = False


def minimise(
    objective: Mapping[int, int],
    constraints: Sequence[LinearConstraint],
    box: Box,
    n_integers: int,
    limit: WorkLimit,
    *,
    n_required_integers: int | None = None,
) -> Solution:
    """Minimise a linear objective under the constraints, within the box.

    The first ``n_integers`` variables stand for whole numbers, the others for ratios. The solution
    has whole numbers for the first ``n_required_integers`` variables, by default ``n_integers``.
    """
    import numpy as np
    from scipy import optimize

    if limit.reached:
        return Solution(None)
    units = _compute_units(len(box), n_integers)
    matrix, low, high = _build_arrays(
        constraints,
        units,
        [max(0, _count_bits(constraint) - MAX_UNSCALED_BITS) for constraint in constraints],
    )
    costs = np.zeros(len(box))
    largest = max((abs(factor) for factor in objective.values()), default=0) or 1
    for variable, factor in objective.items():
        costs[variable] = factor / largest * units[variable]
    result = optimize.milp(
        costs,
        integrality=np.arange(len(box))
        < (n_integers if n_required_integers is None else n_required_integers),
        bounds=optimize.Bounds(*(np.array(box, dtype=float) / units[:, None]).T),
        constraints=optimize.LinearConstraint(matrix, low, high),
        options={"time_limit": MAX_SOLVE_SECONDS, "node_limit": MAX_NODES, "mip_rel_gap": 0.0},
    )
    n_nodes = getattr(result, "mip_node_count", None) or 0
    if n_required_integers == 0:
        _count_linear_program(limit, matrix)
    else:
        factors = WORK_OF_WHOLE_FACTOR * matrix.nnz
        limit.add(WORK_OF_WHOLE + factors + WORK_OF_NODE * n_nodes)
    values = None if result.x is None else (result.x * units).tolist()
    return Solution(values, result.status == 2, result.status == 0)


def minimise_violation(
    constraints: Sequence[LinearConstraint], box: Box, n_integers: int, limit: WorkLimit
) -> tuple[list[float] | None, list[float]]:
    """Find the point of the box that violates the constraints least, and factors for a proof.

    The point may have fractions. Each constraint is scaled to factors below 1; then t is minimised
    with ``low - t <= constraint <= high + t``. If t > 0, the dual values are the factors that
    :func:`proves_infeasibility` needs.
    """
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, hstack, vstack

    if limit.reached:
        return None, []
    units = _compute_units(len(box), n_integers)
    matrix, low, high = _build_arrays(
        constraints, units, [_count_bits(constraint) for constraint in constraints]
    )
    below, above = np.isfinite(low), np.isfinite(high)
    one_sided = vstack([matrix[above], -matrix[below]])
    slack = coo_array(-np.ones((one_sided.shape[0], 1)))
    bounds = np.array(box, dtype=float) / units[:, None]
    result = linprog(
        np.append(np.zeros(len(box)), 1.0),
        A_ub=hstack([one_sided, slack]).tocsr(),
        b_ub=np.concatenate([high[above], -low[below]]),
        bounds=np.vstack([bounds, [0, np.inf]]),
        method="highs",
        options={"time_limit": MAX_SOLVE_SECONDS},
    )
    _count_linear_program(limit, one_sided)
    if result.status != 0:
        return None, []
    duals = -result.ineqlin.marginals
    factors = np.zeros(len(constraints))
    factors[above] -= duals[: above.sum()]
    factors[below] += duals[above.sum() :]
    return (result.x[:-1] * units).tolist(), factors.tolist()


def minimise_largest(
    quantities: Sequence[tuple[LinearForm, float, LinearForm, float]],
    constraints: Sequence[LinearConstraint],
    box: Box,
    limit: WorkLimit,
) -> tuple[list[float] | None, float]:
    """Find the point at which the largest of several quantities is least, and that value.

    Each quantity ``(a, x, b, y)`` stands for ``x * a + y * b``. The point may have fractions. It is
    ``None`` if there is none, or no answer in time.
    """
    import numpy as np
    from scipy import optimize
    from scipy.sparse import coo_array, csr_array, hstack, vstack

    if limit.reached:
        return None, 0.0
    n = len(box)
    matrix, low, high = _build_arrays(constraints, np.ones(n), [0] * len(constraints))
    rows = np.zeros((len(quantities), n))
    constants = np.zeros(len(quantities))
    for row, (some, x, other, y) in enumerate(quantities):
        for form, weight in ((some, x), (other, y)):
            constants[row] += weight * form.constant
            for variable, factor in form.terms:
                rows[row, variable] += weight * factor
    whole = vstack([
        hstack([csr_array(rows), coo_array(-np.ones((len(quantities), 1)))]),
        hstack([matrix, coo_array((len(constraints), 1))]),
    ])  # fmt: skip
    bounds = np.array([*box, (-np.inf, np.inf)], dtype=float)
    result = optimize.milp(
        np.append(np.zeros(n), 1.0),
        bounds=optimize.Bounds(*bounds.T),
        constraints=optimize.LinearConstraint(
            whole.tocsr(),
            np.append(np.full(len(quantities), -np.inf), low),
            np.append(-constants, high),
        ),
        options={"time_limit": MAX_SOLVE_SECONDS},
    )
    _count_linear_program(limit, whole)
    if result.status != 0:
        return None, 0.0
    return result.x[:-1].tolist(), float(result.x[-1])


def proves_infeasibility(
    constraints: Sequence[LinearConstraint], factors: Sequence[float], box: Box
) -> bool:
    """Whether the sum of the constraints, each times its factor, cannot be fulfilled in the box.

    A positive factor multiplies the constraint's lower limit, a negative one the upper limit. So
    every point that fulfils all constraints has ``sum of total * variable >= needed``. Everything
    is computed in whole numbers, so wrong factors can only make the proof fail. They can never make
    it succeed.
    """
    largest = max((abs(factor) for factor in factors), default=0.0)
    if not largest:
        return False
    scales = [_count_bits(constraint) for constraint in constraints]
    top = max(scales)
    totals: dict[int, int] = {}
    needed = 0
    for constraint, factor, scale in zip(constraints, factors, scales, strict=True):
        whole = round(factor / largest * (1 << PROOF_BITS)) << (top - scale)
        end = constraint.low if whole > 0 else constraint.high
        if not whole or end is None:
            continue
        needed += whole * end
        for variable, value in constraint.terms:
            totals[variable] = totals.get(variable, 0) + whole * value
    most = sum(total * box[v][total > 0] for v, total in totals.items())
    return most < needed


def _count_linear_program(limit: WorkLimit, matrix: csr_array) -> None:
    """Count the work of a linear program with the constraints ``matrix``."""
    limit.add(WORK_OF_LINEAR + WORK_OF_LINEAR_FACTOR * matrix.nnz)


def _compute_units(n: int, n_integers: int) -> np.ndarray:
    """Return the unit of each variable for HiGHS, in which class ratios go from 0 to 1."""
    import numpy as np

    return np.where(np.arange(n) < n_integers, 1.0, float(RATIO_UNIT))


def _count_bits(constraint: LinearConstraint) -> int:
    return max((abs(c) for _, c in constraint.terms), default=1).bit_length()


def _build_arrays(
    constraints: Sequence[LinearConstraint], units: np.ndarray, bits: Sequence[int]
) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Build a sparse matrix ``(n_constraints, n_variables)`` of the constraints, and their limits.

    Each constraint is divided by 2**bits. A power of two keeps factors below 2**53 exact.
    """
    import numpy as np
    from scipy.sparse import csr_array

    ends = [np.inf, -np.inf]
    low, high = np.full(len(constraints), ends[1]), np.full(len(constraints), ends[0])
    for i, (constraint, b) in enumerate(zip(constraints, bits, strict=True)):
        low[i] = ends[1] if constraint.low is None else constraint.low / (1 << b)
        high[i] = ends[0] if constraint.high is None else constraint.high / (1 << b)
    data = [
        c / (1 << b)
        for constraint, b in zip(constraints, bits, strict=True)
        for _, c in constraint.terms
    ]
    columns = np.array([v for constraint in constraints for v, _ in constraint.terms], dtype=int)
    starts = np.cumsum([0, *(len(constraint.terms) for constraint in constraints)])
    shape = (len(constraints), len(units))
    return csr_array((np.array(data) * units[columns], columns, starts), shape=shape), low, high
