"""LeNet-5 as Kayed et al. 2020 describe it."""

from __future__ import annotations

from typing import Any

from fmbench.registry import our_choice, register, stated

SECTION_3 = "Section 3"
CHOSEN = (
    "not stated: the best of 16 readings on 10,000 held-out training images "
    "(benchmarks/lenet_choice.py)"
)


@register(
    "lenet5",
    title="LeNet-5 (Section 3 of the paper)",
    hyperparameters={
        "pooling": stated("average", f"{SECTION_3}: S2 and S4 average over 2 x 2"),
        "learning_rate": stated(0.005, "Section 4"),
        "batch_size": stated(32, "Section 4"),
        "epochs": stated(10, "Section 4"),
        "to_32": our_choice("pad", CHOSEN),
        "scaling": our_choice("unit", "not stated: pixels in [0, 1]"),
        "activation": our_choice("relu", CHOSEN),
        "optimizer": our_choice("adamax", CHOSEN),
        "momentum": our_choice(0.0, "only plain SGD has one"),
    },
    parameter_counts={"C1": 156, "C3": 2_416, "C5": 48_120, "F6": 10_164, "output": 850},
    revision=1,
    cost="minutes",
    quick={"epochs": 2},
    scores="predict_proba",
    readings={
        "optimizer": (
            {"optimizer": "sgd", "momentum": 0.0},
            {"optimizer": "sgd", "momentum": 0.9},
            {"optimizer": "adam", "momentum": 0.0},
            {"optimizer": "adamax", "momentum": 0.0},
        ),
        "activation": ({"activation": "tanh"}, {"activation": "relu"}, {"activation": "sigmoid"}),
        "28x28 to 32x32": ({"to_32": "pad"}, {"to_32": "resize"}),
        "pixels": ({"scaling": "unit"}, {"scaling": "standard"}),
        "pooling": ({"pooling": "average"}, {"pooling": "max"}),
    },
    notes=(
        "61,706 parameters: full C3 and pooling without parameters.",
        "Initialisation (Glorot uniform, zero biases) and loss (cross-entropy) are not stated: "
        "Keras's defaults, since the paper used Keras 2.2.4.",
    ),
)
def lenet5(
    *,
    pooling: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    to_32: str,
    scaling: str,
    activation: str,
    optimizer: str,
    momentum: float,
    seed: int,
    device: str,
) -> Any:
    """Row 18: C1 6@5x5, S2, C3 16@5x5, S4, C5 120, F6 84, softmax over 10; input 32x32."""
    from torch import nn

    from fmbench.networks import ACTIVATIONS, POOLING, Pixels, Resize, sequential
    from fmbench.training import TorchClassifier, TrainConfig

    if to_32 not in ("pad", "resize"):
        raise ValueError(f"to_32 is 'pad' or 'resize', not {to_32!r}")
    act = ACTIVATIONS[activation]

    def network() -> nn.Module:
        # A convolution that pads by 2 is the convolution of the image padded to 32x32.
        resize = [("resize", Resize(32))] if to_32 == "resize" else []
        return sequential(
            ("pixels", Pixels(scaling)),
            *resize,
            ("C1", nn.Conv2d(1, 6, 5, padding=2 if to_32 == "pad" else 0)),
            ("C1_activation", act()),
            ("S2", POOLING[pooling](2)),
            ("C3", nn.Conv2d(6, 16, 5)),
            ("C3_activation", act()),
            ("S4", POOLING[pooling](2)),
            ("flatten", nn.Flatten()),
            ("C5", nn.Linear(400, 120)),  # a 5x5 convolution of a 5x5 map
            ("C5_activation", act()),
            ("F6", nn.Linear(120, 84)),
            ("F6_activation", act()),
            ("output", nn.Linear(84, 10)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate, momentum)
    return TorchClassifier(network, config, seed=seed, device=device)
