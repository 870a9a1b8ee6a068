"""Convolutions as products of spectra: what they give is what PyTorch's own layers give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import runners
from fmbench.models.nn.convolutions import fft
from fmbench.models.nn.layers import sequential
from tests.helpers.layers import Doubles, assert_same, outcome


def network(*layers):
    torch.manual_seed(0)
    return sequential(("pixels", Doubles()), *layers, ("flatten", nn.Flatten())).double()


@settings(max_examples=25, deadline=None)
@given(
    n_out=st.integers(1, 5),
    size=st.integers(1, 7),
    margin=st.integers(0, 4),
    pooled=st.sampled_from([1, 2, 4]),  # sides of 28, 14 and 7: an even and an odd number
)
def test_outputs_and_gradients_are_those_of_the_layer(n_out, size, margin, pooled):
    net = network(
        ("widen", nn.Conv2d(1, 3, 1)),  # so that the convolution's input has a gradient
        ("pool", nn.AvgPool2d(pooled)),
        ("conv", nn.Conv2d(3, n_out, size, padding=margin)),
    )
    pixels, widen, pool, conv, flatten = net
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fft, "WORTH_IT", float("inf"))
        [ours] = fft.replaced([conv])
        assert ours is not conv
        assert_same(net, [pixels, widen, pool, ours, flatten])


def test_it_is_done_where_it_takes_half_of_the_multiplications_at_most(monkeypatch):
    used = []
    product = fft._Product.apply
    monkeypatch.setattr(fft._Product, "apply", lambda *a: used.append(1) or product(*a))
    maps = torch.rand(2, 32, 14, 14)
    for conv, expected in (
        (nn.Conv2d(32, 64, 5, padding=2), True),
        (nn.Conv2d(32, 32, 3), False),  # few multiplications as it stands
        (nn.Conv2d(32, 1, 5), False),  # as many transforms for fewer products
    ):
        used.clear()
        [layer] = fft.replaced([conv])
        assert torch.allclose(layer(maps), conv(maps), atol=1e-5)
        assert bool(used) == expected


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("margin", [0, 2])
def test_what_follows_may_change_it_in_place(n, margin):
    net = network(
        ("widen", nn.Conv2d(1, 32, 1)),
        ("pool", nn.AvgPool2d(4 if margin else 5)),  # 7, or 5 and so a map of one pixel
        ("conv", nn.Conv2d(32, 64, 5, padding=margin)),
        ("activation", nn.ReLU(inplace=True)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fft, "WORTH_IT", float("inf"))
        assert_same(net, fft.replaced(net), n)


def test_maps_too_small_are_left_to_the_layer_to_complain_of():
    [layer] = fft.replaced([nn.Conv2d(32, 64, 5)])
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        layer(torch.rand(2, 32, 4, 4))


def test_a_second_derivative_is_refused():
    [layer] = fft.replaced([nn.Conv2d(32, 64, 5, padding=2)])
    maps = torch.rand(2, 32, 14, 14, requires_grad=True)
    [gradient] = torch.autograd.grad(layer(maps).square().sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_a_layer_with_a_hook_is_left_as_it_is():
    conv = nn.Conv2d(32, 64, 5, padding=2)
    conv.register_forward_pre_hook(lambda module, inputs: None)
    assert fft.replaced([conv]) == [conv]


def test_maps_that_are_no_squares_are_left_to_the_layer():
    conv = nn.Conv2d(32, 64, 5, padding=2)
    [layer] = fft.replaced([conv])
    maps = torch.rand(2, 32, 14, 12)
    assert torch.equal(layer(maps), conv(maps))


def test_agarap_s_second_convolution_is_computed_this_way():
    runner = runners.get("cnn-softmax")
    torch.manual_seed(0)
    net = runner.build(runner.resolve(), seed=0, device="cpu").network().eval()
    layers = fft.replaced(net)
    for a, b in zip(outcome(list(net), net), outcome(layers, net), strict=True):
        assert torch.allclose(a, b, rtol=1e-2, atol=1e-4 * float(a.abs().max()))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, (3, 5)),
        nn.Conv2d(8, 8, 5, stride=2),
        nn.Conv2d(8, 8, 5, dilation=2),
        nn.Conv2d(8, 8, 5, groups=2),
        nn.Conv2d(8, 8, 5, padding="same"),
        nn.Conv2d(8, 8, 5, padding=2, padding_mode="reflect"),
        nn.Conv2d(8, 8, 5, bias=False),
        nn.MaxPool2d(2),
    ],
    ids=str,
)
def test_other_layers_are_left_as_they_are(layer):
    assert fft.replaced([layer]) == [layer]
