"""EDEN's chromosome (two genes: a learning rate and a network) and how it mutates.

Every chromosome that :func:`draw_chromosome` and :func:`mutate` can produce builds a network from
``uint8 (n, 28, 28)`` to logits ``(n, 10)``: convolutions keep the size of the map, pooling halves
it and is never applied to a single pixel, and no convolution or pooling comes after a dense layer.

Source: Dufourq & Bassett 2017 (arXiv 1709.09161) for the two genes and the kinds of layers. The
details of the mutations are our choice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from fmbench.models.nn.layers import N_OUTPUTS

SIDE = 28  # pixels a side of an image
MAX_POOLINGS = 4  # maps of 28, 14, 7, 3, 1 pixels a side
MUTATION_FACTOR = 3.0  # a mutation multiplies or divides the learning rate by at most this
# `max_work` limits the time, not the arithmetic. On a CPU an activation or a pooling takes as long
# for each value as this number of multiply-adds, and dropout takes even longer.
VALUE_WORK, DROPOUT_WORK = 90, 170
MAX_ATTEMPTS = 10_000  # random draws before the search space counts as too small


@dataclass(frozen=True)
class Convolution:
    """A convolution with a square kernel that keeps the size of the map, and an activation."""

    filters: int
    kernel: int
    activation: str


@dataclass(frozen=True)
class Pooling:
    """Maximum pooling over 2 x 2."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer and an activation."""

    units: int
    activation: str


@dataclass(frozen=True)
class Dropout:
    """Dropout: in training each value is set to 0 with probability ``rate``."""

    rate: float


Layer = Convolution | Pooling | Dense | Dropout
KINDS: tuple[type[Layer], ...] = (Convolution, Pooling, Dense, Dropout)


