"""The cross-entropy and Adamax as one compiled loop each, on a CPU; they need the package numba.

PyTorch takes seven to ten operations for each of the two; in a network like LeNet-5 starting an
operation takes longer than its arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fmbench.models.nn.convolutions.kernels import FLOAT_BYTES, LANES, VECTOR_BYTES, VectorCode


@njit(nogil=True, cache=True, error_model="numpy")  # no check of each division
def compute_cross_entropy(logits, target, gradient):
    """Return the mean cross-entropy of the softmax of logits (n, classes).

    ``target`` is int64 (n,); ``gradient`` becomes that of the logits.
    """
    n, n_classes = logits.shape
    loss = 0.0
    for i in range(n):
        largest = logits[i, 0]
        for j in range(1, n_classes):
            largest = max(largest, logits[i, j])
        total = np.float32(0)
        for j in range(n_classes):
            gradient[i, j] = np.exp(logits[i, j] - largest)
            total += gradient[i, j]
        loss += np.log(total) - (logits[i, target[i]] - largest)
        for j in range(n_classes):
            gradient[i, j] /= total * np.float32(n)
        gradient[i, target[i]] -= np.float32(1) / np.float32(n)
    return loss / n


@intrinsic
def _step_vectors(typing, vector, gradient, mean, largest, n, rate, epsilon, share, decay):
    """Do a step of Adamax on ``n`` vectors; the first four are addresses."""

    def write(context, builder, signature, arguments):
        code = VectorCode(builder)
        n = arguments[4]
        rate, epsilon, share, decay = (code.repeat(number) for number in arguments[5:])
        kind = ir.FunctionType(code.vector, [code.vector])
        absolute = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f32")
        with cgutils.for_range(builder, n) as loop:
            places = [code.move(start, loop.index, VECTOR_BYTES) for start in arguments[:4]]
            value, g, average, size = (code.load_vector(place, FLOAT_BYTES) for place in places)
            average = code.multiply_add(share, builder.fsub(g, average), average)
            old, new = builder.fmul(size, decay), builder.fadd(builder.call(absolute, [g]), epsilon)
            size = builder.select(builder.fcmp_unordered(">", new, old), new, old)
            change = builder.fdiv(builder.fmul(rate, average), size)
            results: list[Any] = [builder.fadd(value, change), None, average, size]
            for result, place in zip(results, places, strict=True):
                if result is not None:
                    code.store_vector(result, place, FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5, *[types.float32] * 4), write


@njit(nogil=True, cache=True)
def step_adamax(vector, gradient, mean, largest, rate, epsilon, share, decay):
    """Do a step of Adamax: the operations of PyTorch's, in the same order.

    The first four are float32 (n,), all but the gradient changed in place; the others are float32:
    minus the learning rate, the constant added to the gradient's size, the share of the gradient in
    the mean, and the decay of the largest size.
    """
    whole = len(vector) // LANES
    _step_vectors(
        vector.ctypes.data, gradient.ctypes.data, mean.ctypes.data, largest.ctypes.data,
        whole, rate, epsilon, share, decay,
    )  # fmt: skip
    n = len(vector) - whole * LANES
    if n:  # the last numbers do not fill a vector
        rest = np.ones((4, LANES), np.float32)
        for i, array in enumerate((vector, gradient, mean, largest)):
            rest[i, :n] = array[whole * LANES :]
        _step_vectors(
            rest[0].ctypes.data, rest[1].ctypes.data, rest[2].ctypes.data, rest[3].ctypes.data,
            1, rate, epsilon, share, decay,
        )  # fmt: skip
        vector[whole * LANES :] = rest[0, :n]
        mean[whole * LANES :] = rest[2, :n]
        largest[whole * LANES :] = rest[3, :n]
