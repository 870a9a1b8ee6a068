"""EDEN's evolutionary search: mutation and selection over generations.

It knows nothing of training; its caller computes the fitness. The loop is DEAP's (mu + lambda)
evolution: each generation has as many mutants as parents, and the best of both survive.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from deap import algorithms, base, tools

from fmbench.models.evolution.chromosome import (
    Chromosome,
    SearchSpace,
    draw_chromosome,
    mutate,
)

# From a chromosome and a number of epochs of training to its fitness; higher is better.
Fitness = Callable[[Chromosome, int], float]


@dataclass(frozen=True)
class SearchBudget:
    """How much work a search does.

    Each generation trains ``population`` new networks on at most ``train_images`` images and
    scores them on at most ``validation_images`` other images, all from the training set.
    """

    population: int
    generations: int
    first_epochs: int
    last_epochs: int
    train_images: int
    validation_images: int

    def list_epochs_of_generations(self) -> list[int]:
        """Return the epochs of training in each generation; they grow evenly."""
        steps = np.linspace(self.first_epochs, self.last_epochs, self.generations)
        return [round(float(step)) for step in steps]


@dataclass(frozen=True)
class EvolutionResult:
    """The fittest chromosome of all generations, and the fitness of each generation."""

    winner: Chromosome
    generations: list[dict[str, Any]]


class _Accuracy(base.Fitness):
    weights = (1.0,)  # positive: DEAP maximises it


@dataclass
class _Individual:
    """A chromosome with the attribute ``fitness`` that DEAP requires."""

    chromosome: Chromosome
    fitness: base.Fitness = field(default_factory=_Accuracy)


def evolve(
    space: SearchSpace, budget: SearchBudget, fitness: Fitness, *, seed: int
) -> EvolutionResult:
    """Search ``space`` by mutation; ``fitness`` is called once for each new chromosome."""
    genes_seed, parents_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    genes = random.Random(genes_seed)
    epochs = iter(budget.list_epochs_of_generations())
    generations: list[dict[str, Any]] = []

    def evaluate_generation(_: Any, individuals: list[_Individual]) -> list[tuple[float]]:
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

    def mutate_individual(individual: _Individual) -> tuple[_Individual]:
        individual.chromosome = mutate(individual.chromosome, space, genes)
        return (individual,)

    toolbox = base.Toolbox()
    toolbox.register("evaluate", fitness)
    # DEAP calls "map" once for each generation, so that all its networks get the same epochs.
    toolbox.register("map", evaluate_generation)
    toolbox.register("mutate", mutate_individual)
    toolbox.register("select", tools.selBest)
    population = [_Individual(draw_chromosome(space, genes)) for _ in range(budget.population)]
    with _seeded_global_random(parents_seed):  # DEAP uses Python's global generator
        algorithms.eaMuPlusLambda(
            population, toolbox, mu=budget.population, lambda_=budget.population,
            cxpb=0.0, mutpb=1.0, ngen=budget.generations - 1, verbose=False,
        )  # fmt: skip
    return EvolutionResult(tools.selBest(population, 1)[0].chromosome, generations)


@contextlib.contextmanager
def _seeded_global_random(seed: int) -> Iterator[None]:
    """Seed Python's global generator, and restore its state afterwards."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
