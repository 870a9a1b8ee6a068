"""Holds the figures of a paper against a confusion matrix that it prints.

A matrix of counts decides everything: each figure is computed from it exactly. A matrix of shares,
or the mean of several runs, is rounded. Then each cell has a least and a greatest number of images,
and figures are compared with all matrices between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor

from fmbench.consistency.conflicts import CellBounds, FigureGroup, Rows, ValueRange
from fmbench.consistency.solver import WorkLimit
from fmbench.suites.claims import Matrix, ReportedFigure
from fmbench.suites.rounding import parse_count, parse_share, round_back
from fmbench.suites.sources import find_run_kind


@dataclass(frozen=True)
class Clash:
    """A figure, by its index, that a printed matrix contradicts.

    The matrix gives it a value from ``low`` to ``high``, and it is not printed like any of them.
    """

    figure: int
    low: Fraction
    high: Fraction


class PrintedMatrix:
    """A printed matrix, and the figures of the same model and kind of run.

    ``problem`` says why no confusion matrix of this test set is printed like this; empty if one is.
    """

    def __init__(
        self,
        matrix: Matrix,
        n_per_class: Sequence[int],
        figures: Mapping[int, ReportedFigure],
        rounding: str,
        limit: WorkLimit,
    ) -> None:
        self.kind = find_run_kind(matrix)
        self._sizes = [n * matrix.mean_of for n in n_per_class]
        self._n_per_class, self._figures = n_per_class, figures
        self._rounding, self._limit = rounding, limit
        self.problem = ""
        if matrix.shares:
            self._bounds = self._read_shares(matrix)
        else:
            self._bounds = self._read_counts(matrix)
        if not self.problem:
            self._bounds = self._tighten(self._bounds)

    @property
    def rows(self) -> Rows | None:
        """The number of images in each cell; None if rounding leaves them open."""
        low, high = self._bounds
        return low if low == high and not self.problem else None

    @property
    def bounds(self) -> CellBounds:
        """The least and the greatest number of images in each cell."""
        return self._bounds

    def _read_counts(self, matrix: Matrix) -> CellBounds:
        rows = [[parse_count(str(cell)) for cell in row] for row in matrix.rows]
        sums = [sum(row) for row in rows]
        if sums == self._sizes:
            return rows, rows
        n_runs = matrix.mean_of
        if n_runs > 1 and sum(sums) < 2 * sum(self._n_per_class):  # the mean of the runs
            low = [[ceil(n_runs * (cell - Fraction(1, 2))) for cell in row] for row in rows]
            high = [[floor(n_runs * (cell + Fraction(1, 2))) for cell in row] for row in rows]
            return self._check_sums(matrix, [[max(0, cell) for cell in row] for row in low], high)
        k = next(i for i, found in enumerate(sums) if found != self._sizes[i])
        self.problem = (
            f"row {k + 1} adds up to {sums[k]:,} images, but class {k} has {self._sizes[k]:,}"
        )
        return rows, rows

    def _read_shares(self, matrix: Matrix) -> CellBounds:
        low: list[list[int]] = []
        high: list[list[int]] = []
        for k, (row, size) in enumerate(zip(matrix.rows, self._sizes, strict=True), 1):
            ends = [
                round_back(parse_share(str(cell)), self._rounding).scaled(size).integer_range()
                for cell in row
            ]
            low.append([max(0, a) for a, _ in ends])
            high.append([min(size, b) for _, b in ends])
            for cell, a, b in zip(row, low[-1], high[-1], strict=True):
                if a > b and not self.problem:
                    self.problem = f"no number of {size:,} images is printed as {cell} (row {k})"
        return (low, high) if self.problem else self._check_sums(matrix, low, high)

    def _check_sums(self, matrix: Matrix, low: Rows, high: Rows) -> CellBounds:
        for k, size in enumerate(self._sizes):
            if not sum(low[k]) <= size <= sum(high[k]) and not self.problem:
                total = sum(
                    parse_share(str(cell)) if matrix.shares else parse_count(str(cell))
                    for cell in matrix.rows[k]
                )
                whole = "1" if matrix.shares else f"{self._n_per_class[k]:,} images"
                self.problem = f"row {k + 1} adds up to {total}, not to {whole}"
        return low, high

    def _tighten(self, bounds: CellBounds) -> CellBounds:
        """Narrow the bounds of each cell by the size of its class."""
        low, high = [list(row) for row in bounds[0]], [list(row) for row in bounds[1]]
        for k, size in enumerate(self._sizes):
            least, greatest = sum(low[k]), sum(high[k])
            pairs = list(zip(low[k], high[k], strict=True))
            low[k] = [max(a, size - (greatest - b)) for a, b in pairs]
            high[k] = [min(b, size - (least - a)) for a, b in pairs]
        return low, high

    # ------------------------------------------------------------------ figures

    @cached_property
    def group(self) -> FigureGroup:
        """The figures as constraints on a confusion matrix within the bounds."""
        bounds = None if self.rows is not None else self._bounds
        return FigureGroup(
            self._n_per_class, self._figures, self._rounding, self._limit,
            kind=self.kind, cell_bounds=bounds,
        )  # fmt: skip

    def decide(self, members: Iterable[int]) -> bool | None:
        """Whether figures are all true for a matrix that is printed like this one."""
        chosen = [i for i in members if i in self.group.constraints]
        if self.rows is not None:
            return not self.group.find_false(chosen, self.rows)
        return self.group.decide(chosen)

    def find_clashes(self, members: Iterable[int]) -> tuple[Clash, ...]:
        """Return each figure that the matrix alone contradicts, and the values that it gives."""
        chosen = [i for i in members if i in self.group.constraints]
        if self.rows is not None:
            false = self.group.find_false(chosen, self.rows)
            return tuple(Clash(i, value, value) for i, value in false.items())
        clashes = []
        for i in chosen:
            interval, values = self.group.constraints[i].interval, self.group.find_values(i)
            if values and (values[1] < interval.low or values[0] > interval.high):
                clashes.append(Clash(i, *values))
        return tuple(clashes)

    def find_severity(self, clashes: Iterable[Clash]) -> float | None:
        """Return the factor by which the rounding of the figures must grow until all are true.

        A matrix of counts has no rounding. ``None`` for any other, and if nothing is rounded.
        """
        if self.rows is None:
            return None
        factors = []
        for clash in clashes:
            interval = self.group.constraints[clash.figure].interval
            middle, half = (interval.low + interval.high) / 2, (interval.high - interval.low) / 2
            factors.append(abs(clash.low - middle) / half)
        return float(max(factors)) if factors else None

    def find_implied(self) -> dict[str, ValueRange]:
        """Return the least and the greatest value of the implied metrics."""
        return {} if self.problem else self.group.find_implied_of(self.rows)

    def agrees_with(self, other: PrintedMatrix) -> bool:
        """Whether one confusion matrix is printed like both. Their rows have the same sums."""
        cells = zip(*self._bounds, *other._bounds, strict=True)
        for size, (low, high, its_low, its_high) in zip(self._sizes, cells, strict=True):
            ends = [
                (max(a, c), min(b, d))
                for a, b, c, d in zip(low, high, its_low, its_high, strict=True)
            ]
            if any(a > b for a, b in ends):
                return False
            if not sum(a for a, _ in ends) <= size <= sum(b for _, b in ends):
                return False
        return True
