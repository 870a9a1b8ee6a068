"""Agarap's convolutional network, which ends in a softmax or in an L2-SVM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fmbench.models.registry import from_source, register

if TYPE_CHECKING:
    from torch import nn

AGARAP = "Agarap 2017, paper and code"
CODE = "Agarap's code"
COMMON = {
    "filters": from_source([32, 64], AGARAP),
    "dense": from_source(1024, AGARAP),
    "dropout": from_source(0.5, f"{AGARAP}: each value is kept with probability 0.5"),
    "sigma": from_source(0.1, f"{CODE}: standard deviation of the truncated normal weights"),
    "bias": from_source(0.1, f"{CODE}: every bias at the start"),
    "scaling": from_source("unit", f"{CODE}: TensorFlow's loader gives pixels in [0, 1]"),
    "optimizer": from_source("adam", AGARAP),
    "learning_rate": from_source(0.001, AGARAP),
    "epsilon": from_source(1e-8, f"{CODE} keeps the default of TensorFlow's AdamOptimizer"),
    "batch_size": from_source(128, AGARAP),
    "steps": from_source(10_000, f"{AGARAP}: batches, not epochs"),
    "held_out": from_source(
        5_000, f"{CODE} trains on what TensorFlow's loader leaves: all but the first 5,000 images"
    ),
}
PARAMETER_COUNTS = {"conv1": 832, "conv2": 51_264, "dense": 3_212_288, "output": 10_250}
QUICK = {"batch_size": 32, "steps": 50, "held_out": 0}
NOTES = (
    "3,274,634 parameters.",
    "In the source a batch may contain images of two epochs; here each epoch ends with a smaller "
    "batch. 10,000 steps are 23.3 epochs of 55,000 images.",
)


def make_network_builder(
    filters: list[int], dense: int, dropout: float, sigma: float, bias: float, scaling: str
) -> Callable[[], nn.Module]:
    """Return a function that builds the network.

    It has two 5x5 convolutions that keep the size, each with ReLU and 2x2 max pooling.
    Here pooling comes before ReLU. The result is the same, and ReLU has only a quarter of the
    values to compute.
    """
    from torch import nn

    from fmbench.models.nn.layers import N_OUTPUTS, Pixels, build_sequential, init_truncated_normal

    first, second = filters
    return lambda: build_sequential(
        ("pixels", Pixels(scaling)),
        ("conv1", nn.Conv2d(1, first, 5, padding=2)),
        ("pool1", nn.MaxPool2d(2)),
        ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(first, second, 5, padding=2)),
        ("pool2", nn.MaxPool2d(2)),
        ("relu2", nn.ReLU()),
        ("flatten", nn.Flatten()),
        ("dense", nn.Linear(second * 7 * 7, dense)),
        ("relu3", nn.ReLU()),
        ("dropout", nn.Dropout(dropout)),
        ("output", nn.Linear(dense, N_OUTPUTS)),
        initialise=dict.fromkeys(PARAMETER_COUNTS, init_truncated_normal(sigma, bias)),
    )


@register(
    "cnn-softmax",
    title="Agarap's CNN with a softmax",
    aliases=("CNN-Softmax", "Agarap's CNN with softmax", "CNN"),
    hyperparameters=COMMON,
    parameter_counts=PARAMETER_COUNTS,
    revision=1,
    cost="hours",
    compiles_loops=True,
    quick=QUICK,
    scores="predict_proba",
    notes=NOTES,
)
def cnn_softmax(
    *,
    filters: list[int],
    dense: int,
    dropout: float,
    sigma: float,
    bias: float,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    epsilon: float,
    batch_size: int,
    steps: int,
    held_out: int,
    seed: int,
    device: str,
) -> Any:
    """Agarap's CNN with softmax: row 5 in Table 3 of Kayed et al. 2020."""
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    config = TrainConfig(
        None, batch_size, optimizer, learning_rate, steps=steps, epsilon=epsilon, held_out=held_out
    )
    build = make_network_builder(filters, dense, dropout, sigma, bias, scaling)
    return TorchClassifier(build, config, seed=seed, device=device)


@register(
    "cnn-svm",
    title="Agarap's CNN with an L2-SVM",
    aliases=("CNN-SVM", "Agarap's CNN with SVM", "CNN"),
    hyperparameters={
        **COMMON,
        "C": from_source(1.0, "Agarap 2017, the paper; the code takes it from the command line"),
    },
    parameter_counts=PARAMETER_COUNTS,
    revision=1,
    cost="hours",
    compiles_loops=True,
    quick=QUICK,
    scores="decision_function",
    flagged={
        "sign": "scored by the argmax of the signs of the decision values, as in the source's code"
    },
    notes=(
        *NOTES,
        "Loss: mean(W^2) of the last layer plus C times the mean squared hinge over images and "
        "classes. The paper calls this loss an SVM activation function.",
        "The result is the class with the largest decision value. The source's code took the "
        "argmax of the signs, where a tie goes to the class with the lowest number.",
        "The loss on the test images in the learning curve is the squared hinge alone, without "
        "mean(W^2).",
    ),
)
def cnn_svm(
    *,
    filters: list[int],
    dense: int,
    dropout: float,
    sigma: float,
    bias: float,
    scaling: str,
    optimizer: str,
    learning_rate: float,
    epsilon: float,
    batch_size: int,
    steps: int,
    held_out: int,
    C: float,
    seed: int,
    device: str,
) -> Any:
    """Agarap's CNN with an L2-SVM loss: row 4 in Table 3 of Kayed et al. 2020."""
    from fmbench.models.nn.losses import SquaredHinge
    from fmbench.models.nn.svm import SVMClassifier
    from fmbench.models.nn.training import TrainConfig

    config = TrainConfig(
        None, batch_size, optimizer, learning_rate, steps=steps, epsilon=epsilon,
        held_out=held_out, loss=SquaredHinge(C),
    )  # fmt: skip
    build = make_network_builder(filters, dense, dropout, sigma, bias, scaling)
    return SVMClassifier(build, config, seed=seed, device=device)
