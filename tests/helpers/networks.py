"""Trains and computes networks in plain, slow ways, to compare fmbench's fast ways with them.

The comparisons use double precision: rounding then hides no mistake, and the results are the same
on every processor to far more digits than the tests compare.
"""

import numpy as np
import torch
from torch import nn

from fmbench.models.nn.layers import Pixels, build_sequential
from fmbench.models.nn.training import TorchClassifier, TrainConfig


class DoublePixels(nn.Module):
    """Scales pixels to [0, 1] in double precision."""

    def forward(self, X):
        return X.unsqueeze(1).double() / 255


class _ToDouble(nn.Module):
    def forward(self, X):
        return X.double()


def use_double_precision(network):
    """Make a network compute in double precision from its first layer, ``pixels``, on."""
    network.pixels = nn.Sequential(network.pixels, _ToDouble())
    return network.double()


def make_images(n=7):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)


def compute_with_gradients(layers, network, n=7):
    """Apply the layers to n images; return the output and the gradient of each parameter."""
    network.zero_grad()
    output = make_images(n)
    for layer in layers:
        output = layer(output)
    # Squares, so that the gradient differs from place to place.
    output.square().sum().backward()
    return [output.detach(), *(p.grad.clone() for p in network.parameters())]


def assert_same_results(network, layers, n=7):
    """Compare ``layers`` with the network's own layers: outputs and gradients, to 11 digits."""
    expected = compute_with_gradients(list(network), network, n)
    actual = compute_with_gradients(layers, network, n)
    for a, b in zip(expected, actual, strict=True):
        assert torch.allclose(a, b, rtol=1e-11, atol=1e-12 * float(a.abs().max()))


def make_optimizer(config, parameters):
    """Create PyTorch's own optimizer over separate parameters, as a tutorial would."""
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr=config.learning_rate, momentum=config.momentum)
        case "adam":
            return torch.optim.Adam(parameters, lr=config.learning_rate, eps=config.epsilon)
        case "adamax":
            return torch.optim.Adamax(parameters, lr=config.learning_rate, eps=config.epsilon)
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, lr=config.learning_rate, alpha=0.9, eps=config.epsilon
            )
    raise AssertionError(f"PyTorch has no {config.optimizer}")


def train_plainly(build_network, config, X, y, *, seed, n_steps):
    """Train a network as a tutorial would, with the random numbers of TorchClassifier's ``seed``.

    No fast path, no joined parameters, and PyTorch's default memory format.
    """
    seeds = np.random.SeedSequence(seed).generate_state(3)
    weights_seed, order_seed, dropout_seed = (int(each) for each in seeds)
    order = torch.Generator().manual_seed(order_seed)
    images, labels = torch.tensor(X), torch.tensor(y, dtype=torch.long)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights_seed)
        network = build_network().train()
        torch.manual_seed(dropout_seed)
        optimizer = make_optimizer(config, network.parameters())
        while n_steps > 0:
            batches = torch.randperm(len(X), generator=order).split(config.batch_size)[:n_steps]
            for batch in batches:
                optimizer.zero_grad()
                parameters = dict(network.named_parameters())
                config.loss(parameters, network(images[batch]), labels[batch]).backward()
                optimizer.step()
            n_steps -= len(batches)
    return network.eval()


CONFIG = TrainConfig(epochs=2, batch_size=32, optimizer="adam", learning_rate=0.005)


def build_network():
    """Build a small network with dropout."""
    return build_sequential(
        ("pixels", Pixels("unit")),
        ("conv", nn.Conv2d(1, 4, 5)),
        ("pool", nn.MaxPool2d(4)),
        ("flatten", nn.Flatten()),
        ("dropout", nn.Dropout(0.5)),
        ("output", nn.Linear(144, 10)),
    )


def with_averages():
    """A network with two kinds of dropout and with batch normalisation."""
    return build_sequential(
        ("pixels", Pixels("unit")),
        ("conv", nn.Conv2d(1, 4, 5)),
        ("norm", nn.BatchNorm2d(4)),
        ("dropout", nn.Dropout(0.2)),
        ("pool", nn.AvgPool2d(4)),
        ("flatten", nn.Flatten()),
        ("again", nn.Dropout(0.5)),
        ("output", nn.Linear(144, 10)),
    )


def build_block_and_output():
    """Build a network with a small convolution, the layers behind it, and an output layer."""
    return nn.Sequential(
        Pixels("unit"), nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(288, 10),
    )  # fmt: skip


def fit_small_stack(small):
    """Train two networks together for three steps."""
    config = TrainConfig(None, 32, "adamax", 0.005, steps=3)
    classifiers = [TorchClassifier(build_block_and_output, config, seed=seed) for seed in (0, 1)]
    TorchClassifier.fit_together(classifiers, *small[:2])
    return classifiers
