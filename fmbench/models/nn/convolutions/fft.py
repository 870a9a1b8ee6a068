"""Faster convolutions with many channels and large kernels, by Fourier transforms, on a CPU.

What it computes: a convolution of maps is a product of their Fourier transforms, frequency by
frequency. The maps and the weights are transformed, multiplied, and the product is transformed
back.

Why it is faster: with kernels of 5 x 5 it needs a seventh of the multiplications. The maps are so
small that transforming them by matrix products costs little; and all matrix products have common
shapes, for which the library is fast. It is used only where it needs at most half of the
multiplications.

How exact it is: the result differs from PyTorch's only by rounding. Tests compare the two in double
precision.

Source: Mathieu, Henaff & LeCun 2013, "Fast Training of Convolutional Networks through FFTs"
(arXiv 1312.5851); here the transforms are matrices.

Notation of shapes: n images, C input channels, F output channels, kernels of k x k, M columns of
whatever is transformed, L frequencies down a map and K = L // 2 + 1 frequencies along it (those of
real numbers come in conjugate pairs, so half of them are enough). Each frequency has a real and an
imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.layers import LayerFunction, is_plain_convolution

MAX_SHARE = 0.5  # of the multiplications of the direct convolution; above, the layer stays


def replace_large_convolutions(layers: Sequence[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with each convolution replaced by one that uses transforms where they pay.

    Whether they do depends on the size of the maps, so each call decides it.
    """
    return [
        _TransformedConvolution(layer) if is_plain_convolution(layer) else layer for layer in layers
    ]


class _TransformedConvolution:
    """Computes a convolution layer with the layer's own parameters."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._layer = layer

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)``, channels last."""
        layer, (height, width) = self._layer, X.shape[2:]
        if height != width or compute_multiplication_share(layer, height) > MAX_SHARE:
            return layer(X)
        maps, weight = X.permute(2, 3, 0, 1), layer.weight.permute(2, 3, 1, 0)
        convolved = _Convolve.apply(maps, weight, layer.bias, int(layer.padding[0]))
        # Always a copy: autograd forbids in-place changes of a view of this function's result.
        return convolved.permute(2, 3, 0, 1).clone(memory_format=torch.channels_last)


