"""Computes each layer for several networks at once, on their stacked parameters.

A stack of S networks has parameters ``(S, ...)`` and values ``(S, n, ...)``. What is written out
here takes fewer and larger operations than ``torch.vmap`` makes of the same layers, which decides
the speed on a GPU: a step of ten stacked LeNet-5 is a hundred kernels of a few microseconds each.
``vmap`` computes every other kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from fmbench.models.nn.gpu_kernels.convolution_block import ConvolutionBlock
from fmbench.models.nn.layers import (
    ACTIVATIONS,
    Pixels,
    SparseConv2d,
    has_hooks,
    is_plain_convolution,
)
from fmbench.models.nn.losses import Loss, cross_entropy

# From a layer's stacked parameters and buffers by name, and its input (S, n, ...), to its output.
StackedLayer = Callable[[Mapping[str, Tensor], Tensor], Tensor]

# From this many weights for each output value on, cuDNN's convolution of one network after the
# other is faster than one matrix product for all. On an H200, forward and backward in
# microseconds, as one product and one by one: 134 and 637 with 150 weights (LeNet-5's C3, ten
# networks), 1,058 and 2,383 with 288, 2,210 and 1,373 with 800.
MANY_WEIGHTS = 512


class MaskLayer(nn.Module):
    """Takes the place of a dropout layer and multiplies by a mask that was drawn before."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.empty(0))

    def forward(self, X: Tensor) -> Tensor:
        """Multiply each value by its mask."""
        return X * self.mask


