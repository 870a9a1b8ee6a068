"""Claims about one confusion matrix held together: exact rows, exact bounds, nothing solved yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fmbench.consistency.matrices import Expression, Polytope, Ratio, Row
from fmbench.suites.rounding import Interval

GRID = 10**7  # a class's ratio r is held as the number GRID * r
PASSES = 10

Box = list[tuple[int, int]]  # the least and the most that each variable may be


class Impossible(Exception):
    """Proven: no point is left."""


@dataclass(frozen=True)
class Claim:
    """A metric and the interval that its printed figure allows."""

    expression: Expression
    within: Interval


class Program:
    """Rows and bounds that every confusion matrix fulfils for which all claims are true.

    A mean of ratios (macro precision, macro F1) gets a variable r_k in [0, 1] for each class's
    ratio. ``ratio = r_k * denominator`` is not linear, so r_k is only fenced in by McCormick's four
    inequalities over the box at hand. All that follows from them is true, and the smaller the box,
    the less they leave out. For a 0/0, r_k is free.
    """

    def __init__(self, polytope: Polytope, claims: Sequence[Claim]) -> None:
        self.polytope, self.claims = polytope, claims
        self.n_whole = len(polytope.bounds)  # the variables after these are the r_k
        self.rows = list(polytope.rows)
        self.ratio_rows: list[Row] = []
        self.box: Box = list(polytope.bounds)
        self.ratios: dict[Ratio, int] = {}
        for claim in claims:
            if claim.expression.is_mean:
                self._add_mean(claim)
            else:
                self.rows += claim.expression.parts[0].rows(claim.within)
        for claim in claims:  # a class's own figure bounds its ratio, unless that may be a 0/0
            part, within = claim.expression.parts[0], claim.within
            defined = part.denominator.constant or not (0 in within or 1 in within)
            if part in self.ratios and not claim.expression.is_mean and defined:
                low, high = within.scaled(GRID).whole()
                self.ratio_rows.append(Row(((self.ratios[part], 1),), low - 1, high + 1))

    def _add_mean(self, claim: Claim) -> None:
        parts = claim.expression.parts
        for part in parts:
            if part not in self.ratios:
                self.ratios[part] = len(self.box)
                self.box.append((0, GRID))
        low, high = claim.within.scaled(GRID * len(parts)).whole()
        terms = tuple((self.ratios[part], 1) for part in parts)
        self.ratio_rows.append(Row(terms, low - 1, high + 1))

    def holds(self, point: Sequence[int]) -> bool:
        """Whether a point of whole numbers is a matrix for which every claim is true."""
        bounds = zip(point, self.polytope.bounds, strict=True)
        return (
            all(low <= x <= high for x, (low, high) in bounds)
            and all(_fulfils(row, point) for row in self.polytope.rows)
            and all(claim.expression.fits(claim.within, point) for claim in self.claims)
        )

    def tighten(self, box: Box) -> Box:
        """A smaller box with the same points. Raises :class:`Impossible` if none is left."""
        box = list(box)
        for _ in range(PASSES):
            before = list(box)
            for row in (*self.rows, *self.ratio_rows):
                self._tighten_row(row, box)
            for ratio, r in self.ratios.items():
                self._tighten_ratio(ratio, r, box)
            if box == before:
                break
        return box

    def _tighten_row(self, row: Row, box: Box) -> None:
        least = most = 0
        for v, c in row.terms:
            low, high = box[v]
            least += c * (low if c > 0 else high)
            most += c * (high if c > 0 else low)
        if (row.high is None or most <= row.high) and (row.low is None or least >= row.low):
            return  # whatever the variables are, it holds
        if (row.high is not None and least > row.high) or (row.low is not None and most < row.low):
            raise Impossible
        ends = [
            (c * box[v][0], c * box[v][1]) if c > 0 else (c * box[v][1], c * box[v][0])
            for v, c in row.terms
        ]
        for (v, c), (low, high) in zip(row.terms, ends, strict=True):
            if row.high is not None and high > (room := row.high - (least - low)):
                self._bound(box, v, room, c, is_upper=c > 0)
            if row.low is not None and low < (need := row.low - (most - high)):
                self._bound(box, v, need, c, is_upper=c < 0)

    def _tighten_ratio(self, ratio: Ratio, r: int, box: Box) -> None:
        """``GRID * factor * hits = r * (calls + constant)``, nothing in it below 0."""
        hits, calls, factor, constant = _parts(ratio)
        factor *= GRID
        fewest, most = box[calls][0] + constant, box[calls][1] + constant
        if fewest > 0:
            self._bound(box, r, factor * box[hits][1], fewest, is_upper=True)
        if most > 0:
            self._bound(box, r, factor * box[hits][0], most, is_upper=False)
        low, high = box[r]
        self._bound(box, hits, low * fewest, factor, is_upper=False)
        self._bound(box, hits, high * most, factor, is_upper=True)
        if low:
            self._bound(box, calls, factor * box[hits][1] - low * constant, low, is_upper=True)
        if high:
            self._bound(box, calls, factor * box[hits][0] - high * constant, high, is_upper=False)

    def _bound(self, box: Box, v: int, above: int, below: int, *, is_upper: bool) -> None:
        """Bound a variable by ``above / below``; rounded inwards if it is a whole number."""
        low, high = box[v]
        inwards = v < self.n_whole
        if is_upper:
            high = min(high, above // below if inwards else -(-above // below))
        else:
            low = max(low, -(-above // below) if inwards else above // below)
        if low > high:
            raise Impossible
        box[v] = low, high

    def relaxation(self, box: Box) -> list[Row]:
        """All rows, with those of the ratios over the box; whole numbers apart, what must hold."""
        return [*self.rows, *self.ratio_rows, *self._fences(box)]

    def _fences(self, box: Box) -> Iterator[Row]:
        """McCormick's inequalities of every ratio over the box."""
        for ratio, r in self.ratios.items():
            hits, calls, factor, constant = _parts(ratio)
            (low, high), fewest, most = box[r], box[calls][0] + constant, box[calls][1] + constant
            for edge, end, is_lower in (
                (low, fewest, True), (high, most, True), (high, fewest, False), (low, most, False),
            ):  # fmt: skip
                # r * denominator >= (<=) edge * denominator + end * r - edge * end
                terms = ((hits, GRID * factor), (calls, -edge), (r, -end))
                bound = edge * constant - edge * end
                kept = tuple((v, c) for v, c in terms if c)
                yield Row(kept, bound if is_lower else None, None if is_lower else bound)


def _parts(ratio: Ratio) -> tuple[int, int, int, int]:
    """hits, calls, factor, constant of ``factor * hits / (calls + constant)``."""
    ((hits, factor),), ((calls, _),) = ratio.numerator.terms, ratio.denominator.terms
    return hits, calls, factor, ratio.denominator.constant


def _fulfils(row: Row, point: Sequence[int]) -> bool:
    value = sum(factor * point[variable] for variable, factor in row.terms)
    return (row.low is None or row.low <= value) and (row.high is None or value <= row.high)
