"""The fast narrow convolutions give the same results as PyTorch's own layers."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import runners
from fmbench.models import accelerators
from fmbench.models.nn.convolutions import narrow
from fmbench.models.nn.layers import build_sequential
from fmbench.models.nn.losses import cross_entropy
from fmbench.models.nn.stacked import SingleNetwork
from tests.helpers.networks import (
    DoublePixels,
    assert_same_results,
    make_images,
    use_double_precision,
)


@pytest.fixture(autouse=True)
def without_numba(monkeypatch):
    """With numba, the compiled stages come first."""
    monkeypatch.setattr(accelerators, "has_numba", lambda: False)


def build_network(*layers):
    torch.manual_seed(0)
    return build_sequential(("pixels", DoublePixels()), *layers, ("flatten", nn.Flatten())).double()


def build_lenet(**overrides):
    runner = runners.get_runner("lenet5")
    torch.manual_seed(0)
    return runner.build({**runner.resolve(), **overrides}, seed=0, device="cpu").network()


def assert_replaced_and_same(network):
    layers = narrow.replace_narrow_convolutions(network)
    assert len(layers) < len(network)
    assert_same_results(network, layers)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 16), min_size=1, max_size=3),
    size=st.sampled_from([1, 3, 5]),
    margin=st.integers(0, 3),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.ELU, partial(nn.ELU, 0.5)]),
)
def test_outputs_and_gradients_equal_those_of_the_layers(channels, size, margin, activation):
    layers, side = [], 28
    for i, (n_in, n_out) in enumerate(zip([1, *channels], channels, strict=False)):
        side = (side + 2 * margin - size + 1) // 2
        if side < 1:
            break
        layers += [
            (f"conv{i}", nn.Conv2d(n_in, n_out, size, padding=margin)),
            (f"activation{i}", activation()),
            (f"pool{i}", nn.AvgPool2d(2)),
        ]
    assert_replaced_and_same(build_network(*layers))


def test_maps_of_odd_size_lose_their_last_row_and_column():
    assert_replaced_and_same(
        build_network(
            ("conv0", nn.Conv2d(1, 4, 3)),  # 26, averaged to 13
            ("activation0", nn.ReLU()),
            ("pool0", nn.AvgPool2d(2)),
            ("conv1", nn.Conv2d(4, 3, 3, padding=1)),  # 13, averaged to 6
            ("activation1", nn.ReLU()),
            ("pool1", nn.AvgPool2d(2)),
        )
    )


@pytest.mark.parametrize("overrides", [{}, {"to_32": "resize"}, {"activation": "tanh"}])
def test_lenet5_uses_the_narrow_convolutions(overrides):
    net = use_double_precision(build_lenet(**overrides))
    layers = narrow.replace_narrow_convolutions(net)
    assert len(layers) == len(net) - 5
    assert_same_results(net, layers)


def test_layers_behind_the_narrow_convolutions_are_not_replaced():
    assert_replaced_and_same(
        build_network(
            ("conv0", nn.Conv2d(1, 4, 5)),
            ("activation0", nn.ReLU()),
            ("pool0", nn.AvgPool2d(2)),
            ("conv1", nn.Conv2d(4, 32, 5)),  # wide
            ("activation1", nn.ReLU()),
            ("pool1", nn.AvgPool2d(2)),
        )
    )


@pytest.mark.parametrize(
    ("conv", "activation", "pool"),
    [
        (nn.Conv2d(1, 17, 5), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 4), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, (3, 5)), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5, dilation=2), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5, padding="same"), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5, padding=2, padding_mode="reflect"), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5, bias=False), nn.ReLU(), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5), nn.Softmax(1), nn.AvgPool2d(2)),
        (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2)),
        (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(3)),
        (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, stride=1)),
        (nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2, divisor_override=3)),
    ],
    ids=str,
)
def test_other_layers_are_not_replaced(conv, activation, pool):
    net = build_network(("conv", conv), ("activation", activation), ("pool", pool))
    assert narrow.replace_narrow_convolutions(net) == list(net)


def test_a_subclass_of_a_convolution_is_not_replaced():
    class Convolution(nn.Conv2d):
        def forward(self, X):
            return super().forward(X).abs()

    net = build_network(
        ("conv", Convolution(1, 4, 5)), ("act", nn.ReLU()), ("pool", nn.AvgPool2d(2))
    )
    assert narrow.replace_narrow_convolutions(net) == list(net)


def test_layers_and_networks_with_a_hook_are_not_replaced():
    for name in ("C1", "C1_activation", "S2"):
        net = build_lenet()
        net.get_submodule(name).register_forward_hook(lambda module, inputs, output: None)
        assert narrow.replace_narrow_convolutions(net) == list(net)
    net, called = build_lenet(), []
    net.register_forward_hook(lambda module, inputs, output: called.append(len(output)))
    SingleNetwork(net, cross_entropy)(make_images()[None], torch.zeros(1, 7, dtype=torch.long))
    assert called == [7]


def test_maps_that_are_too_small_raise_an_error_with_their_size():
    layers = [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2)]
    with pytest.raises(ValueError, match="maps of 5 x 5 are too small for a kernel of 5 x 5"):
        narrow.replace_narrow_convolutions(layers)[0](torch.rand(2, 1, 5, 5))


def test_a_second_derivative_raises_an_error():
    [head] = narrow.replace_narrow_convolutions([nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2)])
    maps = torch.rand(2, 1, 28, 28, requires_grad=True)
    [gradient] = torch.autograd.grad(head(maps).square().sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_an_activation_that_works_in_place_gives_the_same():
    assert_replaced_and_same(
        build_network(
            ("conv", nn.Conv2d(1, 4, 5)), ("act", nn.ReLU(inplace=True)), ("p", nn.AvgPool2d(2))
        )
    )


def test_a_subclass_of_sequential_is_trained_by_its_own_forward():
    class Network(nn.Sequential):
        def forward(self, X):
            return 2 * super().forward(X)

    for net in (Network(*build_lenet()), build_lenet()):
        alone = SingleNetwork(net, cross_entropy)
        _, logits = alone(make_images()[None], torch.zeros(1, 7, dtype=torch.long))
        assert torch.allclose(logits, net(make_images()), atol=1e-5)
