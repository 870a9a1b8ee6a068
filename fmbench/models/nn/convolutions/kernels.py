"""Compiled loops over the maps of a convolutional network, for a CPU; they need the package numba.

Maps are stored as ``(chunks, channels, height, width, LANES)``. A chunk is a group of ``LANES``
images: the image is the last dimension, so that one vector of the processor holds the same pixel of
``LANES`` images, and is full for any number of channels.

A convolution, forward or backward, adds up products for many outputs at once. A *block* of these
sums stays in the processor's registers while the loop walks through the terms. Numba's own loops
cannot do that, so the inner loops are written as vector instructions of LLVM (:func:`_sum_terms`,
:func:`_sum_products`). The two sizes of a block are passed as the lengths of two tuples: numba
compiles a function once for each type of its arguments, and the length is part of a tuple's type.

Offsets are numbers of float32 values. Every sum is added in a fixed order, so that the same input
gives the same result. The loops release Python's lock. Nothing checks the sizes of the arrays that
they get: `compiled.py` allocates them.

Numba compiles a loop at its first call in a process, and keeps the code in memory alone: its cache
on disk is a pickle, which fmbench never reads. See ``TorchClassifier.compile_loops``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import extending, njit, types
from numba.core import cgutils

HAS_AVX512 = bool(binding.get_host_cpu_features().get("avx512f"))
LANES = 16 if HAS_AVX512 else 8  # images in a vector
N_REGISTERS = 32 if HAS_AVX512 else 16  # vectors that the processor holds

FLOAT_BYTES = 4
INT_BYTES = 4  # of an entry of a table
MASK_BYTES = 2
VECTOR_BYTES = FLOAT_BYTES * LANES

_WORD, _FLOAT, _ENTRY = ir.IntType(64), ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK, _LANE_BITS = ir.IntType(8 * MASK_BYTES), ir.IntType(LANES)

# An intrinsic writes LLVM's instructions in the place of a call. Its callers leave out the first
# argument, which numba's type hints do not know.
intrinsic: Any = extending.intrinsic
# With NumPy's rules for errors, no division is checked.
compile_at_first_call = njit(nogil=True, error_model="numpy")


@intrinsic
def get_address(typing, array):
    """Return the address of an array's first value; ``array.ctypes`` takes longer to compile."""

    def write(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _WORD)

    return types.int64(array), write


@intrinsic
def find_map(typing, array, chunk, channel):
    """Return the address of one map of maps ``(chunks, channels, ...)``."""

    def write(context, builder, signature, arguments):
        kind = signature.args[0]
        maps = context.make_array(kind)(context, builder, arguments[0])
        first = [*arguments[1:], *[_WORD(0)] * (kind.ndim - 2)]
        place = cgutils.get_item_pointer(context, builder, kind, maps, first)
        return builder.ptrtoint(place, _WORD)

    return types.int64(array, types.int64, types.int64), write


