"""Faster stages of convolution, ReLU and pooling over 2 x 2, by compiled loops, on a CPU.

What it computes: one or several such stages, one after the other, as LeNet-5 and many later
networks begin. A stage may add its input behind ReLU (:class:`Residual`).

Why it is faster: the image is the last dimension in memory, so that the processor's vectors are
full for any number of channels, and the sums of many outputs stay in registers while the loop
walks through their terms (`kernels.py`). Nothing is copied into larger matrices, outputs that the
pooling drops are not computed, and a whole stage is one step of autograd. It needs the package
numba (the extra ``fast``); without it, `select.py` chooses other ways. Numba compiles a loop once
for each size of its blocks of sums (`plan.py`), so two networks may need two versions of it.

How exact it is: the result differs from PyTorch's only by rounding. Tests compare the two.

Notation of shapes: n images, C input channels, F output channels, kernels of k x k, maps of H x W,
pooled to h x w.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.convolutions import plan
from fmbench.models.nn.convolutions.fft import MAX_SHARE, compute_multiplication_share
from fmbench.models.nn.layers import LayerFunction, Residual, has_hooks, is_plain_convolution

TYPICAL_SIDE = 14  # of the maps behind the first pooling of images of 28 x 28
# Of a convolution's outputs, so that they are still in the second cache when they are read again.
GROUP_BYTES = 300_000
MAX_ROWS = 10  # whose products are added before the next block of sums


@dataclass(frozen=True)
class Stage:
    """A convolution, followed by ReLU and pooling over 2 x 2."""

    conv: nn.Conv2d
    takes_maximum: bool  # or the average
    is_residual: bool = False  # the convolution's input is added behind ReLU

    @property
    def n_layers(self) -> int:
        """The number of layers that the stage takes the place of."""
        return 2 if self.is_residual else 3

    def compute_plainly(self, X: Tensor) -> Tensor:
        """Compute the stage with PyTorch."""
        pool = nn.functional.max_pool2d if self.takes_maximum else nn.functional.avg_pool2d
        out = self.conv(X).relu()
        return pool(X + out if self.is_residual else out, 2)


def replace_stages(layers: Sequence[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with each run of stages replaced by one function."""
    layers, replaced = list(layers), []
    while layers:
        stages = list(_find_stages(layers))
        replaced.append(CompiledStages(stages) if stages else layers[0])
        layers = layers[sum(stage.n_layers for stage in stages) or 1 :]
    return replaced


def _find_stages(layers: list[LayerFunction]) -> Iterator[Stage]:
    """Yield the stages with which the layers begin."""
    while (stage := _find_stage(layers)) is not None:
        yield stage
        layers = layers[stage.n_layers :]


def _find_stage(layers: list[LayerFunction]) -> Stage | None:
    if len(layers) >= 2 and type(layers[0]) is Residual and not has_hooks(layers[0]):
        conv = layers[0].conv
        keeps_size = 2 * int(conv.padding[0]) == conv.kernel_size[0] - 1
        if _is_worth_compiling(conv) and keeps_size and _pools_2x2(layers[1], nn.MaxPool2d):
            return Stage(conv, takes_maximum=True, is_residual=True)
    if len(layers) < 3 or not _is_worth_compiling(layers[0]):
        return None
    first, second, third = layers[:3]
    assert isinstance(first, nn.Conv2d)
    if _is_relu(second) and _pools_2x2(third, nn.AvgPool2d):
        return Stage(first, takes_maximum=False)
    if (_is_relu(second) and _pools_2x2(third, nn.MaxPool2d)) or (
        _pools_2x2(second, nn.MaxPool2d) and _is_relu(third)
    ):
        return Stage(first, takes_maximum=True)
    return None


def _is_worth_compiling(layer: LayerFunction) -> bool:
    """Whether ``layer`` is a convolution for which Fourier transforms are not faster."""
    return (
        is_plain_convolution(layer)
        and int(layer.padding[0]) < layer.kernel_size[0]
        and compute_multiplication_share(layer, TYPICAL_SIDE) > MAX_SHARE
    )


def _is_relu(layer: LayerFunction) -> bool:
    return type(layer) is nn.ReLU and not has_hooks(layer)


def _pools_2x2(layer: LayerFunction, kind: type) -> bool:
    """Whether ``layer`` pools over squares of 2 x 2 and drops a last odd row or column."""
    if type(layer) is not kind or not isinstance(layer, nn.Module) or has_hooks(layer):
        return False
    settings = [layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode]
    extra = layer.divisor_override if kind is nn.AvgPool2d else layer.dilation
    other = layer.return_indices if kind is nn.MaxPool2d else False
    return settings == [2, 2, 0, False] and extra in (None, 1) and not other


