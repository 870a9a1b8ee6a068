"""LeNet-5 as Kayed et al. 2020 describe it, in Section 3 and in Section 4 of their paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmbench.models.registry import Readings, our_choice, register, stated

if TYPE_CHECKING:
    from torch import nn

PAPER = "Kayed et al. 2020"
SECTION_3, SECTION_4 = f"{PAPER}, Section 3", f"{PAPER}, Section 4"
SETTINGS = f"among the settings of {PAPER}"
CHOSEN = (
    f"not stated: the best of 96 ways to read {PAPER} (four optimizers, cross-entropy), on 10,000 "
    "held-out training images; RMSprop and the mean squared error were added later, and "
    "`fmbench forensics lenet5` compares them too"
)
# What the paper leaves open. It does state the pooling; the other kind is compared all the same.
READINGS: Readings = {
    "optimizer": (
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "adam", "momentum": 0.0},
        {"optimizer": "adamax", "momentum": 0.0},
        {"optimizer": "rmsprop", "momentum": 0.0},
    ),
    "activation": ({"activation": "tanh"}, {"activation": "relu"}, {"activation": "sigmoid"}),
    "28x28 to 32x32": ({"to_32": "pad"}, {"to_32": "resize"}),
    "pixels": ({"scaling": "unit"}, {"scaling": "standard"}),
    "pooling": ({"pooling": "average"}, {"pooling": "max"}),
    "loss": ({"loss": "cross-entropy"}, {"loss": "mean squared error"}),
}
# What changes no layer, and not the number of steps.
OUTSIDE_LAYERS = ("optimizer", "momentum", "learning_rate", "loss", "scaling")
INITIALISATION = (
    "Initialisation (Glorot uniform, zero biases) and the optimizers' constants (for Adamax an "
    f"epsilon of 1e-7) are not stated: Keras's defaults, since {PAPER} used Keras 2.2.4."
)


@register(
    "lenet5",
    title=f"LeNet-5 (Section 3 of {PAPER})",
    aliases=("LeNet-5", "CNN-LeNet-5", "LeNet"),
    hyperparameters={
        "pooling": stated("average", f"{SECTION_3}: S2 and S4 average over 2 x 2"),
        "learning_rate": stated(0.005, SETTINGS),
        "batch_size": stated(32, SETTINGS),
        "epochs": stated(10, SETTINGS),
        "to_32": our_choice("pad", CHOSEN),
        "scaling": our_choice("unit", "not stated: pixels in [0, 1]"),
        "activation": our_choice("relu", CHOSEN),
        "optimizer": our_choice("adamax", CHOSEN),
        "momentum": our_choice(0.0, "Adamax does not use it; only SGD does"),
        "loss": our_choice(
            "cross-entropy", "not stated: the usual loss behind a softmax", added_later=True
        ),
    },
    parameter_counts={"C1": 156, "C3": 2_416, "C5": 48_120, "F6": 10_164, "output": 850},
    revision=1,
    cost="minutes",
    compiles_loops=True,
    quick={"epochs": 2},
    scores="predict_proba",
    outside_layers=OUTSIDE_LAYERS,
    readings=READINGS,
    notes=(
        "61,706 parameters: each map of C3 is computed from all maps of S2, and pooling has no "
        "parameters. `lenet5-section3` has trained pooling and a partly connected C3.",
        INITIALISATION,
        "The loss on the test images in the learning curve is the cross-entropy, whichever loss "
        "is trained.",
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
    loss: str,
    seed: int,
    device: str,
) -> Any:
    """LeNet-5: row 18 in Table 3 of Kayed et al. 2020.

    C1 6@5x5, S2, C3 16@5x5, S4, C5 120, F6 84, softmax over 10; the input is 32x32.
    """
    from torch import nn

    from fmbench.models.nn.layers import ACTIVATIONS, POOLING, build_sequential
    from fmbench.models.nn.losses import LOSSES
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    act = ACTIVATIONS[activation]

    def network() -> nn.Module:
        return build_sequential(
            *make_first_layers(scaling, to_32),
            ("C1_activation", act()),
            ("S2", POOLING[pooling](2)),
            ("C3", nn.Conv2d(6, 16, 5)),
            ("C3_activation", act()),
            ("S4", POOLING[pooling](2)),
            *make_last_layers(act),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate, momentum, loss=LOSSES[loss])
    return TorchClassifier(network, config, seed=seed, device=device)


def make_first_layers(scaling: str, to_32: str) -> list[tuple[str, nn.Module]]:
    """Return the layers up to C1, which sees an image of 32x32 and gives 6 maps of 28x28.

    Raises:
        ValueError: ``to_32`` is neither "pad" nor "resize".
    """
    from torch import nn

    from fmbench.models.nn.layers import Pixels, Resize

    if to_32 not in ("pad", "resize"):
        raise ValueError(f"to_32 is {to_32!r}: use 'pad' or 'resize'")
    # A convolution with padding 2 computes the same as one of the image padded to 32x32.
    padding = 2 if to_32 == "pad" else 0
    resize = [("resize", Resize(32))] if to_32 == "resize" else []
    return [("pixels", Pixels(scaling)), *resize, ("C1", nn.Conv2d(1, 6, 5, padding=padding))]


def make_last_layers(act: type[nn.Module]) -> list[tuple[str, nn.Module]]:
    """Return the layers after S4, whose 16 maps are 5x5."""
    from torch import nn

    from fmbench.models.nn.layers import N_OUTPUTS

    return [
        ("flatten", nn.Flatten()),
        ("C5", nn.Linear(400, 120)),  # the same as a 5x5 convolution of a 5x5 map
        ("C5_activation", act()),
        ("F6", nn.Linear(120, 84)),
        ("F6_activation", act()),
        ("output", nn.Linear(84, N_OUTPUTS)),
    ]


AS_LENET5 = "not stated: as in lenet5"
# The maps of S2 to which each map of C3 is connected: LeCun et al. 1998, Table I.
C3_CONNECTIONS = (
    *([i, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *(sorted((i + j) % 6 for j in range(4)) for i in range(6)),
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
)


@register(
    "lenet5-section3",
    title=f"LeNet-5 as Section 3 of {PAPER} prints it, word for word",
    reading_of="lenet5",
    hyperparameters={
        "pooling": stated("average", f"{SECTION_3}: S2 and S4 average over 2 x 2"),
        "learning_rate": stated(0.005, SETTINGS),
        "batch_size": stated(32, SETTINGS),
        "epochs": stated(10, SETTINGS),
        "to_32": our_choice("pad", AS_LENET5),
        "scaling": our_choice("unit", AS_LENET5),
        "activation": our_choice("relu", AS_LENET5),
        "optimizer": our_choice("adamax", AS_LENET5),
        "momentum": our_choice(0.0, AS_LENET5),
        "loss": our_choice("cross-entropy", AS_LENET5),
    },
    parameter_counts={
        "C1": 156, "S2_scale": 12, "C3": 1_516, "S4_scale": 32, "C5": 48_120, "F6": 10_164,
        "output": 850,
    },
    revision=1,
    cost="minutes",
    compiles_loops=True,
    quick={"epochs": 2},
    scores="predict_proba",
    outside_layers=OUTSIDE_LAYERS,
    readings=READINGS,
    notes=(
        f"60,850 parameters. {SECTION_3}, gives S2 12 and S4 32 trained parameters: a weight and a "
        "bias for each map, applied after the average, as in LeCun et al. 1998.",
        f"{SECTION_3}, connects each map of C3 to a subset of S2's maps, and the last one to all, "
        "but does not list the subsets: as in Table I of LeCun et al. 1998, with 60 connections of "
        "25 weights and 16 biases, 1,516 parameters.",
        "Which layers have an activation is not stated: as in lenet5 it follows C1, C3, C5 and F6. "
        "None follows the weights of S2 and S4; in LeCun et al. 1998 one does.",
        "The weights of S2 and S4 start as 1 and their biases as 0, so that at first they only "
        "average. The weights of C3 are Glorot uniform, where each map counts its own connections.",
        INITIALISATION,
    ),
)  # fmt: skip
def lenet5_section3(
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
    loss: str,
    seed: int,
    device: str,
) -> Any:
    """LeNet-5 with trained subsampling: an alternative to row 18 of the paper's Table 3."""

    from fmbench.models.nn.layers import (
        ACTIVATIONS,
        POOLING,
        ChannelScale,
        SparseConv2d,
        build_sequential,
    )
    from fmbench.models.nn.losses import LOSSES
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    act = ACTIVATIONS[activation]

    def network() -> nn.Module:
        return build_sequential(
            *make_first_layers(scaling, to_32),
            ("C1_activation", act()),
            ("S2", POOLING[pooling](2)),
            ("S2_scale", ChannelScale(6)),
            ("C3", SparseConv2d(6, C3_CONNECTIONS, 5)),
            ("C3_activation", act()),
            ("S4", POOLING[pooling](2)),
            ("S4_scale", ChannelScale(16)),
            *make_last_layers(act),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate, momentum, loss=LOSSES[loss])
    return TorchClassifier(network, config, seed=seed, device=device)


