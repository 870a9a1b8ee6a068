"""Computes a training step of a simple network on a CPU without PyTorch's autograd.

It covers networks that begin with stages of convolution, activation and pooling
(`convolutions/compiled.py`) and go on with dense layers, activations and dropout. In a network as
small as LeNet-5, recording a graph and walking back through it takes as long as the arithmetic of
its dense layers. Each layer here writes its gradients straight into the joined vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fmbench.models.nn.convolutions.compiled import CompiledStages
from fmbench.models.nn.convolutions.narrow import DERIVATIVES
from fmbench.models.nn.convolutions.select import replace_convolutions
from fmbench.models.nn.layers import N_OUTPUTS, LayerFunction, has_hooks
from fmbench.models.nn.losses import Loss, cross_entropy
from fmbench.models.nn.stacked import NetworkGroup, SingleNetwork, join_parameters


class _TailLayer(Protocol):
    """A layer behind the convolutions."""

    def run_forward(self, X: Tensor) -> Tensor:
        """Compute the output, and keep what the way back needs."""

    def run_backward(self, gradient: Tensor) -> Tensor:
        """Write the gradients of the parameters; return that of the input."""


class _Dense:
    def __init__(self, layer: nn.Linear) -> None:
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        assert layer.weight.grad is not None and layer.bias.grad is not None
        self._weight_grad, self._bias_grad = layer.weight.grad, layer.bias.grad

    def run_forward(self, X: Tensor) -> Tensor:
        self._input = X
        return torch.addmm(self._bias, X, self._weight.t())

    def run_backward(self, gradient: Tensor) -> Tensor:
        torch.mm(gradient.t(), self._input, out=self._weight_grad)
        torch.sum(gradient, 0, out=self._bias_grad)
        return torch.mm(gradient, self._weight)


class _Activation:
    def __init__(self, layer: nn.Module) -> None:
        self._layer, self._derive = layer, DERIVATIVES[type(layer)]

    def run_forward(self, X: Tensor) -> Tensor:
        self._output = self._layer(X)
        return self._output

    def run_backward(self, gradient: Tensor) -> Tensor:
        return self._derive(self._layer, gradient, self._output)


class _Dropout:
    def __init__(self, layer: nn.Dropout) -> None:
        self._keep_rate = 1 - layer.p

    def run_forward(self, X: Tensor) -> Tensor:
        # The same operations as PyTorch's dropout, so that the same masks are drawn.
        self._mask = torch.empty_like(X).bernoulli_(self._keep_rate).div_(self._keep_rate)
        return X * self._mask

    def run_backward(self, gradient: Tensor) -> Tensor:
        return gradient * self._mask


class _Flatten:
    def __init__(self, layer: nn.Flatten) -> None:
        pass

    def run_forward(self, X: Tensor) -> Tensor:
        self._shape = X.shape
        return X.flatten(1)

    def run_backward(self, gradient: Tensor) -> Tensor:
        return gradient.view(self._shape)


_TAIL_LAYERS: dict[type, Callable[[Any], _TailLayer]] = {
    nn.Flatten: _Flatten,
    nn.Linear: _Dense,
    nn.Dropout: _Dropout,
    **dict.fromkeys(DERIVATIVES, _Activation),
}


def make_single_network(network: nn.Module, loss: Loss) -> NetworkGroup:
    """Return the fastest way to train one network on a CPU."""
    layers = _replace_layers(network)
    place = next((i for i, layer in enumerate(layers) if isinstance(layer, CompiledStages)), None)
    if place is not None and _is_simple(layers[:place], layers[place + 1 :]):
        assert isinstance(network, nn.Sequential)
        return DirectNetwork(network, loss, layers, place)
    return SingleNetwork(network, loss)


def compile_loops(network: nn.Module, loss: Loss) -> None:
    """Compile the loops that a training of ``network`` on a CPU uses, if numba is installed.

    The network is used up: it computes one black image, so that the sizes of the maps are known. No
    graph is recorded, because PyTorch's autograd may start threads.
    """
    layers = _replace_layers(network.eval())
    has_parameters = False  # before a layer: its input then needs a gradient
    with torch.no_grad():
        X = torch.zeros(1, 28, 28, dtype=torch.uint8)
        while any(isinstance(layer, CompiledStages) for layer in layers):
            layer, *layers = layers
            if isinstance(layer, CompiledStages):
                layer.compile_loops(X, needs_maps=has_parameters)
            X = layer(X)
            has_parameters |= _may_have_parameters(layer)
    if loss is cross_entropy and isinstance(make_single_network(network, loss), DirectNetwork):
        _compute_cross_entropy(torch.zeros(1, N_OUTPUTS), torch.zeros(1, dtype=torch.long))


def _replace_layers(network: nn.Module) -> list[LayerFunction]:
    """Return the layers with the faster functions; none if the network is more than its layers."""
    # The loops are compiled for float32.
    is_single = all(parameter.dtype == torch.float32 for parameter in network.parameters())
    if type(network) is not nn.Sequential or has_hooks(network) or not is_single:
        return []
    return replace_convolutions(list(network))


def _is_simple(before: Sequence[LayerFunction], after: Sequence[LayerFunction]) -> bool:
    """Whether the layers before the stages have no parameters, and those behind are known."""
    return not any(map(_may_have_parameters, before)) and all(map(_is_known, after))


def _may_have_parameters(layer: LayerFunction) -> bool:
    """Whether a layer has parameters; a faster function may."""
    return not isinstance(layer, nn.Module) or bool(list(layer.parameters()))


def _is_known(layer: LayerFunction) -> bool:
    if type(layer) not in _TAIL_LAYERS or not isinstance(layer, nn.Module) or has_hooks(layer):
        return False
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return not isinstance(layer, nn.Linear) or layer.bias is not None


class DirectNetwork:
    """One network, whose gradients are computed layer by layer without a recorded graph.

    Its dropout draws from PyTorch's global generator.
    """

    def __init__(
        self, network: nn.Sequential, loss: Loss, layers: Sequence[LayerFunction], place: int
    ) -> None:
        self.vector, _ = join_parameters([network])
        self._parameters = dict(network.named_parameters())
        self._loss = loss
        stages = layers[place]
        assert isinstance(stages, CompiledStages)
        self._before, self._stages = layers[:place], stages
        self._tail = [_TAIL_LAYERS[type(layer)](layer) for layer in layers[place + 1 :]]

    def prepare_step(self, n_images: int) -> None:
        """Do nothing: the dropout layers draw their own masks."""

    def __call__(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss and the logits; see :class:`NetworkGroup`."""
        with torch.no_grad():
            X = batch[0]
            for layer in self._before:
                X = layer(X)
            X = self._stages.run_forward(X)
            for tail_layer in self._tail:
                X = tail_layer.run_forward(X)
        self._logits, self._target = X, target[0]
        if self._loss is cross_entropy:
            losses, self._gradient = _compute_cross_entropy(X, self._target)
        else:
            self._logits = X.detach().requires_grad_()
            losses = self._loss(self._parameters, self._logits, self._target)
        return losses, X

    def compute_gradient(self, losses: Tensor) -> None:
        """Write the gradient of the loss into the gradient of the vector."""
        if self._loss is cross_entropy:
            others: dict[str, Tensor | None] = {}
            gradient = self._gradient
        else:  # the loss may also depend on some parameters
            wanted = [self._logits, *self._parameters.values()]
            gradient, *found = torch.autograd.grad(losses, wanted, allow_unused=True)
            others = dict(zip(self._parameters, found, strict=True))
        with torch.no_grad():
            for layer in reversed(self._tail):
                gradient = layer.run_backward(gradient)
            self._stages.run_backward(gradient)
            for name, other in others.items():
                own = self._parameters[name].grad
                if other is not None and own is not None:
                    own.add_(other)


def _compute_cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of logits ``(n, classes)``, and their gradient."""
    from fmbench.models.nn.fused import compute_cross_entropy

    gradient = torch.empty_like(logits)
    loss = compute_cross_entropy(logits.numpy(), target.numpy(), gradient.numpy())
    return torch.tensor(loss, dtype=logits.dtype), gradient
