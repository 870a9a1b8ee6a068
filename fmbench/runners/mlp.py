"""Neural networks without convolutions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fmbench.models.registry import our_choice, register, stated

NOT_STATED = "no source of this row was found"


@register(
    "three-layer-nn",
    title="Three-layer network: input, one hidden layer, output",
    aliases=("Three-layer neural network", "Neural network", "MLP"),
    hyperparameters={
        "hidden": our_choice(128, f"{NOT_STATED}: a power of two near Xiao's MLP of 100"),
        "activation": our_choice("relu", f"{NOT_STATED}: as in Xiao 2017's best MLP"),
        "scaling": our_choice("unit", f"{NOT_STATED}: pixels in [0, 1]"),
        "optimizer": our_choice("adam", f"{NOT_STATED}: Keras's common default"),
        "learning_rate": our_choice(0.001, f"{NOT_STATED}: Adam's default"),
        "batch_size": our_choice(32, f"{NOT_STATED}: Keras's default"),
        "epochs": our_choice(10, f"{NOT_STATED}: as many as for the LeNet-5 of Kayed et al. 2020"),
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
    """A three-layer network: row 1 in Table 3 of Kayed et al. 2020."""
    from torch import nn

    from fmbench.models.nn.layers import ACTIVATIONS, N_OUTPUTS, Pixels, build_sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("flatten", nn.Flatten()),
            ("hidden", nn.Linear(784, hidden)),
            ("activation", ACTIVATIONS[activation]()),
            ("output", nn.Linear(hidden, N_OUTPUTS)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)


def _make_deep_network(
    *,
    hidden: list[int],
    activation: str,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int,
    device: str,
) -> Any:
    """Fully connected layers, each followed by the activation that the runner is named after."""
    from torch import nn

    from fmbench.models.nn.layers import ACTIVATIONS, N_OUTPUTS, Pixels, build_sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        layers: list[tuple[str, nn.Module]] = []
        for i, (n_in, n_out) in enumerate(pairwise([784, *hidden]), 1):
            layers.append((f"hidden{i}", nn.Linear(n_in, n_out)))
            layers.append((f"{activation}{i}", ACTIVATIONS[activation]()))
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("flatten", nn.Flatten()),
            *layers,
            ("output", nn.Linear(hidden[-1], N_OUTPUTS)),
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)


MCKENNA = "McKenna's layers and training were not found"

for _activation, _title in (("sigmoid", "sigmoid"), ("relu", "ReLU"), ("elu", "ELU")):
    register(
        f"mlp-{_activation}",
        title=f"Deep network without convolutions, {_title}",
        aliases=(f"MLP ({_title})", f"Deep neural network with {_title}", "MLP", "Neural network"),
        hyperparameters={
            "hidden": our_choice([256, 256, 256], f"{MCKENNA}: three hidden layers count as deep"),
            "activation": stated(_activation, "Kayed et al. 2020 name these three activations"),
            "scaling": our_choice("unit", f"{MCKENNA}: pixels in [0, 1]"),
            "optimizer": our_choice("adam", f"{MCKENNA}: it trains all three, sigmoid too"),
            "learning_rate": our_choice(0.001, f"{MCKENNA}: Adam's default"),
            "batch_size": our_choice(128, f"{MCKENNA}: a common size"),
            "epochs": our_choice(20, f"{MCKENNA}: takes minutes on one core"),
        },
        parameter_counts={
            "hidden1": 200_960, "hidden2": 65_792, "hidden3": 65_792, "output": 2_570,
        },
        revision=1,
        cost="minutes",
        quick={"epochs": 3, "batch_size": 32},
        scores="predict_proba",
        notes=("mlp-sigmoid, mlp-relu and mlp-elu differ only in their activation.",),
    )(_make_deep_network)  # fmt: skip
