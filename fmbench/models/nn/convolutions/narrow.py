"""Faster convolutions with few output channels at the start of a network, on a CPU.

What it computes: groups of convolution, activation and average over 2 x 2, one after the other, as
LeNet-5 begins. Each group is a single matrix product: every column is a window of the input that is
large enough for the four outputs that one average takes, and the matrix holds the kernel four
times, shifted to the position of each of these outputs. The activation and the average follow.

Why it is faster: PyTorch's convolutions work on a vector of channels at a time. LeNet-5's
convolutions have 6 and 16 channels, which leave much of a vector empty, the more so the wider the
processor's vectors are. Here the image index is the last dimension in memory, so that a vector
holds pixels of many images and is full for any number of channels.

How exact it is: the result differs from PyTorch's only by rounding. Tests compare the two in double
precision.

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for
Document Processing" (the matrix product, known as im2col); one window for each average is our own.

Notation of shapes: n images, C input channels, F output channels, kernels of k x k, maps of H x W,
averaged to h x w.
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

from fmbench.models.nn.layers import LayerFunction, has_hooks, is_plain_convolution

MAX_CHANNELS = 16  # output channels; with more, PyTorch's convolutions were as fast or faster
OFFSETS = tuple(product(range(2), range(2)))  # row and column of the outputs in one average
N_OFFSETS = len(OFFSETS)

Stage = tuple[nn.Conv2d, LayerFunction]  # a convolution and its activation

# The derivative of each activation: from the layer, the gradient of its outputs and the outputs
# themselves to the gradient of its inputs.
aten = torch.ops.aten
DERIVATIVES: dict[type, Callable[[Any, Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda layer, gradient, outputs: aten.threshold_backward(gradient, outputs, 0),
    nn.Tanh: lambda layer, gradient, outputs: aten.tanh_backward(gradient, outputs),
    nn.Sigmoid: lambda layer, gradient, outputs: aten.sigmoid_backward(gradient, outputs),
    nn.ELU: lambda layer, gradient, outputs: aten.elu_backward(
        gradient, layer.alpha, 1, 1, True, outputs
    ),
}


def replace_narrow_convolutions(layers: Sequence[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with the narrow convolutions at the start, if any, replaced by one step.

    The step takes the place of the convolutions together with their activations and averages.
    """
    layers = list(layers)
    first = next((i for i, layer in enumerate(layers) if type(layer) is nn.Conv2d), len(layers))
    stages = list(_find_stages(layers[first:]))
    if not stages:
        return layers
    return [*layers[:first], _FusedStages(stages), *layers[first + 3 * len(stages) :]]


def _find_stages(layers: list[LayerFunction]) -> Iterator[Stage]:
    """Yield the first groups of narrow convolution, activation and average over 2 x 2."""
    for conv, activation, pool in zip(layers[::3], layers[1::3], layers[2::3], strict=False):
        if not is_plain_convolution(conv) or conv.out_channels > MAX_CHANNELS:
            return
        if conv.kernel_size[0] % 2 == 0:
            return
        if not _has_known_derivative(activation) or not _averages_2x2(pool):
            return
        yield conv, activation


def _has_known_derivative(layer: LayerFunction) -> bool:
    return isinstance(layer, nn.Module) and (type(layer) in DERIVATIVES and not has_hooks(layer))


def _averages_2x2(layer: LayerFunction) -> bool:
    if type(layer) is not nn.AvgPool2d or has_hooks(layer):
        return False
    settings = layer.kernel_size, layer.stride, layer.padding, layer.divisor_override
    return settings == (2, 2, 0, None) and not layer.ceil_mode


class _FusedStages:
    """Computes several groups of convolution, activation and average in one step."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)`` of the last convolution."""
        parameters = [p for conv, _ in self._stages for p in (conv.weight, conv.bias)]
        X = X.permute(1, 2, 3, 0).contiguous()
        return _ComputeStages.apply(X, self._stages, *parameters).permute(3, 0, 1, 2)


