"""The search of EDEN: mutation and selection over generations. Knows no training.

The loop is DEAP's (mu + lambda): as many mutants as there are parents, the best of both stay.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from deap import algorithms, base, tools

from fmbench.models.evolution.chromosome import Chromosome, Space, mutated, random_chromosome

# Of a chromosome trained for so many epochs; the higher the better.
Fitness = Callable[[Chromosome, int], float]


@dataclass(frozen=True)
class Budget:
    """How much a search may do.

    Each generation trains ``population`` new networks on at most ``train_images`` images and
    scores them on at most ``validation_images`` others, all from the training set.
    """

    population: int
    generations: int
    first_epochs: int
    last_epochs: int
    train_images: int
    validation_images: int

    def epochs(self) -> list[int]:
        """Epochs of an evaluation, generation by generation, growing evenly."""
        steps = np.linspace(self.first_epochs, self.last_epochs, self.generations)
        return [round(float(step)) for step in steps]


@dataclass(frozen=True)
class Search:
    """The fittest chromosome of all generations, and what each generation came to."""

    winner: Chromosome
    generations: list[dict[str, Any]]


class _Accuracy(base.Fitness):
    weights = (1.0,)  # the higher the better


@dataclass
class _Individual:
    """What DEAP handles: anything that has a ``fitness``."""

    chromosome: Chromosome
    fitness: base.Fitness = field(default_factory=_Accuracy)


def evolve(space: Space, budget: Budget, fitness: Fitness, *, seed: int) -> Search:
    """Search ``space`` by mutation alone; ``fitness`` is asked once for each new chromosome."""
    genes_seed, parents_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    genes = random.Random(genes_seed)
    epochs = iter(budget.epochs())
    generations: list[dict[str, Any]] = []

    def evaluate(_: Any, individuals: list[_Individual]) -> list[tuple[float]]:
        n_epochs = next(epochs)
        values = [fitness(individual.chromosome, n_epochs) for individual in individuals]
        generations.append(
            {
                "generation": len(generations) + 1,
                "epochs": n_epochs,
                "networks": len(values),
                "best_fitness": round(max(values), 6),
                "mean_fitness": round(sum(values) / len(values), 6),
            }
        )
        return [(value,) for value in values]

    def mutate(individual: _Individual) -> tuple[_Individual]:
        individual.chromosome = mutated(individual.chromosome, space, genes)
        return (individual,)

    toolbox = base.Toolbox()
    toolbox.register("evaluate", fitness)
    toolbox.register("map", evaluate)  # called once a generation, which decides the epochs
    toolbox.register("mutate", mutate)
    toolbox.register("select", tools.selBest)
    population = [_Individual(random_chromosome(space, genes)) for _ in range(budget.population)]
    with _global_random(parents_seed):  # which DEAP draws from
        algorithms.eaMuPlusLambda(
            population, toolbox, mu=budget.population, lambda_=budget.population,
            cxpb=0.0, mutpb=1.0, ngen=budget.generations - 1, verbose=False,
        )  # fmt: skip
    return Search(tools.selBest(population, 1)[0].chromosome, generations)


@contextlib.contextmanager
def _global_random(seed: int) -> Iterator[None]:
    """Seed Python's global generator, and leave it afterwards as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