class StackedPixels(nn.Module):
    """Takes the place of :class:`Pixels` where networks of a stack scale their pixels differently.

    ``factor`` and ``shift`` are those of one network, a number each.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, X: Tensor) -> Tensor:
        """``uint8 (n, 28, 28)`` to floating-point numbers ``(n, 1, 28, 28)``."""
        return X.unsqueeze(1) * self.factor + self.shift


def compute_stack(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    batch: Tensor,
    blocks: Mapping[str, ConvolutionBlock] = MappingProxyType({}),
) -> Tensor:
    """Compute the logits ``(S, n, 10)`` of S networks with the layers of ``network``.

    ``tensors`` holds the stacked parameters and buffers by name; ``batch`` is
    ``uint8 (S, n, 28, 28)``. ``blocks`` compute some convolutions, by their names, and the layers
    behind them.
    """
    if type(network) is not nn.Sequential or has_hooks(network):
        return _map_layer(network, tensors, batch)
    X, n_done = batch, 0
    for position, (name, layer) in enumerate(network.named_children()):
        if position < n_done:
            continue
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in tensors.items()
            if key.startswith(f"{name}.")
        }
        if name in blocks:
            weight = _fill_in(layer, own) if type(layer) is SparseConv2d else own["weight"]
            X, n_done = blocks[name](X, weight, own["bias"]), position + blocks[name].n_layers
            continue
        compute = None if has_hooks(layer) else _LAYERS.get(type(layer))
        X = compute(layer, own, X) if compute else _map_layer(layer, own, X)
    return X


def compute_losses(
    loss: Loss, parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor
) -> Tensor:
    """Compute the losses ``(S,)`` from logits ``(S, n, 10)`` and classes ``(S, n)``."""
    if loss is not cross_entropy:
        return torch.vmap(loss)(dict(parameters), logits, target)
    each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    return each.view(target.shape).mean(1)


def _map_layer(layer: nn.Module, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    """Compute a layer of any kind with ``torch.vmap``."""

    def compute(tensors: dict[str, Tensor], X: Tensor) -> Tensor:
        return functional_call(layer, tensors, (X,))

    return torch.vmap(compute)(dict(own), X)


def _convert_pixels(layer: Pixels, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    pixels = X.unsqueeze(2) * layer.factor  # bytes times a number give float32
    return pixels.add_(layer.shift) if layer.shift else pixels


def _convert_pixels_each(layer: StackedPixels, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    factor, shift = (own[name].view(-1, 1, 1, 1, 1) for name in ("factor", "shift"))
    return torch.addcmul(shift, X.unsqueeze(2).to(factor.dtype), factor)


def _compute_elementwise(layer: nn.Module, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    return layer(X)


def _multiply_by_mask(layer: MaskLayer, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    return X * own["mask"]


def _flatten(layer: nn.Flatten, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    start, end = (dim + 1 if dim >= 0 else dim for dim in (layer.start_dim, layer.end_dim))
    return X.flatten(start, end)


def _pool_maximum(layer: nn.MaxPool2d, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    return layer(X.flatten(0, 1)).unflatten(0, X.shape[:2])


def _pool_average(layer: nn.AvgPool2d, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    size, (height, width) = layer.kernel_size, X.shape[-2:]
    if (
        not isinstance(size, int)
        or (layer.stride, layer.padding) != (size, 0)
        or height % size
        or width % size
    ):
        return layer(X.flatten(0, 1)).unflatten(0, X.shape[:2])
    return _AveragePooling.apply(X, size)


def _compute_linear(layer: nn.Linear, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    if X.ndim != 3 or layer.bias is None:
        return _map_layer(layer, own, X)
    return torch.bmm(X, own["weight"].mT) + own["bias"].unsqueeze(1)


def _compute_convolution(layer: nn.Conv2d, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    if not is_plain_convolution(layer):
        return _map_layer(layer, own, X)
    return convolve(X, own["weight"], own["bias"], int(layer.padding[0]))


def _compute_sparse(layer: SparseConv2d, own: Mapping[str, Tensor], X: Tensor) -> Tensor:
    return convolve(X, _fill_in(layer, own), own["bias"], 0)


def _fill_in(layer: SparseConv2d, own: Mapping[str, Tensor]) -> Tensor:
    """Return weights ``(S, o, c, k, k)`` that are 0 where no maps are connected."""
    weight = own["weight"]
    n_out, n_in, size, _ = layer.shape
    full = weight.new_zeros(len(weight), n_out * n_in, size * size)
    return full.scatter(1, own["rows"], weight).view(-1, *layer.shape)


_LAYERS: dict[type[nn.Module], Callable[[Any, Mapping[str, Tensor], Tensor], Tensor]] = {
    Pixels: _convert_pixels,
    StackedPixels: _convert_pixels_each,
    MaskLayer: _multiply_by_mask,
    nn.Flatten: _flatten,
    nn.MaxPool2d: _pool_maximum,
    nn.AvgPool2d: _pool_average,
    nn.Linear: _compute_linear,
    nn.Conv2d: _compute_convolution,
    SparseConv2d: _compute_sparse,
    **dict.fromkeys(ACTIVATIONS.values(), _compute_elementwise),
}


def convolve(X: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """Convolve ``(S, n, c, h, w)`` with ``(S, o, c, k, k)`` and add the bias ``(S, o)``."""
    if weight[0, 0].numel() >= MANY_WEIGHTS:
        each = [F.conv2d(x, w, b, padding=padding) for x, w, b in zip(X, weight, bias, strict=True)]
        return torch.stack(each)
    out = _UnfoldedConvolution.apply(X, weight, padding)
    return out + bias[:, None, :, None, None]


class _UnfoldedConvolution(torch.autograd.Function):
    """A convolution as one matrix product: cuDNN's for groups take up to four times as long.

    Each image becomes a matrix ``(c * k * k, h * w)`` that holds, for each output position, the
    pixels under the kernel.
    """

    @staticmethod
    def forward(ctx: Any, X: Tensor, weight: Tensor, padding: int) -> Tensor:
        size = weight.shape[-1]
        padded = F.pad(X, (padding,) * 4) if padding else X
        windows = padded.unfold(3, size, 1).unfold(4, size, 1)  # (S, n, c, h, w, k, k)
        height, width = windows.shape[3:5]
        columns = windows.permute(0, 1, 2, 5, 6, 3, 4).reshape(*X.shape[:2], -1, height * width)
        ctx.save_for_backward(columns, weight)
        ctx.sizes, ctx.padding = X.shape, padding
        return (weight.flatten(2).unsqueeze(1) @ columns).unflatten(-1, (height, width))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        columns, weight = ctx.saved_tensors
        gradient = gradients[0].flatten(-2)  # (S, n, o, h * w)
        of_weight = (gradient @ columns.mT).sum(1).view(weight.shape)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, None
        of_columns = weight.flatten(2).mT.unsqueeze(1) @ gradient
        of_X = F.fold(
            of_columns.flatten(0, 1), ctx.sizes[-2:], weight.shape[-2:], padding=ctx.padding
        )
        return of_X.view(ctx.sizes), of_weight, None


class _AveragePooling(torch.autograd.Function):
    """Averages over squares that do not overlap, and that cover the whole image.

    PyTorch's backward pass looks for the squares of each pixel, which takes a GPU four times as
    long as copying each gradient into its square.
    """

    @staticmethod
    def forward(ctx: Any, X: Tensor, size: int) -> Tensor:
        ctx.size = size
        return F.avg_pool2d(X.flatten(0, 1), size).unflatten(0, X.shape[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        [gradient], size = gradients, ctx.size
        *outer, height, width = gradient.shape
        squares = gradient[..., :, None, :, None].expand(*outer, height, size, width, size)
        return (squares / size**2).reshape(*outer, height * size, width * size), None