class _ComputeStages(torch.autograd.Function):
    """Maps ``(C, H, W, n)`` to the averages ``(F, h, w, n)`` of the last convolution.

    It is one function for all stages, because autograd's overhead for each function is as large as
    the arithmetic of some of them.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        X, ctx.stages, *parameters = arguments
        ctx.shapes, saved = [], []
        for (conv, activation), weight, bias in zip(
            ctx.stages, parameters[::2], parameters[1::2], strict=True
        ):
            if padding := int(conv.padding[0]):
                X = nn.functional.pad(X, (0, 0, *[padding] * 4))
            h, w = _compute_averaged_size(X.shape, weight.shape)
            windows = _extract_windows(X, weight.shape[-1] + 1, h, w)
            kernels = _shift_kernels(weight)
            # One row for each offset and output channel: (4 F, h w n).
            outputs = activation(torch.addmm(bias.repeat(N_OFFSETS)[:, None], kernels, windows))
            saved += [windows, kernels, outputs]
            ctx.shapes.append((X.shape, weight.shape))
            X = outputs.view(N_OFFSETS, -1, h, w, X.shape[-1]).mean(0)
        ctx.save_for_backward(*saved)
        return X

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [map_grad], saved = gradients, ctx.saved_tensors
        parameter_grads: list[Tensor] = []  # from the last parameter to the first
        for i, (conv, activation) in reversed(list(enumerate(ctx.stages))):
            windows, kernels, outputs = saved[3 * i : 3 * i + 3]
            input_shape, weight_shape = ctx.shapes[i]
            n_out, h, w, _ = map_grad.shape
            average_grad = map_grad.reshape(n_out, -1) / N_OFFSETS
            output_grad = DERIVATIVES[type(activation)](
                activation,
                average_grad.expand(N_OFFSETS, *average_grad.shape),
                outputs.view(N_OFFSETS, *average_grad.shape),
            ).reshape(outputs.shape)
            bias_grad = output_grad.sum(1).view(N_OFFSETS, -1).sum(0)
            kernels_grad = output_grad @ windows.t()
            weight_grad = kernels_grad.take(_find_weight_positions(weight_shape)).sum(0)
            parameter_grads += [bias_grad, weight_grad]
            if i == 0 and not ctx.needs_input_grad[0]:
                return None, None, *reversed(parameter_grads)
            padding = int(conv.padding[0])
            padded_grad = _add_windows(
                kernels.t() @ output_grad, input_shape, weight_shape[-1] + 1, h, w
            )
            map_grad = padded_grad[
                :, padding : input_shape[1] - padding, padding : input_shape[2] - padding
            ]
        return map_grad, None, *reversed(parameter_grads)


def _compute_averaged_size(input_shape: torch.Size, weight_shape: torch.Size) -> tuple[int, int]:
    _, height, width, _ = input_shape
    k = weight_shape[-1]
    h, w = (height - k + 1) // 2, (width - k + 1) // 2
    if min(h, w) < 1:
        raise ValueError(
            f"maps of {height} x {width} are too small for a kernel of {k} x {k} and an average "
            "over 2 x 2: use larger maps"
        )
    return h, w


def _extract_windows(X: Tensor, size: int, h: int, w: int) -> Tensor:
    """Return windows of ``size = k + 1`` pixels a side, two apart: ``(size size C, h w n)``."""
    n_in, _, _, n = X.shape
    channel, row, column, image = X.stride()
    strides = (row, column, channel, 2 * row, 2 * column, image)
    return X.as_strided((size, size, n_in, h, w, n), strides).reshape(size * size * n_in, -1)


def _add_windows(windows: Tensor, shape: torch.Size, size: int, h: int, w: int) -> Tensor:
    """Add windows ``(size size C, h w n)`` to maps ``(C, H, W, n)``, each at its own place."""
    n_in, height, width, n = shape
    # All windows begin at even pixels. With even and odd rows and columns kept in separate tensors,
    # the numbers of one addition are neighbours in memory. Each addition uses one view of the whole
    # tensor, since making a view takes as long as the addition.
    half = size // 2
    total = windows.new_zeros(2, 2, n_in, (height + 1) // 2, (width + 1) // 2, n)
    part_shape, strides = (2, 2, n_in, h, w, n), total.stride()
    for i, rows in enumerate(windows.view(half, 2, half, 2, n_in, h, w, n).unbind(0)):
        for j, part in enumerate(rows.unbind(1)):
            offset = i * strides[3] + j * strides[4]
            total.as_strided(part_shape, strides, offset).add_(part)
    joined = total.permute(2, 3, 0, 4, 1, 5).flatten(3, 4).flatten(1, 2)
    return joined[:, :height, :width]


def _shift_kernels(weight: Tensor) -> Tensor:
    """Put weights ``(F, C, k, k)`` into the matrix ``(4 F, (k + 1)(k + 1) C)``, zeros elsewhere."""
    with_zero = torch.cat([weight.flatten(), weight.new_zeros(1)])
    return with_zero.take(_find_matrix_sources(weight.shape))


@cache
def _find_weight_positions(shape: torch.Size) -> Tensor:
    """Find where the weights ``(F, C, k, k)`` are in the matrix of :func:`_shift_kernels`.

    Returns positions in the flattened matrix, ``(4, F, C, k, k)``: one set for each offset.
    """
    n_out, n_in, k, _ = shape
    size = (2, 2, n_out, k + 1, k + 1, n_in)
    matrix = torch.arange(math.prod(size)).view(size).permute(0, 1, 2, 5, 3, 4)
    parts = [matrix[i, j, :, :, i : i + k, j : j + k] for i, j in OFFSETS]
    return torch.stack(parts).contiguous()


@cache
def _find_matrix_sources(shape: torch.Size) -> Tensor:
    """Find the weight at each position of the matrix (see :func:`_find_weight_positions`).

    The weights ``(F, C, k, k)`` are numbered in order; the number after the last one stands for
    zero.
    """
    n_out, n_in, k, _ = shape
    sources = torch.full((N_OFFSETS * n_out * (k + 1) ** 2 * n_in,), shape.numel())
    sources[_find_weight_positions(shape)] = torch.arange(shape.numel()).view(shape)
    return sources.view(N_OFFSETS * n_out, -1)
