"""Convolutional networks, with and without batch normalisation."""

from __future__ import annotations

from typing import Any

from fmbench.models.registry import BEST_EPOCH, from_source, our_choice, register

BHATNAGAR = (
    "no source of this row was found: as in CNN2 of Bhatnagar et al. 2017, one of two candidates "
    "(the other is 2 Conv+pooling in the data set's own list of results)"
)
BN_FLAGGED = {BEST_EPOCH: "best epoch picked on the test set, as the source did"}
KEPT_BEST_EPOCH = (
    "The source kept the best of its 50 epochs, chosen by accuracy on the test set. The result "
    "here is that of the last epoch."
)
FIRST_CONVOLUTION = (
    "Initialisation as in the code: the first convolution has Keras's random_uniform weights and "
    "RandomNormal biases, every other layer Keras's default."
)


@register(
    "cnn",
    title="Two convolutions with pooling",
    aliases=("CNN", "Convolutional neural network"),
    hyperparameters={
        "filters": our_choice(32, BHATNAGAR),
        "dense": our_choice(128, BHATNAGAR),
        "dropout": our_choice(0.5, BHATNAGAR),
        "scaling": our_choice("unit", BHATNAGAR),
        "optimizer": our_choice("adam", BHATNAGAR),
        "learning_rate": our_choice(0.001, f"{BHATNAGAR}; Adam's default"),
        "batch_size": our_choice(256, BHATNAGAR),
        "epochs": our_choice(
            50, f"{BHATNAGAR}; the last epoch counts, not the best on the test set"
        ),
    },
    parameter_counts={"conv1": 320, "conv2": 9_248, "dense": 102_528, "output": 1_290},
    revision=2,
    cost="hours",
    compiles_loops=True,
    quick={"epochs": 3},
    scores="predict_proba",
    flagged=BN_FLAGGED,
    notes=(
        "113,386 parameters, as in the code of CNN2.",
        "No source of this row was found. CNN2 of Bhatnagar et al. 2017 is one of two candidates, "
        "and whatever is said of the source here is true of CNN2.",
        KEPT_BEST_EPOCH,
        FIRST_CONVOLUTION,
    ),
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
    """A plain CNN: row 17 in Table 3 of Kayed et al. 2020.

    Its 3x3 convolutions have no padding; ReLU and 2x2 max pooling follow each of them.
    Here pooling comes before ReLU. The result is the same, and ReLU has only a quarter of the
    values to compute.
    """
    from torch import nn

    from fmbench.models.nn.layers import (
        N_OUTPUTS,
        Pixels,
        build_sequential,
        init_keras_random,
    )
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
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
            ("output", nn.Linear(dense, N_OUTPUTS)),
            initialise={"conv1": init_keras_random},
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)


CODE = "the code of Bhatnagar et al. 2017"
BN_HYPERPARAMETERS = {
    "filters": from_source(32, CODE),
    "dense": from_source(128, CODE),
    "dropout": from_source(0.5, CODE),
    "scaling": from_source("unit", f"{CODE}: pixels / 255"),
    "optimizer": from_source("adam", CODE),
    "learning_rate": from_source(0.001, f"{CODE} keeps Keras's default"),
    "batch_size": from_source(256, CODE),
    "epochs": from_source(50, CODE),
}
BN_QUICK = {"epochs": 3, "batch_size": 32}
BN_NOTES = (
    "Parameters are counted as in Keras: a batch normalisation has four per channel, two of them "
    "the moving mean and variance, which are not trained.",
    "Batch normalisation has Keras's defaults, momentum 0.99 and epsilon 1e-3, as in the code.",
    KEPT_BEST_EPOCH,
)


