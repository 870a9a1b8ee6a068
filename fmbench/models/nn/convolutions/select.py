"""TODO docstring."""

from __future__ import annotations

from torch import Tensor, nn

from fmbench.models.nn.convolutions import fft, narrow, single_channel
from fmbench.models.nn.layers import Compute, Residual, is_hooked, residual


def _faster(network: nn.Module) -> Compute:
    """The same function of the same parameters, its convolutions as a CPU is fastest at them."""
    if type(network) is not nn.Sequential or is_hooked(network):
        return network
    layers = _replaced(list(network))

    def compute(X: Tensor) -> Tensor:
        for layer in layers:
            X = layer(X)
        return X

    return compute


def _replaced(layers: list[Compute]) -> list[Compute]:
    """The layers in turn, each convolution in the first of the ways that takes it."""
    layers = [
        residual(*_replaced([layer.conv]))
        if type(layer) is Residual and not is_hooked(layer)
        else layer
        for layer in layers
    ]
    return fft.replaced(single_channel.replaced(narrow.replaced(layers)))
