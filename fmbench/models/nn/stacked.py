"""Computes the losses of one network, or of several networks at once, through one interface.

:class:`StackedNetworks` computes several networks with the same layers as if they were one: their
parameters are stacked, and each operation works on the whole stack. It is faster on a GPU, which a
single small network leaves mostly idle. Each network gets the result that it gets alone, except for
the rounding of sums that are added in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor, nn

from fmbench.models.nn.convolutions.select import build_fast_forward
from fmbench.models.nn.gpu_kernels.build import use_kernels
from fmbench.models.nn.gpu_kernels.convolution_block import ConvolutionBlock, find_blocks
from fmbench.models.nn.layers import Pixels
from fmbench.models.nn.losses import Loss
from fmbench.models.nn.stacked_layers import (
    MaskLayer,
    StackedPixels,
    compute_losses,
    compute_stack,
)


class NetworkGroup(Protocol):
    """S networks whose parameters are stored in one vector."""

    vector: nn.Parameter

    def prepare_step(self, n_images: int) -> None:
        """Draw the random numbers that a step on ``n_images`` images needs."""

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute losses ``(S,)`` and logits ``(S, n, 10)``.

        ``batch`` is ``uint8 (S, n, 28, 28)`` and ``target`` is ``int64 (S, n)``. If S is 1, the
        results may lack their first dimension.
        """

    def compute_gradient(self, losses: Tensor) -> None:
        """Write the gradient of each network's loss into the gradient of the vector."""


def join_parameters(
    networks: Sequence[nn.Module], *, by_network: bool = False
) -> tuple[nn.Parameter, dict[str, Tensor]]:
    """Move the parameters of all ``networks`` into one vector, and their gradients into another.

    A step of the optimizer is then a handful of operations, however many layers and networks there
    are; with ten small tensors, handling each of them took longer than the arithmetic. Every
    optimizer here works element by element, so the result differs only by rounding.

    Returns the vector and, by name, the parameters of all networks stacked ``(S, ...)``. The
    networks' own parameters are views of these stacks. In the vector, a parameter of all networks
    stands together; ``by_network``: all parameters of a network stand together, so that a part of
    the vector is a part of the networks.
    """
    parameters = [dict(network.named_parameters()) for network in networks]
    n_networks = len(networks)
    size = sum(p.numel() for p in parameters[0].values())
    example = next(iter(parameters[0].values()))
    values = torch.zeros(n_networks * size, dtype=example.dtype, device=example.device)
    gradients = torch.zeros_like(values)
    stacks: dict[str, Tensor] = {}
    offset = 0
    for name, first in parameters[0].items():
        # Each network's view keeps the memory format of the parameter.
        distance = size if by_network else first.numel()  # from one network to the next
        layout = (n_networks, *first.shape), (distance, *first.stride()), offset
        stack = nn.Parameter(values.as_strided(*layout))
        stack.grad = gradients.as_strided(*layout)
        for i, own in enumerate(parameters):
            initial = own[name].detach().clone()
            own[name].data = stack.data[i]
            own[name].data.copy_(initial)
            own[name].grad = stack.grad[i]
        stacks[name] = stack
        offset += first.numel() if by_network else stack.numel()
    vector = nn.Parameter(values)
    vector.grad = gradients
    return vector, stacks


class SingleNetwork:
    """One network, computed layer by layer. Its dropout draws from PyTorch's global generator."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        # Channels last: convolutions and poolings are up to twice as fast on a CPU.
        # PyTorch's type hints do not list this form of `to`.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.vector, _ = join_parameters([network])
        self._forward, self._loss = build_fast_forward(network), loss
        self._parameters = dict(network.named_parameters())

    def prepare_step(self, n_images: int) -> None:
        """Do nothing: the dropout layers draw their own masks."""

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss and the logits; see :class:`NetworkGroup`."""
        logits = self._forward(batch[0])
        return self._loss(self._parameters, logits, target[0]), logits

    def compute_gradient(self, losses: Tensor) -> None:
        """Write the gradient of the loss into the gradient of the vector."""
        assert self.vector.grad is not None
        self.vector.grad.zero_()  # the gradients of all parameters, which are views of this vector
        losses.backward()


