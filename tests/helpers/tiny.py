"""A small network that learns fast, with two made-up ways to read its source.

It is registered when this file is imported, so that a process that runs its cells finds it. Tests
use :func:`registered`, which takes it out again: the tests of all runners never see it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from fmbench import runners
from fmbench.models import registry
from fmbench.models.registry import Runner, our_choice, register, stated


@contextmanager
def registered() -> Iterator[Runner]:
    """The runner ``tiny``, registered for the duration of the block."""
    runners.load_runners()  # else they would be loaded inside the block, and forgotten after it
    with mock.patch.dict(registry._REGISTRY, {"tiny": RUNNER}):
        yield RUNNER


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
    """One layer from 784 pixels to 10 classes."""
    from torch import nn

    from fmbench.models.nn.layers import Pixels, build_sequential
    from fmbench.models.nn.training import TorchClassifier, TrainConfig

    def network() -> nn.Module:
        return build_sequential(
            ("pixels", Pixels(scaling)), ("flatten", nn.Flatten()), ("output", nn.Linear(784, 10))
        )

    config = TrainConfig(epochs, 100, optimizer, learning_rate)
    return TorchClassifier(network, config, seed=seed, device=device)


RUNNER = registry.list_runners()["tiny"]
