"""Faster gradients for convolutions with one input channel, as matrix products, on a CPU.

What it computes: the forward pass is PyTorch's own. Both gradients are matrix products with the
gradient of the output: one factor holds every window of the images (for the gradient of the
weights), or the weights (for the gradient of the images).

Why it is faster: PyTorch's backward pass works on a vector of input channels at a time, and a
single channel fills one place of that vector. This matters only if the images need a gradient too,
for example behind a batch normalisation; there the first convolution took longer than the widest
layer.

How exact it is: the result differs from PyTorch's only by rounding. Tests compare the two in double
precision.

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for
Document Processing" (convolution as a matrix product).

Notation of shapes: n images of H x W, F output channels of h x w, kernels of k x k.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.layers import LayerFunction, is_plain_convolution


def replace_single_channel_convolutions(layers: Sequence[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with each convolution of one input channel replaced by the fast one."""
    return [
        _SingleChannelConvolution(layer)
        if is_plain_convolution(layer) and layer.in_channels == 1
        else layer
        for layer in layers
    ]


class _SingleChannelConvolution:
    """Computes a convolution layer with the layer's own parameters."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._layer = layer

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, 1, H, W)`` to ``(n, F, h, w)``, in the memory format that the layer returns."""
        layer = self._layer
        if not (X.requires_grad and torch.is_grad_enabled()):
            return layer(X)  # PyTorch is as fast if only the weights need a gradient
        return _Convolve.apply(X, layer.weight, layer.bias, int(layer.padding[0]))


class _Convolve(torch.autograd.Function):
    """Images ``(n, 1, H, W)``, weights ``(F, 1, k, k)``, biases ``(F,)`` to ``(n, F, h, w)``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        X, weight, bias, padding = arguments
        ctx.save_for_backward(X, weight)
        ctx.padding = padding
        return nn.functional.conv2d(X, weight, bias, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [output_grad] = gradients
        X, weight = ctx.saved_tensors
        n, n_out, h, w = output_grad.shape
        k, padding = weight.shape[-1], ctx.padding
        pixel_grad = output_grad.permute(0, 2, 3, 1).reshape(-1, n_out)  # channels last: no copy
        windows = _extract_windows(X[:, 0], k, padding)
        weight_grad = (windows @ pixel_grad).t().reshape(weight.shape)
        window_grad = weight.reshape(n_out, -1).t() @ pixel_grad.t()
        image_grad = _add_windows(window_grad.view(k, k, n, h, w), padding).unsqueeze(1)
        return image_grad, weight_grad, pixel_grad.sum(0), None


def _extract_windows(X: Tensor, k: int, padding: int) -> Tensor:
    """Every window of images ``(n, H, W)``, one row for each position in it: ``(k k, n h w)``."""
    X = nn.functional.pad(X, [padding] * 4)
    return X.unfold(1, k, 1).unfold(2, k, 1).permute(3, 4, 0, 1, 2).reshape(k * k, -1)


def _add_windows(windows: Tensor, padding: int) -> Tensor:
    """Add windows ``(k, k, n, h, w)`` to images ``(n, H, W)``, each at its own place."""
    k, _, n, h, w = windows.shape
    total = windows.new_zeros(n, h + k - 1, w + k - 1)
    for i, j in product(range(k), repeat=2):
        total[:, i : i + h, j : j + w] += windows[i, j]
    return total[:, padding : total.shape[1] - padding, padding : total.shape[2] - padding]