class CompiledStages:
    """Computes several stages as one function of autograd."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._computations: dict[tuple[int, ...], _Computation] = {}

    def __call__(self, X: Tensor) -> Tensor:
        """``(n, C, H, W)`` to ``(n, F, h, w)`` of the last stage."""
        if X.dtype != torch.float32:  # the loops are compiled for float32
            for stage in self._stages:
                X = stage.compute_plainly(X)
            return X
        return _ComputeStages.apply(X, self, *self._list_parameters())

    def _list_parameters(self) -> list[Tensor]:
        parameters: list[Tensor] = []
        for stage in self._stages:
            assert stage.conv.bias is not None
            parameters += [stage.conv.weight, stage.conv.bias]
        return parameters

    def compile_loops(self, X: Tensor, needs_maps: bool) -> None:
        """Compile the loops for maps of the size of ``X (n, C, H, W)``, by computing with them.

        ``needs_maps``: ``X`` will need a gradient.
        """
        computation = _Computation(self._stages, 1, X.shape[1:], needs_maps)
        out = computation.run_forward(X[:1], self._list_parameters())
        computation.run_backward(torch.zeros_like(out), X[:1].shape)

    def run_forward(self, X: Tensor) -> Tensor:
        """Compute the stages without autograd; the images need no gradient."""
        self._last = self.prepare(X, needs_maps=False)
        return self._last.run_forward(X, self._list_parameters())

    def run_backward(self, gradient: Tensor) -> None:
        """Write the gradients of the parameters of the last :meth:`run_forward` into them."""
        _, gradients = self._last.run_backward(gradient, torch.Size())
        for parameter, own in zip(self._list_parameters(), gradients, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(own)

    def prepare(self, X: Tensor, needs_maps: bool) -> _Computation:
        """Return the buffers for images of this shape and number."""
        from fmbench.models.nn.convolutions.kernels import LANES

        n_chunks = -(-len(X) // LANES)
        key = (n_chunks, *X.shape[1:], needs_maps)
        if key not in self._computations:
            self._computations[key] = _Computation(self._stages, n_chunks, X.shape[1:], needs_maps)
        return self._computations[key]


class _ComputeStages(torch.autograd.Function):
    """Maps images ``(n, C, H, W)`` to ``(n, F, h, w)``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        X, stages, *parameters = arguments
        ctx.computation = stages.prepare(X, ctx.needs_input_grad[0])
        ctx.shape = X.shape
        out = ctx.computation.run_forward(X.detach(), parameters)
        ctx.turn = ctx.computation.turn
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.turn != ctx.computation.turn:
            raise RuntimeError(
                "the values of this batch were overwritten: call backward() before the next batch"
            )
        ctx.computation.turn += 1  # the gradients are written over the values
        map_grad, parameter_grads = ctx.computation.run_backward(gradients[0], ctx.shape)
        return map_grad, None, *parameter_grads