NOT_SAID = f"{SECTION_4}, does not say"


@register(
    "lenet5-section4",
    title=f"LeNet-5 as Section 4 of {PAPER} describes it",
    reading_of="lenet5",
    hyperparameters={
        "filters": our_choice(
            [6, 16, 32, 32, 32], f"{NOT_SAID}: Section 3's C1 and C3, then twice as many maps"
        ),
        "dense": our_choice(
            [120, 84, 84], f"{NOT_SAID}: Section 3's C5 and F6, then FC3 as wide as F6"
        ),
        "pooling": our_choice("average", f"{NOT_SAID} which kind: as in Section 3"),
        "learning_rate": stated(0.005, SECTION_4),
        "batch_size": stated(32, SECTION_4),
        "epochs": stated(10, SECTION_4),
        "scaling": our_choice("unit", "not stated: pixels in [0, 1]"),
        "activation": our_choice("relu", "not stated: as in lenet5"),
        "optimizer": our_choice("adamax", "not stated: as in lenet5"),
    },
    parameter_counts={
        "C1": 156, "C2": 2_416, "C3": 4_640, "C4": 9_248, "C5": 9_248,
        "FC1": 15_480, "FC2": 10_164, "FC3": 7_140, "FC4": 850,
    },
    revision=1,
    cost="minutes",
    compiles_loops=True,
    quick={"epochs": 2},
    scores="predict_proba",
    outside_layers=("optimizer", "learning_rate", "scaling"),
    notes=(
        f"{SECTION_4}, puts pooling layers after the first, the second and the fifth convolution, "
        "adds a layer FC3 and calls the output FC4; Section 3's network has neither a fifth "
        "convolution nor an FC3.",
        "We read Section 4 word for word: five convolutions, the last three of them 3 x 3 on maps "
        "of 5 x 5, whose size they keep; then FC1, FC2, FC3 and the output FC4. The fifth "
        "convolution could also mean C5, the third convolution and fifth layer of Section 3; but "
        "its map is a single pixel, which leaves nothing to pool.",
        "59,342 parameters, which follow from our choices; the source states no number for this "
        "network. The image is padded to 32x32, as in lenet5.",
        "The loss is the cross-entropy, as in lenet5.",
        INITIALISATION,
    ),
)  # fmt: skip
def lenet5_section4(
    *,
    filters: list[int],
    dense: list[int],
    pooling: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    scaling: str,
    activation: str,
    optimizer: str,
    seed: int,
    device: str,
) -> Any:
    """An alternative to row 18 of the paper's Table 3."""
    from torch import nn

    from fmbench.models.nn.layers import ACTIVATIONS, N_OUTPUTS, POOLING, Pixels, build_sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    act, pool = ACTIVATIONS[activation], POOLING[pooling]
    first, second, third, fourth, fifth = filters
    fc1, fc2, fc3 = dense

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("C1", nn.Conv2d(1, first, 5, padding=2)),  # the image padded to 32x32
            ("C1_activation", act()),
            ("P1", pool(2)),
            ("C2", nn.Conv2d(first, second, 5)),
            ("C2_activation", act()),
            ("P2", pool(2)),
            ("C3", nn.Conv2d(second, third, 3, padding=1)),
            ("C3_activation", act()),
            ("C4", nn.Conv2d(third, fourth, 3, padding=1)),
            ("C4_activation", act()),
            ("C5", nn.Conv2d(fourth, fifth, 3, padding=1)),
            ("C5_activation", act()),
            ("P5", pool(2)),  # 5x5 to 2x2
            ("flatten", nn.Flatten()),
            ("FC1", nn.Linear(fifth * 2 * 2, fc1)),
            ("FC1_activation", act()),
            ("FC2", nn.Linear(fc1, fc2)),
            ("FC2_activation", act()),
            ("FC3", nn.Linear(fc2, fc3)),
            ("FC3_activation", act()),
            ("FC4", nn.Linear(fc3, N_OUTPUTS)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