def compute_multiplication_share(conv: nn.Conv2d, side: int) -> float:
    """Compute the share of the multiplications of the direct way, for maps of ``side x side``.

    The transform of the weights is left out: it is done once for a whole batch. The result is
    infinite if the maps are too small for the kernel.
    """
    k, n_in, n_out = conv.kernel_size[0], conv.in_channels, conv.out_channels
    n_down = side + 2 * int(conv.padding[0])
    n_frequencies = n_down * (n_down // 2 + 1)
    out = n_down - k + 1
    if out < 1:
        return math.inf
    products = 4 * n_frequencies * n_in * n_out
    # Along the rows the numbers are real; then, down the columns, they are complex.
    transforms = sum(
        n_maps * size * (2 * size * (n_down // 2 + 1) + 4 * n_frequencies)
        for n_maps, size in ((n_in, side), (n_out, out))
    )
    return (products + transforms) / (out**2 * k**2 * n_in * n_out)


Complex = tuple[Tensor, Tensor]  # real and imaginary part


class _Convolve(torch.autograd.Function):
    """Maps ``(H, W, n, C)``, weights ``(k, k, C, F)``, biases ``(F,)`` to ``(h, w, n, F)``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        maps, weight, bias, padding = arguments
        side, k = len(maps), len(weight)
        # As many frequencies as there are pixels with the padding. A product of transforms is a
        # convolution that wraps around; the sums that do begin in the last k - 1 rows or columns,
        # which are not part of the output.
        n = side + 2 * padding
        map_transform = _get_transform(n, padding, side, maps.dtype)
        weight_transform = _get_transform(n, 0, k, maps.dtype)
        output_transform = _get_transform(n, 0, n - k + 1, maps.dtype)
        X = map_transform.to_spectrum(maps)
        # W includes the factors of the inverse transform. The adjoint transform of a product with W
        # is therefore the inverse transform.
        W = _scale(weight_transform.to_spectrum(weight), weight_transform.inverse_factors)
        # The conjugate, because what networks call a convolution is a correlation.
        Y = _multiply(X, W, conjugate=True)
        Y[0][0] += bias  # frequency 0 is added to every pixel once
        ctx.save_for_backward(*X, *W)
        ctx.transforms = map_transform, weight_transform, output_transform
        return output_transform.apply_adjoint(Y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        X, W = ctx.saved_tensors[:2], ctx.saved_tensors[2:]
        map_transform, weight_transform, output_transform = ctx.transforms
        Y = output_transform.to_spectrum(gradients[0])
        map_grad = None
        if ctx.needs_input_grad[0]:
            map_grad = map_transform.apply_adjoint(_multiply(Y, _transpose(W), conjugate=False))
        W_grad = _multiply(_transpose(X), Y, conjugate=True)
        weight_grad = weight_transform.apply_adjoint(
            _scale(W_grad, weight_transform.inverse_factors)
        )
        return map_grad, weight_grad, Y[0][0].sum(0), None


def _multiply(a: Complex, b: Complex, conjugate: bool) -> Complex:
    """Multiply matrices ``(K L, p, q)`` and ``(K L, q, r)``; ``b`` is conjugated if asked."""
    sign = -1 if conjugate else 1
    real = torch.bmm(a[0], b[0]).baddbmm_(a[1], b[1], alpha=-sign)
    imaginary = torch.bmm(a[1], b[0]).baddbmm_(a[0], b[1], alpha=sign)
    return real, imaginary


def _transpose(matrices: Complex) -> Complex:
    return matrices[0].mT, matrices[1].mT


def _scale(matrices: Complex, factors: Tensor) -> Complex:
    """Multiply the matrices by ``factors`` in place."""
    return matrices[0].mul_(factors), matrices[1].mul_(factors)


class _FourierTransform:
    """The Fourier transform, with ``n`` frequencies, of square maps of ``size`` pixels a side.

    The first pixel of a map stands at position ``first``; the positions around the map are zero.
    The rows, which are real, are transformed first, then the columns, which are complex. Neither
    :meth:`to_spectrum` nor :meth:`apply_adjoint` scales its result; ``inverse_factors`` are the
    factors that the inverse transform needs.
    """

    def __init__(self, n: int, first: int, size: int, dtype: torch.dtype) -> None:
        self.size = size
        pixels = torch.arange(first, first + size, dtype=torch.float64)
        angles = torch.outer(torch.arange(n, dtype=torch.float64), pixels) * (2 * math.pi / n)
        cos, sin = angles.cos(), angles.sin()
        n_along = n // 2 + 1
        # (2, K, size): from pixels to the real and the imaginary part.
        self._along = torch.stack([cos, -sin])[:, :n_along].to(dtype)
        # (2, L, 2 size): from both parts of each pixel to the real and the imaginary part.
        down = [torch.stack(parts, -1).flatten(1) for parts in ((cos, sin), (-sin, cos))]
        self._down = torch.stack(down).to(dtype)
        # (K L, 1, 1). A frequency whose conjugate is left out counts twice.
        factors = torch.full((n_along, n), 2 / n**2, dtype=dtype)
        factors[0] /= 2
        if n % 2 == 0:
            factors[-1] /= 2
        self.inverse_factors = factors.view(-1, 1, 1)

    def to_spectrum(self, maps: Tensor) -> Complex:
        """Transform ``(size, size, p, q)`` to ``(K L, p, q)``."""
        size, columns = self.size, maps.shape[2:]
        along = torch.matmul(self._along.flatten(0, 1), maps.reshape(size, size, -1))
        along = along.view(2 * size, self._along.shape[1], -1).transpose(0, 1)
        real, imaginary = (torch.matmul(part, along).view(-1, *columns) for part in self._down)
        return real, imaginary

    def apply_adjoint(self, spectrum: Complex) -> Tensor:
        """Apply the transposed matrices: ``(K L, p, q)`` to ``(size, size, p, q)``."""
        (_, n_along, size), columns = self._along.shape, spectrum[0].shape[1:]
        parts = (part.view(n_along, -1, columns.numel()) for part in spectrum)
        up = _sum_products(self._down.mT, parts)
        up_parts = up.view(n_along, size, 2, -1).permute(2, 1, 0, 3)
        return _sum_products(self._along.mT, up_parts).view(size, size, *columns)


def _sum_products(matrices: Tensor, parts: Iterable[Tensor]) -> Tensor:
    """Multiply each of two matrices with its part ``(batch, rows, M)`` and add the products."""
    (first, second), (real, imaginary) = matrices, parts
    return torch.matmul(first, real).baddbmm_(second.expand(len(imaginary), -1, -1), imaginary)


@cache
def _get_transform(n: int, first: int, size: int, dtype: torch.dtype) -> _FourierTransform:
    return _FourierTransform(n, first, size, dtype)