class _Computation:
    """Computes the stages for a fixed number of chunks, with buffers that every batch reuses.

    The chunks go through all stages in small groups, so that what one loop writes is still in the
    processor's cache when the next loop reads it.
    """

    def __init__(
        self, stages: Sequence[Stage], n_chunks: int, shape: Sequence[int], needs_maps: bool
    ) -> None:
        self.turn = 0  # how often the buffers were written
        self._stages: list[_StageBuffers] = []
        n_in, height, width = shape
        for i, stage in enumerate(stages):
            buffers = _StageBuffers(stage, n_chunks, (n_in, height, width), needs_maps or i > 0)
            self._stages.append(buffers)
            n_in, height, width = buffers.pooled_shape
        lanes = self._stages[0].geometry.lanes
        self._last = _allocate(n_chunks, n_in, height, width, lanes)
        n_bytes = max(stage.count_least_bytes() for stage in self._stages)
        size = min(n_chunks, max(1, GROUP_BYTES // n_bytes))
        self._groups = [slice(i, min(i + size, n_chunks)) for i in range(0, n_chunks, size)]
        for stage_buffers in self._stages:
            stage_buffers.allocate_outputs(size)

    def run_forward(self, X: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Compute the last stage's maps."""
        from fmbench.models.nn.convolutions import kernels

        self.turn += 1
        first = self._stages[0]
        # In one order in memory: numba would compile the loop again for another.
        kernels.load_images(X.contiguous().numpy(), first.geometry.padding, first.maps)
        for stage, weight, bias in zip(
            self._stages, parameters[::2], parameters[1::2], strict=True
        ):
            stage.set_parameters(weight.detach(), bias.detach())
        targets = [(stage.maps, stage.geometry.padding) for stage in self._stages[1:]]
        targets.append((self._last, 0))
        for group in self._groups:
            for stage, (pooled, padding) in zip(self._stages, targets, strict=True):
                stage.run_forward(group, pooled, padding)
        out = torch.empty(len(X), *self._last.shape[1:4])
        kernels.unload_images(self._last, out.numpy())
        return out

    def run_backward(
        self, gradient: Tensor, shape: torch.Size
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Compute the gradients of the images, if they need one, and of all parameters."""
        from fmbench.models.nn.convolutions import kernels

        kernels.load_images(gradient.contiguous().numpy(), 0, self._last)
        for stage in self._stages:
            stage.clear_gradients()
        for group in self._groups:
            pooled = self._last
            for stage in reversed(self._stages):
                stage.run_backward(group, pooled)
                if stage.map_gradient is not None:
                    pooled = stage.map_gradient
        parameter_grads = [grad for stage in self._stages for grad in stage.get_gradients()]
        first = self._stages[0].map_gradient
        if first is None:
            return None, parameter_grads
        map_grad = torch.empty(shape)
        kernels.unload_images(first, map_grad.numpy())
        return map_grad, parameter_grads


class _StageBuffers:
    """The buffers and plans of one stage."""

    def __init__(self, stage: Stage, n_chunks: int, shape: Sequence[int], needs_maps: bool) -> None:
        from fmbench.models.nn.convolutions import kernels

        conv, (n_in, height, width) = stage.conv, shape
        size, padding = conv.kernel_size[0], int(conv.padding[0])
        height, width = height + 2 * padding, width + 2 * padding
        n_out, h, w = conv.out_channels, (height - size + 1) // 2, (width - size + 1) // 2
        if min(h, w) < 1:
            raise ValueError(
                f"maps of {height} x {width} are too small for a kernel of {size} x {size} and "
                "squares of 2 x 2: use larger maps"
            )
        self.pooled_shape = n_out, h, w
        self.geometry = geometry = plan.Geometry(
            n_in, n_out, size, padding, height, width, 2 * h, 2 * w, kernels.LANES,
            kernels.N_REGISTERS,
        )  # fmt: skip
        self._takes_maximum, self._is_residual = stage.takes_maximum, stage.is_residual
        self._factor = np.float32(1 if stage.takes_maximum else 1 / kernels.SQUARE)
        self._border = 0
        self.map_gradient: np.ndarray | None = None
        if needs_maps:
            backward, self._border = plan.plan_backward(geometry)
            inner = (n_in, height - 2 * padding, width - 2 * padding)
            self.map_gradient = _allocate(n_chunks, *inner, geometry.lanes)
            self._backward = _Convolution(backward)
            self._zeros = np.zeros(n_in, np.float32)
        self.maps = _allocate(n_chunks, n_in, height, width, geometry.lanes)
        self._masks = np.zeros((n_chunks, n_out, h, w, kernels.SQUARE), np.uint16)
        self._chosen = np.zeros_like(self._masks) if stage.is_residual else self._masks
        self._bias_gradient = _allocate(n_out, geometry.lanes)

    def _get_row_shape(self) -> tuple[int, ...]:
        g = self.geometry
        return g.n_out, g.out_width + 2 * self._border, g.lanes

    def count_least_bytes(self) -> int:
        """Count the bytes of a chunk's outputs that must be there at the same time."""
        # The gradient of the maps needs all outputs. Otherwise, two rows are enough.
        n_rows = 2 if self.map_gradient is None else self.geometry.out_height
        return 4 * n_rows * math.prod(self._get_row_shape())

    def allocate_outputs(self, n_chunks: int) -> None:
        """Make room for the outputs of the convolution for a group of chunks."""
        g, n_rows = self.geometry, self.geometry.out_height
        if self.map_gradient is None:
            pair = self.count_least_bytes() * n_chunks
            n_rows = min(n_rows, 2 * max(1, GROUP_BYTES // pair))
        self._bands = [(i, min(i + n_rows, g.out_height)) for i in range(0, g.out_height, n_rows)]
        n_out, width, lanes = self._get_row_shape()
        self._outputs = _allocate(n_chunks, n_out, n_rows, width, lanes)
        self._forward = _Convolution(plan.plan_forward(g, self._border, n_rows))
        self._gradient = _WeightGradient(g, self._border, n_rows)

    def set_parameters(self, weight: Tensor, bias: Tensor) -> None:
        """Take the parameters of this step."""
        self._weight, self._bias = weight, bias.numpy()
        self._forward.set_weight(weight)

    def run_forward(self, group: slice, pooled: np.ndarray, padding: int) -> None:
        """Compute a group of chunks, and write the result into the middle of ``pooled``."""
        from fmbench.models.nn.convolutions import kernels

        outputs, g = self._outputs[: group.stop - group.start], self.geometry
        for first, last in self._bands:
            spans = self._forward.plan.cut(first, last, g.out_height)
            self._forward.run(self.maps[group], spans, self._bias, outputs)
            rows = first // 2, (last - first) // 2
            if self._is_residual:
                kernels.pool_residual(
                    outputs, self._border, self.maps[group], g.padding, padding, pooled[group],
                    self._masks[group], self._chosen[group], rows,
                )  # fmt: skip
            else:
                kernels.pool(
                    outputs, self._border, self._takes_maximum, padding, pooled[group],
                    self._masks[group], *rows,
                )  # fmt: skip

    def clear_gradients(self) -> None:
        """Get ready for a way back."""
        self._gradient.sums[:] = 0
        self._bias_gradient[:] = 0
        if self.map_gradient is not None:
            self._backward.set_weight(self._weight)

    def run_backward(self, group: slice, pooled: np.ndarray) -> None:
        """Add to the gradients of the parameters; write that of the maps."""
        from fmbench.models.nn.convolutions import kernels

        outputs = self._outputs[: group.stop - group.start]
        for first, last in self._bands:
            kernels.unpool(
                pooled[group], self._masks[group], self._factor, self._border, outputs,
                self._bias_gradient, first // 2, (last - first) // 2,
            )  # fmt: skip
            self._gradient.run(outputs, self.maps[group], first, last)
        if self.map_gradient is not None:
            spans = self._backward.plan.spans
            self._backward.run(outputs, spans, self._zeros, self.map_gradient[group])
            if self._is_residual:
                kernels.add_residual(pooled[group], self._chosen[group], self.map_gradient[group])

    def get_gradients(self) -> list[Tensor]:
        """Return the gradients of the weight and the bias."""
        weight_grad = self._gradient.read().view(self._weight.shape)
        return [weight_grad, torch.from_numpy(self._bias_gradient).sum(1)]


class _Convolution:
    """Runs a planned convolution."""

    def __init__(self, planned: plan.ConvolutionPlan) -> None:
        self.plan = planned
        self._block = (0,) * planned.n_positions, (0,) * planned.n_outputs
        sources = planned.weight_source.reshape(len(planned.first_outputs), -1)
        self._source = torch.from_numpy(sources)
        self._packed = torch.empty(sources.shape)

    def set_weight(self, weight: Tensor) -> None:
        """Put the weights into the order in which the loop reads them."""
        torch.take(weight, self._source, out=self._packed)

    def run(self, maps: np.ndarray, spans: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
        """Compute ``out`` from ``maps``, for some of the spans."""
        from fmbench.models.nn.convolutions import kernels

        kernels.convolve(
            *self._block,
            maps.reshape(len(maps), -1),
            spans,
            self.plan.terms,
            self._packed.numpy(),
            starts,
            self.plan.first_outputs,
            out.reshape(len(out), -1),
        )


class _WeightGradient:
    """Runs the planned gradient of the weights."""

    def __init__(self, g: plan.Geometry, border: int, n_rows: int) -> None:
        self._plan = planned = plan.plan_weight_gradient(g)
        self._block = (0,) * planned.n_outputs, (0,) * planned.n_terms
        row = (g.out_width + 2 * border) * g.lanes
        self._sizes = (border * g.lanes, n_rows * row, row)
        self._width, self._map_row = g.out_width, g.width * g.lanes
        shape = (len(planned.first_outputs), len(planned.offsets), planned.n_outputs)
        self.sums = _allocate(*shape, planned.n_terms, g.lanes)
        self._places = torch.from_numpy(planned.sum_places)

    def run(self, gradient: np.ndarray, maps: np.ndarray, first: int, last: int) -> None:
        """Add the products of a group of chunks, for the output rows from first to last - 1."""
        from fmbench.models.nn.convolutions import kernels

        kernels.compute_weight_gradient(
            *self._block,
            gradient.reshape(len(gradient), -1),
            (*self._sizes, last - first, self._width),
            maps.reshape(len(maps), -1),
            first * self._map_row,
            self._plan.offsets,
            self._map_row,
            MAX_ROWS,
            self._plan.first_outputs,
            self.sums,
        )

    def read(self) -> Tensor:
        """Return the gradient ``(F, C k k)``."""
        return torch.from_numpy(self.sums).sum(-1).take(self._places)


def _allocate(*shape: int) -> np.ndarray:
    """Make float32 zeros that begin at a multiple of 64 bytes."""
    n = int(np.prod(shape))
    memory = np.zeros(n + 16, np.float32)
    first = -memory.ctypes.data // 4 % 16
    return memory[first : first + n].reshape(shape)