class VectorCode:
    """Generates LLVM instructions for the innermost loops of a convolution.

    Its methods take addresses in memory as integers.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")

    def move(self, address: Any, count: Any, size: int) -> Any:
        """Return the address that is ``count`` items of ``size`` bytes further on."""
        b = self.builder
        if isinstance(count, int):
            return b.add(address, _WORD(count * size)) if count else address
        return b.add(address, b.mul(count, _WORD(size)))

    def load_entry(self, address: Any) -> Any:
        """Load an entry of a table."""
        b = self.builder
        return b.sext(b.load(b.inttoptr(address, _ENTRY.as_pointer())), _WORD)

    def load_vector(self, address: Any) -> Any:
        """Load a vector; its address must be a multiple of ``VECTOR_BYTES``."""
        vector = self.builder.load(self.builder.inttoptr(address, _VECTOR.as_pointer()))
        vector.align = VECTOR_BYTES
        return vector

    def store_vector(self, vector: Any, address: Any) -> None:
        """Store a vector; its address must be a multiple of ``VECTOR_BYTES``."""
        place = self.builder.inttoptr(address, _VECTOR.as_pointer())
        self.builder.store(vector, place).align = VECTOR_BYTES

    def load_repeated(self, address: Any) -> Any:
        """Load one number into all lanes."""
        return self.repeat(self.builder.load(self.builder.inttoptr(address, _FLOAT.as_pointer())))

    def repeat(self, number: Any) -> Any:
        """Put one number into all lanes."""
        b, empty = self.builder, ir.Constant(_VECTOR, ir.Undefined)
        lanes = ir.Constant(ir.VectorType(_ENTRY, LANES), [0] * LANES)
        return b.shuffle_vector(b.insert_element(empty, number, _ENTRY(0)), empty, lanes)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Compute ``a * b + c``, rounded once."""
        return self.builder.call(self._fma, [a, b, c])

    def new_sum(self, start: Any) -> Any:
        """Make a sum that LLVM keeps in a register."""
        place = cgutils.alloca_once(self.builder, _VECTOR)
        self.builder.store(start, place)
        return place

    def add_product(self, a: Any, b: Any, total: Any) -> None:
        """Add ``a * b`` to a sum."""
        self.builder.store(self.multiply_add(a, b, self.builder.load(total)), total)


@intrinsic
def _sum_terms(typing, positions, outputs, maps, terms, n_terms, weights, start, out, out_stride):
    """Compute one block of a convolution: some positions, side by side, of some output channels.

    Term ``t`` adds ``weight * maps`` for each position and output: ``terms`` holds the offset of
    its map value and that of its weights, which are neighbours. ``start`` holds the first value of
    each output's sum. All are addresses, except ``n_terms`` and ``out_stride``, the distance of two
    output channels.
    """
    n_positions, n_outputs = len(positions), len(outputs)

    def write(context, builder, signature, arguments):
        maps, terms, n_terms, weights, start, out, out_stride = arguments[2:]
        code = VectorCode(builder)
        first = [code.load_repeated(code.move(start, f, FLOAT_BYTES)) for f in range(n_outputs)]
        sums = [[code.new_sum(value) for _ in range(n_positions)] for value in first]
        with cgutils.for_range(builder, n_terms) as loop:
            term = code.move(terms, loop.index, 2 * INT_BYTES)
            map_at = code.move(maps, code.load_entry(term), FLOAT_BYTES)
            weight_offset = code.load_entry(code.move(term, 1, INT_BYTES))
            weight_at = code.move(weights, weight_offset, FLOAT_BYTES)
            vectors = [
                code.load_vector(code.move(map_at, p, VECTOR_BYTES)) for p in range(n_positions)
            ]
            for f in range(n_outputs):
                weight = code.load_repeated(code.move(weight_at, f, FLOAT_BYTES))
                for vector, total in zip(vectors, sums[f], strict=True):
                    code.add_product(weight, vector, total)
        for f in range(n_outputs):
            row = code.move(out, builder.mul(out_stride, _WORD(f)), FLOAT_BYTES)
            for p in range(n_positions):
                code.store_vector(builder.load(sums[f][p]), code.move(row, p, VECTOR_BYTES))
        return context.get_dummy_value()

    return types.void(positions, outputs, *[types.int64] * 7), write


