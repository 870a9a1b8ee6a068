"""The loss functions that networks are trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# From a network's parameters by name, its logits (n, 10) and the true classes (n,) to one number.
Loss = Callable[[Mapping[str, Tensor], Tensor, Tensor], Tensor]

LAST_WEIGHT = "output.weight"  # the name of the last layer's weight among the parameters


def cross_entropy(parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Compute the mean cross-entropy of the softmax of the logits."""
    return nn.functional.cross_entropy(logits, target)


def mean_squared_error(parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Compute the mean of (softmax of the logits - one-hot class)^2 over images and classes.

    This is what Keras computes for ``mean_squared_error`` behind a softmax.
    """
    return (logits.softmax(1) - _is_true_class(logits, target).to(logits.dtype)).square().mean()


# The losses that a hyperparameter can name.
LOSSES: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "mean squared error": mean_squared_error,
}


@dataclass(frozen=True)
class SquaredHinge:
    """Agarap 2017's L2-SVM loss, ``mean(W**2) + C * mean(max(0, 1 - y f)**2)``.

    ``W`` is the weight of the last layer, ``f`` its output; ``y`` is 1 for the true class and -1
    for every other class. Both terms are means over all elements, not sums.
    """

    C: float

    def __call__(self, parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of a batch."""
        margins = torch.where(_is_true_class(logits, target), logits, -logits)
        penalty = parameters[LAST_WEIGHT].square().mean()
        return penalty + self.C * (1 - margins).clamp(min=0).square().mean()


def _is_true_class(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``bool (n, 10)``: whether a class is the true one."""
    return target.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device)
