"""The optimizers, each over one vector that holds every parameter of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn


class Settings(Protocol):
    """What an optimizer is told of the way of training."""

    @property
    def learning_rate(self) -> float:
        """Per step."""

    @property
    def momentum(self) -> float:
        """Of "sgd" only."""

    @property
    def epsilon(self) -> float:
        """Of "adam" and "adamax"."""


class Optimizer(Protocol):
    """What the training loop needs of an optimizer."""

    def step(self) -> object:
        """Change the parameters by their gradient."""


class Adamax:
    """Adamax (Kingma & Ba 2015, arXiv 1412.6980, Section 7.1).

    The same operations in the same order as PyTorch's own, so that the results are identical to
    the bit (a test compares them), without its bookkeeping for many tensors and options, which
    takes longer than the arithmetic of a network as small as LeNet-5.
    """

    def __init__(
        self,
        vector: nn.Parameter,
        learning_rate: float,
        epsilon: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self._vector, self._learning_rate, self._epsilon = vector, learning_rate, epsilon
        self._beta1, self._beta2 = betas
        self._mean = torch.zeros_like(vector)
        self._largest = torch.zeros_like(vector)
        self._size = torch.empty_like(vector, requires_grad=False)
        self._n_steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradient."""
        gradient = self._vector.grad
        if gradient is None:
            raise ValueError("the vector has no gradient")
        self._n_steps += 1
        self._mean.lerp_(gradient, 1 - self._beta1)
        torch.abs(gradient, out=self._size).add_(self._epsilon)
        torch.maximum(self._largest.mul_(self._beta2), self._size, out=self._largest)
        rate = self._learning_rate / (1 - self._beta1**self._n_steps)
        self._vector.addcdiv_(self._mean, self._largest, value=-rate)


def _sgd(vector: nn.Parameter, settings: Settings) -> Optimizer:
    return torch.optim.SGD([vector], lr=settings.learning_rate, momentum=settings.momentum)


# On a GPU a step is recorded and replayed, so that the count of steps must be the GPU's own:
# PyTorch's optimizers call that capturable.


def _adam(vector: nn.Parameter, settings: Settings) -> Optimizer:
    on_gpu = vector.is_cuda
    return torch.optim.Adam(
        [vector],
        lr=settings.learning_rate,
        eps=settings.epsilon,
        capturable=on_gpu,
        fused=not on_gpu,  # one pass over memory: Adam's step takes a fifth of the time
    )


def _adamax(vector: nn.Parameter, settings: Settings) -> Optimizer:
    if vector.is_cuda:
        return torch.optim.Adamax(
            [vector], lr=settings.learning_rate, eps=settings.epsilon, capturable=True
        )
    return Adamax(vector, settings.learning_rate, settings.epsilon)


OPTIMIZERS: dict[str, Callable[[nn.Parameter, Settings], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamax": _adamax,
}