@compile_at_first_call
def convolve(positions, outputs, maps, spans, terms, weights, starts, first_outputs, out):
    """Compute a convolution of ``maps`` into ``out``, both flat for each chunk.

    Args:
        positions: a tuple as long as a block has positions.
        outputs: a tuple as long as a block has output channels.
        maps: float32 (chunks, any).
        spans: int32 (any, 4): for each span of positions the offset in ``maps``, the offset in
            ``out``, its first term and the number of its terms.
        terms: int32 (any, 2): for each term the offset from the span, and the offset of its weights
            in ``weights[j]``.
        weights: float32 (blocks of outputs, any).
        starts: float32 (output channels,): the first value of each sum.
        first_outputs: int32 (blocks of outputs, 2): the first channel of each block, and the
            distance of two channels in ``out``.
        out: float32 (chunks, any).
    """
    n_chunks, map_size = maps.shape
    out_size = out.shape[1]
    for chunk in range(n_chunks):
        map_start = get_address(maps) + FLOAT_BYTES * chunk * map_size
        out_start = get_address(out) + FLOAT_BYTES * chunk * out_size
        for span in range(len(spans)):
            map_at = map_start + FLOAT_BYTES * spans[span, 0]
            term_at = get_address(terms) + 2 * INT_BYTES * spans[span, 2]
            n_terms = np.int64(spans[span, 3])
            for block in range(len(first_outputs)):
                first, stride = first_outputs[block, 0], np.int64(first_outputs[block, 1])
                _sum_terms(
                    positions,
                    outputs,
                    map_at,
                    term_at,
                    n_terms,
                    get_address(weights) + FLOAT_BYTES * block * weights.shape[1],
                    get_address(starts) + FLOAT_BYTES * first,
                    out_start + FLOAT_BYTES * (spans[span, 1] + first * stride),
                    stride,
                )


@intrinsic
def _sum_products(
    typing, outputs, terms, gradient, gradient_stride, gradient_row, maps, offsets, map_row,
    n_rows, n_columns, sums
):  # fmt: skip
    """Add to one block of the gradient of the weights: some output channels, some terms.

    For each position the gradient of each output is multiplied by the map value of each term;
    ``offsets`` holds the offset of each term. ``sums`` holds a vector for each output and term.
    """
    n_outputs, n_terms = len(outputs), len(terms)

    def write(context, builder, signature, arguments):
        gradient, stride, gradient_row, maps, offsets, map_row, n_rows, n_columns, sums = arguments[
            2:
        ]
        code = VectorCode(builder)
        places = [code.move(sums, i, VECTOR_BYTES) for i in range(n_outputs * n_terms)]
        totals = [code.new_sum(code.load_vector(place)) for place in places]
        starts = [
            code.move(maps, code.load_entry(code.move(offsets, t, INT_BYTES)), FLOAT_BYTES)
            for t in range(n_terms)
        ]
        with cgutils.for_range(builder, n_rows) as rows:
            down = builder.mul(rows.index, map_row)
            gradient_at = code.move(gradient, builder.mul(rows.index, gradient_row), FLOAT_BYTES)
            with cgutils.for_range(builder, n_columns) as columns:
                along = builder.mul(columns.index, _WORD(LANES))
                shift = builder.add(down, along)
                here = code.move(gradient_at, along, FLOAT_BYTES)
                vectors = [
                    code.load_vector(code.move(start, shift, FLOAT_BYTES)) for start in starts
                ]
                for f in range(n_outputs):
                    place = code.move(here, builder.mul(stride, _WORD(f)), FLOAT_BYTES)
                    value = code.load_vector(place)
                    for t in range(n_terms):
                        code.add_product(value, vectors[t], totals[f * n_terms + t])
        for place, total in zip(places, totals, strict=True):
            code.store_vector(builder.load(total), place)
        return context.get_dummy_value()

    return types.void(outputs, terms, *[types.int64] * 9), write


