"""Plans the blocks of sums of a convolution for the compiled loops of `kernels.py`.

Notation of shapes: C input channels, F output channels, kernels of k x k. The maps are padded
already, H x W; the outputs are h x w. Only the outputs that something reads are computed, so
h and w may be smaller than H - k + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

MIN_PRODUCTS = 8  # in a block: a processor starts the next product before the last one is done


@dataclass(frozen=True)
class Geometry:
    """The sizes of one convolution, and the numbers of lanes and registers that hold vectors."""

    n_in: int  # C
    n_out: int  # F
    size: int  # k
    padding: int  # that the maps contain on each side
    height: int  # H
    width: int  # W
    out_height: int  # h
    out_width: int  # w
    lanes: int
    n_registers: int

    @property
    def n_terms(self) -> int:
        """The products of one output."""
        return self.n_in * self.size**2


@dataclass(frozen=True)
class ConvolutionPlan:
    """The tables of one call of ``kernels.convolve``, which explains them."""

    n_positions: int  # of a block
    n_outputs: int  # of a block
    spans: np.ndarray
    terms: np.ndarray
    first_outputs: np.ndarray
    weight_source: np.ndarray  # int64 (blocks of outputs, terms, outputs): place in (F, C, k, k)

    def cut(self, first: int, last: int, n_rows: int) -> np.ndarray:
        """Return the spans of the rows ``first`` to ``last - 1`` of ``n_rows``."""
        per_row = len(self.spans) // n_rows
        return self.spans[first * per_row : last * per_row]


@dataclass(frozen=True)
class GradientPlan:
    """The tables of one call of ``kernels.compute_weight_gradient``, which explains them."""

    n_outputs: int  # of a block
    n_terms: int  # of a block
    offsets: np.ndarray
    first_outputs: np.ndarray
    sum_places: np.ndarray  # int64 (F, C k k): where the sums hold the gradient of each weight


def plan_forward(g: Geometry, border: int, band: int) -> ConvolutionPlan:
    """Plan the outputs ``(F, band, w + 2 border, lanes)`` of maps ``(C, H, W, lanes)``.

    The h rows are computed in bands of ``band`` rows; :meth:`ConvolutionPlan.cut` returns the spans
    of one band.
    """
    n_positions, n_outputs = choose_block(g.out_width, g.n_out, g.n_registers)
    row = g.out_width + 2 * border
    spans = [
        (y * g.width + x, y % band * row + x + border, 0, g.n_terms)
        for y in range(g.out_height)
        for x in cover(g.out_width, n_positions)
    ]
    terms = [
        ((c * g.height + y) * g.width + x, t)
        for t, (c, y, x) in enumerate(product(range(g.n_in), range(g.size), range(g.size)))
    ]
    weights = np.arange(g.n_out * g.n_terms).reshape(g.n_out, g.n_terms)
    return _make_plan(g, (n_positions, n_outputs), spans, terms, weights, band * row)


def plan_backward(g: Geometry) -> tuple[ConvolutionPlan, int]:
    """Plan the gradient of the maps without their padding, from that of the outputs.

    Returns the plan and the border that the outputs need: unused columns, which must be zero, on
    each side.
    """
    height, width = g.height - 2 * g.padding, g.width - 2 * g.padding

    def count_terms(n_positions: int) -> int:
        return sum(len(_find_columns(g, x, n_positions)) for x in cover(width, n_positions))

    n_positions, n_outputs = choose_block(width, g.n_in, g.n_registers, count_terms)
    border = n_positions - 1
    row = g.out_width + 2 * border
    # One list of terms for each set of kernel columns. The kernel's rows come first, so that the
    # rows that reach an output are neighbours in the list.
    starts: dict[range, int] = {}
    terms: list[tuple[int, int]] = []
    spans = []
    for y, x in product(range(height), cover(width, n_positions)):
        columns = _find_columns(g, x, n_positions)
        rows = _overlap(y + g.padding, 1, g.size, g.out_height)
        if columns not in starts:
            starts[columns] = len(terms)
            terms += [
                ((f * g.out_height - i) * row - j, (i * g.n_out + f) * g.size + j)
                for i, f, j in product(range(g.size), range(g.n_out), columns)
            ]
        first = starts[columns] + rows.start * g.n_out * len(columns)
        at = (y + g.padding) * row + x + g.padding + border
        spans.append((at, y * width + x, first, len(rows) * g.n_out * len(columns)))
    weights = np.arange(g.n_out * g.n_terms).reshape(g.n_out, g.n_in, g.size, g.size)
    by_term = weights.transpose(1, 2, 0, 3).reshape(g.n_in, -1)
    return _make_plan(g, (n_positions, n_outputs), spans, terms, by_term, height * width), border


def plan_weight_gradient(g: Geometry) -> GradientPlan:
    """Plan the gradient of the weights from the maps and the gradient of the outputs."""
    n_terms, n_outputs = choose_block(g.n_terms, g.n_out, g.n_registers)
    first_outputs, first_terms = cover(g.n_out, n_outputs), cover(g.n_terms, n_terms)
    offsets = [
        (c * g.height + y) * g.width + x
        for c, y, x in product(range(g.n_in), range(g.size), range(g.size))
    ]
    outputs, output_at = _find_in_blocks(g.n_out, first_outputs, n_outputs)
    terms, term_at = _find_in_blocks(g.n_terms, first_terms, n_terms)
    blocks = outputs[:, None] * len(first_terms) + terms[None, :]
    places = (blocks * n_outputs + output_at[:, None]) * n_terms + term_at[None, :]
    table = [[g.lanes * offsets[first + i] for i in range(n_terms)] for first in first_terms]
    return GradientPlan(
        n_outputs, n_terms, _to_table(table), _to_table(first_outputs), places.astype(np.int64)
    )


def choose_block(
    n_positions: int,
    n_outputs: int,
    n_registers: int,
    count_terms: Callable[[int], int] | None = None,
) -> tuple[int, int]:
    """Choose the sizes of a block: how many positions and how many outputs it has.

    The vectors of one term take registers as well: its positions, and one weight. ``count_terms``
    counts the terms of a row of blocks by their number of positions; by default all have as many.
    """
    count = count_terms or (lambda size: len(cover(n_positions, size)))

    def estimate_time(sizes: tuple[int, int]) -> float:
        positions, outputs = sizes
        n_blocks = math.ceil(n_outputs / outputs)
        loads = positions + outputs
        return count(positions) * n_blocks * (1 + max(positions * outputs, loads, MIN_PRODUCTS))

    possible = [
        (positions, outputs)
        for positions, outputs in product(range(1, n_positions + 1), range(1, n_outputs + 1))
        if positions * outputs + positions + 1 <= n_registers
    ]
    return min(possible, key=estimate_time)


def cover(length: int, size: int) -> list[int]:
    """Return the first item of each block of ``size`` items; the last two blocks may overlap."""
    return [min(first, length - size) for first in range(0, length, size)]


def _find_columns(g: Geometry, x: int, n_positions: int) -> range:
    """Find the kernel's columns that lead from the maps' columns from ``x`` on to an output."""
    return _overlap(x + g.padding, n_positions, g.size, g.out_width)


def _overlap(first: int, length: int, size: int, limit: int) -> range:
    """Find each i below ``size`` for which one of ``first - i``, ..., is in ``range(limit)``."""
    start = max(0, first - limit + 1)
    return range(start, max(start, min(size, first + length)))


def _find_in_blocks(length: int, firsts: list[int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the block of each item, and its place in the block."""
    items = np.arange(length)
    blocks = np.minimum(items // size, len(firsts) - 1)
    return blocks, items - np.array(firsts)[blocks]


def _make_plan(
    g: Geometry,
    block: tuple[int, int],
    spans: Iterable[tuple[int, int, int, int]],
    terms: Iterable[tuple[int, int]],
    weights: np.ndarray,
    out_channel: int,
) -> ConvolutionPlan:
    """Make the tables from offsets in vectors; ``weights`` is ``(outputs, terms)``."""
    n_positions, n_outputs = block
    firsts = cover(len(weights), n_outputs)
    sources = np.stack([weights[first : first + n_outputs].T for first in firsts])
    return ConvolutionPlan(
        n_positions,
        n_outputs,
        _to_table((g.lanes * at, g.lanes * to, first, n) for at, to, first, n in spans),
        _to_table((g.lanes * at, n_outputs * term) for at, term in terms),
        _to_table((first, g.lanes * out_channel) for first in firsts),
        np.ascontiguousarray(sources, dtype=np.int64),
    )


def _to_table(rows: Iterable[object]) -> np.ndarray:
    return np.array(list(rows), dtype=np.int32)
