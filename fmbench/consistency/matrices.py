"""The confusion matrices of a test set, as integers bounded by linear rows; every metric on them.

A matrix C (rows the truth, columns the prediction) of a test set whose class sizes n_k are known
enters every metric but MSE and MAE through three sums: the hits C_kk, the calls (the column sums)
and right, the sum of all hits. Those are the variables, 2 K + 1 of them instead of K². They belong
to a matrix exactly if, with misses_k = n_k - hits_k and strays_k = calls_k - hits_k, both >= 0,

    sum of strays = sum of misses = N - right,   and   misses_k + strays_k <= N - right.

Proof: the matrix off its diagonal is a transport of misses_i (supply of row i) to strays_j (demand
of column j), cell (i, i) forbidden. By Gale's theorem it exists, in whole numbers, if supply and
demand are equal and no set of rows S supplies more than the columns that it can reach demand. Two
rows or more reach every column; row i alone reaches all but its own: misses_i <= (N - right) -
strays_i. Where MSE or MAE is among the figures, the cells off the diagonal are variables too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import overload

from fmbench.suites.rounding import Interval

Point = Sequence[int]


@dataclass(frozen=True)
class Form:
    """A whole-number affine form of the variables: sum of factor * variable, plus a constant."""

    terms: tuple[tuple[int, int], ...] = ()  # (variable, factor)
    constant: int = 0

    @overload
    def at(self, point: Sequence[int]) -> int: ...
    @overload
    def at(self, point: Sequence[float]) -> float: ...
    def at(self, point: Sequence[int] | Sequence[float]) -> float:
        """Its value at a point, exact if that is of whole numbers."""
        return sum(factor * point[variable] for variable, factor in self.terms) + self.constant


@dataclass(frozen=True)
class Row:
    """``low <= sum of factor * variable <= high``, in whole numbers; ``None`` is no bound."""

    terms: tuple[tuple[int, int], ...]
    low: int | None
    high: int | None


@dataclass(frozen=True)
class Ratio:
    """A metric as a fraction of two forms; the denominator is never negative.

    ``largest`` bounds the denominator. It is constant where the metric is linear, and 0 only for
    the precision of a class that was never predicted.
    """

    numerator: Form
    denominator: Form
    largest: int

    @property
    def linear(self) -> bool:
        """Whether the mean of this metric over runs is the metric of the summed matrix."""
        return not self.denominator.terms

    def at(self, point: Point) -> Fraction | None:
        """Its exact value, ``None`` for 0/0."""
        below = self.denominator.at(point)
        return Fraction(self.numerator.at(point), below) if below else None

    def rows(self, within: Interval) -> list[Row]:
        """The rows that say "this metric lies within that interval", exactly.

        A precision of 0/0 has no value; some print it as 0, some as 1. So a class that was never
        predicted stays possible where the interval holds one of the two, and only there.
        """
        if self.linear:
            scaled = within.scaled(self.denominator.constant, -self.numerator.constant)
            return [_reduced(self.numerator.terms, *scaled.whole())]
        low, high = within.ratios(self.largest)
        rows = [
            _combined(self, low.denominator, low.numerator, lower=True),
            _combined(self, high.denominator, high.numerator, lower=False),
        ]
        if not self.denominator.constant and 0 not in within and 1 not in within:
            rows.append(Row(self.denominator.terms, 1, None))
        if low > high:  # no fraction with so small a denominator is printed so
            rows.append(Row((), 1, None))
        return rows


@dataclass(frozen=True)
class Expression:
    """A metric: one ratio, or the plain mean of one ratio for each class."""

    parts: tuple[Ratio, ...]

    @property
    def linear(self) -> bool:
        """See :attr:`Ratio.linear`."""
        return len(self.parts) == 1 and self.parts[0].linear

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean of ratios, which no row can say exactly."""
        return len(self.parts) > 1

    def fits(self, within: Interval, point: Point) -> bool:
        """Whether the metric lies in the interval, exactly; a 0/0 counts as 0, as 1 or not."""
        values = [part.at(point) for part in self.parts]
        known = [value for value in values if value is not None]
        total, n = sum(known, Fraction(0)), len(values)
        if len(known) == n:
            return total / n in within
        candidates = [total / n, (total + n - len(known)) / n]
        if known:
            candidates.append(total / len(known))
        return any(value in within for value in candidates)


