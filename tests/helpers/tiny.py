"""A network that learns in a moment, and says that its source leaves two questions open.

Registered when this file is imported: tests import it where they need it, so that the tests of
every registered runner never meet it.
"""

from typing import Any

from fmbench.models.registry import our_choice, register, stated


@register(
    "tiny",
    title="One linear layer, for tests",
    hyperparameters={
        "scaling": our_choice("unit", "for tests"),
        "optimizer": stated("adam", "Section 0"),
        "learning_rate": our_choice(0.002, "for tests"),
        "epochs": our_choice(2, "for tests"),
    },
    revision=1,
    cost="seconds",
    scores="predict_proba",
    readings={
        "optimizer": (
            {"optimizer": "sgd", "learning_rate": 0.0001},
            {"optimizer": "adam", "learning_rate": 0.002},
        ),
        "pixels": ({"scaling": "unit"}, {"scaling": "standard"}),
    },
)
def tiny(
    *, scaling: str, optimizer: str, learning_rate: float, epochs: int, seed: int, device: str
) -> Any:
    """784-10."""
    from torch import nn

    from fmbench.models.nn.layers import Pixels, sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return sequential(
            ("pixels", Pixels(scaling)), ("flatten", nn.Flatten()), ("output", nn.Linear(784, 10))
        )

    config = TrainConfig(epochs, 100, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