@compile_at_first_call
def compute_weight_gradient(
    outputs, terms, gradient, sizes, maps, first_map, offsets, map_row, rows_at_once, first_outputs,
    sums
):  # fmt: skip
    """Add up the gradient of a convolution's weights.

    Args:
        outputs: a tuple as long as a block has output channels.
        terms: a tuple as long as a block has terms.
        gradient: float32 (chunks, any): of the convolution's outputs.
        sizes: the offset of the first output, the distance of two output channels, that of two
            rows, and the numbers of rows and columns.
        maps: float32 (chunks, any): the convolution's inputs.
        first_map: the offset in ``maps`` that belongs to the first output.
        offsets: int32 (blocks of terms, terms): the offset of each term.
        map_row: the distance of two rows in ``maps``.
        rows_at_once: how many rows to add before the next block of sums.
        first_outputs: int32 (blocks of outputs,): the first channel of each block.
        sums: float32 (blocks of outputs, blocks of terms, outputs, terms, LANES): the products are
            added to it.
    """
    first, stride, row, n_rows, n_columns = sizes
    block_size = sums.shape[2] * sums.shape[3] * sums.shape[4]
    for chunk in range(len(maps)):
        for y in range(0, n_rows, rows_at_once):
            at_row = chunk * maps.shape[1] + first_map + y * map_row
            map_at = get_address(maps) + FLOAT_BYTES * at_row
            start = chunk * gradient.shape[1] + first + y * row
            for i in range(len(first_outputs)):
                at = start + first_outputs[i] * stride
                for j in range(len(offsets)):
                    _sum_products(
                        outputs,
                        terms,
                        get_address(gradient) + FLOAT_BYTES * at,
                        stride,
                        row,
                        map_at,
                        get_address(offsets) + INT_BYTES * j * offsets.shape[1],
                        map_row,
                        min(rows_at_once, n_rows - y),
                        n_columns,
                        get_address(sums) + FLOAT_BYTES * block_size * (i * len(offsets) + j),
                    )


@compile_at_first_call
def load_images(images, padding, maps):
    """Copy images (n, C, H, W) into the middle of padded maps; the lanes that are left become 0."""
    n, n_channels, height, width = images.shape
    for chunk in range(len(maps)):
        for c in range(n_channels):
            for y in range(height):
                for x in range(width):
                    for lane in range(LANES):
                        i = chunk * LANES + lane
                        value = images[i, c, y, x] if i < n else np.float32(0)
                        maps[chunk, c, y + padding, x + padding, lane] = value


@compile_at_first_call
def unload_images(maps, images):
    """Copy maps without padding into images (n, C, H, W)."""
    n, n_channels, height, width = images.shape
    for chunk in range(len(maps)):
        for c in range(n_channels):
            for y in range(height):
                for x in range(width):
                    for lane in range(min(LANES, n - chunk * LANES)):
                        images[chunk * LANES + lane, c, y, x] = maps[chunk, c, y, x, lane]


# The four values of a square of 2 x 2, in the order of PyTorch: two in the upper row, two in the
# lower one. Which of them get a gradient is kept as four numbers with one bit for each lane.
SQUARE = 4


def _point_at_square(code: VectorCode, upper: Any, lower: Any, index: Any) -> list[Any]:
    """Return the addresses of the four vectors of square number ``index`` of two rows."""
    double = code.builder.mul(index, _WORD(2 * VECTOR_BYTES))
    starts = [code.builder.add(row, double) for row in (upper, lower)]
    return [code.move(start, i, VECTOR_BYTES) for start in starts for i in range(2)]


def _point_at_masks(code: VectorCode, masks: Any, index: Any) -> list[Any]:
    """Return the addresses of the four masks of a square."""
    at = code.move(masks, index, SQUARE * MASK_BYTES)
    return [
        code.builder.inttoptr(code.move(at, i, MASK_BYTES), _MASK.as_pointer())
        for i in range(SQUARE)
    ]


def _store_masks(code: VectorCode, masks: list[Any], address: Any, index: Any) -> None:
    for mask, place in zip(masks, _point_at_masks(code, address, index), strict=True):
        bits = code.builder.bitcast(mask, _LANE_BITS)
        code.builder.store(code.builder.zext(bits, _MASK) if LANES < 16 else bits, place)


def _load_masks(code: VectorCode, address: Any, index: Any) -> list[Any]:
    masks = []
    for place in _point_at_masks(code, address, index):
        bits = code.builder.load(place)
        bits = code.builder.trunc(bits, _LANE_BITS) if LANES < 16 else bits
        masks.append(code.builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES)))
    return masks


# Comparisons that decide what stays are also true of what is not a number, so that it is passed on.


