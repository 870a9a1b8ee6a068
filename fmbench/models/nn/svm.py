"""A network that is trained as a support vector machine and predicts with its margins."""

from __future__ import annotations

import numpy as np

from fmbench.models.nn.training import TorchClassifier


class SVMClassifier(TorchClassifier):
    """A network whose decision values are margins; it predicts the class with the largest one."""

    def flagged(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Score ``X`` as Agarap's code did, by the argmax of the signs of the decision values.

        Among equal signs, argmax takes the class with the lowest number. If no class or several
        classes have a positive decision value, this is often not the class with the largest one.
        """
        return {"sign": np.sign(self.decision_function(X)).argmax(1)}
