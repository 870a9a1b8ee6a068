"""EDEN's chromosome: two genes, a learning rate and a network, and how they mutate.

Every chromosome that can be reached builds a network that maps ``uint8 (n, 28, 28)`` to logits
``(n, 10)``: convolutions keep the map's size, pooling halves it and stops before it is less than
one pixel, and no convolution or pooling follows a dense layer.

Source: Dufourq & Bassett 2017 (arXiv 1709.09161) for the two genes and the kinds of layers; the
operators' details are our choice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

SIDE, N_CLASSES = 28, 10
MAX_POOLINGS = 4  # 28, 14, 7, 3, 1
MUTATION_FACTOR = 3.0  # a learning rate changes by up to so much, either way
# Seconds, not arithmetic, are what `max_work` is there to bound: on a CPU, a value that passes an
# activation or pooling takes as long as so many multiply-adds, one that passes dropout even more.
WORK_OF_VALUE, WORK_OF_DROPOUT = 90, 170
ATTEMPTS = 10_000


@dataclass(frozen=True)
class Convolution:
    """A square kernel, the map's size kept by padding, and an activation."""

    filters: int
    kernel: int
    activation: str


@dataclass(frozen=True)
class Pooling:
    """Maximum over 2 x 2."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer and an activation."""

    units: int
    activation: str


@dataclass(frozen=True)
class Dropout:
    """Each value is left out with probability ``rate`` while training."""

    rate: float


Layer = Convolution | Pooling | Dense | Dropout
KINDS: tuple[type[Layer], ...] = (Convolution, Pooling, Dense, Dropout)


@dataclass(frozen=True)
class Chromosome:
    """The learning rate, and the layers between the pixels and the ten outputs."""

    learning_rate: float
    layers: tuple[Layer, ...]

    def as_json(self) -> dict[str, Any]:
        """In JSON's types, for checkpoints and records."""
        layers = [{"kind": type(layer).__name__.lower(), **asdict(layer)} for layer in self.layers]
        return {"learning_rate": self.learning_rate, "layers": layers}


@dataclass(frozen=True)
class Space:
    """The values that genes can take.

    ``learning_rate`` is the lowest and the highest. ``max_work`` bounds :func:`work`, so that a
    search's time has a bound.
    """

    filters: tuple[int, ...]
    kernel: tuple[int, ...]
    units: tuple[int, ...]
    activation: tuple[str, ...]
    rate: tuple[float, ...]
    learning_rate: tuple[float, float]
    max_layers: int
    max_work: int

    def allows(self, chromosome: Chromosome) -> bool:
        """Whether the network is small enough."""
        layers = chromosome.layers
        return 1 <= len(layers) <= self.max_layers and work(layers) <= self.max_work


def work(layers: tuple[Layer, ...]) -> int:
    """Work of one image's pass through the network, in multiply-adds of equal time."""
    side, channels = SIDE, 1  # a dense layer is seen as one pixel of many channels
    total = 0
    for layer in layers:
        values = side * side * channels
        match layer:
            case Convolution(filters, kernel, _):
                total += values * kernel**2 * filters + WORK_OF_VALUE * side * side * filters
                channels = filters
            case Pooling():
                total += WORK_OF_VALUE * values
                side //= 2
            case Dense(units, _):
                total += values * units + WORK_OF_VALUE * units
                side, channels = 1, units
            case Dropout():
                total += WORK_OF_DROPOUT * values
    return total + side * side * channels * N_CLASSES


def random_chromosome(space: Space, rng: random.Random) -> Chromosome:
    """A learning rate, uniform in its logarithm, and a small network.

    The network is a convolution, pooling, a dense layer, and up to two layers more.
    """
    low, high = (math.log(end) for end in space.learning_rate)
    for _ in range(ATTEMPTS):
        layers = tuple(_random_layer(kind, space, rng) for kind in (Convolution, Pooling, Dense))
        chromosome = Chromosome(_rounded(math.exp(rng.uniform(low, high))), layers)
        for _ in range(rng.randint(0, 2)):
            chromosome = _add_layer(chromosome, space, rng)
        if space.allows(chromosome):
            return chromosome
    raise ValueError(f"no network fits into {space}")


def mutated(chromosome: Chromosome, space: Space, rng: random.Random) -> Chromosome:
    """Another chromosome, one operator away; what the operator cannot do is drawn again."""
    for _ in range(ATTEMPTS):
        child = rng.choice(OPERATORS)(chromosome, space, rng)
        if child != chromosome and space.allows(child):
            return child
    raise ValueError(f"no mutation of {chromosome} stays within {space}")


def _change_learning_rate(chromosome: Chromosome, space: Space, rng: random.Random) -> Chromosome:
    low, high = space.learning_rate
    factor = MUTATION_FACTOR ** rng.uniform(-1, 1)
    rate = min(max(chromosome.learning_rate * factor, low), high)
    return replace(chromosome, learning_rate=_rounded(rate))


def _add_layer(chromosome: Chromosome, space: Space, rng: random.Random) -> Chromosome:
    layers = chromosome.layers
    kind = rng.choice([kind for kind in KINDS if kind is not Pooling or _can_pool(layers)])
    place = rng.choice(_places(layers, kind))
    layer = _random_layer(kind, space, rng)
    return replace(chromosome, layers=(*layers[:place], layer, *layers[place:]))


def _remove_layer(chromosome: Chromosome, space: Space, rng: random.Random) -> Chromosome:
    place = rng.randrange(len(chromosome.layers))
    layers = chromosome.layers
    return replace(chromosome, layers=(*layers[:place], *layers[place + 1 :]))


def _change_layer(chromosome: Chromosome, space: Space, rng: random.Random) -> Chromosome:
    """One property of one layer: filters, kernel, units, activation or rate."""
    layers = list(chromosome.layers)
    place = rng.randrange(len(layers))
    names = [field.name for field in fields(layers[place])]
    if names:  # pooling has none
        name = rng.choice(names)
        layers[place] = replace(layers[place], **{name: rng.choice(getattr(space, name))})
    return replace(chromosome, layers=tuple(layers))


Operator = Callable[[Chromosome, Space, random.Random], Chromosome]
OPERATORS: tuple[Operator, ...] = (
    _change_learning_rate,
    _add_layer,
    _remove_layer,
    _change_layer,
)


def _random_layer(kind: type[Layer], space: Space, rng: random.Random) -> Layer:
    return kind(**{field.name: rng.choice(getattr(space, field.name)) for field in fields(kind)})


def _can_pool(layers: tuple[Layer, ...]) -> bool:
    return sum(isinstance(layer, Pooling) for layer in layers) < MAX_POOLINGS


def _places(layers: tuple[Layer, ...], kind: type[Layer]) -> range:
    """Where a layer can be inserted: convolutions and poolings before the first dense layer."""
    if kind is Dropout:
        return range(len(layers) + 1)
    dense = [i for i, layer in enumerate(layers) if isinstance(layer, Dense)]
    if kind is Dense:
        maps = [i for i, layer in enumerate(layers) if isinstance(layer, Convolution | Pooling)]
        return range(maps[-1] + 1 if maps else 0, len(layers) + 1)
    return range((dense[0] if dense else len(layers)) + 1)


def _rounded(learning_rate: float) -> float:
    return float(f"{learning_rate:.3g}")
