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
from tests.helpers.cuda_emulator import EmulatedKernels, needs_compiler, use_on_cpu
from tests.helpers.networks import fit_small_stack, make_optimizer

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


@needs_compiler
@pytest.mark.parametrize("number", range(len(OPTIMIZERS)))
def test_a_kernel_with_wrong_steps_is_not_used(number, small, monkeypatch):
    """The kernel moves the weights of one optimizer by 2 % more than it should."""
    use_on_cpu(monkeypatch)
    real = EmulatedKernels.launch

    def spoil(self, name, n_blocks, n_threads, *arguments):
        real(self, name, n_blocks, n_threads, *arguments)
        if name == "update":
            arguments[0].detach().view(len(OPTIMIZERS), -1)[number].mul_(1.02)

    monkeypatch.setattr(EmulatedKernels, "launch", spoil)
    name = optimizer.OPTIMIZERS[number]
    with pytest.warns(
        RuntimeWarning, match=rf"the steps of {name} differ by 0\.0\d+ of their size"
    ):
        classifiers = fit_small_stack(small)
    assert len(set(classifiers[0].predict(small[2]))) > 1


def test_the_kernel_compiles_for_old_and_new_cards():
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    for architecture in ("sm_75", "sm_90"):
        assert build.compile_kernels(optimizer.FILE, optimizer.CONSTANTS, architecture)
