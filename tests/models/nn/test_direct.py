"""A network that is trained without autograd has the losses and gradients of PyTorch."""

import copy

import pytest
import torch
from torch import nn

pytest.importorskip("numba")

from fmbench.models.nn.direct import DirectNetwork, make_single_network
from fmbench.models.nn.layers import Pixels
from fmbench.models.nn.losses import SquaredHinge, cross_entropy, mean_squared_error
from fmbench.models.nn.stacked import SingleNetwork


def build_network(*more):
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("pixels", Pixels("unit"))
    network.add_module("conv", nn.Conv2d(1, 3, 5))
    network.add_module("relu", nn.ReLU())
    network.add_module("pool", nn.AvgPool2d(2))
    for i, layer in enumerate(more):
        network.add_module(f"more{i}", layer)
    network.add_module("flatten", nn.Flatten())
    network.add_module("dense", nn.Linear(3 * 12 * 12, 20))
    network.add_module("tanh", nn.Tanh())
    network.add_module("dropout", nn.Dropout(0.5))
    network.add_module("output", nn.Linear(20, 10))
    return network


def make_batch(n=19):
    generator = torch.Generator().manual_seed(0)
    X = torch.randint(0, 256, (1, n, 28, 28), dtype=torch.uint8, generator=generator)
    return X, torch.randint(0, 10, (1, n), generator=generator)


@pytest.mark.parametrize("loss", [cross_entropy, mean_squared_error, SquaredHinge(2.0)], ids=str)
def test_loss_logits_and_gradients_are_those_of_pytorch(loss):
    network, (X, y) = build_network(), make_batch()
    plain = copy.deepcopy(network)
    group = make_single_network(network, loss)
    assert isinstance(group, DirectNetwork)
    for _ in range(2):  # the second step must not add to the first one's gradients
        torch.manual_seed(1)  # of the dropout
        value, logits = group(X, y)
        group.compute_gradient(value)
    torch.manual_seed(1)
    plain_logits = plain(X[0])
    plain_value = loss(dict(plain.named_parameters()), plain_logits, y[0])
    plain_value.backward()
    assert torch.allclose(logits, plain_logits, atol=1e-5)
    assert torch.allclose(value, plain_value, rtol=1e-5)
    for own, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(own.grad, theirs.grad, rtol=0, atol=1e-5 * theirs.grad.abs().max())


def test_networks_with_other_layers_use_autograd():
    other = build_network(nn.BatchNorm2d(3))
    hooked = build_network()
    hooked.dense.register_forward_hook(lambda module, inputs, output: None)
    for network in (other, hooked, nn.Sequential(nn.Flatten(), nn.Linear(784, 10))):
        assert isinstance(make_single_network(network, cross_entropy), SingleNetwork)
