"""A recurrent network that reads an image one row of pixels at a time."""

from __future__ import annotations

from typing import Any

from fmbench.models.registry import our_choice, register

SHEN = "Shen 2018's layers and training were not found"


@register(
    "lstm",
    title="Long short-term memory network over the rows of pixels",
    aliases=("LSTM", "Long short-term memory"),
    hyperparameters={
        "units": our_choice(128, f"{SHEN}: a common size"),
        "scaling": our_choice("unit", f"{SHEN}: pixels in [0, 1]"),
        "optimizer": our_choice("adam", f"{SHEN}: Keras's common default"),
        "learning_rate": our_choice(0.001, f"{SHEN}: Adam's default"),
        "batch_size": our_choice(128, f"{SHEN}: a common size"),
        "epochs": our_choice(10, f"{SHEN}: takes minutes on one core"),
    },
    parameter_counts={"lstm": 80_384, "output": 1_290},
    revision=1,
    cost="minutes",
    quick={"epochs": 3, "batch_size": 32},
    scores="predict_proba",
    notes=(
        "Source: Shen 2018. We take the most natural reading: 28 steps of 28 pixels, one LSTM "
        "layer, and a softmax of its last state. Initialisation: Keras's.",
    ),
)
def lstm(
    *,
    units: int,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int,
    device: str,
) -> Any:
    """The paper names this model in its text; it is not in Table 3."""
    from torch import nn

    from fmbench.models.nn.layers import LSTM, N_OUTPUTS, Pixels, build_sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("rows", nn.Flatten(1, 2)),  # (n, 1, 28, 28) to (n, 28, 28)
            ("lstm", LSTM(28, units)),
            ("output", nn.Linear(units, N_OUTPUTS)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
