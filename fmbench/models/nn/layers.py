"""The layers and the weight initialisers that the neural runners share.

A network takes images ``uint8 (n, 28, 28)`` and returns logits ``float32 (n, 10)``. Its first layer
converts the pixels to floating-point numbers, so that batches are copied as bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from fmbench.datasets.specs import FASHION_MNIST

LayerFunction = Callable[[Tensor], Tensor]  # a layer, or a faster function that replaces it

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
}
N_OUTPUTS = 10  # logits of every network: one for each class

# By name, the mean and the standard deviation by which pixels in [0, 1] are scaled. A recipe scales
# every data set by the numbers of Fashion-MNIST: they are part of what the paper ran.
SCALINGS = {"unit": (0.0, 1.0), "standard": FASHION_MNIST.pixel_statistics}

POOLING: dict[str, type[nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class Pixels(nn.Module):
    """``uint8 (n, 28, 28)`` to ``float32 (n, 1, 28, 28)``.

    ``unit`` divides by 255; ``standard`` also subtracts the mean of Fashion-MNIST's training pixels
    and divides by their standard deviation.
    """

    def __init__(self, scaling: str) -> None:
        super().__init__()
        mean, sd = SCALINGS[scaling]
        self.factor, self.shift = 1 / (255 * sd), -mean / sd

    def forward(self, X: Tensor) -> Tensor:
        """Convert and scale a batch."""
        pixels = X.unsqueeze(1).to(torch.float32).mul_(self.factor)
        return pixels.add_(self.shift) if self.shift else pixels


class Resize(nn.Module):
    """Bilinear resizing of ``(n, 1, 28, 28)`` to ``(n, 1, size, size)``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, X: Tensor) -> Tensor:
        """Resize a batch."""
        return nn.functional.interpolate(X, (self.size, self.size), mode="bilinear")


class ChannelScale(nn.Module):
    """Multiplies each map by a trained weight and adds a trained bias; they start as 1 and 0.

    Behind an average over 2 x 2 it is the subsampling of LeCun et al. 1998, Section II.B.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, X: Tensor) -> Tensor:
        """``(n, channels, h, w)`` to the same shape."""
        return torch.addcmul(self.bias, X, self.weight)


class SparseConv2d(nn.Module):
    """A convolution whose output maps are each computed from some of the input maps.

    ``connections`` lists the input maps of each output map. A connection has
    ``kernel_size * kernel_size`` weights, and an output map has one bias. The weights start as
    Glorot uniform, where each map counts only its own connections; the biases start as zero.
    """

    rows: Tensor  # for each weight, the row of its connection in the weights of a full convolution

    def __init__(
        self, in_channels: int, connections: Sequence[Sequence[int]], kernel_size: int
    ) -> None:
        super().__init__()
        pairs = [(i, j) for i, inputs in enumerate(connections) for j in inputs]
        n_weights = kernel_size**2  # of one connection
        self.shape = (len(connections), in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(len(pairs), n_weights))
        self.bias = nn.Parameter(torch.zeros(len(connections)))
        rows = torch.tensor([i * in_channels + j for i, j in pairs])
        self.register_buffer("rows", rows[:, None].repeat(1, n_weights), persistent=False)
        n_fed = [sum(j in inputs for inputs in connections) for j in range(in_channels)]
        fans = torch.tensor([n_weights * (len(connections[i]) + n_fed[j]) for i, j in pairs])
        with torch.no_grad():
            self.weight.uniform_(-1, 1).mul_((6 / fans).sqrt()[:, None])

    def forward(self, X: Tensor) -> Tensor:
        """``(n, in_channels, H, W)`` to ``(n, number of output maps, h, w)``."""
        n_out, n_in, k, _ = self.shape
        full = self.weight.new_zeros(n_out * n_in, k * k).scatter(0, self.rows, self.weight)
        return nn.functional.conv2d(X, full.view(self.shape), self.bias)


class Residual(nn.Module):
    """``X + relu(conv(X))``; an input with one channel is added to every output channel."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, X: Tensor) -> Tensor:
        """``(n, c, h, w)`` to ``(n, channels of conv, h, w)``."""
        return make_residual(self.conv)(X)


def make_residual(conv: LayerFunction) -> LayerFunction:
    """Return the function of a :class:`Residual` whose convolution is computed by ``conv``."""
    return lambda X: X + nn.functional.relu(conv(X), inplace=True)


