"""Chooses the fastest way to compute each convolution of a network that is trained on a CPU.

PyTorch's convolutions are slow on a CPU in the cases below, which the runners contain. They are
tried in this order, each in a file of this folder; those that replace the layers around the
convolution as well come first:

- ``compiled``: ReLU and pooling over 2 x 2 follow, and numba is installed;
- ``narrow``: few output channels, followed by an activation and an average over 2 x 2 (LeNet-5);
- ``single_channel``: one input channel whose gradient is needed (Bhatnagar's networks);
- ``fft``: many channels and large kernels (Agarap's networks).

``kernels`` and ``plan`` belong to ``compiled``. A replacement uses the layer's own parameters. Its
outputs and gradients differ from PyTorch's only by the rounding of floating-point sums.
"""

from __future__ import annotations

from torch import Tensor, nn

from fmbench.models import accelerators
from fmbench.models.nn.convolutions import compiled, fft, narrow, single_channel
from fmbench.models.nn.layers import LayerFunction, Residual, has_hooks, make_residual


def build_fast_forward(network: nn.Module) -> LayerFunction:
    """Return a function that computes ``network``, with its convolutions replaced by faster ones.

    A network that is not a plain ``nn.Sequential``, or that has hooks, is returned unchanged.
    """
    if type(network) is not nn.Sequential or has_hooks(network):
        return network
    layers = replace_convolutions(list(network))

    def forward(X: Tensor) -> Tensor:
        for layer in layers:
            X = layer(X)
        return X

    return forward


def replace_convolutions(layers: list[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with the convolutions replaced by faster functions."""
    if accelerators.has_numba():
        layers = compiled.replace_stages(layers)
    layers = [
        make_residual(*replace_convolutions([layer.conv]))
        if type(layer) is Residual and not has_hooks(layer)
        else layer
        for layer in layers
    ]
    layers = narrow.replace_narrow_convolutions(layers)
    layers = single_channel.replace_single_channel_convolutions(layers)
    return fft.replace_large_convolutions(layers)
