import random

import numpy as np
import pytest

from fmbench.models.evolution.chromosome import Dense
from fmbench.models.evolution.search import SearchBudget, evolve
from tests.models.evolution.test_chromosome import SPACE

BUDGET = SearchBudget(
    population=6, generations=5, first_epochs=1, last_epochs=9,
    train_images=10, validation_images=5,
)  # fmt: skip


class ToyFitness:
    """A fitness without training: it grows with the dense layers and with the epochs."""

    def __init__(self):
        self.calls = []

    def __call__(self, chromosome, epochs):
        n_dense = sum(isinstance(layer, Dense) for layer in chromosome.layers)
        value = (n_dense - 0.01 * len(chromosome.layers)) / 20 + epochs / 1000
        self.calls.append((chromosome, epochs, value))
        return value


def test_each_generation_trains_its_networks_for_more_epochs_than_the_last_one():
    fitness = ToyFitness()
    search = evolve(SPACE, BUDGET, fitness, seed=0)
    assert [epochs for _, epochs, _ in fitness.calls] == [
        e for e in (1, 3, 5, 7, 9) for _ in range(6)
    ]
    assert [g["epochs"] for g in search.generations] == [1, 3, 5, 7, 9]
    assert [g["networks"] for g in search.generations] == [6] * 5
    for n, generation in enumerate(search.generations):
        values = [fitness for _, _, fitness in fitness.calls[6 * n : 6 * n + 6]]
        assert generation["generation"] == n + 1
        assert generation["best_fitness"] == pytest.approx(max(values), abs=1e-6)
        assert generation["mean_fitness"] == pytest.approx(np.mean(values), abs=1e-6)


@pytest.mark.parametrize(
    ("generations", "first", "last", "epochs"),
    [
        (10, 4, 13, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
        (3, 1, 13, [1, 7, 13]),
        (4, 2, 2, [2, 2, 2, 2]),
        (1, 5, 13, [5]),
    ],
)
def test_epochs_grow_evenly_from_the_first_generation_to_the_last(generations, first, last, epochs):
    assert SearchBudget(1, generations, first, last, 1, 1).list_epochs_of_generations() == epochs


def test_the_winner_is_the_fittest_of_all_generations():
    for seed in range(10):
        fitness = ToyFitness()
        winner = evolve(SPACE, BUDGET, fitness, seed=seed).winner
        assert winner == max(fitness.calls, key=lambda entry: entry[2])[0]


def test_selection_makes_the_later_generations_fitter():
    gains = []
    for seed in range(10):
        generations = evolve(SPACE, BUDGET, ToyFitness(), seed=seed).generations
        gains.append(generations[-1]["mean_fitness"] - generations[0]["mean_fitness"])
    without_epochs = np.array(gains) - 8 / 1000
    assert without_epochs.mean() > 0.015  # it is 0.001 if parents are selected at random


def test_every_later_chromosome_is_a_mutation_of_an_earlier_one():
    fitness = ToyFitness()
    evolve(SPACE, BUDGET, fitness, seed=1)
    seen = [chromosome for chromosome, _, _ in fitness.calls]
    for child in seen[6:]:
        before = seen[: seen.index(child) // 6 * 6]
        parents = [p for p in before if abs(len(p.layers) - len(child.layers)) <= 1]
        assert any(
            p.learning_rate == child.learning_rate or p.layers == child.layers for p in parents
        )


def test_the_search_depends_on_the_seed_and_not_on_the_global_random_state():
    random.seed(1)
    first, state = ToyFitness(), random.getstate()
    evolve(SPACE, BUDGET, first, seed=3)
    assert random.getstate() == state
    random.seed(2)
    again, other = ToyFitness(), ToyFitness()
    evolve(SPACE, BUDGET, again, seed=3)
    evolve(SPACE, BUDGET, other, seed=4)
    assert again.calls == first.calls
    assert other.calls != first.calls
