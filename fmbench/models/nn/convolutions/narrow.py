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
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.layers import Compute, is_hooked, is_plain

NARROW = 16  # channels out; beyond, PyTorch's own convolutions were as fast or faster
PLACES = tuple(product(range(2), range(2)))  # row and column within what is averaged
N_PLACES = len(PLACES)

Stage = tuple[nn.Conv2d, Compute]  # a convolution and its activation

# From an activation, the gradient of its outputs, and these, to the gradient of what it was given.
aten = torch.ops.aten
DERIVATIVES: dict[type, Callable[[Any, Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda layer, gradient, outputs: aten.threshold_backward(gradient, outputs, 0),
    nn.Tanh: lambda layer, gradient, outputs: aten.tanh_backward(gradient, outputs),
    nn.Sigmoid: lambda layer, gradient, outputs: aten.sigmoid_backward(gradient, outputs),
    nn.ELU: lambda layer, gradient, outputs: aten.elu_backward(
        gradient, layer.alpha, 1, 1, True, outputs
    ),
}


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


def _stages(layers: list[Compute]) -> Iterator[Stage]:
    """The narrow convolutions, each with its activation, that are averaged over 2 x 2."""
    for conv, activation, pool in zip(layers[::3], layers[1::3], layers[2::3], strict=False):
        if not is_plain(conv) or conv.out_channels > NARROW or conv.kernel_size[0] % 2 == 0:
            return
        if not _is_activation(activation) or not _averages_2x2(pool):
            return
        yield conv, activation


def _is_activation(layer: Compute) -> bool:
    return isinstance(layer, nn.Module) and (type(layer) in DERIVATIVES and not is_hooked(layer))


def _averages_2x2(layer: Compute) -> bool:
    if type(layer) is not nn.AvgPool2d or is_hooked(layer):
        return False
    settings = layer.kernel_size, layer.stride, layer.padding, layer.divisor_override
    return settings == (2, 2, 0, None) and not layer.ceil_mode


class _Head:
    """What stands in the place of convolution, activation and average, several times."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)`` of the last convolution."""
        parameters = [p for conv, _ in self._stages for p in (conv.weight, conv.bias)]
        X = X.permute(1, 2, 3, 0).contiguous()
        return _Stages.apply(X, self._stages, *parameters).permute(3, 0, 1, 2)


class _Stages(torch.autograd.Function):
    """Maps ``(C, H, W, n)`` to the averages ``(F, h, w, n)`` of the last convolution.

    One function for all of them: autograd's own work for a layer takes as long as some of these.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        X, ctx.stages, *parameters = arguments
        ctx.shapes, saved = [], []
        for (conv, activation), weight, bias in zip(
            ctx.stages, parameters[::2], parameters[1::2], strict=True
        ):
            if margin := int(conv.padding[0]):
                X = nn.functional.pad(X, (0, 0, *[margin] * 4))
            h, w = _averaged_size(X.shape, weight.shape)
            windows, by_place = _windows(X, weight.shape[-1] + 1, h, w), _weights_by_place(weight)
            # By their place in what is averaged: (4 F, h w n).
            outputs = activation(torch.addmm(bias.repeat(N_PLACES)[:, None], by_place, windows))
            saved += [windows, by_place, outputs]
            ctx.shapes.append((X.shape, weight.shape))
            X = outputs.view(N_PLACES, -1, h, w, X.shape[-1]).mean(0)
        ctx.save_for_backward(*saved)
        return X

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [gradient], saved = gradients, ctx.saved_tensors
        of_parameters: list[Tensor] = []
        for i, (conv, activation) in reversed(list(enumerate(ctx.stages))):
            windows, by_place, outputs = saved[3 * i : 3 * i + 3]
            of_input, of_weight = ctx.shapes[i]
            n_out, h, w, _ = gradient.shape
            of_average = gradient.reshape(n_out, -1) / N_PLACES
            of_outputs = DERIVATIVES[type(activation)](
                activation,
                of_average.expand(N_PLACES, *of_average.shape),
                outputs.view(N_PLACES, *of_average.shape),
            ).reshape(outputs.shape)
            bias = of_outputs.sum(1).view(N_PLACES, -1).sum(0)
            weight = (of_outputs @ windows.t()).take(_positions(of_weight)).sum(0)
            of_parameters += [bias, weight]
            if i == 0 and not ctx.needs_input_grad[0]:
                return None, None, *reversed(of_parameters)
            margin = int(conv.padding[0])
            whole = _from_windows(by_place.t() @ of_outputs, of_input, of_weight[-1] + 1, h, w)
            gradient = whole[:, margin : of_input[1] - margin, margin : of_input[2] - margin]
        return gradient, None, *reversed(of_parameters)


def _averaged_size(of_input: torch.Size, of_weight: torch.Size) -> tuple[int, int]:
    _, height, width, _ = of_input
    k = of_weight[-1]
    h, w = (height - k + 1) // 2, (width - k + 1) // 2
    if min(h, w) < 1:
        raise ValueError(f"maps of {height} x {width} are too small for {k} x {k} and an average")
    return h, w


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
    sources = torch.full((N_PLACES * n_out * (k + 1) ** 2 * n_in,), shape.numel())
    sources[_positions(shape)] = torch.arange(shape.numel()).view(shape)
    return sources.view(N_PLACES * n_out, -1)
