"""Stacked layers compute what each network computes alone."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fmbench import runners
from fmbench.models.nn import stacked_layers
from fmbench.models.nn.layers import Pixels
from fmbench.models.nn.losses import LOSSES
from fmbench.models.nn.stacked import StackedNetworks
from fmbench.models.nn.stacked_layers import convolve
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from tests.helpers.networks import use_double_precision

pytestmark = pytest.mark.slow

NEURAL = sorted(
    name for name, r in runners.load_runners().items() if r.uses_gpu and not r.resumable
)
N_IMAGES = 12


def make_images(n_networks=2, n=N_IMAGES):
    generator = torch.Generator().manual_seed(0)
    X = torch.randint(0, 255, (n_networks, n, 28, 28), dtype=torch.uint8, generator=generator)
    X[..., :6] = 0  # a dark border, as the genuine images have
    return X, torch.randint(0, 10, (n_networks, n), generator=generator)


def compare_with_alone(networks, loss, tolerance=1e-4):
    """Check logits, losses, gradients and buffers of a stack against each network alone."""
    X, y = make_images(len(networks))
    alone = [copy.deepcopy(network) for network in networks]
    generators = [torch.Generator() for _ in networks]
    group = StackedNetworks(networks, [loss] * len(networks), generators, N_IMAGES)
    losses, logits = group(X, y)
    group.compute_gradient(losses)
    for i, (network, stacked) in enumerate(zip(alone, networks, strict=True)):
        own_logits = network(X[i])
        own_loss = loss(dict(network.named_parameters()), own_logits, y[i])
        own_loss.backward()
        assert torch.allclose(logits[i], own_logits, atol=tolerance)
        assert torch.allclose(losses[i], own_loss, rtol=tolerance)
        for (name, own), other in zip(
            network.named_parameters(), stacked.parameters(), strict=True
        ):
            scale = own.grad.abs().max()
            assert torch.allclose(own.grad, other.grad, rtol=0, atol=tolerance * scale), name
        for (name, own), other in zip(network.named_buffers(), stacked.buffers(), strict=True):
            assert torch.allclose(own, other, rtol=tolerance), name


@pytest.mark.parametrize("name", NEURAL)
def test_a_stack_of_every_neural_runner_has_the_gradients_of_its_networks_alone(name):
    cells = [Cell(runners.get_runner(name), FULL, seed) for seed in (0, 1)]
    built = [c.runner.build(c.hyperparameters, seed=c.seed, device="cpu") for c in cells]
    networks = []
    for seed, classifier in enumerate(built):
        torch.manual_seed(seed)
        networks.append(use_double_precision(classifier.network()).train())
        for layer in networks[-1].modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0  # a network alone draws other masks than this test's stack
    compare_with_alone(networks, built[0].config.loss, tolerance=1e-9)


class Doubled(nn.Module):
    def forward(self, X):
        return 2 * X


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_layers_of_any_kind_and_any_options_can_be_stacked(loss):
    def build():
        return nn.Sequential(
            Pixels("standard"),
            nn.Conv2d(1, 3, 3, stride=2), nn.AvgPool2d(3, stride=2), nn.Tanh(),
            nn.Conv2d(3, 4, (1, 2), bias=False), nn.AvgPool2d(2), Doubled(),
            nn.Flatten(-3), nn.Linear(4 * 3 * 2, 10, bias=False), nn.Linear(10, 10),
        )  # fmt: skip

    compare_with_alone([build(), build()], loss)


def test_a_network_that_is_not_a_sequence_of_layers_can_be_stacked():
    class Branched(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(784, 10), nn.Linear(784, 10)

        def forward(self, X):
            X = X.flatten(1) / 255
            return self.left(X) + self.right(X).tanh()

    compare_with_alone([Branched(), Branched()], LOSSES["cross-entropy"])


def test_a_layer_with_hooks_keeps_them():
    def build():
        network = nn.Sequential(Pixels("unit"), nn.Flatten(), nn.Linear(784, 10))
        network[2].register_forward_hook(lambda module, inputs, output: output * 3)
        return network

    compare_with_alone([build(), build()], LOSSES["cross-entropy"])


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("many", [1, stacked_layers.MANY_WEIGHTS])
def test_both_ways_to_convolve_give_pytorchs_result_and_gradients(monkeypatch, padding, many):
    monkeypatch.setattr(stacked_layers, "MANY_WEIGHTS", many)
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3, 4, 8, 9), (2, 5, 4, 3, 3), (2, 5)]
    X, weight, bias = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in shapes
    )
    expected = torch.stack([F.conv2d(X[i], weight[i], bias[i], padding=padding) for i in (0, 1)])
    found = convolve(X, weight, bias, padding)
    assert torch.allclose(found, expected)
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    gradients = [
        torch.autograd.grad(out, (X, weight, bias), direction) for out in (found, expected)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs)