class LSTM(nn.Module):
    """Keras's LSTM: ``(n, steps, features)`` to the last hidden state ``(n, units)``.

    Its input weights are Glorot uniform and its recurrent weights orthogonal. It has one bias,
    which starts as 1 for the forget gate and as 0 elsewhere. It is written out here because
    nn.LSTM has a second bias and does not work with ``vmap``.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.units = units
        # The rows belong to the input, forget and output gates, then to the candidate values.
        self.input_weight = nn.Parameter(torch.empty(4 * units, features))
        self.recurrent_weight = nn.Parameter(torch.empty(4 * units, units))
        self.bias = nn.Parameter(torch.zeros(4 * units))
        nn.init.xavier_uniform_(self.input_weight)
        nn.init.orthogonal_(self.recurrent_weight)
        nn.init.ones_(self.bias[units : 2 * units])

    def forward(self, X: Tensor) -> Tensor:
        """Read the steps one after the other; return the last hidden state."""
        from_input = nn.functional.linear(X, self.input_weight, self.bias)  # all steps at once
        recurrent = self.recurrent_weight.t()
        hidden = cell = X.new_zeros(len(X), self.units)
        for step in from_input.unbind(1):
            gates = torch.addmm(step, hidden, recurrent)
            input_gate, forget_gate, output_gate = gates[:, : 3 * self.units].sigmoid().chunk(3, 1)
            candidate = gates[:, 3 * self.units :].tanh()
            cell = forget_gate * cell + input_gate * candidate
            hidden = output_gate * cell.tanh()
        return hidden


def make_batch_norm(channels: int) -> nn.BatchNorm2d:
    """Keras's batch normalisation: momentum 0.99, which PyTorch calls 0.01, and epsilon 1e-3."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


Layer = nn.Conv2d | nn.Linear
Initialiser = Callable[[Layer], None]


def init_keras_default(layer: Layer) -> None:
    """Initialise as Keras does by default: Glorot uniform weights, zero biases."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def init_keras_random(layer: Layer) -> None:
    """Initialise with Keras's ``random_uniform`` weights and ``RandomNormal`` biases.

    The weights are uniform between -0.05 and 0.05; the biases have standard deviation 0.05.
    """
    nn.init.uniform_(layer.weight, -0.05, 0.05)
    if layer.bias is not None:
        nn.init.normal_(layer.bias, std=0.05)


def init_truncated_normal(sigma: float, bias: float) -> Initialiser:
    """Return TensorFlow's initialiser: truncated normal weights, and every bias is ``bias``.

    A weight beyond two ``sigma`` is drawn again.
    """

    def initialise(layer: Layer) -> None:
        nn.init.trunc_normal_(layer.weight, std=sigma, a=-2 * sigma, b=2 * sigma)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, bias)

    return initialise


def build_sequential(
    *layers: tuple[str, nn.Module], initialise: Mapping[str, Initialiser] | None = None
) -> nn.Sequential:
    """Build a network of named layers and initialise it.

    ``initialise`` gives the initialiser of some layers by name; all others start as in Keras.
    """
    network = nn.Sequential(OrderedDict(layers))
    for name, child in network.named_children():
        for module in child.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                (initialise or {}).get(name, init_keras_default)(module)
    return network


def has_hooks(layer: nn.Module) -> bool:
    """Whether user code runs before or after the layer, so that it must not be replaced."""
    # PyTorch has no public way to ask.
    return bool(layer._forward_pre_hooks or layer._forward_hooks)


def is_plain_convolution(layer: LayerFunction) -> TypeGuard[nn.Conv2d]:
    """Whether ``layer`` is a convolution that the fast paths can replace.

    It has a square kernel, the same zero padding on all sides, a bias, stride 1, and neither
    dilation, groups nor hooks.
    """
    return (
        type(layer) is nn.Conv2d
        and not has_hooks(layer)
        and layer.kernel_size[0] == layer.kernel_size[1]
        and isinstance(layer.padding, tuple)
        and layer.padding[0] == layer.padding[1]
        and layer.padding_mode == "zeros"
        and (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)
        and layer.bias is not None
    )


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Count the parameters of each named layer as Keras does; layers without any are left out.

    A batch normalisation has four parameters per channel: scale and shift, which are trained, and
    the moving mean and variance, which are not.
    """
    counts = {
        name: sum(p.numel() for p in layer.parameters())
        + sum(b.numel() for b in layer.buffers() if b.is_floating_point())
        for name, layer in network.named_children()
    }
    return {name: count for name, count in counts.items() if count}
