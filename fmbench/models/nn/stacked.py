"""Networks of one or of several seeds, trained through one interface.

Several networks of the same layers are computed as one: their parameters are stacked, each layer
works on the whole stack, and a GPU that a single small network would leave idle is busy. Each
network's result is what it gives alone, but for the rounding of sums taken in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fmbench.models.nn.convolutions.select import _faster
from fmbench.models.nn.losses import Loss


class Networks(Protocol):
    """S networks whose parameters are one vector."""

    vector: nn.Parameter

    def prepare(self, n_images: int) -> None:
        """Draw what a step on so many images needs at random, and draw it anew."""

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Losses ``(S,)`` and logits ``(S, n, 10)`` of ``uint8 (S, n, 28, 28)``, ``(S, n)``.

        One network may leave the leading dimension of what it returns away.
        """


def one_vector(networks: Sequence[nn.Module]) -> tuple[nn.Parameter, dict[str, Tensor]]:
    """Move the parameters of all ``networks`` into one vector, and their gradients into another.

    An optimizer's step is then a handful of operations, however many layers and networks there
    are: with ten small tensors, handling each one took longer than its arithmetic. Every
    optimizer here works element by element, so the result is the same but for rounding.

    Returns the vector and, by name, the parameters of all networks stacked ``(S, ...)``; each
    network's own are parts of these.
    """
    parameters = [dict(network.named_parameters()) for network in networks]
    n_networks = len(networks)
    size = sum(p.numel() for p in parameters[0].values())
    some = next(iter(parameters[0].values()))
    values = torch.zeros(n_networks * size, dtype=some.dtype, device=some.device)
    gradients = torch.zeros_like(values)
    stacks: dict[str, Tensor] = {}
    offset = 0
    for name, first in parameters[0].items():
        # Each network's part keeps the parameter's own memory format.
        layout = (n_networks, *first.shape), (first.numel(), *first.stride()), offset
        stack = nn.Parameter(values.as_strided(*layout))
        stack.grad = gradients.as_strided(*layout)
        for i, own in enumerate(parameters):
            initial = own[name].detach().clone()
            own[name].data = stack.data[i]
            own[name].data.copy_(initial)
            own[name].grad = stack.grad[i]
        stacks[name] = stack
        offset += stack.numel()
    vector = nn.Parameter(values)
    vector.grad = gradients
    return vector, stacks


class Alone:
    """A single network, layer by layer. Its dropout draws from the global stream."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        # Channels last: the CPU's convolutions and poolings are up to twice as fast.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.vector, _ = one_vector([network])
        self._logits, self._loss = _faster(network), loss
        self._parameters = dict(network.named_parameters())

    def prepare(self, n_images: int) -> None:
        """Nothing to draw ahead."""

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and logits, as :class:`Networks` says."""
        logits = self._logits(batch[0])
        return self._loss(self._parameters, logits, target[0]), logits


class Stacked:
    """Several networks of the same layers, computed as one.

    ``streams`` are the networks' own for dropout: each draws its masks as it would alone.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        loss: Loss,
        streams: Sequence[torch.Generator],
        batch_size: int,
    ) -> None:
        self._template = copy.deepcopy(networks[0]).train()
        self.vector, self._parameters = one_vector(networks)
        self._buffers = _stacked_buffers(networks)
        self._loss, self._streams = loss, streams
        self._masks = [
            _Masks(name, dropout.p, (len(networks), batch_size, *shape), self.vector.device)
            for name, dropout, shape in _dropouts(networks[0])
        ]
        for masks in self._masks:
            self._template.set_submodule(masks.name, _Masked())
        self._template.to("meta")  # its layers are used, its values are not

    def prepare(self, n_images: int) -> None:
        """Draw the dropout masks of a step on so many images."""
        for masks in self._masks:
            masks.draw(n_images, self._streams)

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and logits, as :class:`Networks` says."""
        masks = {f"{m.name}.mask": m.values[:, : batch.shape[1]] for m in self._masks}
        return torch.vmap(self._of_one)(self._parameters, self._buffers, masks, batch, target)

    def _of_one(
        self,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        masks: dict[str, Tensor],
        batch: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, Tensor]:
        logits = functional_call(self._template, (parameters, buffers, masks), (batch,))
        return self._loss(parameters, logits, target), logits


class _Masked(nn.Module):
    """Dropout by a mask that is handed in."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.empty(0))

    def forward(self, X: Tensor) -> Tensor:
        return X * self.mask


class _Masks:
    """The masks of one dropout layer in every network: 0, or 1 over the share that is kept."""

    def __init__(
        self, name: str, rate: float, shape: tuple[int, ...], device: torch.device
    ) -> None:
        self.name, self._kept = name, 1 - rate
        # Drawn in the order of memory: images lie there as in a network alone, channels last.
        images = len(shape) == 5
        order = torch.channels_last if images else torch.contiguous_format
        flat = (shape[0] * shape[1], *shape[2:])
        values = torch.empty(flat, device=device, memory_format=order)
        self.values = values.unflatten(0, shape[:2])

    def draw(self, n_images: int, streams: Sequence[torch.Generator]) -> None:
        values = self.values[:, :n_images]
        # As PyTorch's own dropout does, so that a network alone draws the same.
        for mask, stream in zip(values, streams, strict=True):
            mask.bernoulli_(self._kept, generator=stream)
        values.div_(self._kept)


def _dropouts(network: nn.Module) -> Iterator[tuple[str, nn.Dropout, tuple[int, ...]]]:
    """Each dropout layer with its name and the shape that it is given for an image, in order."""
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    layers = {n: m for n, m in network.named_modules() if isinstance(m, nn.Dropout) and m.p}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[module] = tuple(inputs[0].shape[1:])

    hooks = [layer.register_forward_pre_hook(note) for layer in layers.values()]
    device = next(network.parameters()).device
    network.eval()  # so that no average moves and nothing is drawn
    with torch.inference_mode():
        network(torch.zeros(1, 28, 28, dtype=torch.uint8, device=device))
    network.train()
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        yield name, layer, shapes[layer]


def _stacked_buffers(networks: Sequence[nn.Module]) -> dict[str, Tensor]:
    """The buffers of all networks by name, stacked ``(S, ...)``; each network's are parts."""
    owned = [dict(network.named_buffers()) for network in networks]
    stacks = {}
    for name in owned[0]:
        stacks[name] = torch.stack([buffers[name] for buffers in owned])
        for buffers, part in zip(owned, stacks[name], strict=True):
            buffers[name].data = part
    return stacks
