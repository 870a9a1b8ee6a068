"""A network computed by its own layers and in another way: outputs and gradients side by side."""

import torch
from torch import nn


class Doubles(nn.Module):
    """Pixels in double precision, so that rounding does not hide a mistake."""

    def forward(self, X):
        return X.unsqueeze(1).double() / 255


def images(n=7):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)


def outcome(layers, network, n=7):
    """What the layers give in turn of n images, and the gradient of each parameter."""
    network.zero_grad()
    output = images(n)
    for layer in layers:
        output = layer(output)
    # Squares, so that the gradient differs from place to place.
    output.square().sum().backward()
    return [output.detach(), *(p.grad.clone() for p in network.parameters())]


def assert_same(network, layers, n=7):
    expected, ours = outcome(list(network), network, n), outcome(layers, network, n)
    for a, b in zip(expected, ours, strict=True):
        assert torch.allclose(a, b, rtol=1e-11, atol=1e-12 * float(a.abs().max()))