class Polytope:
    """All confusion matrices of a test set with ``n_per_class`` images of each class.

    ``cells``: whether the cells off the diagonal are variables, which MSE and MAE need.
    """

    def __init__(self, n_per_class: Sequence[int], *, cells: bool) -> None:
        self.n_per_class = tuple(n_per_class)
        self.cells = cells
        self.n_classes, self.n = len(n_per_class), sum(n_per_class)
        self.right = 2 * self.n_classes
        self.bounds = [(0, n) for n in n_per_class] + [(0, self.n)] * (self.n_classes + 1)
        classes = range(self.n_classes)
        self._cell = {}
        if cells:
            pairs = [(i, j) for i in classes for j in classes if i != j]
            self._cell = {pair: self.right + 1 + v for v, pair in enumerate(pairs)}
            self.bounds += [(0, self.n_per_class[i]) for i, _ in pairs]
        self.rows = self._structure()

    def hits(self, k: int) -> int:
        """The variable C_kk."""
        return k

    def calls(self, k: int) -> int:
        """The variable of column k's sum."""
        return self.n_classes + k

    def _structure(self) -> list[Row]:
        classes, n = range(self.n_classes), self.n_per_class
        rows = [
            Row((*((self.hits(k), 1) for k in classes), (self.right, -1)), 0, 0),
            Row(tuple((self.calls(k), 1) for k in classes), self.n, self.n),
        ]
        for k in classes:
            hits, calls = self.hits(k), self.calls(k)
            rows.append(Row(((calls, 1), (hits, -1)), 0, None))
            rows.append(Row(((calls, 1), (hits, -2), (self.right, 1)), None, self.n - n[k]))
        if self.cells:
            for k in classes:
                others = [j for j in classes if j != k]
                row = ((self._cell[k, j], 1) for j in others)
                column = ((self._cell[j, k], 1) for j in others)
                rows.append(Row((*row, (self.hits(k), 1)), n[k], n[k]))
                rows.append(Row((*column, (self.hits(k), 1), (self.calls(k), -1)), 0, 0))
        return rows

    def expression(self, metric: str, class_: int | None = None) -> Expression:
        """The metric of one class, or of all: macro averages are plain means over classes."""
        whole = {"accuracy": self._accuracy, "kappa": self._kappa}
        if metric in whole:
            return Expression((whole[metric](),))
        if metric in ("mse", "mae"):
            if not self.cells:
                raise ValueError(f"{metric} needs the cells off the diagonal")
            power = 2 if metric == "mse" else 1
            terms = tuple((v, abs(i - j) ** power) for (i, j), v in self._cell.items())
            return Expression((Ratio(Form(terms), Form((), self.n), self.n),))
        one = getattr(self, f"_{metric}")
        if class_ is not None:
            return Expression((one(class_),))
        parts = tuple(one(k) for k in range(self.n_classes))
        return Expression((self._mean(parts),) if parts[0].linear else parts)

    def _accuracy(self) -> Ratio:
        return Ratio(Form(((self.right, 1),)), Form((), self.n), self.n)

    def _kappa(self) -> Ratio:
        """(N right - q) / (N² - q) with q = sum n_k calls_k: the row sums being fixed, a ratio.

        N² > q, for no class has all N images. On a balanced set q is N²/K: kappa is linear.
        """
        n, divisor = self.n_per_class, reduce(gcd, self.n_per_class)
        if len(set(n)) == 1:
            return Ratio(
                Form(((self.right, self.n_classes),), -self.n),
                Form((), self.n * (self.n_classes - 1)), self.n * (self.n_classes - 1),
            )  # fmt: skip
        q = tuple((self.calls(k), -n[k] // divisor) for k in range(self.n_classes))
        largest = self.n // divisor * self.n
        return Ratio(
            Form((*q, (self.right, self.n // divisor))), Form(q, largest), largest
        )  # fmt: skip

    def _recall(self, k: int) -> Ratio:
        size = self.n_per_class[k]
        return Ratio(Form(((self.hits(k), 1),)), Form((), size), size)

    def _specificity(self, k: int) -> Ratio:
        """1 - strays / (N - n_k)."""
        others = self.n - self.n_per_class[k]
        terms = ((self.hits(k), 1), (self.calls(k), -1))
        return Ratio(Form(terms, others), Form((), others), others)

    def _informedness(self, k: int) -> Ratio:
        """Recall + specificity - 1 = hits / n_k - strays / (N - n_k)."""
        size, others = self.n_per_class[k], self.n - self.n_per_class[k]
        below = lcm(size, others)
        terms = (
            (self.hits(k), below // size + below // others), (self.calls(k), -below // others),
        )  # fmt: skip
        return Ratio(Form(terms), Form((), below), below)

    def _precision(self, k: int) -> Ratio:
        calls = Form(((self.calls(k), 1),))
        return Ratio(Form(((self.hits(k), 1),)), calls, self.n)

    def _f1(self, k: int) -> Ratio:
        size = self.n_per_class[k]
        calls = Form(((self.calls(k), 1),), size)
        return Ratio(Form(((self.hits(k), 2),)), calls, self.n + size)

    def _mean(self, parts: Sequence[Ratio]) -> Ratio:
        """The mean of linear ratios; equal factors are gathered."""
        below = reduce(lcm, (part.denominator.constant for part in parts))
        terms: dict[int, int] = {}
        constant = 0
        for part in parts:
            factor = below // part.denominator.constant
            constant += factor * part.numerator.constant
            for variable, value in part.numerator.terms:
                terms[variable] = terms.get(variable, 0) + factor * value
        constant += self._gather(terms)
        below *= len(parts)
        return Ratio(Form(tuple(terms.items()), constant), Form((), below), below)

    def _gather(self, terms: dict[int, int]) -> int:
        """Replace hits by right and calls by their sum N where all factors agree."""
        constant = 0
        for variable in (self.hits, self.calls):
            indices = [variable(k) for k in range(self.n_classes)]
            factors = {terms.get(index, 0) for index in indices}
            if len(factors) == 1 and (factor := factors.pop()):
                for index in indices:
                    del terms[index]
                if variable == self.hits:
                    terms[self.right] = factor
                else:
                    constant = factor * self.n
        return constant


def _reduced(terms: tuple[tuple[int, int], ...], low: int | None, high: int | None) -> Row:
    """The same row with its factors' common divisor taken out, its ends rounded inwards."""
    divisor = reduce(gcd, (factor for _, factor in terms), 0) or 1
    return Row(
        tuple((variable, factor // divisor) for variable, factor in terms),
        None if low is None else -(-low // divisor),
        None if high is None else high // divisor,
    )


def _combined(ratio: Ratio, by: int, minus: int, *, lower: bool) -> Row:
    """``by * numerator - minus * denominator`` >= 0 (``lower``) or <= 0."""
    terms: dict[int, int] = {}
    for form, factor in ((ratio.numerator, by), (ratio.denominator, -minus)):
        for variable, value in form.terms:
            terms[variable] = terms.get(variable, 0) + factor * value
    end = minus * ratio.denominator.constant - by * ratio.numerator.constant
    kept = tuple((variable, factor) for variable, factor in terms.items() if factor)
    return _reduced(kept, end if lower else None, None if lower else end)
