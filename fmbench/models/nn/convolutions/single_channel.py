"""Convolutions of one channel, trained on a CPU: their gradients as products of matrices.

PyTorch's way back through a convolution works on a vector of channels in at a time, of which one
channel fills a single place: where what lies before is trained too (a batch normalisation of the
images, say), that took longer than the widest layer. Here both gradients are a product of the
output's gradient: with every window of the images, or with the weights. The way forward stays
PyTorch's. The result is PyTorch's own but for rounding.

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for
Document Processing" (the products).

Notation of shapes: n images of H x W, F channels out of h x w, k x k weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.layers import Compute, is_plain


def replaced(layers: Sequence[Compute]) -> list[Compute]:
    """``layers`` with the convolutions of one channel among them computed this way.

    What is computed has the layers' own parameters, and their result but for rounding.
    """
    return [
        _Grey(layer) if is_plain(layer) and layer.in_channels == 1 else layer for layer in layers
    ]


class _Grey:
    """What stands in the place of a layer."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._layer = layer

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, 1, H, W)`` to ``(n, F, h, w)``, in the layout of the layer's own."""
        layer = self._layer
        if not (X.requires_grad and torch.is_grad_enabled()):
            return layer(X)  # the weights' gradient alone is as fast there
        return _Convolution.apply(X, layer.weight, layer.bias, int(layer.padding[0]))


class _Convolution(torch.autograd.Function):
    """Images ``(n, 1, H, W)``, weights ``(F, 1, k, k)``, biases ``(F,)`` to ``(n, F, h, w)``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        X, weight, bias, margin = arguments
        ctx.save_for_backward(X, weight)
        ctx.margin = margin
        return nn.functional.conv2d(X, weight, bias, padding=margin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [gradient] = gradients
        X, weight = ctx.saved_tensors
        n, n_out, h, w = gradient.shape
        k, margin = weight.shape[-1], ctx.margin
        pixels = gradient.permute(0, 2, 3, 1).reshape(-1, n_out)  # no copy of channels last
        windows = _windows(X[:, 0], k, margin)
        of_weight = (windows @ pixels).t().reshape(weight.shape)
        of_windows = weight.reshape(n_out, -1).t() @ pixels.t()
        of_images = _from_windows(of_windows.view(k, k, n, h, w), margin).unsqueeze(1)
        return of_images, of_weight, pixels.sum(0), None


def _windows(X: Tensor, k: int, margin: int) -> Tensor:
    """The pixels of every window of images ``(n, H, W)``, by their place: ``(k k, n h w)``."""
    X = nn.functional.pad(X, [margin] * 4)
    return X.unfold(1, k, 1).unfold(2, k, 1).permute(3, 4, 0, 1, 2).reshape(k * k, -1)


def _from_windows(windows: Tensor, margin: int) -> Tensor:
    """The sum of windows ``(k, k, n, h, w)`` where they lie in images ``(n, H, W)``."""
    k, _, n, h, w = windows.shape
    total = windows.new_zeros(n, h + k - 1, w + k - 1)
    for i, j in product(range(k), repeat=2):
        total[:, i : i + h, j : j + w] += windows[i, j]
    return total[:, margin : total.shape[1] - margin, margin : total.shape[2] - margin]
