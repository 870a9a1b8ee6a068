"""The narrow convolutions at the head of a network, trained on a CPU: images innermost in memory.

PyTorch's convolutions work on a vector of channels at a time. LeNet-5's have 6 and 16, which leave
much of a vector empty, the more so the wider the processor's are. With the images innermost a
vector is full whatever the number of channels, and a convolution whose output is averaged over
2 x 2 is one product of well-shaped matrices: the four outputs that an average takes come from one
window of the input, and every window of every image is a column.

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for
Document Processing" (the product, known as im2col); a window for each average is our own.

Notation of shapes: n images, C channels in, F out, k x k weights, maps of H x W, averaged to h x w.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.networks import ACTIVATIONS, Compute, is_hooked, is_plain

NARROW = 16  # channels out; beyond, PyTorch's own convolutions were as fast or faster
PLACES = tuple(product(range(2), range(2)))  # row and column within what is averaged


def replaced(layers: Sequence[Compute]) -> list[Compute]:
    """``layers`` with the narrow convolutions that come first, if any, computed this way.

    What is computed has the layers' own parameters, and their result but for rounding.
    """
    layers = list(layers)
    first = next((i for i, layer in enumerate(layers) if type(layer) is nn.Conv2d), len(layers))
    stages = list(_stages(layers[first:]))
    if not stages:
        return layers
    return [*layers[:first], _Head(stages), *layers[first + 3 * len(stages) :]]


def _stages(layers: list[Compute]) -> Iterator[tuple[nn.Conv2d, Compute]]:
    """The narrow convolutions, each with its activation, that are averaged over 2 x 2."""
    for conv, activation, pool in zip(layers[::3], layers[1::3], layers[2::3], strict=False):
        if not is_plain(conv) or conv.out_channels > NARROW or conv.kernel_size[0] % 2 == 0:
            return
        if not _is_activation(activation) or not _averages_2x2(pool):
            return
        yield conv, activation


def _is_activation(layer: Compute) -> bool:
    return isinstance(layer, nn.Module) and (
        type(layer) in ACTIVATIONS.values() and not is_hooked(layer)
    )


def _averages_2x2(layer: Compute) -> bool:
    if type(layer) is not nn.AvgPool2d or is_hooked(layer):
        return False
    settings = layer.kernel_size, layer.stride, layer.padding, layer.divisor_override
    return settings == (2, 2, 0, None) and not layer.ceil_mode


class _Head:
    """What stands in the place of convolution, activation and average, several times."""

    def __init__(self, stages: list[tuple[nn.Conv2d, Compute]]) -> None:
        self._stages = stages

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)`` of the last convolution."""
        X = X.permute(1, 2, 3, 0).contiguous()
        for conv, activation in self._stages:
            X = _averaged(X, conv, activation)
        return X.permute(3, 0, 1, 2)


def _averaged(X: Tensor, conv: nn.Conv2d, activation: Compute) -> Tensor:
    """Convolution, activation and average: ``(C, H, W, n)`` to ``(F, h, w, n)``."""
    if margin := int(conv.padding[0]):
        X = nn.functional.pad(X, (0, 0, *[margin] * 4))
    outputs = activation(_Convolution.apply(X, conv.weight, conv.bias))
    h, w = _averaged_size(X.shape, conv.weight.shape)
    return _Average.apply(outputs).view(-1, h, w, X.shape[-1])


def _averaged_size(of_input: torch.Size, of_weight: torch.Size) -> tuple[int, int]:
    _, height, width, _ = of_input
    k = of_weight[-1]
    h, w = (height - k + 1) // 2, (width - k + 1) // 2
    if min(h, w) < 1:
        raise ValueError(f"maps of {height} x {width} are too small for {k} x {k} and an average")
    return h, w


