"""Faster convolutions at the start of a network, by compiled loops, on a CPU.

What it computes: stages of convolution, activation and pooling over 2 x 2, one after the other, as
LeNet-5 and many later networks begin.

Why it is faster: the image is the last dimension in memory, so that the processor's vectors are
full for any number of channels, and the sums of many outputs stay in registers while the loop
walks through their terms (`kernels.py`). Nothing is copied into larger matrices, outputs that the
pooling drops are not computed, and a whole stage is one step of autograd. It needs the package
numba (the extra ``fast``); without it, `select.py` chooses other ways.

How exact it is: the result differs from PyTorch's only by rounding. Tests compare the two.

Notation of shapes: n images, C input channels, F output channels, kernels of k x k, maps of H x W,
pooled to h x w.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fmbench.models.nn.convolutions import plan
from fmbench.models.nn.layers import LayerFunction, has_hooks, is_plain_convolution

BYTES_AT_ONCE = 16_384  # of the gradient of the outputs, half of a small first cache


def is_available() -> bool:
    """Whether numba is installed, which compiles the loops."""
    return find_spec("numba") is not None


@dataclass(frozen=True)
class Stage:
    """A convolution, its activation (None for ReLU), and its pooling."""

    conv: nn.Conv2d
    activation: nn.Module | None
    takes_maximum: bool  # or the average

    def compute_plainly(self, X: Tensor) -> Tensor:
        """Compute the stage with PyTorch."""
        pool = nn.functional.max_pool2d if self.takes_maximum else nn.functional.avg_pool2d
        X = self.conv(X)
        return pool(self.activation(X) if self.activation else X.relu(), 2)

    @property
    def is_relu(self) -> bool:
        """Whether the activation is ReLU."""
        return self.activation is None or type(self.activation) is nn.ReLU


def replace_first_stages(layers: Sequence[LayerFunction]) -> list[LayerFunction]:
    """Return ``layers`` with the first stages, if any, replaced by one step.

    Layers in front of the first convolution stay.
    """
    layers = list(layers)
    first = next((i for i, layer in enumerate(layers) if type(layer) is nn.Conv2d), len(layers))
    stages = list(_find_stages(layers[first:]))
    if not stages:
        return layers
    return [*layers[:first], CompiledStages(stages), *layers[first + 3 * len(stages) :]]


def _find_stages(layers: list[LayerFunction]) -> Iterator[Stage]:
    """Yield the first groups of three layers that the loops can compute."""
    for conv, second, third in zip(layers[::3], layers[1::3], layers[2::3], strict=False):
        if not is_plain_convolution(conv) or conv.padding[0] >= conv.kernel_size[0]:
            return
        if _pools_2x2(second, nn.MaxPool2d) and _is_activation(third, nn.ReLU):
            yield Stage(conv, None, takes_maximum=True)
        elif _is_activation(second, nn.ReLU) and _pools_2x2(third, nn.MaxPool2d):
            yield Stage(conv, None, takes_maximum=True)
        elif _is_activation(second, *_ACTIVATIONS) and _pools_2x2(third, nn.AvgPool2d):
            assert isinstance(second, nn.Module)
            yield Stage(conv, second, takes_maximum=False)
        else:
            return


_ACTIVATIONS: dict[type, str] = {
    nn.ReLU: "RELU", nn.Tanh: "TANH", nn.Sigmoid: "SIGMOID", nn.ELU: "ELU"
}  # fmt: skip


def _is_activation(layer: LayerFunction, *kinds: type) -> bool:
    return isinstance(layer, nn.Module) and type(layer) in kinds and not has_hooks(layer)


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

    def _list_parameters(self) -> list[nn.Parameter]:
        parameters = []
        for stage in self._stages:
            assert stage.conv.bias is not None
            parameters += [stage.conv.weight, stage.conv.bias]
        return parameters

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
            self._computations[key] = _Computation(
                self._stages, n_chunks, X.shape[1:], needs_maps
            )
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
    """Computes the stages for a fixed number of chunks, with buffers that every batch reuses."""

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

    def run_forward(self, X: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Compute the last stage's maps."""
        from fmbench.models.nn.convolutions import kernels

        self.turn += 1
        first = self._stages[0]
        kernels.load_images(X.numpy(), first.geometry.padding, first.maps)
        following = [*self._stages[1:], None]
        for stage, after, weight, bias in zip(
            self._stages, following, parameters[::2], parameters[1::2], strict=True
        ):
            if after is None:
                stage.run_forward(weight, bias, self._last, 0)
            else:
                stage.run_forward(weight, bias, after.maps, after.geometry.padding)
        out = torch.empty(len(X), *self._last.shape[1:4])
        kernels.unload_images(self._last, out.numpy())
        return out

    def run_backward(
        self, gradient: Tensor, shape: torch.Size
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Compute the gradients of the images, if they need one, and of all parameters."""
        from fmbench.models.nn.convolutions import kernels

        pooled = self._last
        kernels.load_images(gradient.contiguous().numpy(), 0, pooled)
        parameter_grads: list[Tensor] = []
        for stage in reversed(self._stages):
            parameter_grads = [*stage.run_backward(pooled), *parameter_grads]
            if stage.map_gradient is None:
                return None, parameter_grads
            pooled = stage.map_gradient
        map_grad = torch.empty(shape)
        kernels.unload_images(pooled, map_grad.numpy())
        return map_grad, parameter_grads


class _StageBuffers:
    """The buffers and plans of one stage."""

    def __init__(
        self, stage: Stage, n_chunks: int, shape: Sequence[int], needs_maps: bool
    ) -> None:
        from fmbench.models.nn.convolutions import kernels

        conv, (n_in, height, width) = stage.conv, shape
        size, padding = conv.kernel_size[0], int(conv.padding[0])
        height, width = height + 2 * padding, width + 2 * padding
        self.pooled_shape = (
            conv.out_channels, (height - size + 1) // 2, (width - size + 1) // 2
        )  # fmt: skip
        if min(self.pooled_shape) < 1:
            raise ValueError(
                f"maps of {height} x {width} are too small for a kernel of {size} x {size} and "
                "squares of 2 x 2: use larger maps"
            )
        n_out, h, w = self.pooled_shape
        self.geometry = geometry = plan.Geometry(
            n_in, n_out, size, padding, height, width, 2 * h, 2 * w, kernels.LANES,
            kernels.N_REGISTERS,
        )  # fmt: skip
        self._stage = stage
        self.border = 0
        self.map_gradient: np.ndarray | None = None
        if needs_maps:
            backward, self.border = plan.plan_backward(geometry)
            inner = (n_in, height - 2 * padding, width - 2 * padding)
            self.map_gradient = _allocate(n_chunks, *inner, geometry.lanes)
            self._backward = _Convolution(backward, conv.weight)
            self._zeros = np.zeros(n_in, np.float32)
        self.maps = _allocate(n_chunks, n_in, height, width, geometry.lanes)
        self._outputs = _allocate(n_chunks, n_out, 2 * h, 2 * w + 2 * self.border, geometry.lanes)
        self._forward = _Convolution(plan.plan_forward(geometry, self.border), conv.weight)
        self._gradient = _WeightGradient(geometry, self._outputs, self.border)
        self._bias_gradient = np.zeros((n_out, geometry.lanes), np.float32)

    def run_forward(
        self, weight: Tensor, bias: Tensor, pooled: np.ndarray, padding: int
    ) -> None:
        """Compute the outputs and write their pooled maps into the middle of ``pooled``."""
        from fmbench.models.nn.convolutions import kernels

        self._weight = weight.detach()
        self._forward.run(self.maps, self._weight, bias.detach().numpy(), self._outputs)
        if self._stage.takes_maximum:
            kernels.pool_maximum(self._outputs, self.border, padding, pooled)
            return
        if not self._stage.is_relu and self._stage.activation is not None:
            values = torch.from_numpy(self._outputs)
            values.copy_(self._stage.activation(values))
            if self.border:
                self._outputs[:, :, :, : self.border] = 0
                self._outputs[:, :, :, -self.border :] = 0
        kernels.pool_average(self._outputs, self.border, self._stage.is_relu, padding, pooled)

    def run_backward(self, pooled: np.ndarray) -> list[Tensor]:
        """Return the gradients of the weight and the bias; ``map_gradient`` is written."""
        from fmbench.models.nn.convolutions import kernels

        if self._stage.takes_maximum:
            kernels.unpool_maximum(pooled, self.border, self._outputs, self._bias_gradient)
        else:
            kernels.unpool_average(
                pooled, *self._slope, self.border, self._outputs, self._bias_gradient
            )
        if self.map_gradient is not None:
            self._backward.run(self._outputs, self._weight, self._zeros, self.map_gradient)
        weight_grad = self._gradient.run(self._outputs, self.maps).view(self._weight.shape)
        return [weight_grad, torch.from_numpy(self._bias_gradient).sum(1)]

    @cached_property
    def _slope(self) -> tuple[int, np.float32]:
        """The activation's number in `kernels.py`, and its alpha."""
        from fmbench.models.nn.convolutions import kernels

        activation = self._stage.activation
        name = _ACTIVATIONS[type(activation)]
        return getattr(kernels, name), np.float32(getattr(activation, "alpha", 1.0))


class _Convolution:
    """Runs a planned convolution."""

    def __init__(self, planned: plan.ConvolutionPlan, weight: Tensor) -> None:
        self._plan = planned
        self._block = (0,) * planned.n_positions, (0,) * planned.n_outputs
        self._source = torch.from_numpy(planned.weight_source.reshape(len(planned.first_outputs), -1))
        self._packed = torch.empty(self._source.shape)

    def run(self, maps: np.ndarray, weight: Tensor, starts: np.ndarray, out: np.ndarray) -> None:
        from fmbench.models.nn.convolutions import kernels

        torch.take(weight, self._source, out=self._packed)
        kernels.convolve(
            *self._block,
            maps.reshape(len(maps), -1),
            self._plan.spans,
            self._plan.terms,
            self._packed.numpy(),
            starts,
            self._plan.first_outputs,
            out.reshape(len(out), -1),
        )


class _WeightGradient:
    """Runs the planned gradient of the weights."""

    def __init__(self, g: plan.Geometry, outputs: np.ndarray, border: int) -> None:
        self._plan = planned = plan.plan_weight_gradient(g)
        self._block = (0,) * planned.n_outputs, (0,) * planned.n_terms
        row = outputs.shape[3] * g.lanes
        self._sizes = (border * g.lanes, g.out_height * row, row, g.out_height, g.out_width)
        self._map_row = g.width * g.lanes
        self._rows = max(1, BYTES_AT_ONCE // (4 * row * g.n_out))
        shape = (len(planned.first_outputs), len(planned.offsets), planned.n_outputs)
        self._sums = _allocate(*shape, planned.n_terms, g.lanes)
        self._places = torch.from_numpy(planned.sum_places)

    def run(self, gradient: np.ndarray, maps: np.ndarray) -> Tensor:
        """Return the gradient ``(F, C k k)``."""
        from fmbench.models.nn.convolutions import kernels

        kernels.compute_weight_gradient(
            *self._block,
            gradient.reshape(len(gradient), -1),
            self._sizes,
            maps.reshape(len(maps), -1),
            self._plan.offsets,
            self._map_row,
            self._rows,
            self._plan.first_outputs,
            self._sums,
        )
        return torch.from_numpy(self._sums).sum(-1).take(self._places)


def _allocate(*shape: int) -> np.ndarray:
    """Make float32 zeros that begin at a multiple of 64 bytes."""
    n = int(np.prod(shape))
    memory = np.zeros(n + 16, np.float32)
    first = -memory.ctypes.data // 4 % 16
    return memory[first : first + n].reshape(shape)