@register(
    "cnn-bn",
    title="Two convolutions with batch normalisation",
    aliases=("CNN with batch normalisation", "CNN"),
    hyperparameters=BN_HYPERPARAMETERS,
    parameter_counts={
        "bn1": 4, "conv1": 320, "bn2": 128, "conv2": 9_248, "dense": 147_584, "output": 1_290,
    },
    revision=1,
    cost="hours",
    compiles_loops=True,
    quick=BN_QUICK,
    scores="predict_proba",
    flagged=BN_FLAGGED,
    notes=(
        "158,574 parameters, as in the source's code, 66 of them not trained.",
        *BN_NOTES,
        FIRST_CONVOLUTION,
    ),
)  # fmt: skip
def cnn_bn(
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
    """A CNN with batch normalisation: row 6 in Table 3 of Kayed et al. 2020.

    A batch normalisation precedes each convolution; the first convolution keeps the size.
    Here pooling comes before ReLU. The result is the same, and ReLU has only a quarter of the
    values to compute.
    """
    from torch import nn

    from fmbench.models.nn.layers import (
        N_OUTPUTS,
        Pixels,
        build_sequential,
        init_keras_random,
        make_batch_norm,
    )
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("bn1", make_batch_norm(1)),
            ("conv1", nn.Conv2d(1, filters, 3, padding=1)),
            ("pool1", nn.MaxPool2d(2)),
            ("relu1", nn.ReLU()),
            ("bn2", make_batch_norm(filters)),
            ("conv2", nn.Conv2d(filters, filters, 3)),
            ("pool2", nn.MaxPool2d(2)),
            ("relu2", nn.ReLU()),
            ("flatten", nn.Flatten()),
            ("dense", nn.Linear(filters * 6 * 6, dense)),
            ("relu3", nn.ReLU()),
            ("dropout", nn.Dropout(dropout)),
            ("output", nn.Linear(dense, N_OUTPUTS)),
            initialise={"conv1": init_keras_random},
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)


@register(
    "cnn-bn-skip",
    title="Two convolutions with batch normalisation and residual connections",
    aliases=(
        "CNN with batch normalisation and skip connections",
        "CNN with skip connections",
        "CNN",
    ),
    hyperparameters=BN_HYPERPARAMETERS,
    parameter_counts={
        "bn1": 4, "conv1": 320, "bn2": 128, "conv2": 9_248, "bn3": 128,
        "dense": 200_832, "output": 1_290,
    },
    revision=1,
    cost="hours",
    compiles_loops=True,
    quick=BN_QUICK,
    scores="predict_proba",
    flagged=BN_FLAGGED,
    notes=(
        "211,950 parameters, as in the source's code, 130 of them not trained.",
        *BN_NOTES,
        "Initialisation as in the code: both convolutions have Keras's random_uniform weights "
        "and RandomNormal biases, every other layer Keras's default.",
    ),
)  # fmt: skip
def cnn_bn_skip(
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
    """A CNN with skip connections: row 7 in Table 3 of Kayed et al. 2020.

    Twice it computes b = BN(x) and then pool(b + relu(conv(b))), where the convolution keeps the
    size; a last BN follows. The first b has one channel, which is added to every channel of the
    convolution.
    """
    from torch import nn

    from fmbench.models.nn.layers import (
        N_OUTPUTS,
        Pixels,
        Residual,
        build_sequential,
        init_keras_random,
        make_batch_norm,
    )
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)),
            ("bn1", make_batch_norm(1)),
            ("conv1", Residual(nn.Conv2d(1, filters, 3, padding=1))),
            ("pool1", nn.MaxPool2d(2)),
            ("bn2", make_batch_norm(filters)),
            ("conv2", Residual(nn.Conv2d(filters, filters, 3, padding=1))),
            ("pool2", nn.MaxPool2d(2)),
            ("bn3", make_batch_norm(filters)),
            ("flatten", nn.Flatten()),
            ("dense", nn.Linear(filters * 7 * 7, dense)),
            ("relu", nn.ReLU()),
            ("dropout", nn.Dropout(dropout)),
            ("output", nn.Linear(dense, N_OUTPUTS)),
            initialise={"conv1": init_keras_random, "conv2": init_keras_random},
        )

    config = TrainConfig(epochs, batch_size, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)
