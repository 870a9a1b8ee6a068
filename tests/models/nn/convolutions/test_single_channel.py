"""Fast convolutions of one channel give the same results as PyTorch's own layers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import runners
from fmbench.models import accelerators
from fmbench.models.nn.convolutions import single_channel
from fmbench.models.nn.convolutions.select import build_fast_forward
from fmbench.models.nn.layers import build_sequential
from tests.helpers.networks import (
    DoublePixels,
    assert_same_results,
    compute_with_gradients,
    use_double_precision,
)


@pytest.fixture(autouse=True)
def without_numba(monkeypatch):
    """With numba, the compiled stages come first."""
    monkeypatch.setattr(accelerators, "has_numba", lambda: False)


def build_network(*layers):
    torch.manual_seed(0)
    scaled = ("scaled", nn.Conv2d(1, 1, 1))  # so that the convolution's input has a gradient
    return build_sequential(("pixels", DoublePixels()), scaled, *layers).double()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 7),
    n_out=st.integers(1, 9),
    size=st.integers(1, 7),
    margin=st.integers(0, 4),
    sides=st.sampled_from([(1, 1), (2, 4), (4, 1)]),
    last=st.booleans(),
)
def test_outputs_and_gradients_equal_those_of_the_layer(n, n_out, size, margin, sides, last):
    net = build_network(
        ("pool", nn.AvgPool2d(sides)),  # maps that are not square, too
        ("conv", nn.Conv2d(1, n_out, size, padding=margin)),
    )
    if last:
        net.to(memory_format=torch.channels_last)
    *before, conv = net
    [ours] = single_channel.replace_single_channel_convolutions([conv])
    assert ours is not conv
    assert_same_results(net, [*before, ours], n)


def test_the_next_layer_may_change_the_output_in_place():
    net = build_network(("conv", nn.Conv2d(1, 8, 3)), ("activation", nn.ReLU(inplace=True)))
    assert_same_results(net, single_channel.replace_single_channel_convolutions(net))


def test_the_layer_handles_an_expanded_gradient_and_frozen_weights():
    conv = nn.Conv2d(1, 8, 3)
    conv.weight.requires_grad_(False)
    gradients = []
    for layer in (conv, *single_channel.replace_single_channel_convolutions([conv])):
        maps = torch.ones(1, 1, 9, 8, requires_grad=True)
        layer(
            maps
        ).sum().backward()  # the gradient is one number, expanded to the shape of the output
        gradients.append(maps.grad)
    assert torch.allclose(*gradients)
    assert conv.weight.grad is None


@pytest.fixture
def used(monkeypatch):
    """A list with one entry for each convolution that the fast code computed."""
    uses = []
    apply = single_channel._Convolve.apply
    monkeypatch.setattr(single_channel._Convolve, "apply", lambda *a: uses.append(1) or apply(*a))
    return uses


@pytest.mark.parametrize(
    "trained", [True, False], ids=["the images have a gradient", "they have none"]
)
def test_the_fast_way_is_used_if_the_images_need_a_gradient(trained, used):
    conv, maps = nn.Conv2d(1, 8, 3), torch.rand(2, 1, 8, 8, requires_grad=trained)
    [layer] = single_channel.replace_single_channel_convolutions([conv])
    assert torch.allclose(layer(maps), conv(maps), atol=1e-6)
    assert bool(used) is trained


def test_a_second_derivative_raises_an_error():
    [layer] = single_channel.replace_single_channel_convolutions([nn.Conv2d(1, 8, 3)])
    maps = torch.rand(2, 1, 8, 8, requires_grad=True)
    [gradient] = torch.autograd.grad(layer(maps).square().sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_other_layers_are_not_replaced():
    hooked = nn.Conv2d(1, 8, 3)
    hooked.register_forward_hook(lambda module, inputs, output: None)
    layers = [nn.Conv2d(2, 8, 3), nn.Conv2d(1, 8, 3, stride=2), nn.MaxPool2d(2), hooked]
    assert single_channel.replace_single_channel_convolutions(layers) == layers


@pytest.mark.parametrize("name", ["cnn-bn", "cnn-bn-skip"])
def test_bhatnagars_first_convolution_uses_the_fast_way(name, used):
    runner = runners.get_runner(name)
    torch.manual_seed(0)
    net = runner.build(runner.resolve(), seed=0, device="cpu").network().eval()
    use_double_precision(net)
    expected = compute_with_gradients([net], net)
    actual = compute_with_gradients([build_fast_forward(net)], net)
    for a, b in zip(expected, actual, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-11 * float(a.abs().max()))
    assert used == [1]