class StackedNetworks:
    """Several networks with the same layers, computed as one.

    They may differ in their weights, in the scaling of their pixels, and in their losses.
    ``losses`` holds one for each network; networks with the same loss should follow each other.
    ``generators`` are the networks' random generators for dropout, so that each network draws the
    masks that it would draw alone. ``by_network`` is explained at :func:`join_parameters`.

    Raises:
        ValueError: the networks have different layers.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        losses: Sequence[Loss],
        generators: Sequence[torch.Generator],
        batch_size: int,
        *,
        by_network: bool = False,
    ) -> None:
        _check_layers(networks)
        for network in networks:  # the gradients are joined in this format
            network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._template = copy.deepcopy(networks[0]).train()
        self._by_network = by_network
        self.vector, self._parameters = join_parameters(networks, by_network=by_network)
        self._buffers = {
            **_stack_buffers(networks),
            **_stack_scalings(networks, self._template, self.vector),
        }
        self._blocks: dict[str, ConvolutionBlock] = {}
        if use_kernels(self.vector):
            self._blocks = find_blocks(networks[0], find_sides(networks[0]))
        self._losses = [(loss, len(list(same))) for loss, same in groupby(losses)]
        self._generators = generators
        # No parameter is shared, so the gradient of the sum of the losses is that of each.
        self._ones = self.vector.new_ones(len(networks))
        self._masks = [
            _DropoutMasks(name, dropout.p, (len(networks), batch_size, *shape), self.vector.device)
            for name, dropout, shape in _find_dropouts(networks[0])
        ]
        for masks in self._masks:
            self._template.set_submodule(masks.layer, MaskLayer())
        for name, layer in list(self._template.named_modules()):
            if type(layer) is nn.BatchNorm2d and layer.num_features == 1:
                self._template.set_submodule(name, _SingleMapNorm(layer))
        self._template.to("meta")  # only its layers are used, so its values need no memory

    def prepare_step(self, n_images: int) -> None:
        """Draw the dropout masks of a step on ``n_images`` images."""
        for masks in self._masks:
            masks.draw(n_images, self._generators)

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the losses and the logits; see :class:`NetworkGroup`."""
        masks = {f"{m.layer}.mask": m.values[:, : batch.shape[1]] for m in self._masks}
        tensors = {**self._parameters, **self._buffers, **masks}
        logits = compute_stack(self._template, tensors, batch, self._blocks)
        return self._compute_losses(logits, target), logits

    def _compute_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        if len(self._losses) == 1:
            return compute_losses(self._losses[0][0], self._parameters, logits, target)
        parts, first = [], 0
        for loss, n_networks in self._losses:
            part = slice(first, first + n_networks)
            own = {name: stack[part] for name, stack in self._parameters.items()}
            parts.append(compute_losses(loss, own, logits[part], target[part]))
            first += n_networks
        return torch.cat(parts)

    def compute_gradient(self, losses: Tensor) -> None:
        """Write the gradient of each loss into the gradient of the vector."""
        gradients = torch.autograd.grad(
            losses, list(self._parameters.values()), self._ones,
            materialize_grads=True, allow_unused=True,
        )  # fmt: skip
        assert self.vector.grad is not None
        if self._by_network:
            rows = [each.reshape(len(losses), -1) for each in gradients]
            torch.cat(rows, 1, out=self.vector.grad.view(len(losses), -1))
        else:
            torch.cat([each.reshape(-1) for each in gradients], out=self.vector.grad)


def _check_layers(networks: Sequence[nn.Module]) -> None:
    """Check that the networks have the same layers and shapes of parameters.

    Raises:
        ValueError: they differ.
    """
    descriptions = {
        (str(network), tuple((n, p.shape) for n, p in network.named_parameters()))
        for network in networks
    }
    if len(descriptions) > 1:
        raise ValueError("networks that are computed as one must have the same layers")


