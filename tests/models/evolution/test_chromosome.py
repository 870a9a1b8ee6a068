import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.models.evolution.chromosome import (
    MAX_POOLINGS,
    OPERATORS,
    Chromosome,
    Convolution,
    Dense,
    Dropout,
    Pooling,
    SearchSpace,
    draw_chromosome,
    estimate_work,
    mutate,
)
from fmbench.models.evolution.classifier import build_network
from fmbench.models.nn.layers import count_parameters

SPACE = SearchSpace(
    filters=(2, 3),
    kernel=(3, 5),
    units=(4, 7),
    activation=("relu", "elu", "tanh", "sigmoid"),
    rate=(0.1, 0.5),
    learning_rate=(1e-4, 1e-2),
    max_layers=12,
    max_work=3_000_000,
)
X = torch.arange(3 * 784, dtype=torch.int64).remainder(256).to(torch.uint8).reshape(3, 28, 28)


def mutate_repeatedly(seed, steps, space=SPACE):
    """Draw a chromosome and mutate it ``steps`` times; return all of them in order."""
    rng = random.Random(seed)
    line = [draw_chromosome(space, rng)]
    for _ in range(steps):
        line.append(mutate(line[-1], space, rng))
    return line


@pytest.mark.slow
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
def test_every_chromosome_builds_a_network_with_ten_logits(seed, steps):
    chromosome = mutate_repeatedly(seed, steps)[-1]
    built = build_network(chromosome.layers, "unit")
    logits = built(X)
    assert logits.shape == (3, 10)
    assert torch.isfinite(logits).all()
    built(X).sum().backward()
    assert all(p.grad is not None for p in built.parameters())
    json.dumps(chromosome.as_json())


@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
def test_every_chromosome_stays_within_the_search_space(seed, steps):
    for chromosome in mutate_repeatedly(seed, steps):
        assert 1e-4 <= chromosome.learning_rate <= 1e-2
        assert 1 <= len(chromosome.layers) <= 12
        assert estimate_work(chromosome.layers) <= 3_000_000
        for layer in chromosome.layers:
            for name, value in vars(layer).items():
                assert value in getattr(SPACE, name)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_a_mutation_changes_one_property_of_one_gene(seed, steps):
    *_, parent, child = mutate_repeatedly(seed, steps)
    assert child != parent
    if child.learning_rate != parent.learning_rate:
        assert child.layers == parent.layers
        assert 0.33 < child.learning_rate / parent.learning_rate < 3.01
        return
    difference = len(child.layers) - len(parent.layers)
    if difference == 0:
        changed = [(a, b) for a, b in zip(parent.layers, child.layers, strict=True) if a != b]
        [(before, after)] = changed
        assert type(before) is type(after)
        assert sum(vars(before)[name] != vars(after)[name] for name in vars(before)) == 1
    else:
        longer, shorter = (child, parent) if difference == 1 else (parent, child)
        assert abs(difference) == 1
        without = [(*longer.layers[:i], *longer.layers[i + 1 :]) for i in range(len(longer.layers))]
        assert shorter.layers in without


def test_every_operator_and_every_kind_of_layer_is_used():
    lines = [mutate_repeatedly(seed, 60) for seed in range(20)]
    kinds = {type(layer) for line in lines for c in line for layer in c.layers}
    assert kinds == {Convolution, Pooling, Dense, Dropout}
    lengths, rates, changed = set(), 0, 0
    for line in lines:
        for before, after in pairwise(line):
            lengths.add(len(after.layers) - len(before.layers))
            rates += after.learning_rate != before.learning_rate
            changed += len(after.layers) == len(before.layers) and after.layers != before.layers
    assert lengths == {-1, 0, 1}
    assert rates > 100
    assert changed > 100
    assert len(OPERATORS) == 4


def test_pooling_ends_at_one_pixel():
    deepest = max(
        sum(isinstance(layer, Pooling) for layer in c.layers)
        for seed in range(40)
        for c in mutate_repeatedly(seed, 60)
    )
    assert deepest == MAX_POOLINGS
    chromosome = Chromosome(1e-3, (Convolution(2, 3, "relu"), *[Pooling()] * MAX_POOLINGS))
    assert build_network(chromosome.layers, "unit")(X).shape == (3, 10)
    assert count_parameters(build_network(chromosome.layers, "unit"))["output"] == 2 * 10 + 10


def test_the_result_depends_only_on_the_seed():
    assert mutate_repeatedly(5, 30) == mutate_repeatedly(5, 30)
    assert mutate_repeatedly(5, 30) != mutate_repeatedly(6, 30)


def test_a_search_space_that_is_too_small_raises_an_error():
    rng = random.Random(0)
    with pytest.raises(ValueError, match="no network fits"):
        draw_chromosome(replace(SPACE, max_work=10), rng)
    only = SearchSpace((2,), (3,), (4,), ("relu",), (0.1,), (1e-3, 1e-3), 1, 10**9)
    with pytest.raises(ValueError, match="no mutation of"):
        mutate(Chromosome(1e-3, (Pooling(),)), replace(only, max_work=1), rng)


def test_estimated_work_includes_activations_poolings_and_dropout():
    layers = (Convolution(32, 3, "relu"), Pooling(), Dense(128, "relu"), Dropout(0.5))
    convolution = 28 * 28 * 9 * 32 + 90 * 28 * 28 * 32
    dense = 14 * 14 * 32 * 128 + 90 * 128
    assert estimate_work(layers) == convolution + 90 * 28 * 28 * 32 + dense + 170 * 128 + 1280


@pytest.mark.parametrize("activation", SPACE.activation)
def test_an_activation_gives_the_same_before_and_after_pooling(activation):
    from torch import nn

    torch.manual_seed(0)
    built = build_network((Convolution(3, 5, activation), Pooling()), "unit")
    names = [name for name, _ in built.named_children()]
    assert names == ["pixels", "convolution1", "pooling2", "activation1", "flatten", "output"]
    as_written = nn.Sequential(*(dict(built.named_children())[name] for name in (
        "pixels", "convolution1", "activation1", "pooling2", "flatten", "output",
    )))  # fmt: skip
    assert torch.equal(built(X), as_written(X))
