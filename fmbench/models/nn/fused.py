"""The cross-entropy of a small network as one compiled loop, on a CPU; it needs the package numba.

PyTorch takes about ten operations for the loss, its gradient and the number of right answers;
starting one takes longer than its arithmetic in a network like LeNet-5.
"""

from __future__ import annotations

import numpy as np
from numba import njit


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
