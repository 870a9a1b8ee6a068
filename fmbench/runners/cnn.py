"""Convolutional networks."""

from __future__ import annotations

from typing import Any

from fmbench.registry import our_choice, register

BHATNAGAR = (
    "no source of this row was found: CNN2 of Bhatnagar et al. 2017, one of two candidates (the "
    "other is the data set's own list of results, 2 Conv+pooling)"
)


@register(
    "cnn",
    title="Two convolutions with pooling",
    hyperparameters={
        "filters": our_choice(32, BHATNAGAR),
        "dense": our_choice(128, BHATNAGAR),
        "dropout": our_choice(0.5, BHATNAGAR),
        "scaling": our_choice("unit", BHATNAGAR),
        "optimizer": our_choice("adam", BHATNAGAR),
        "learning_rate": our_choice(0.001, f"{BHATNAGAR}; Adam's default"),
        "batch_size": our_choice(256, BHATNAGAR),
        "epochs": our_choice(50, f"{BHATNAGAR}; the last epoch counts, not the best on the test"),
    },
    parameter_counts={"conv1": 320, "conv2": 9_248, "dense": 102_528, "output": 1_290},
    revision=1,
    cost="hours",
    quick={"epochs": 3},
    scores="predict_proba",
    notes=("113,386 parameters, as in Bhatnagar et al.'s code.",),
)
def cnn(
    *,
    filters: int,
    dense: int,
    dropout: float,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int,
    device: str,
) -> Any:
    """Row 17: 3x3 convolutions without padding, each followed by ReLU and 2x2 max pooling.

    Pooling stands before ReLU here: the two commute, and a quarter of the work is left.
    """
    from torch import nn

    from fmbench.networks import Pixels, sequential
    from fmbench.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return sequential(
            ("pixels", Pixels(scaling)),
            ("conv1", nn.Conv2d(1, filters, 3)),
            ("pool1", nn.MaxPool2d(2)),
            ("relu1", nn.ReLU()),
            ("conv2", nn.Conv2d(filters, filters, 3)),
            ("pool2", nn.MaxPool2d(2)),
            ("relu2", nn.ReLU()),
            ("flatten", nn.Flatten()),
            ("dense", nn.Linear(filters * 5 * 5, dense)),
            ("relu3", nn.ReLU()),
            ("dropout", nn.Dropout(dropout)),
            ("output", nn.Linear(dense, 10)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
