"""An L2-SVM in place of the softmax: the loss, and the source's way of reading its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fmbench.training import TorchClassifier


@dataclass(frozen=True)
class SquaredHinge:
    """Agarap 2017's loss, ``mean(W**2) + C * mean(max(0, 1 - y f)**2)``.

    ``W`` is the weight of the last layer, ``f`` its output, ``y`` is 1 for the true class and -1
    for every other. Both terms are means over all their elements, not sums.
    """

    C: float
    readout: str = "output.weight"

    def __call__(self, parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch."""
        is_true = target.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device)
        margins = torch.where(is_true, logits, -logits)
        penalty = parameters[self.readout].square().mean()
        return penalty + self.C * (1 - margins).clamp(min=0).square().mean()


class SVMClassifier(TorchClassifier):
    """A network whose decision values are margins; it predicts the class of the largest."""

    def flagged(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Agarap's own scoring: of equal signs, ``argmax`` takes the class with the lowest number.

        Where no class or several have a positive decision value, that is often not the largest.
        """
        return {"sign": np.sign(self.decision_function(X)).argmax(1)}
