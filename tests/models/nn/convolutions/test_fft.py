"""Convolutions by Fourier transforms give the same results as PyTorch's own layers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import runners
from fmbench.models.nn.convolutions import fft
from fmbench.models.nn.layers import build_sequential
from tests.helpers.networks import DoublePixels, assert_same_results, use_double_precision


def build_network(*layers):
    torch.manual_seed(0)
    return build_sequential(("pixels", DoublePixels()), *layers, ("flatten", nn.Flatten())).double()


@pytest.fixture
def used(monkeypatch):
    """A list with one entry for each convolution that was computed with the FFT."""
    uses = []
    apply = fft._Convolve.apply
    monkeypatch.setattr(fft._Convolve, "apply", lambda *a: uses.append(1) or apply(*a))
    return uses


@settings(max_examples=25, deadline=None)
@given(
    n_out=st.integers(1, 5),
    size=st.integers(1, 7),
    margin=st.integers(0, 4),
    pooled=st.sampled_from([1, 2, 4]),  # sides of 28, 14 and 7, so even and odd
)
def test_outputs_and_gradients_equal_those_of_the_layer(n_out, size, margin, pooled):
    net = build_network(
        ("widen", nn.Conv2d(1, 3, 1)),  # so that the convolution's input has a gradient
        ("pool", nn.AvgPool2d(pooled)),
        ("conv", nn.Conv2d(3, n_out, size, padding=margin)),
    )
    pixels, widen, pool, conv, flatten = net
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fft, "MAX_SHARE", float("inf"))
        [ours] = fft.replace_large_convolutions([conv])
        assert ours is not conv
        assert_same_results(net, [pixels, widen, pool, ours, flatten])


def test_fft_is_used_if_it_needs_at_most_half_of_the_multiplications(used):
    maps = torch.rand(2, 32, 14, 14)
    for conv, expected in (
        (nn.Conv2d(32, 64, 5, padding=2), True),
        (nn.Conv2d(32, 32, 3), False),  # the direct way needs few multiplications
        (nn.Conv2d(32, 1, 5), False),  # as many transforms as above, but fewer products
    ):
        used.clear()
        [layer] = fft.replace_large_convolutions([conv])
        assert torch.allclose(layer(maps), conv(maps), atol=1e-5)
        assert bool(used) == expected


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("margin", [0, 2])
def test_the_next_layer_may_change_the_output_in_place(n, margin):
    net = build_network(
        ("widen", nn.Conv2d(1, 32, 1)),
        (
            "pool",
            nn.AvgPool2d(4 if margin else 5),
        ),  # maps of 7 x 7, or of 5 x 5 with an output of one pixel
        ("conv", nn.Conv2d(32, 64, 5, padding=margin)),
        ("activation", nn.ReLU(inplace=True)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fft, "MAX_SHARE", float("inf"))
        assert_same_results(net, fft.replace_large_convolutions(net), n)


def test_maps_that_are_too_small_raise_pytorchs_own_error():
    [layer] = fft.replace_large_convolutions([nn.Conv2d(32, 64, 5)])
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        layer(torch.rand(2, 32, 4, 4))


def test_a_second_derivative_raises_an_error():
    [layer] = fft.replace_large_convolutions([nn.Conv2d(32, 64, 5, padding=2)])
    maps = torch.rand(2, 32, 14, 14, requires_grad=True)
    [gradient] = torch.autograd.grad(layer(maps).square().sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_a_layer_with_a_hook_is_not_replaced():
    conv = nn.Conv2d(32, 64, 5, padding=2)
    conv.register_forward_pre_hook(lambda module, inputs: None)
    assert fft.replace_large_convolutions([conv]) == [conv]


def test_maps_that_are_not_square_are_computed_by_the_layer():
    conv = nn.Conv2d(32, 64, 5, padding=2)
    [layer] = fft.replace_large_convolutions([conv])
    maps = torch.rand(2, 32, 14, 12)
    assert torch.equal(layer(maps), conv(maps))


def test_agaraps_second_convolution_uses_transforms(used):
    runner = runners.get_runner("cnn-softmax")
    torch.manual_seed(0)
    net = runner.build(runner.resolve(), seed=0, device="cpu").network().eval()
    use_double_precision(net)
    assert_same_results(net, fft.replace_large_convolutions(net))
    assert used == [1]


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
def test_other_layers_are_not_replaced(layer):
    assert fft.replace_large_convolutions([layer]) == [layer]
