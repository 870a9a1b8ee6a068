"""The optimizers of all networks of a stack, as one kernel for each step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fmbench.models.nn import optimizers
from fmbench.models.nn.gpu_kernels.build import KernelError, Kernels, load_kernels, move_to_gpu
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
# What the kernel adds to the weights may differ from what PyTorch's optimizers add in double
# precision by this share of its length as a vector. Rounding is less than a ten-thousandth.
TOLERANCE = 0.001
N_CHECKED, CHECKED_STEPS = 500, 3  # weights of each optimizer, and steps, that are compared


class NamedSettings(OptimizerSettings, Protocol):
    """The settings of an optimizer, with its name."""

    @property
    def optimizer(self) -> str:
        """A key of ``fmbench.models.nn.optimizers.OPTIMIZERS``."""


class StackOptimizer:
    """Updates the vector that holds all parameters of a stack.

    ``settings`` holds those of each network, in the order in which the networks stand in the
    vector. If they differ, all parameters of a network must stand together. It computes what
    PyTorch's optimizers compute, except for rounding. ``kernels``: by default they are loaded.

    Raises:
        KernelError: the kernel cannot be compiled here, or its results are wrong.
    """

    def __init__(
        self,
        vector: nn.Parameter,
        settings: Sequence[NamedSettings],
        kernels: Kernels | None = None,
    ) -> None:
        self._kernels = kernels or load_checked()
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


class _CheckedSettings(NamedTuple):
    optimizer: str
    learning_rate: float = 0.01
    momentum: float = 0.9
    epsilon: float = 1e-7


@lru_cache
def load_checked() -> Kernels:
    """Load the kernel, and compare its steps with those of PyTorch's optimizers.

    Raises:
        KernelError: it cannot be loaded, or its results are wrong.
    """
    kernels = load_kernels(FILE, CONSTANTS)
    settings = [_CheckedSettings(name) for name in OPTIMIZERS]
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(
        CHECKED_STEPS, len(settings), N_CHECKED, generator=generator, dtype=torch.float64
    )
    vector = nn.Parameter(move_to_gpu(torch.zeros(gradients[0].numel())))
    together = StackOptimizer(vector, settings, kernels)
    for gradient in gradients:
        vector.grad = move_to_gpu(gradient.flatten())
        together.step()
    found = vector.detach().cpu().double().view(len(settings), N_CHECKED)
    for own, each, its_gradients in zip(found, settings, gradients.unbind(1), strict=True):
        right = nn.Parameter(torch.zeros_like(own))
        alone = optimizers.OPTIMIZERS[each.optimizer](right, each)
        for gradient in its_gradients:
            right.grad = gradient
            alone.step()
        error = float((own - right.detach()).norm() / right.detach().norm())
        if not error <= TOLERANCE:
            raise KernelError(
                f"the steps of {each.optimizer} differ by {error:.2g} of their size from PyTorch's"
            )
    return kernels
