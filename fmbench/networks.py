"""Layers and initialisers that the neural runners share.

A network takes ``uint8 (n, 28, 28)`` images and gives ``float32 (n, 10)`` logits; its first layer
turns pixels into numbers, so that a batch travels as bytes.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

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


def sequential(*layers: tuple[str, nn.Module]) -> nn.Sequential:
    """A network of named layers, initialised as Keras does: Glorot uniform weights, zero biases."""
    network = nn.Sequential(OrderedDict(layers))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def parameter_counts(network: nn.Module) -> dict[str, int]:
    """Trainable parameters of each named layer that has any, in order."""
    counts = {
        name: sum(p.numel() for p in layer.parameters() if p.requires_grad)
        for name, layer in network.named_children()
    }
    return {name: count for name, count in counts.items() if count}
