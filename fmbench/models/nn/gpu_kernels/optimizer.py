"""The optimizers of all networks of a stack, as one kernel for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from fmbench.models.nn.gpu_kernels.build import load_kernels
from fmbench.models.nn.optimizers import BETA1, BETA2, RHO, OptimizerSettings

FILE = "update.cu"
N_THREADS = 256
ADAM_BETAS = 0.9, 0.999  # the default of PyTorch and of Keras
CONSTANTS = (
    ("ADAM_BETA1", ADAM_BETAS[0]), ("ADAM_BETA2", ADAM_BETAS[1]),
    ("ADAMAX_BETA1", BETA1), ("ADAMAX_BETA2", BETA2), ("RHO", RHO),
)  # fmt: skip
# The names of the optimizers, each at the number by which update.cu knows it.
OPTIMIZERS = ("sgd", "adam", "adamax", "rmsprop")


class NamedSettings(OptimizerSettings, Protocol):
    """The settings of an optimizer, with its name."""

    @property
    def optimizer(self) -> str:
        """A key of ``fmbench.models.nn.optimizers.OPTIMIZERS``."""


class StackOptimizer:
    """Updates the vector that holds all parameters of a stack.

    ``settings`` holds those of each network, in the order in which the networks stand in the
    vector. If they differ, all parameters of a network must stand together. It computes what
    PyTorch's optimizers compute, except for rounding.

    Raises:
        KernelError: the kernel cannot be compiled here.
    """

    def __init__(self, vector: nn.Parameter, settings: Sequence[NamedSettings]) -> None:
        self._kernels = load_kernels(FILE, CONSTANTS)
        rows = [
            [OPTIMIZERS.index(s.optimizer), s.learning_rate, s.momentum, s.epsilon]
            for s in settings
        ]
        if all(row == rows[0] for row in rows):
            rows = rows[:1]
        device = vector.device
        self._vector, self._n_each = vector, len(vector) // len(rows)
        self._settings = torch.tensor(rows, dtype=torch.float32, device=device)
        self._memory: tuple[Tensor, Tensor] = torch.zeros_like(vector), torch.zeros_like(vector)
        rates = [*ADAM_BETAS, BETA1]
        self._rates = torch.tensor(rates, dtype=torch.float64, device=device)
        self._powers = torch.ones_like(self._rates)

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradient."""
        vector, n = self._vector, len(self._vector)
        assert vector.grad is not None
        self._powers.mul_(self._rates)
        self._kernels.launch(
            "update", -(-n // N_THREADS), N_THREADS, vector, vector.grad, *self._memory,
            self._powers, self._settings, self._n_each, n,
        )  # fmt: skip
