"""One kernel for the optimizers of a stack."""

import copy

import pytest
import torch
from torch import nn

from fmbench.models.nn.gpu_kernels import build, optimizer
from fmbench.models.nn.gpu_kernels.optimizer import StackOptimizer
from fmbench.models.nn.optimizers import OPTIMIZERS
from fmbench.models.nn.stacked import join_parameters
from fmbench.models.nn.training import TrainConfig
from tests.helpers.cuda_emulator import needs_compiler, use_on_cpu
from tests.helpers.networks import make_optimizer

pytestmark = pytest.mark.slow


@needs_compiler
def test_one_kernel_does_the_steps_of_pytorchs_optimizers(monkeypatch):
    """Four networks with four optimizers in one vector, and each alone with PyTorch's own."""
    use_on_cpu(monkeypatch)
    settings = [
        TrainConfig(1, 32, name, rate, momentum=0.9 if name == "sgd" else 0.0)
        for name, rate in zip(OPTIMIZERS, (0.1, 0.01, 0.02, 0.005), strict=True)
    ]
    torch.manual_seed(3)
    networks = [nn.Linear(20, 13) for _ in settings]
    alone = copy.deepcopy(networks)
    vector, _ = join_parameters(networks, by_network=True)
    together = StackOptimizer(vector, settings)
    others = [
        make_optimizer(config, network.parameters())
        for config, network in zip(settings, alone, strict=True)
    ]
    for _ in range(30):
        for network, other in zip(networks, alone, strict=True):
            for own, right in zip(network.parameters(), other.parameters(), strict=True):
                right.grad = torch.randn(right.shape)
                own.grad.copy_(right.grad)
        together.step()
        for each in others:
            each.step()
    for network, other in zip(networks, alone, strict=True):
        for own, right in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.allclose(own, right, rtol=1e-4, atol=1e-5)


def test_the_kernel_compiles_for_old_and_new_cards():
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    for architecture in ("sm_75", "sm_90"):
        assert build.compile_kernels(optimizer.FILE, optimizer.CONSTANTS, architecture)