class _SingleMapNorm(nn.BatchNorm2d):
    """Takes the place of a batch normalisation of one map ``(n, 1, h, w)`` in training.

    cuDNN refuses a stack of such maps: ``vmap`` passes it a view whose memory is in another order.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(1, eps=norm.eps, momentum=norm.momentum)

    def forward(self, X: Tensor) -> Tensor:
        variance, mean = torch.var_mean(X, (0, 2, 3), correction=0)
        n = X.numel()
        momentum = self.momentum
        assert momentum is not None and self.running_mean is not None
        assert self.running_var is not None and self.num_batches_tracked is not None
        with torch.no_grad():
            self.running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
            self.running_var.mul_(1 - momentum).add_(variance, alpha=momentum * n / (n - 1))
            self.num_batches_tracked.add_(1)
        shape = (1, 1, 1)
        scale = (self.weight * (variance + self.eps).rsqrt()).view(shape)
        return torch.addcmul(self.bias.view(shape), X - mean.view(shape), scale)


class _DropoutMasks:
    """The masks of one dropout layer in every network; ``values`` is ``(S, batch size, ...)``.

    A value is dropped with probability ``rate``: its mask is 0. Elsewhere the mask is
    1 / (1 - rate).
    """

    def __init__(
        self, layer: str, rate: float, shape: tuple[int, ...], device: torch.device
    ) -> None:
        self.layer, self._keep_rate = layer, 1 - rate
        # The random numbers follow the order in memory. Maps have their channels last there, as
        # they do in a single network.
        are_maps = len(shape) == 5
        memory_format = torch.channels_last if are_maps else torch.contiguous_format
        flat = (shape[0] * shape[1], *shape[2:])
        values = torch.empty(flat, device=device, memory_format=memory_format)
        self.values = values.unflatten(0, shape[:2])

    def draw(self, n_images: int, generators: Sequence[torch.Generator]) -> None:
        values = self.values[:, :n_images]
        # The same operations as PyTorch's dropout, so that a single network draws the same masks.
        for mask, generator in zip(values, generators, strict=True):
            mask.bernoulli_(self._keep_rate, generator=generator)
        values.div_(self._keep_rate)


def _find_dropouts(network: nn.Module) -> Iterator[tuple[str, nn.Dropout, tuple[int, ...]]]:
    """Yield the name of each dropout layer, the layer, and the shape of its input for one image."""
    layers = {n: m for n, m in network.named_modules() if isinstance(m, nn.Dropout) and m.p}
    for name, shape in _find_input_shapes(network, layers).items():
        yield name, layers[name], shape


def find_sides(network: nn.Module) -> dict[str, int]:
    """Return the side of the maps before each layer, by its name, where they are squares."""
    shapes = _find_input_shapes(network, dict(network.named_children()))
    return {
        name: shape[-1]
        for name, shape in shapes.items()
        if len(shape) == 3 and shape[1] == shape[2]
    }


def _find_input_shapes(
    network: nn.Module, layers: Mapping[str, nn.Module]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of the input of each layer for one image, by the layer's name."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def note_shape(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[module] = tuple(inputs[0].shape[1:])

    hooks = [layer.register_forward_pre_hook(note_shape) for layer in layers.values()]
    device = next(network.parameters()).device
    network.eval()  # so that no moving average changes and nothing is drawn
    with torch.inference_mode():
        network(torch.zeros(1, 28, 28, dtype=torch.uint8, device=device))
    network.train()
    for hook in hooks:
        hook.remove()
    return {name: shapes[layer] for name, layer in layers.items() if layer in shapes}


def _stack_scalings(
    networks: Sequence[nn.Module], template: nn.Module, vector: Tensor
) -> dict[str, Tensor]:
    """Where the networks scale their pixels differently, let the template use tensors for it.

    Returns these tensors ``(S,)`` by name; none if all networks scale alike.
    """
    tensors: dict[str, Tensor] = {}
    for name, layer in list(template.named_modules()):
        if type(layer) is not Pixels:
            continue
        own = [network.get_submodule(name) for network in networks]
        scalings = [(each.factor, each.shift) for each in own if isinstance(each, Pixels)]
        if len(set(scalings)) > 1:
            template.set_submodule(name, StackedPixels())
            factors, shifts = torch.tensor(scalings, dtype=vector.dtype, device=vector.device).t()
            tensors |= {f"{name}.factor": factors, f"{name}.shift": shifts}
    return tensors


def _stack_buffers(networks: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Stack the buffers of all networks ``(S, ...)``; the networks' own become views of these."""
    owned = [dict(network.named_buffers()) for network in networks]
    stacks = {}
    for name in owned[0]:
        stacks[name] = torch.stack([buffers[name] for buffers in owned])
        for buffers, part in zip(owned, stacks[name], strict=True):
            buffers[name].data = part
    return stacks
