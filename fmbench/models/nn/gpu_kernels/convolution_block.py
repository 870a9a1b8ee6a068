"""A small convolution, the activation behind it and the pooling behind that, as one step.

Which layers of a network are computed so, and the kernels that do it. ``convolution_block.cu`` says
why that is faster than the layers one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmbench.models.nn.gpu_errors import warn_once
from fmbench.models.nn.gpu_kernels.build import (
    MAX_SHARED_BYTES,
    MAX_THREADS,
    KernelError,
    Kernels,
    load_kernels,
    move_to_gpu,
)
from fmbench.models.nn.layers import SparseConv2d, has_hooks, is_plain_convolution

FILE = "convolution_block.cu"

# The numbers by which the kernels know what follows a convolution.
ACTIVATION_NUMBERS: dict[type[nn.Module], int] = {
    nn.ReLU: 1, nn.Tanh: 2, nn.Sigmoid: 3, nn.ELU: 4,
}  # fmt: skip
POOLING_NUMBERS: dict[type[nn.Module], int] = {nn.AvgPool2d: 1, nn.MaxPool2d: 2}
POOLING_OPTIONS = (
    "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices",
    "divisor_override",
)  # fmt: skip

# A thread computes so many maps at most, which share what it reads. With more, it would need more
# registers than leave room for other threads.
MOST_OUT_EACH, MOST_IN_EACH = 6, 2
WEIGHT_THREADS = 256  # for the gradient of the weights: enough to keep a core of the card busy

# The results of a block may differ from those of PyTorch's layers in double precision by this share
# of their length as a vector. Rounding is a hundred-thousandth; but where it moves a value across
# the corner of a ReLU, one gradient of ten thousand changes wholly.
TOLERANCE = 0.03


@dataclass(frozen=True)
class BlockShape:
    """The sizes of a block; maps and kernels are squares."""

    n_in: int  # maps before the convolution
    n_out: int  # maps behind it
    side: int  # of the maps before it, in pixels
    kernel: int
    padding: int
    activation: int = 0  # see ACTIVATION_NUMBERS; 0 for none
    pooling: int = 0  # over squares of 2 x 2; see POOLING_NUMBERS; 0 for none

    @property
    def out_side(self) -> int:
        """The side of the maps behind the convolution."""
        return self.side + 2 * self.padding - self.kernel + 1

    @property
    def pooled_side(self) -> int:
        """The side of the maps behind the pooling."""
        return self.out_side // 2 if self.pooling else self.out_side

    @property
    def out_each(self) -> int:
        """The maps behind the convolution that one thread computes."""
        return _find_divisor(self.n_out, MOST_OUT_EACH)

    @property
    def in_each(self) -> int:
        """The maps before the convolution whose gradient one thread computes."""
        return _find_divisor(self.n_in, MOST_IN_EACH)

    @property
    def slices(self) -> int:
        """The parts of an image's rows that compute gradients of the weights at the same time."""
        return max(1, min(self.out_side, WEIGHT_THREADS // self._threads_of_slice))

    @property
    def _threads_of_slice(self) -> int:
        return (self.n_in * self.kernel + 1) * (self.n_out // self.out_each)

    @property
    def threads(self) -> dict[str, int]:
        """The threads that each kernel needs for an image."""
        squares = _count_squares(self.out_side) * (self.n_out // self.out_each)
        in_squares = _count_squares(self.side) * (self.n_in // self.in_each)
        return {
            "forward": squares,
            "compute_weight_gradient": self._threads_of_slice * self.slices,
            "compute_input_gradient": in_squares,
        }

    @property
    def shared_bytes(self) -> int:
        """The shared memory of the kernel that needs most of it."""
        padded = self.side + 2 * self.padding
        image = self.n_in * padded**2
        odd_rows = self.n_in * padded * (padded | 1)
        weights = self.n_out * self.n_in * 4 * (-(-(self.kernel**2) // 4))
        rows = self.n_out * (self.n_in * self.kernel + 1) * self.kernel
        of_weights = odd_rows + padded + self.out_side**2 * self.n_out + self.slices * rows
        of_input = self.n_out * (self.side + self.kernel - 1) ** 2 + weights
        return 4 * max(image + weights, of_weights, of_input) + 64

    @property
    def is_possible(self) -> bool:
        """Whether the kernels can compute a block of these sizes."""
        return (
            self.kernel > self.padding
            and self.out_side > 0
            and not (self.pooling and self.out_side % 2)
            and self.shared_bytes <= MAX_SHARED_BYTES
            and max(self.threads.values()) <= MAX_THREADS
        )

    @property
    def constants(self) -> tuple[tuple[str, int], ...]:
        """What the compiler must know."""
        return (
            ("N_IN", self.n_in), ("N_OUT", self.n_out), ("SIDE", self.side),
            ("KERNEL", self.kernel), ("PADDING", self.padding), ("ACTIVATION", self.activation),
            ("POOLING", self.pooling), ("OUT_EACH", self.out_each), ("IN_EACH", self.in_each),
            ("SLICES", self.slices),
        )  # fmt: skip


def _find_divisor(n: int, most: int) -> int:
    """Return the largest divisor of ``n`` that is at most ``most``."""
    return max(d for d in range(1, most + 1) if n % d == 0)


def _count_squares(side: int) -> int:
    """Return how many squares of 2 x 2, or of one pixel if the side is odd, are in a map."""
    return (side // 2) ** 2 if side % 2 == 0 else side**2


class ConvolutionBlock:
    """Computes the layers of a block for a stack of networks."""

    def __init__(self, shape: BlockShape, n_layers: int, kernels: Kernels) -> None:
        self.n_layers = n_layers  # of the network, the convolution among them
        self._shape, self._kernels = shape, kernels

    def __call__(self, X: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute ``(S, n, o, p, p)`` from images ``(S, n, c, s, s)``.

        ``weight`` is ``(S, o, c, k, k)`` and ``bias`` is ``(S, o)``. Each network's part of them is
        contiguous.
        """
        return _Block.apply(X, weight, bias, self._shape, self._kernels)


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, X: Tensor, weight: Tensor, bias: Tensor, shape: BlockShape, kernels: Kernels
    ) -> Tensor:
        X = X.contiguous()
        n_networks, n_images = X.shape[:2]
        behind = X.new_empty(n_networks, n_images, shape.n_out, shape.out_side, shape.out_side)
        pooled = behind
        if shape.pooling:
            pooled = X.new_empty(*behind.shape[:3], shape.pooled_side, shape.pooled_side)
        kernels.launch(
            "forward", n_networks * n_images, shape.threads["forward"],
            X, weight, bias, behind, pooled, n_images, weight.stride(0), bias.stride(0),
        )  # fmt: skip
        ctx.save_for_backward(X, weight, behind)
        ctx.shape, ctx.kernels = shape, kernels
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        X, weight, behind = ctx.saved_tensors
        shape: BlockShape = ctx.shape
        gradient = gradients[0].contiguous()
        n_networks, n_images = X.shape[:2]
        n_blocks = n_networks * n_images
        n_weights = weight[0, 0].numel()
        parts = X.new_empty(n_networks, n_images, shape.n_out, n_weights + 1)
        ctx.kernels.launch(
            "compute_weight_gradient", n_blocks, shape.threads["compute_weight_gradient"],
            X, behind, gradient, parts,
        )  # fmt: skip
        sums = parts.sum(1)
        of_weight, of_bias = sums[..., :-1].reshape(weight.shape), sums[..., -1]
        of_X = None
        if ctx.needs_input_grad[0]:
            of_X = torch.empty_like(X)
            ctx.kernels.launch(
                "compute_input_gradient", n_blocks, shape.threads["compute_input_gradient"],
                weight, behind, gradient, of_X, n_images, weight.stride(0),
            )  # fmt: skip
        return of_X, of_weight, of_bias, None, None


def find_blocks(network: nn.Module, sides: Mapping[str, int]) -> dict[str, ConvolutionBlock]:
    """Return, by the name of its convolution, each block of a sequence of layers.

    ``sides`` holds the side of the maps before each convolution, in pixels. If the kernels cannot
    be used here, one warning says so, and there is no block.
    """
    if type(network) is not nn.Sequential or has_hooks(network):
        return {}
    layers = list(network.named_children())
    blocks = {}
    for position, (name, layer) in enumerate(layers):
        following = [each for _, each in layers[position + 1 : position + 3]]
        found = _match_block(layer, following, sides.get(name, 0))
        if found is None:
            continue
        shape, n_layers = found
        try:
            blocks[name] = ConvolutionBlock(shape, n_layers, load_checked(shape))
        except KernelError as error:
            warn_once(
                "the faster kernels for small convolutions cannot be used here, so PyTorch's own "
                f"are used: {error}"
            )
            return {}
    return blocks


def _match_block(
    layer: nn.Module, following: list[nn.Module], side: int
) -> tuple[BlockShape, int] | None:
    """Return the shape of the block that starts with ``layer``, and its number of layers."""
    padding, n_layers, activation, pooling = 0, 1, 0, 0
    if type(layer) is SparseConv2d and not has_hooks(layer):
        n_out, n_in, kernel, _ = layer.shape
    elif is_plain_convolution(layer):
        n_out, n_in, kernel, _ = layer.weight.shape
        padding = int(layer.padding[0])
    else:
        return None
    if following and _is_plain_activation(following[0]):
        n_layers, activation = 2, ACTIVATION_NUMBERS[type(following[0])]
        if len(following) > 1 and _is_pooling_of_2(following[1]):
            n_layers, pooling = 3, POOLING_NUMBERS[type(following[1])]
    shape = BlockShape(n_in, n_out, side, kernel, padding, activation, pooling)
    if pooling and shape.out_side % 2:  # the pooling leaves out a row and a column
        n_layers, shape = 2, replace(shape, pooling=0)
    return (shape, n_layers) if side and shape.is_possible else None


def _is_plain_activation(layer: nn.Module) -> bool:
    is_known = type(layer) in ACTIVATION_NUMBERS and not has_hooks(layer)
    return is_known and not (isinstance(layer, nn.ELU) and layer.alpha != 1)


def _is_pooling_of_2(layer: nn.Module) -> bool:
    """Whether it is the average or the maximum over squares of 2 x 2 that do not overlap."""
    if type(layer) not in POOLING_NUMBERS or has_hooks(layer):
        return False
    plain = type(layer)(2)
    return all(getattr(layer, name, None) == getattr(plain, name, None) for name in POOLING_OPTIONS)


@lru_cache
def load_checked(shape: BlockShape) -> Kernels:
    """Load the kernels of a block, and compare their results with those of PyTorch's layers.

    Raises:
        KernelError: they cannot be loaded, or their results are wrong.
    """
    kernels = load_kernels(FILE, shape.constants)
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    X = draw(2, 2, shape.n_in, shape.side, shape.side)
    weight = draw(2, shape.n_out, shape.n_in, shape.kernel, shape.kernel) / 8
    bias = draw(2, shape.n_out)
    gradient = draw(2, 2, shape.n_out, shape.pooled_side, shape.pooled_side)
    expected = differentiate(partial(compute_plainly, shape=shape), X, weight, bias, gradient)
    on_device = [move_to_gpu(each) for each in (X, weight, bias, gradient)]
    found = differentiate(ConvolutionBlock(shape, 1, kernels), *on_device)
    for name, own, right in zip(RESULTS, found, expected, strict=True):
        error = float((own.cpu().double() - right).norm() / right.norm())
        if not error <= TOLERANCE:
            raise KernelError(
                f"their {name} differ by {error:.2g} of their size from PyTorch's for {shape}"
            )
    return kernels


RESULTS = ("maps", "gradients of the maps", "gradients of the weights", "gradients of the biases")


def differentiate(
    compute: Callable[[Tensor, Tensor, Tensor], Tensor],
    X: Tensor,
    weight: Tensor,
    bias: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, ...]:
    """Return the four RESULTS of a block."""
    inputs = [each.clone().requires_grad_() for each in (X, weight, bias)]
    with torch.enable_grad():
        result = compute(*inputs)
        gradients = torch.autograd.grad(result, inputs, gradient)
    return (result.detach(), *gradients)


def compute_plainly(X: Tensor, weight: Tensor, bias: Tensor, shape: BlockShape) -> Tensor:
    """Compute a block with PyTorch's layers, one network after the other."""
    activate = {number: kind() for kind, number in ACTIVATION_NUMBERS.items()}
    pool = {number: kind(2) for kind, number in POOLING_NUMBERS.items()}
    each = []
    for images, w, b in zip(X, weight, bias, strict=True):
        maps = F.conv2d(images, w, b, padding=shape.padding)
        maps = activate.get(shape.activation, nn.Identity())(maps)
        each.append(pool.get(shape.pooling, nn.Identity())(maps))
    return torch.stack(each)
