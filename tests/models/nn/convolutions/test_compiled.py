"""Compiled stages compute what PyTorch computes: outputs and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

pytest.importorskip("numba")

from fmbench.models.nn.convolutions import compiled, kernels
from fmbench.models.nn.convolutions.compiled import CompiledStages, replace_stages
from fmbench.models.nn.convolutions.select import build_fast_forward
from fmbench.models.nn.layers import Residual

pytestmark = pytest.mark.slow
TOLERANCE = 2e-5  # of the largest value; the sums are of float32


def build_lenet(pool=nn.AvgPool2d):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), pool(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), pool(2),
    )  # fmt: skip


def compute_with_gradients(layers, network, X, weights):
    """Outputs, and the gradients of all parameters and of the images, if they need one."""
    for tensor in (*network.parameters(), X):
        tensor.grad = None
    out = X
    for layer in layers:
        out = layer(out)
    # A plain sum would give every output the same gradient, which hides a swap of two of them.
    (out * weights).sum().backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    return [out.detach(), *gradients, *([X.grad.clone()] if X.requires_grad else [])]


def assert_same(network, X, seed=0):
    layers = replace_stages(list(network))
    assert any(isinstance(layer, CompiledStages) for layer in layers)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(network(X).shape, generator=generator)
    # The same sums in double precision are what both should be.
    exact = network.double()
    image_grad = X.requires_grad
    expected = compute_with_gradients(
        list(exact), exact, X.detach().double().requires_grad_(image_grad), weights.double()
    )
    network.float()
    actual = compute_with_gradients(layers, network, X, weights)
    for mine, theirs in zip(actual, expected, strict=True):
        assert (mine - theirs).abs().max() <= TOLERANCE * theirs.abs().max().clamp(min=1e-3)


def make_images(*shape, seed=0, requires_grad=False):
    X = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return X.requires_grad_(requires_grad)


@pytest.mark.parametrize("pool", [nn.AvgPool2d, nn.MaxPool2d])
@pytest.mark.parametrize("n", [1, 32, 33])
def test_lenet_has_the_outputs_and_gradients_of_pytorch(n, pool):
    torch.manual_seed(0)
    assert_same(build_lenet(pool), make_images(n, 1, 28, 28))


def test_images_get_their_gradient_if_they_need_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    assert_same(network, make_images(5, 3, 9, 8, requires_grad=True))


# With few registers there are few sizes of blocks, so that numba compiles few versions of a loop.
FEW_REGISTERS = 6


@settings(max_examples=40, deadline=None)
@given(
    channels=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    sides=st.tuples(st.integers(12, 17), st.integers(12, 17)),
    n=st.integers(1, 20),
    paddings=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    maximum=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_stages_of_any_shape_are_computed_as_in_pytorch(
    channels, sizes, sides, n, paddings, maximum, seed
):
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for i in range(2):
        padding = min(paddings[i], sizes[i] - 1)
        layers += [
            nn.Conv2d(channels[i], channels[i + 1], sizes[i], padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(2) if maximum else nn.AvgPool2d(2),
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "N_REGISTERS", FEW_REGISTERS)
        assert_same(nn.Sequential(*layers), make_images(n, channels[0], *sides, seed=seed), seed)


def test_the_first_of_equal_maxima_gets_the_gradient():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2), nn.ReLU())
    nn.init.ones_(network[0].weight)
    nn.init.zeros_(network[0].bias)
    X = torch.ones(1, 1, 2, 2, requires_grad=True)
    replace_stages(list(network))[0](X).sum().backward()
    assert X.grad.flatten().tolist() == [1, 0, 0, 0]


def test_what_is_not_a_number_stays_visible():
    for pool in (nn.AvgPool2d, nn.MaxPool2d):
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), pool(2))
        X = torch.full((1, 1, 6, 6), torch.nan)
        assert replace_stages(list(network))[0](X).isnan().all()


def test_small_groups_and_bands_give_the_same_results(monkeypatch):
    torch.manual_seed(0)
    network, X = build_lenet(), make_images(40, 1, 28, 28)
    weights = torch.ones(network(X).shape)
    at_once = compute_with_gradients(replace_stages(list(network)), network, X, weights)
    monkeypatch.setattr(compiled, "GROUP_BYTES", 1)
    in_parts = compute_with_gradients(replace_stages(list(network)), network, X, weights)
    assert torch.equal(at_once[0], in_parts[0])
    for one, other in zip(at_once[1:], in_parts[1:], strict=True):
        assert torch.allclose(one, other, rtol=0, atol=TOLERANCE * one.abs().max())


def test_the_same_batch_gives_the_same_bits():
    torch.manual_seed(0)
    network, X = build_lenet(), make_images(32, 1, 28, 28)
    weights = torch.ones(network(X).shape)
    layers = replace_stages(list(network))
    first = compute_with_gradients(layers, network, X, weights)
    compute_with_gradients(layers, network, X + 1, weights)  # leaves other values in the buffers
    second = compute_with_gradients(layers, network, X, weights)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_way_back_after_the_next_batch_is_refused():
    network, X = build_lenet(), make_images(4, 1, 28, 28)
    forward = build_fast_forward(network)
    first = forward(X)
    forward(X)
    with pytest.raises(RuntimeError, match=r"call backward\(\) before the next batch"):
        first.sum().backward()


def test_double_precision_is_computed_by_pytorch():
    network = build_lenet().double()
    X = make_images(4, 1, 28, 28).double()
    assert torch.equal(build_fast_forward(network)(X), network(X))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 4, 5), nn.Tanh(), nn.AvgPool2d(2)],
        [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(3)],
        [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, stride=1)],
        [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)],
        [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, divisor_override=3)],
        [nn.Conv2d(1, 4, 5), nn.AvgPool2d(2), nn.ReLU()],
        [nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2)],
        [nn.Conv2d(1, 4, 5, bias=False), nn.ReLU(), nn.MaxPool2d(2)],
        [nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)],  # by Fourier transforms
    ],
    ids=str,
)
def test_other_layers_are_not_replaced(layers):
    assert replace_stages(layers) == layers


def test_layers_with_a_hook_are_not_replaced():
    for i in range(3):
        network = build_lenet()
        network[i].register_forward_hook(lambda module, inputs, output: None)
        assert replace_stages(list(network))[:3] == list(network)[:3]


def test_maps_that_are_too_small_are_refused():
    network = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match="use larger maps"):
        replace_stages(list(network))[0](make_images(2, 1, 5, 5))


@pytest.mark.parametrize("channels", [1, 4])
def test_a_residual_stage_has_the_outputs_and_gradients_of_pytorch(channels):
    torch.manual_seed(0)
    network = nn.Sequential(
        Residual(nn.Conv2d(channels, 4, 3, padding=1)), nn.MaxPool2d(2),
        Residual(nn.Conv2d(4, 4, 5, padding=2)), nn.MaxPool2d(2),
    )  # fmt: skip
    assert_same(network, make_images(18, channels, 13, 12, requires_grad=True))


def test_a_residual_layer_with_a_hook_is_not_replaced():
    network = nn.Sequential(Residual(nn.Conv2d(1, 4, 3, padding=1)), nn.MaxPool2d(2))
    network[0].register_forward_hook(lambda module, inputs, output: None)
    assert replace_stages(list(network)) == list(network)
