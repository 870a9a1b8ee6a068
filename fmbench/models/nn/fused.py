"""The cross-entropy and Adamax as one compiled loop each, for a CPU; they need the package numba.

PyTorch takes seven to ten operations for each of the two. In a network like LeNet-5 starting an
operation takes longer than its arithmetic.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from fmbench.models.nn.convolutions.kernels import compile_at_first_call, intrinsic


@compile_at_first_call
def compute_cross_entropy(logits, target, gradient):
    """Return the mean cross-entropy of the softmax of logits, and write their gradient.

    Args:
        logits: float32 (n, classes).
        target: int64 (n,): the number of the right class.
        gradient: float32 (n, classes), written here.
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
def multiply_add(typing, a, b, c):
    """Return ``a * b + c`` of float32 numbers, rounded once."""

    def write(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType()] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.f32")
        return builder.call(fma, arguments)

    return types.float32(*[types.float32] * 3), write


@compile_at_first_call
def step_adamax(vector, gradient, mean, largest, rate, epsilon, share, decay):
    """Do a step of Adamax: the operations of PyTorch's, in the same order.

    Args:
        vector: float32 (n,): the parameters, changed in place.
        gradient: float32 (n,).
        mean: float32 (n,): the moving mean of the gradient, changed in place.
        largest: float32 (n,): the decaying largest size of the gradient, changed in place.
        rate: float32: minus the learning rate of this step.
        epsilon: float32: added to the gradient's size.
        share: float32: the share of the gradient in its moving mean.
        decay: float32: the factor of ``largest``.
    """
    for i in range(len(vector)):
        mean[i] = multiply_add(share, gradient[i] - mean[i], mean[i])
        size = abs(gradient[i]) + epsilon
        old = largest[i] * decay
        largest[i] = old if size <= old else size  # a size that is not a number stays visible
        vector[i] += rate * mean[i] / largest[i]
