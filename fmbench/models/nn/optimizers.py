"""The optimizers. Each updates one vector that holds all parameters of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fmbench.models import accelerators

BETA1, BETA2 = 0.9, 0.999  # Adamax's decay rates, as in the paper and in PyTorch
RHO = 0.9  # RMSprop's decay rate, as in Keras


class OptimizerSettings(Protocol):
    """The settings that an optimizer reads."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of a step."""

    @property
    def momentum(self) -> float:
        """The momentum, for "sgd" only."""

    @property
    def epsilon(self) -> float:
        """The constant added to the denominator, for all but "sgd"."""


class Optimizer(Protocol):
    """The one method of an optimizer that the training loop calls."""

    def step(self) -> object:
        """Update the parameters by their gradient."""


class Adamax:
    """Adamax (Kingma & Ba 2015, arXiv 1412.6980, Section 7.1).

    It does the same operations in the same order as PyTorch's Adamax, so the results are the same
    to the last bit (a test compares them). It is faster because it skips PyTorch's bookkeeping for
    many tensors and options, which takes longer than the arithmetic of a network as small as
    LeNet-5.
    """

    def __init__(self, vector: nn.Parameter, learning_rate: float, epsilon: float) -> None:
        self._vector, self._learning_rate, self._epsilon = vector, learning_rate, epsilon
        self._mean = torch.zeros_like(vector)
        self._max_gradient = torch.zeros_like(vector)
        self._abs_gradient = torch.empty_like(vector, requires_grad=False)
        self._n_steps = 0
        self._is_compiled = accelerators.has_numba() and vector.dtype == torch.float32

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradient."""
        gradient = self._vector.grad
        if gradient is None:
            raise ValueError("the vector has no gradient: call backward() before step()")
        self._n_steps += 1
        if self._is_compiled:
            self._step_compiled(gradient)
            return
        self._mean.lerp_(gradient, 1 - BETA1)
        torch.abs(gradient, out=self._abs_gradient).add_(self._epsilon)
        torch.maximum(self._max_gradient.mul_(BETA2), self._abs_gradient, out=self._max_gradient)
        rate = self._learning_rate / (1 - BETA1**self._n_steps)
        self._vector.addcdiv_(self._mean, self._max_gradient, value=-rate)

    def _step_compiled(self, gradient: torch.Tensor) -> None:
        """Do the same operations in the same order, in one pass over the memory (numba)."""
        from fmbench.models.nn.fused import step_adamax

        arrays = self._vector, gradient, self._mean, self._max_gradient
        rate = -self._learning_rate / (1 - BETA1**self._n_steps)
        numbers = rate, self._epsilon, 1 - BETA1, BETA2
        step_adamax(*(each.detach().numpy() for each in arrays), *map(np.float32, numbers))


def compile_loops(optimizer: str) -> None:
    """Compile the loop of an optimizer on a CPU, a key of OPTIMIZERS; only Adamax has one."""
    if optimizer == "adamax":
        vector = nn.Parameter(torch.zeros(1))
        vector.grad = torch.zeros(1)
        Adamax(vector, learning_rate=1.0, epsilon=1.0).step()


def _make_sgd(vector: nn.Parameter, settings: OptimizerSettings) -> Optimizer:
    return torch.optim.SGD(
        [vector], lr=settings.learning_rate, momentum=settings.momentum, foreach=False
    )


# On a GPU a step is recorded and replayed, so the optimizer must count its steps on the GPU.
# PyTorch's option for that is `capturable`. `foreach`, the default there, is for many tensors:
# it gives each block of threads 65,536 elements of a tensor, and one short vector keeps only a few
# blocks busy.


def _make_adam(vector: nn.Parameter, settings: OptimizerSettings) -> Optimizer:
    return torch.optim.Adam(
        [vector],
        lr=settings.learning_rate,
        eps=settings.epsilon,
        capturable=vector.is_cuda,
        fused=True,  # one pass over the memory: a step on a CPU takes a fifth of the time
    )


def _make_adamax(vector: nn.Parameter, settings: OptimizerSettings) -> Optimizer:
    if vector.is_cuda:
        return torch.optim.Adamax(
            [vector],
            lr=settings.learning_rate,
            eps=settings.epsilon,
            capturable=True,
            foreach=False,
        )
    return Adamax(vector, settings.learning_rate, settings.epsilon)


def _make_rmsprop(vector: nn.Parameter, settings: OptimizerSettings) -> Optimizer:
    # PyTorch computes what Keras 2 does: epsilon is added to the root, and nothing is centred.
    return torch.optim.RMSprop(
        [vector],
        lr=settings.learning_rate,
        alpha=RHO,
        eps=settings.epsilon,
        capturable=vector.is_cuda,
        foreach=False,
    )


OPTIMIZERS: dict[str, Callable[[nn.Parameter, OptimizerSettings], Optimizer]] = {
    "sgd": _make_sgd,
    "adam": _make_adam,
    "adamax": _make_adamax,
    "rmsprop": _make_rmsprop,
}
