"""Narrow convolutions as matrix products: what they give is what PyTorch's own layers give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmbench import registry
from fmbench.innermost import images_innermost
from fmbench.networks import sequential


class Doubles(nn.Module):
    """Pixels in double precision, so that rounding does not hide a mistake."""

    def forward(self, X):
        return X.unsqueeze(1).double() / 255


def network(*layers):
    torch.manual_seed(0)
    return sequential(("pixels", Doubles()), *layers, ("flatten", nn.Flatten())).double()


def lenet(**readings):
    runner = registry.get("lenet5")
    torch.manual_seed(0)
    return runner.build({**runner.resolve(), **readings}, seed=0, device="cpu").network()


def images(n=7):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)


def outcome(compute, of):
    """What a network gives, and the gradient of each of its parameters."""
    of.zero_grad()
    output = compute(images())
    # Squares, so that the gradient differs from place to place.
    output.square().sum().backward()
    return [output.detach(), *(p.grad.clone() for p in of.parameters())]


def assert_same(of):
    ours = images_innermost(of)
    assert ours is not of
    for a, b in zip(outcome(of, of), outcome(ours, of), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 16), min_size=1, max_size=3),
    size=st.sampled_from([1, 3, 5]),
    padded=st.booleans(),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.ELU]),
)
def test_outputs_and_gradients_are_those_of_the_layers(channels, size, padded, activation):
    layers, side = [], 28
    for i, (n_in, n_out) in enumerate(zip([1, *channels], channels, strict=False)):
        side = (side if padded else side - size + 1) // 2
        if not side:
            break
        layers += [
            (f"conv{i}", nn.Conv2d(n_in, n_out, size, padding=size // 2 if padded else 0)),
            (f"activation{i}", activation()),
            (f"pool{i}", nn.AvgPool2d(2)),
        ]
    assert_same(network(*layers))


def test_maps_of_odd_size_lose_their_last_row_and_column():
    assert_same(
        network(
            ("conv0", nn.Conv2d(1, 4, 3)),  # 26, averaged to 13
            ("activation0", nn.ReLU()),
            ("pool0", nn.AvgPool2d(2)),
            ("conv1", nn.Conv2d(4, 3, 3, padding=1)),  # 13, averaged to 6
            ("activation1", nn.ReLU()),
            ("pool1", nn.AvgPool2d(2)),
        )
    )


@pytest.mark.parametrize("readings", [{}, {"to_32": "resize"}, {"activation": "tanh"}])
def test_lenet_is_computed_this_way(readings):
    net = lenet(**readings)
    ours = images_innermost(net)
    assert ours is not net
    for a, b in zip(outcome(net, net), outcome(ours, net), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5 * float(a.abs().max()))


def test_what_follows_the_narrow_convolutions_is_left_to_the_layers():
    assert_same(
        network(
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
        (nn.Conv2d(1, 4, 5, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
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
def test_other_layers_are_left_as_they_are(conv, activation, pool):
    net = network(("conv", conv), ("activation", activation), ("pool", pool))
    assert images_innermost(net) is net


def test_layers_and_networks_with_a_way_of_their_own_are_left_as_they_are():
    class Convolution(nn.Conv2d):
        def forward(self, X):
            return super().forward(X).abs()

    class Network(nn.Sequential):
        def forward(self, X):
            return super().forward(X) + 1

    for net in (
        network(("conv", Convolution(1, 4, 5)), ("act", nn.ReLU()), ("pool", nn.AvgPool2d(2))),
        Network(*lenet()),
        nn.Flatten(),
    ):
        assert images_innermost(net) is net


def test_an_activation_in_place_is_the_same():
    assert_same(
        network(
            ("conv", nn.Conv2d(1, 4, 5)), ("act", nn.ReLU(inplace=True)), ("p", nn.AvgPool2d(2))
        )
    )
