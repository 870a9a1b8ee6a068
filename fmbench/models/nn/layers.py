"""Layers and initialisers that the neural runners share.

A network takes ``uint8 (n, 28, 28)`` images and gives ``float32 (n, 10)`` logits; its first layer
turns pixels into numbers, so that a batch travels as bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

Compute = Callable[[Tensor], Tensor]  # a layer, or what stands in its place

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
}
POOLING: dict[str, type[nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}

# Mean and standard deviation of the training set's pixels, scaled to [0, 1] (asserted by a test).
PIXEL_MEAN = 0.28604
PIXEL_SD = 0.35302


class Pixels(nn.Module):
    """``uint8 (n, 28, 28)`` to ``float32 (n, 1, 28, 28)``.

    ``unit`` divides by 255; ``standard`` also subtracts the training pixels' mean and divides by
    their standard deviation.
    """

    def __init__(self, scaling: str) -> None:
        super().__init__()
        mean, sd = {"unit": (0.0, 1.0), "standard": (PIXEL_MEAN, PIXEL_SD)}[scaling]
        self.factor, self.shift = 1 / (255 * sd), -mean / sd

    def forward(self, X: Tensor) -> Tensor:
        """Scale a batch."""
        pixels = X.unsqueeze(1).to(torch.float32).mul_(self.factor)
        return pixels.add_(self.shift) if self.shift else pixels


class Resize(nn.Module):
    """Bilinear resizing of ``(n, 1, 28, 28)`` to ``(n, 1, size, size)``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, X: Tensor) -> Tensor:
        """Resize a batch."""
        return nn.functional.interpolate(X, (self.size, self.size), mode="bilinear")


class Residual(nn.Module):
    """``X + relu(conv(X))``; an input of one channel is added to every channel."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, X: Tensor) -> Tensor:
        """``(n, c, h, w)`` to ``(n, channels of conv, h, w)``."""
        return residual(self.conv)(X)


def residual(conv: Compute) -> Compute:
    """What a :class:`Residual` computes, whoever computes its convolution."""
    return lambda X: X + nn.functional.relu(conv(X), inplace=True)


class LSTM(nn.Module):
    """Keras's LSTM: ``(n, steps, features)`` to the last hidden state ``(n, units)``.

    Glorot uniform input weights, orthogonal recurrent weights, one bias: 1 for the forget gate,
    else 0. Written out because nn.LSTM has a second bias and cannot be batched by ``vmap``.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.units = units
        # Rows: the input, forget and output gates, then the candidate.
        self.input_weight = nn.Parameter(torch.empty(4 * units, features))
        self.recurrent_weight = nn.Parameter(torch.empty(4 * units, units))
        self.bias = nn.Parameter(torch.zeros(4 * units))
        nn.init.xavier_uniform_(self.input_weight)
        nn.init.orthogonal_(self.recurrent_weight)
        nn.init.ones_(self.bias[units : 2 * units])

    def forward(self, X: Tensor) -> Tensor:
        """Read the steps in turn."""
        from_input = nn.functional.linear(X, self.input_weight, self.bias)  # all steps at once
        recurrent = self.recurrent_weight.t()
        hidden = cell = X.new_zeros(len(X), self.units)
        for step in from_input.unbind(1):
            gates = torch.addmm(step, hidden, recurrent)
            open_ = gates[:, : 3 * self.units].sigmoid()
            let_in, keep, let_out = open_.chunk(3, 1)
            cell = keep * cell + let_in * gates[:, 3 * self.units :].tanh()
            hidden = let_out * cell.tanh()
        return hidden


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Keras's batch normalisation: momentum 0.99, which PyTorch calls 0.01, and epsilon 1e-3."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


Layer = nn.Conv2d | nn.Linear
Initialiser = Callable[[Layer], None]


def glorot(layer: Layer) -> None:
    """Keras's default: Glorot uniform weights, zero biases."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def keras_random(layer: Layer) -> None:
    """Keras's ``random_uniform`` weights, up to 0.05, and ``RandomNormal`` biases, sigma 0.05."""
    nn.init.uniform_(layer.weight, -0.05, 0.05)
    if layer.bias is not None:
        nn.init.normal_(layer.bias, std=0.05)


def truncated_normal(sigma: float, bias: float) -> Initialiser:
    """TensorFlow's: normal weights, drawn again beyond two sigma, and biases all alike."""

    def initialise(layer: Layer) -> None:
        nn.init.trunc_normal_(layer.weight, std=sigma, a=-2 * sigma, b=2 * sigma)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, bias)

    return initialise


def sequential(
    *layers: tuple[str, nn.Module], initialise: Mapping[str, Initialiser] | None = None
) -> nn.Sequential:
    """A network of named layers; those not named in ``initialise`` start as Keras's do."""
    network = nn.Sequential(OrderedDict(layers))
    for name, child in network.named_children():
        for module in child.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                (initialise or {}).get(name, glorot)(module)
    return network


def is_hooked(layer: nn.Module) -> bool:
    """Whether code of the user's own is to run before or after it."""
    return bool(layer._forward_pre_hooks or layer._forward_hooks)


def is_plain(layer: Compute) -> TypeGuard[nn.Conv2d]:
    """Whether it is a convolution with a square of weights, a margin of zeros, and no options."""
    return (
        type(layer) is nn.Conv2d
        and not is_hooked(layer)
        and layer.kernel_size[0] == layer.kernel_size[1]
        and isinstance(layer.padding, tuple)
        and layer.padding[0] == layer.padding[1]
        and layer.padding_mode == "zeros"
        and (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)
        and layer.bias is not None
    )


def parameter_counts(network: nn.Module) -> dict[str, int]:
    """Parameters of each named layer that has any, in order, counted as Keras counts them.

    A batch normalisation has four a channel: scale and shift, which are trained, and the moving
    mean and variance, which are not.
    """
    counts = {
        name: sum(p.numel() for p in layer.parameters())
        + sum(b.numel() for b in layer.buffers() if b.is_floating_point())
        for name, layer in network.named_children()
    }
    return {name: count for name, count in counts.items() if count}