class _Convolution(torch.autograd.Function):
    """``(C, H, W, n)`` to the outputs ``(4 F, h w n)``, by their place in what is averaged."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        X, weight, bias = tensors
        ctx.shapes = X.shape, weight.shape
        size = weight.shape[-1] + 1
        windows = _windows(X, size, *_averaged_size(*ctx.shapes))
        by_place = _weights_by_place(weight)
        ctx.save_for_backward(windows, by_place)
        return torch.addmm(bias.repeat(len(PLACES))[:, None], by_place, windows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [gradient] = gradients
        windows, by_place = ctx.saved_tensors
        of_input, of_weight = ctx.shapes
        bias = gradient.sum(1).view(len(PLACES), -1).sum(0)
        weight = (gradient @ windows.t()).take(_positions(of_weight)).sum(0)
        X = None
        if ctx.needs_input_grad[0]:
            size = of_weight[-1] + 1
            of_windows = by_place.t() @ gradient
            X = _from_windows(of_windows, of_input, size, *_averaged_size(*ctx.shapes))
        return X, weight, bias


class _Average(torch.autograd.Function):
    """``(4 F, h w n)`` to the mean over places ``(F, h w n)``.

    PyTorch's own mean hands back a gradient that is expanded (stride 0), slow to work on.
    """

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        return tensors[0].view(len(PLACES), -1, tensors[0].shape[1]).mean(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return torch.cat([gradients[0] / len(PLACES)] * len(PLACES))


def _windows(X: Tensor, size: int, h: int, w: int) -> Tensor:
    """Every second window of ``size = k + 1`` in both directions, ``(size size C, h w n)``."""
    n_in, _, _, n = X.shape
    of_channel, of_row, of_column, of_image = X.stride()
    strides = (of_row, of_column, of_channel, 2 * of_row, 2 * of_column, of_image)
    return X.as_strided((size, size, n_in, h, w, n), strides).reshape(size * size * n_in, -1)


def _from_windows(windows: Tensor, shape: torch.Size, size: int, h: int, w: int) -> Tensor:
    """The sum of windows ``(size size C, h w n)`` where they lie in ``(C, H, W, n)``."""
    n_in, height, width, n = shape
    # Windows begin at even pixels. Summed up apart for even and odd rows and columns, what is
    # added at once lies together in memory. One view each, since the sums take no longer than
    # making a view.
    half = size // 2
    total = windows.new_zeros(2, 2, n_in, (height + 1) // 2, (width + 1) // 2, n)
    shape_of_part, strides = (2, 2, n_in, h, w, n), total.stride()
    for i, of_rows in enumerate(windows.view(half, 2, half, 2, n_in, h, w, n).unbind(0)):
        for j, part in enumerate(of_rows.unbind(1)):
            offset = i * strides[3] + j * strides[4]
            total.as_strided(shape_of_part, strides, offset).add_(part)
    whole = total.permute(2, 3, 0, 4, 1, 5).flatten(3, 4).flatten(1, 2)
    return whole[:, :height, :width]


@cache
def _positions(shape: torch.Size) -> Tensor:
    """Where each place's output has the weights ``(F, C, k, k)`` in ``(4 F, (k + 1)(k + 1) C)``.

    Returns positions in the flattened matrix, ``(4, F, C, k, k)``.
    """
    n_out, n_in, k, _ = shape
    size = (2, 2, n_out, k + 1, k + 1, n_in)
    matrix = torch.arange(math.prod(size)).view(size).permute(0, 1, 2, 5, 3, 4)
    parts = [matrix[i, j, :, :, i : i + k, j : j + k] for i, j in PLACES]
    return torch.stack(parts).contiguous()


def _weights_by_place(weight: Tensor) -> Tensor:
    """Weights ``(F, C, k, k)`` as the matrix ``(4 F, (k + 1)(k + 1) C)`` that windows are given."""
    with_zero = torch.cat([weight.flatten(), weight.new_zeros(1)])
    return with_zero.take(_sources(weight.shape))


@cache
def _sources(shape: torch.Size) -> Tensor:
    """Which weight ``(F, C, k, k)``, counted on, stands where in the matrix; past the last: none.

    The way back of :func:`_positions`.
    """
    n_out, n_in, k, _ = shape
    sources = torch.full((len(PLACES) * n_out * (k + 1) ** 2 * n_in,), shape.numel())
    sources[_positions(shape)] = torch.arange(shape.numel()).view(shape)
    return sources.view(len(PLACES) * n_out, -1)
