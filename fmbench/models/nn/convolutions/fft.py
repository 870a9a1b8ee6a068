"""Wide convolutions, trained on a CPU, as products of spectra.

A convolution of maps is a product of their Fourier transforms, frequency by frequency: with 5 x 5
weights that takes a seventh of the multiplications, and the maps are so small that transforming
them, by matrix products too, costs little. Every matrix product is of a common shape, so it runs at
the rate that the library has for them. The result is PyTorch's own but for rounding.

Source: Mathieu, Henaff & LeCun 2013, "Fast Training of Convolutional Networks through FFTs"
(arXiv 1312.5851), with the transforms as matrices.

Notation of shapes: n images, C channels in, F out, k x k weights, M columns of whatever is
transformed, L frequencies down a map and K = L // 2 + 1 along it (those of real numbers come in
conjugate pairs), each with a real and an imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.layers import Compute, is_plain

WORTH_IT = 0.5  # of the multiplications of the convolution as it stands


def replaced(layers: Sequence[Compute]) -> list[Compute]:
    """``layers`` with the convolutions among them computed this way where it pays.

    What is computed has the layers' own parameters, and their result but for rounding.
    """
    return [_Spectral(layer) if is_plain(layer) else layer for layer in layers]


class _Spectral:
    """What stands in the place of a layer."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._layer = layer

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)``, channels last."""
        layer, (height, width) = self._layer, X.shape[2:]
        if height != width or share_of_multiplications(layer, height) > WORTH_IT:
            return layer(X)
        maps, weight = X.permute(2, 3, 0, 1), layer.weight.permute(2, 3, 1, 0)
        convolved = _Product.apply(maps, weight, layer.bias, int(layer.padding[0]))
        # A copy in any case: a view of this function's result could not be changed in place.
        return convolved.permute(2, 3, 0, 1).clone(memory_format=torch.channels_last)


def share_of_multiplications(conv: nn.Conv2d, side: int) -> float:
    """What an image of maps ``side x side`` takes this way, by what it takes as it stands.

    Left out is the transform of the weights, once a batch. Infinite where there is no output.
    """
    k, n_in, n_out = conv.kernel_size[0], conv.in_channels, conv.out_channels
    n_down = side + 2 * int(conv.padding[0])
    n_frequencies = n_down * (n_down // 2 + 1)
    out = n_down - k + 1
    if out < 1:
        return math.inf
    products = 4 * n_frequencies * n_in * n_out
    # Along the rows, from real numbers; then down the columns, from complex ones.
    transforms = sum(
        n_maps * size * (2 * size * (n_down // 2 + 1) + 4 * n_frequencies)
        for n_maps, size in ((n_in, side), (n_out, out))
    )
    return (products + transforms) / (out**2 * k**2 * n_in * n_out)


Complex = tuple[Tensor, Tensor]  # real and imaginary part


class _Product(torch.autograd.Function):
    """Maps ``(H, W, n, C)``, weights ``(k, k, C, F)``, biases ``(F,)`` to ``(h, w, n, F)``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        maps, weight, bias, margin = arguments
        side, k = len(maps), len(weight)
        # As many frequencies as there are pixels with the margin: a sum that wraps around it
        # begins in the last k - 1 rows or columns, which are no output.
        n = side + 2 * margin
        of_maps = _transform(n, margin, side, maps.dtype)
        of_weight = _transform(n, 0, k, maps.dtype)
        of_output = _transform(n, 0, n - k + 1, maps.dtype)
        X = of_maps.spectrum(maps)
        # W carries the inverse's factors: then the adjoint of a product is its inverse transform.
        W = _scaled(of_weight.spectrum(weight), of_weight.of_inverse)
        Y = _times(X, W, conjugate=True)  # what networks call a convolution is a correlation
        Y[0][0] += bias  # of frequency 0, which every pixel gets once
        ctx.save_for_backward(*X, *W)
        ctx.transforms = of_maps, of_weight, of_output
        return of_output.adjoint(Y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        X, W = ctx.saved_tensors[:2], ctx.saved_tensors[2:]
        of_maps, of_weight, of_output = ctx.transforms
        Y = of_output.spectrum(gradients[0])
        maps = None
        if ctx.needs_input_grad[0]:
            maps = of_maps.adjoint(_times(Y, _transposed(W), conjugate=False))
        of_W = _times(_transposed(X), Y, conjugate=True)
        weight = of_weight.adjoint(_scaled(of_W, of_weight.of_inverse))
        return maps, weight, Y[0][0].sum(0), None


def _times(a: Complex, b: Complex, conjugate: bool) -> Complex:
    """Products of matrices ``(K L, p, q)`` and ``(K L, q, r)``; ``b`` is conjugated if asked."""
    sign = -1 if conjugate else 1
    real = torch.bmm(a[0], b[0]).baddbmm_(a[1], b[1], alpha=-sign)
    imaginary = torch.bmm(a[1], b[0]).baddbmm_(a[0], b[1], alpha=sign)
    return real, imaginary


def _transposed(matrices: Complex) -> Complex:
    return matrices[0].mT, matrices[1].mT


def _scaled(matrices: Complex, factors: Tensor) -> Complex:
    return matrices[0].mul_(factors), matrices[1].mul_(factors)


class _Transform:
    """The Fourier transform of square maps of ``size`` pixels a side, the first at ``first``.

    First along the rows, from real numbers, then down the columns, from complex ones. Without
    factors either way; those of the inverse are ``of_inverse``.
    """

    def __init__(self, n: int, first: int, size: int, dtype: torch.dtype) -> None:
        self.size = size
        pixels = torch.arange(first, first + size, dtype=torch.float64)
        angles = torch.outer(torch.arange(n, dtype=torch.float64), pixels) * (2 * math.pi / n)
        cos, sin = angles.cos(), angles.sin()
        n_along = n // 2 + 1
        # (2, K, size): from pixels to real and imaginary part.
        self._along = torch.stack([cos, -sin])[:, :n_along].to(dtype)
        # (2, L, 2 size): from both parts of each pixel to real and imaginary part.
        down = [torch.stack(parts, -1).flatten(1) for parts in ((cos, sin), (-sin, cos))]
        self._down = torch.stack(down).to(dtype)
        # (K L, 1, 1): the inverse's factors. What stands for its conjugate too counts twice.
        factors = torch.full((n_along, n), 2 / n**2, dtype=dtype)
        factors[0] /= 2
        if n % 2 == 0:
            factors[-1] /= 2
        self.of_inverse = factors.view(-1, 1, 1)

    def spectrum(self, maps: Tensor) -> Complex:
        """``(size, size, p, q)`` to ``(K L, p, q)``."""
        size, columns = self.size, maps.shape[2:]
        along = torch.matmul(self._along.flatten(0, 1), maps.reshape(size, size, -1))
        along = along.view(2 * size, self._along.shape[1], -1).transpose(0, 1)
        real, imaginary = (torch.matmul(part, along).view(-1, *columns) for part in self._down)
        return real, imaginary

    def adjoint(self, spectrum: Complex) -> Tensor:
        """``(K L, p, q)`` to ``(size, size, p, q)``: the transposed matrices."""
        (_, n_along, size), columns = self._along.shape, spectrum[0].shape[1:]
        parts = (part.view(n_along, -1, columns.numel()) for part in spectrum)
        up = _sum_of_products(self._down.mT, parts)
        up_parts = up.view(n_along, size, 2, -1).permute(2, 1, 0, 3)
        return _sum_of_products(self._along.mT, up_parts).view(size, size, *columns)


def _sum_of_products(matrices: Tensor, parts: Iterable[Tensor]) -> Tensor:
    """The products of two matrices with a part each ``(batch, rows, M)``, summed up."""
    (first, second), (real, imaginary) = matrices, parts
    return torch.matmul(first, real).baddbmm_(second.expand(len(imaginary), -1, -1), imaginary)


@cache
def _transform(n: int, first: int, size: int, dtype: torch.dtype) -> _Transform:
    return _Transform(n, first, size, dtype)
