"""Convolutions of one channel: what they give is what PyTorch's own layers give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import runners
from fmbench.models.nn.convolutions import single_channel
from fmbench.models.nn.convolutions.select import _faster
from fmbench.models.nn.layers import sequential
from tests.helpers.layers import Doubles, assert_same, outcome


def network(*layers):
    torch.manual_seed(0)
    scaled = ("scaled", nn.Conv2d(1, 1, 1))  # so that the convolution's input has a gradient
    return sequential(("pixels", Doubles()), scaled, *layers).double()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 7),
    n_out=st.integers(1, 9),
    size=st.integers(1, 7),
    margin=st.integers(0, 4),
    sides=st.sampled_from([(1, 1), (2, 4), (4, 1)]),
    last=st.booleans(),
)
def test_outputs_and_gradients_are_those_of_the_layer(n, n_out, size, margin, sides, last):
    net = network(
        ("pool", nn.AvgPool2d(sides)),  # maps that are no squares, too
        ("conv", nn.Conv2d(1, n_out, size, padding=margin)),
    )
    if last:
        net.to(memory_format=torch.channels_last)
    *before, conv = net
    [ours] = single_channel.replaced([conv])
    assert ours is not conv
    assert_same(net, [*before, ours], n)


def test_what_follows_may_change_it_in_place():
    net = network(("conv", nn.Conv2d(1, 8, 3)), ("activation", nn.ReLU(inplace=True)))
    assert_same(net, single_channel.replaced(net))


def test_one_gradient_for_all_outputs_and_frozen_weights_are_taken():
    conv = nn.Conv2d(1, 8, 3)
    conv.weight.requires_grad_(False)
    gradients = []
    for layer in (conv, *single_channel.replaced([conv])):
        maps = torch.ones(1, 1, 9, 8, requires_grad=True)
        layer(maps).sum().backward()  # hands back one number, expanded to the outputs' shape
        gradients.append(maps.grad)
    assert torch.allclose(*gradients)
    assert conv.weight.grad is None


@pytest.fixture
def used(monkeypatch):
    """Grows by one for each convolution that is computed this way."""
    uses = []
    apply = single_channel._Convolution.apply
    monkeypatch.setattr(
        single_channel._Convolution, "apply", lambda *a: uses.append(1) or apply(*a)
    )
    return uses


@pytest.mark.parametrize("trained", [True, False], ids=["what lies before is trained", "is not"])
def test_it_is_done_where_the_images_have_a_gradient(trained, used):
    conv, maps = nn.Conv2d(1, 8, 3), torch.rand(2, 1, 8, 8, requires_grad=trained)
    [layer] = single_channel.replaced([conv])
    assert torch.allclose(layer(maps), conv(maps), atol=1e-6)
    assert bool(used) is trained


def test_a_second_derivative_is_refused():
    [layer] = single_channel.replaced([nn.Conv2d(1, 8, 3)])
    maps = torch.rand(2, 1, 8, 8, requires_grad=True)
    [gradient] = torch.autograd.grad(layer(maps).square().sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_other_layers_are_left_as_they_are():
    hooked = nn.Conv2d(1, 8, 3)
    hooked.register_forward_hook(lambda module, inputs, output: None)
    layers = [nn.Conv2d(2, 8, 3), nn.Conv2d(1, 8, 3, stride=2), nn.MaxPool2d(2), hooked]
    assert single_channel.replaced(layers) == layers


@pytest.mark.parametrize("name", ["cnn-bn", "cnn-bn-skip"])
def test_bhatnagars_first_convolution_is_computed_this_way(name, used):
    runner = runners.get(name)
    torch.manual_seed(0)
    net = runner.build(runner.resolve(), seed=0, device="cpu").network().eval()
    for a, b in zip(outcome([net], net), outcome([_faster(net)], net), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max()))
    assert used == [1]
