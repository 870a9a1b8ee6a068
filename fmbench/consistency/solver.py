"""HiGHS, through scipy: solves rows and bounds in floating point; and the proof that needs none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmbench.consistency.constraints import GRID, Box
from fmbench.consistency.matrices import Row

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

MAX_SECONDS = 30.0  # of one solve, by the wall clock: that is the one which HiGHS watches
MAX_NODES = 2000  # of one solve
_PRECISION = 40  # bits kept of a proof's factors
_LARGE = 12  # bits of a row's factors above which HiGHS is shown it scaled down


class Deadline:
    """Seconds of computing after which searching ends; what is open by then stays not decided.

    Counted in this process's own computing time, so that the verdict on a busy machine is the same
    as on an idle one.
    """

    def __init__(self, seconds: float, within: Deadline | None = None) -> None:
        self._end = time.process_time() + seconds
        if within:
            self._end = min(self._end, within._end)

    @property
    def passed(self) -> bool:
        """Whether time is up."""
        return time.process_time() >= self._end


def hush() -> None:
    """For the rest of the process, what HiGHS prints goes nowhere; ``sys.stdout`` stays as it was.

    HiGHS has a line that it prints whatever it is told (jump-dev/HiGHS.jl issue 312), and what
    :mod:`fmbench.cli` prints is read by programs.
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
    """``values`` of the variables (class ratios in units of 1/GRID), ``None`` without a point.

    ``impossible`` and ``optimal`` are what HiGHS says, within its tolerances.
    """

    values: list[float] | None
    impossible: bool = False
    optimal: bool = False


def minimise(
    objective: Mapping[int, int],
    rows: Sequence[Row],
    box: Box,
    n_whole: int,
    deadline: Deadline,
    *,
    n_asked: int | None = None,
) -> Solution:
    """Minimise a linear objective over rows and box.

    The first ``n_whole`` variables stand for whole numbers, the others for ratios; that the first
    ``n_asked`` (all of those, unless given) come out whole is asked for.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    if deadline.passed:
        return Solution(None)
    units = _units(len(box), n_whole)
    matrix, low, high = _arrays(rows, units, [max(0, _bits(row) - _LARGE) for row in rows])
    costs = np.zeros(len(box))
    largest = max((abs(factor) for factor in objective.values()), default=0) or 1
    for variable, factor in objective.items():
        costs[variable] = factor / largest * units[variable]
    result = milp(
        costs,
        integrality=np.arange(len(box)) < (n_whole if n_asked is None else n_asked),
        bounds=Bounds(*(np.array(box, dtype=float) / units[:, None]).T),
        constraints=LinearConstraint(matrix, low, high),
        options={"time_limit": MAX_SECONDS, "node_limit": MAX_NODES, "mip_rel_gap": 0.0},
    )
    values = None if result.x is None else (result.x * units).tolist()
    return Solution(values, result.status == 2, result.status == 0)


def least_violation(
    rows: Sequence[Row], box: Box, n_whole: int, deadline: Deadline
) -> tuple[list[float] | None, list[float]]:
    """The point of the box (fractions allowed) that violates the rows least, and factors.

    Minimises t with low - t <= row <= high + t, each row scaled to factors below 1. Where t > 0,
    the dual values are the factors with which the rows contradict each other, see
    :func:`contradicts`.
    """
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, hstack, vstack

    if deadline.passed:
        return None, []
    units = _units(len(box), n_whole)
    matrix, low, high = _arrays(rows, units, [_bits(row) for row in rows])
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
        options={"time_limit": MAX_SECONDS},
    )
    if result.status != 0:
        return None, []
    duals = -result.ineqlin.marginals
    factors = np.zeros(len(rows))
    factors[above] -= duals[: above.sum()]
    factors[below] += duals[above.sum() :]
    return (result.x[:-1] * units).tolist(), factors.tolist()


def contradicts(rows: Sequence[Row], factors: Sequence[float], box: Box) -> bool:
    """Whether the rows, each times its factor, add up to what no point of the box fulfils.

    A positive factor takes its row's lower end, a negative one the upper, so that every point that
    fulfils the rows has ``sum of total * variable >= needed``. All of it in whole numbers: whatever
    is wrong with the factors can make this fail, but never succeed falsely.
    """
    largest = max((abs(factor) for factor in factors), default=0.0)
    if not largest:
        return False
    scales = [_bits(row) for row in rows]
    top = max(scales)
    totals: dict[int, int] = {}
    needed = 0
    for row, factor, scale in zip(rows, factors, scales, strict=True):
        whole = round(factor / largest * (1 << _PRECISION)) << (top - scale)
        end = row.low if whole > 0 else row.high
        if not whole or end is None:
            continue
        needed += whole * end
        for variable, value in row.terms:
            totals[variable] = totals.get(variable, 0) + whole * value
    most = sum(total * box[v][total > 0] for v, total in totals.items())
    return most < needed


def _units(n: int, n_whole: int) -> np.ndarray:
    """What one of each variable is for HiGHS: class ratios go from 0 to 1 there."""
    import numpy as np

    return np.where(np.arange(n) < n_whole, 1.0, float(GRID))


def _bits(row: Row) -> int:
    return max((abs(c) for _, c in row.terms), default=1).bit_length()


def _arrays(
    rows: Sequence[Row], units: np.ndarray, bits: Sequence[int]
) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Sparse matrix ``(n_rows, n)`` and its two sides, each row divided by 2**bits.

    By a power of two, so that factors below 2**53 stay exact; whole numbers of any size divide.
    """
    import numpy as np
    from scipy.sparse import csr_array

    ends = [np.inf, -np.inf]
    low, high = np.full(len(rows), ends[1]), np.full(len(rows), ends[0])
    for i, (row, b) in enumerate(zip(rows, bits, strict=True)):
        low[i] = ends[1] if row.low is None else row.low / (1 << b)
        high[i] = ends[0] if row.high is None else row.high / (1 << b)
    data = [c / (1 << b) for row, b in zip(rows, bits, strict=True) for _, c in row.terms]
    columns = np.array([v for row in rows for v, _ in row.terms], dtype=int)
    starts = np.cumsum([0, *(len(row.terms) for row in rows)])
    shape = (len(rows), len(units))
    return csr_array((np.array(data) * units[columns], columns, starts), shape=shape), low, high
