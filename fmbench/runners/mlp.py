"""Neural networks without convolutions."""

from __future__ import annotations

from typing import Any

from fmbench.registry import our_choice, register

NOT_STATED = "no source of this row was found"


@register(
    "three-layer-nn",
    title="Three-layer network: input, one hidden layer, output",
    hyperparameters={
        "hidden": our_choice(128, f"{NOT_STATED}: 128, a power of two near Xiao's MLP of 100"),
        "activation": our_choice("relu", f"{NOT_STATED}: as Xiao 2017's best MLP"),
        "scaling": our_choice("unit", f"{NOT_STATED}: pixels in [0, 1]"),
        "optimizer": our_choice("adam", f"{NOT_STATED}: Keras's common default"),
        "learning_rate": our_choice(0.001, f"{NOT_STATED}: Adam's default"),
        "batch_size": our_choice(32, f"{NOT_STATED}: Keras's default"),
        "epochs": our_choice(10, f"{NOT_STATED}: as many as the paper's LeNet-5"),
    },
    parameter_counts={"hidden": 100_480, "output": 1_290},
    revision=1,
    cost="minutes",
    quick={"epochs": 2},
    scores="predict_proba",
)
def three_layer_nn(
    *,
    hidden: int,
    activation: str,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int,
    device: str,
) -> Any:
    """Row 1."""
    from torch import nn

    from fmbench.networks import ACTIVATIONS, Pixels, sequential
    from fmbench.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return sequential(
            ("pixels", Pixels(scaling)),
            ("flatten", nn.Flatten()),
            ("hidden", nn.Linear(784, hidden)),
            ("activation", ACTIVATIONS[activation]()),
            ("output", nn.Linear(hidden, 10)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