@dataclass(frozen=True)
class Chromosome:
    """The learning rate, and the layers between the pixels and the ten outputs."""

    learning_rate: float
    layers: tuple[Layer, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the chromosome in JSON types, for checkpoints and records."""
        layers = [{"kind": type(layer).__name__.lower(), **asdict(layer)} for layer in self.layers]
        return {"learning_rate": self.learning_rate, "layers": layers}


@dataclass(frozen=True)
class SearchSpace:
    """The values that the genes can take."""

    filters: tuple[int, ...]
    kernel: tuple[int, ...]
    units: tuple[int, ...]
    activation: tuple[str, ...]
    rate: tuple[float, ...]
    learning_rate: tuple[float, float]  # the lowest and the highest
    max_layers: int
    max_work: int  # a limit on estimate_work(), which limits the time of a search

    def allows(self, chromosome: Chromosome) -> bool:
        """Whether the network is within ``max_layers`` and ``max_work``."""
        layers = chromosome.layers
        return 1 <= len(layers) <= self.max_layers and estimate_work(layers) <= self.max_work


def estimate_work(layers: tuple[Layer, ...]) -> int:
    """Estimate the time of one image's forward pass, as a number of multiply-adds."""
    side, channels = SIDE, 1  # the output of a dense layer counts as one pixel with many channels
    total = 0
    for layer in layers:
        values = side * side * channels
        match layer:
            case Convolution(filters, kernel, _):
                total += values * kernel**2 * filters + VALUE_WORK * side * side * filters
                channels = filters
            case Pooling():
                total += VALUE_WORK * values
                side //= 2
            case Dense(units, _):
                total += values * units + VALUE_WORK * units
                side, channels = 1, units
            case Dropout():
                total += DROPOUT_WORK * values
    return total + side * side * channels * N_OUTPUTS


def draw_chromosome(space: SearchSpace, rng: random.Random) -> Chromosome:
    """Draw a learning rate, uniformly in its logarithm, and a small network.

    The network has a convolution, a pooling, a dense layer, and up to two more layers.

    Raises:
        ValueError: no such network fits into ``space``.
    """
    low, high = (math.log(end) for end in space.learning_rate)
    for _ in range(MAX_ATTEMPTS):
        layers = tuple(_draw_layer(kind, space, rng) for kind in (Convolution, Pooling, Dense))
        chromosome = Chromosome(_round_learning_rate(math.exp(rng.uniform(low, high))), layers)
        for _ in range(rng.randint(0, 2)):
            chromosome = _add_layer(chromosome, space, rng)
        if space.allows(chromosome):
            return chromosome
    raise ValueError(f"no network fits into {space}")


def mutate(chromosome: Chromosome, space: SearchSpace, rng: random.Random) -> Chromosome:
    """Return a chromosome that differs by one operator; a draw outside ``space`` is repeated.

    Raises:
        ValueError: no mutation stays within ``space``.
    """
    for _ in range(MAX_ATTEMPTS):
        child = rng.choice(OPERATORS)(chromosome, space, rng)
        if child != chromosome and space.allows(child):
            return child
    raise ValueError(f"no mutation of {chromosome} stays within {space}")


def _change_learning_rate(
    chromosome: Chromosome, space: SearchSpace, rng: random.Random
) -> Chromosome:
    low, high = space.learning_rate
    factor = MUTATION_FACTOR ** rng.uniform(-1, 1)
    rate = min(max(chromosome.learning_rate * factor, low), high)
    return replace(chromosome, learning_rate=_round_learning_rate(rate))


def _add_layer(chromosome: Chromosome, space: SearchSpace, rng: random.Random) -> Chromosome:
    layers = chromosome.layers
    kind = rng.choice([kind for kind in KINDS if kind is not Pooling or _can_pool(layers)])
    position = rng.choice(_list_insert_positions(layers, kind))
    layer = _draw_layer(kind, space, rng)
    return replace(chromosome, layers=(*layers[:position], layer, *layers[position:]))


def _remove_layer(chromosome: Chromosome, space: SearchSpace, rng: random.Random) -> Chromosome:
    position = rng.randrange(len(chromosome.layers))
    layers = chromosome.layers
    return replace(chromosome, layers=(*layers[:position], *layers[position + 1 :]))


def _change_layer(chromosome: Chromosome, space: SearchSpace, rng: random.Random) -> Chromosome:
    """Change one property of one layer: filters, kernel, units, activation or rate."""
    layers = list(chromosome.layers)
    position = rng.randrange(len(layers))
    names = [field.name for field in fields(layers[position])]
    if names:  # a pooling has no properties
        name = rng.choice(names)
        layers[position] = replace(layers[position], **{name: rng.choice(getattr(space, name))})
    return replace(chromosome, layers=tuple(layers))


Operator = Callable[[Chromosome, SearchSpace, random.Random], Chromosome]
OPERATORS: tuple[Operator, ...] = (
    _change_learning_rate,
    _add_layer,
    _remove_layer,
    _change_layer,
)


def _draw_layer(kind: type[Layer], space: SearchSpace, rng: random.Random) -> Layer:
    return kind(**{field.name: rng.choice(getattr(space, field.name)) for field in fields(kind)})


def _can_pool(layers: tuple[Layer, ...]) -> bool:
    return sum(isinstance(layer, Pooling) for layer in layers) < MAX_POOLINGS


def _list_insert_positions(layers: tuple[Layer, ...], kind: type[Layer]) -> range:
    """Positions at which a layer can be inserted.

    Convolutions and poolings come before the first dense layer, dense layers after the last
    convolution or pooling, and dropout anywhere.
    """
    if kind is Dropout:
        return range(len(layers) + 1)
    dense = [i for i, layer in enumerate(layers) if isinstance(layer, Dense)]
    if kind is Dense:
        maps = [i for i, layer in enumerate(layers) if isinstance(layer, Convolution | Pooling)]
        return range(maps[-1] + 1 if maps else 0, len(layers) + 1)
    return range((dense[0] if dense else len(layers)) + 1)


def _round_learning_rate(learning_rate: float) -> float:
    return float(f"{learning_rate:.3g}")