def _apply_relu(code: VectorCode, values: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the ReLU of the values, and where it lets them through."""
    b, zero = code.builder, ir.Constant(_VECTOR, [0.0] * LANES)
    masks = [b.fcmp_unordered(">", value, zero) for value in values]
    kept = [b.select(mask, value, zero) for mask, value in zip(masks, values, strict=True)]
    return kept, masks


def _choose_largest(code: VectorCode, values: list[Any]) -> tuple[Any, list[Any]]:
    """Return the largest of four values, and which one it is: the first, as in PyTorch."""
    builder = code.builder

    def choose_larger(a: Any, b: Any) -> Any:
        return builder.select(builder.fcmp_unordered(">", b, a), b, a)

    a, b, c, d = values
    largest = choose_larger(choose_larger(a, b), choose_larger(c, d))
    left = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES)
    chosen = []
    for value in values[:-1]:
        is_largest = builder.fcmp_ordered("==", value, largest)
        chosen.append(builder.and_(left, is_largest))
        left = builder.and_(left, builder.not_(is_largest))
    return largest, [*chosen, left]


@intrinsic
def _pool_average_row(typing, upper, lower, width, target, masks):
    """Compute the averages of the ReLU of ``width`` squares of two rows."""

    def write(context, builder, signature, arguments):
        upper, lower, width, target, masks = arguments
        code = VectorCode(builder)
        with cgutils.for_range(builder, width) as loop:
            places = _point_at_square(code, upper, lower, loop.index)
            (a, b, c, d), kept = _apply_relu(code, [code.load_vector(place) for place in places])
            total = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
            result = builder.fmul(total, ir.Constant(_VECTOR, [1 / SQUARE] * LANES))
            code.store_vector(result, code.move(target, loop.index, VECTOR_BYTES))
            _store_masks(code, kept, masks, loop.index)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), write


@intrinsic
def _pool_maximum_row(typing, upper, lower, width, target, masks):
    """Compute the maxima of the ReLU of ``width`` squares of two rows."""

    def write(context, builder, signature, arguments):
        upper, lower, width, target, masks = arguments
        code = VectorCode(builder)
        with cgutils.for_range(builder, width) as loop:
            places = _point_at_square(code, upper, lower, loop.index)
            largest, chosen = _choose_largest(code, [code.load_vector(place) for place in places])
            [result], [kept] = _apply_relu(code, [largest])
            code.store_vector(result, code.move(target, loop.index, VECTOR_BYTES))
            _store_masks(code, [builder.and_(mask, kept) for mask in chosen], masks, loop.index)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), write


@intrinsic
def _pool_residual_row(typing, upper, lower, upper_map, lower_map, width, target, masks, chosen):
    """Compute the maxima of map + ReLU of ``width`` squares of two rows.

    ``masks`` says which outputs get a gradient, ``chosen`` which map values.
    """

    def write(context, builder, signature, arguments):
        upper, lower, upper_map, lower_map, width, target, masks, chosen = arguments
        code = VectorCode(builder)
        with cgutils.for_range(builder, width) as loop:
            places = _point_at_square(code, upper, lower, loop.index)
            maps = _point_at_square(code, upper_map, lower_map, loop.index)
            values, kept = _apply_relu(code, [code.load_vector(place) for place in places])
            sums = [
                builder.fadd(code.load_vector(place), value)
                for place, value in zip(maps, values, strict=True)
            ]
            largest, is_largest = _choose_largest(code, sums)
            code.store_vector(largest, code.move(target, loop.index, VECTOR_BYTES))
            _store_masks(code, is_largest, chosen, loop.index)
            both = [builder.and_(a, b) for a, b in zip(is_largest, kept, strict=True)]
            _store_masks(code, both, masks, loop.index)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), write


@intrinsic
def _add_chosen_row(typing, gradient, chosen, width, upper, lower):
    """Add the gradient of ``width`` squares to the value of each square that was chosen."""

    def write(context, builder, signature, arguments):
        gradient, chosen, width, upper, lower = arguments
        code = VectorCode(builder)
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        with cgutils.for_range(builder, width) as loop:
            value = code.load_vector(code.move(gradient, loop.index, VECTOR_BYTES))
            places = _point_at_square(code, upper, lower, loop.index)
            for place, mask in zip(places, _load_masks(code, chosen, loop.index), strict=True):
                share = builder.select(mask, value, zero)
                code.store_vector(builder.fadd(code.load_vector(place), share), place)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), write


@intrinsic
def _unpool_row(typing, gradient, masks, factor, width, upper, lower, total):
    """Write ``factor * gradient`` where a mask is set and 0 elsewhere; add all to ``total``."""

    def write(context, builder, signature, arguments):
        gradient, masks, factor, width, upper, lower, total = arguments
        code = VectorCode(builder)
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        factors = code.repeat(factor)
        own_total = code.new_sum(code.load_vector(total))
        with cgutils.for_range(builder, width) as loop:
            value = code.load_vector(code.move(gradient, loop.index, VECTOR_BYTES))
            value = builder.fmul(value, factors)
            shares = []
            places = _point_at_square(code, upper, lower, loop.index)
            for place, mask in zip(places, _load_masks(code, masks, loop.index), strict=True):
                shares.append(builder.select(mask, value, zero))
                code.store_vector(shares[-1], place)
            a, b, c, d = shares
            added = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
            builder.store(builder.fadd(builder.load(own_total), added), own_total)
        code.store_vector(builder.load(own_total), total)
        return context.get_dummy_value()

    arguments = [*[types.int64] * 2, types.float32, *[types.int64] * 4]
    return types.void(*arguments), write


@compile_at_first_call
def pool(outputs, border, takes_maximum, padding, pooled, masks, first_row, n_rows):
    """Compute the ReLU and pool over 2 x 2, into the middle of padded maps.

    Args:
        outputs: float32 (chunks, channels, at least 2 n_rows, 2 w + 2 border, LANES).
        border: unused columns of the outputs on each side.
        takes_maximum: the maximum of four values, or their average.
        padding: of ``pooled``.
        pooled: float32 (chunks, channels, h + 2 padding, w + 2 padding, LANES).
        masks: uint16 (chunks, channels, h, w, 4): one bit for each lane says whether the value gets
            a gradient.
        first_row: the first of the h rows to compute.
        n_rows: the number of rows to compute.
    """
    n_chunks, n_channels, _, width, _ = masks.shape
    mask_row = width * SQUARE * MASK_BYTES
    row = outputs.shape[3] * VECTOR_BYTES
    pooled_row = pooled.shape[3] * VECTOR_BYTES
    for chunk in range(n_chunks):
        for channel in range(n_channels):
            upper = find_map(outputs, chunk, channel) + border * VECTOR_BYTES
            target = find_map(pooled, chunk, channel) + padding * VECTOR_BYTES
            target += (first_row + padding) * pooled_row
            mask = find_map(masks, chunk, channel) + first_row * mask_row
            for _ in range(n_rows):
                if takes_maximum:
                    _pool_maximum_row(upper, upper + row, width, target, mask)
                else:
                    _pool_average_row(upper, upper + row, width, target, mask)
                upper += 2 * row
                target += pooled_row
                mask += mask_row


@compile_at_first_call
def unpool(gradient, masks, factor, border, outputs, bias_gradient, first_row, n_rows):
    """Turn the gradient of pooled values into that of the convolution's outputs.

    Args:
        gradient: float32 (chunks, channels, h, w, LANES).
        masks: from :func:`pool`.
        factor: float32: the share of each value in the pooled one.
        border: unused columns of ``outputs`` on each side.
        outputs: float32 (chunks, channels, at least 2 n_rows, 2 w + 2 border, LANES), written here.
        bias_gradient: float32 (channels, LANES): the gradients are added to it.
        first_row: the first of the h rows to read.
        n_rows: the number of rows to read.
    """
    n_chunks, n_channels, _, width, _ = masks.shape
    mask_row = width * SQUARE * MASK_BYTES
    row = outputs.shape[3] * VECTOR_BYTES
    for chunk in range(n_chunks):
        for channel in range(n_channels):
            upper = find_map(outputs, chunk, channel) + border * VECTOR_BYTES
            source = find_map(gradient, chunk, channel) + first_row * width * VECTOR_BYTES
            mask = find_map(masks, chunk, channel) + first_row * mask_row
            total = get_address(bias_gradient) + channel * VECTOR_BYTES
            for _ in range(n_rows):
                _unpool_row(source, mask, factor, width, upper, upper + row, total)
                upper += 2 * row
                source += width * VECTOR_BYTES
                mask += mask_row


@compile_at_first_call
def pool_residual(outputs, border, maps, padding, pooled_padding, pooled, masks, chosen, rows):
    """Compute the ReLU, add the maps, and take the maxima over 2 x 2 into padded maps.

    Args:
        outputs: float32 (chunks, channels, at least 2 n_rows, 2 w + 2 border, LANES).
        border: unused columns of the outputs on each side.
        maps: float32 (chunks, channels or 1, H, W, LANES): the convolution's padded inputs.
        padding: of ``maps``.
        pooled_padding: of ``pooled``.
        pooled: float32 (chunks, channels, h + 2 pooled_padding, w + 2 pooled_padding, LANES).
        masks: uint16 (chunks, channels, h, w, 4): which outputs get a gradient.
        chosen: like ``masks``: which map values get a gradient.
        rows: the first of the h rows to compute, and their number.
    """
    n_chunks, n_channels, _, width, _ = masks.shape
    first_row, n_rows = rows
    mask_row = width * SQUARE * MASK_BYTES
    row = outputs.shape[3] * VECTOR_BYTES
    map_row = maps.shape[3] * VECTOR_BYTES
    pooled_row = pooled.shape[3] * VECTOR_BYTES
    for chunk in range(n_chunks):
        for channel in range(n_channels):
            upper = find_map(outputs, chunk, channel) + border * VECTOR_BYTES
            source = channel if maps.shape[1] > 1 else 0
            map_at = find_map(maps, chunk, source) + padding * VECTOR_BYTES
            map_at += (2 * first_row + padding) * map_row
            target = find_map(pooled, chunk, channel) + pooled_padding * VECTOR_BYTES
            target += (first_row + pooled_padding) * pooled_row
            mask = find_map(masks, chunk, channel) + first_row * mask_row
            choice = find_map(chosen, chunk, channel) + first_row * mask_row
            for _ in range(n_rows):
                _pool_residual_row(
                    upper, upper + row, map_at, map_at + map_row, width, target, mask, choice
                )
                upper += 2 * row
                map_at += 2 * map_row
                target += pooled_row
                mask += mask_row
                choice += mask_row


@compile_at_first_call
def add_residual(gradient, chosen, map_gradient):
    """Add the gradient of pooled sums to that of the map values that were chosen.

    Args:
        gradient: float32 (chunks, channels, h, w, LANES).
        chosen: from :func:`pool_residual`.
        map_gradient: float32 (chunks, channels or 1, H, W, LANES), without padding.
    """
    n_chunks, n_channels, height, width, _ = chosen.shape
    map_row = map_gradient.shape[3] * VECTOR_BYTES
    for chunk in range(n_chunks):
        for channel in range(n_channels):
            source = find_map(gradient, chunk, channel)
            mask = find_map(chosen, chunk, channel)
            target = channel if map_gradient.shape[1] > 1 else 0
            upper = find_map(map_gradient, chunk, target)
            for _ in range(height):
                _add_chosen_row(source, mask, width, upper, upper + map_row)
                source += width * VECTOR_BYTES
                mask += width * SQUARE * MASK_BYTES
                upper += 2 * map_row
