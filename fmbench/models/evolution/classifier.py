"""A classifier that searches for a network by evolution and trains the best one on all images.

Source: EDEN, Dufourq & Bassett 2017 (arXiv 1709.09161). The hyperparameters in
``fmbench/runners/eden.py`` say which values come from the source and which are our choice.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from fmbench.models.evolution.chromosome import (
    SIDE,
    Chromosome,
    Convolution,
    Dense,
    Dropout,
    Layer,
    Pooling,
    SearchSpace,
)
from fmbench.models.evolution.journal import Journal
from fmbench.models.evolution.search import SearchBudget, evolve
from fmbench.models.nn.layers import (
    ACTIVATIONS,
    N_OUTPUTS,
    Pixels,
    build_sequential,
    count_parameters,
)
from fmbench.models.nn.training import EpochCallback, TorchClassifier, TrainConfig
from fmbench.utils import environment

JOURNAL = "search.json"
# Each purpose has a seed of its own, so that a change to one does not affect the others.
SPLIT, SEARCH, WINNER, CANDIDATE = range(4)


@dataclass(frozen=True)
class TrainingSettings:
    """How networks are trained; the learning rate is not here, because it is a gene."""

    final_epochs: int  # of the winner; a candidate's epochs depend on its generation
    batch_size: int
    optimizer: str
    scaling: str


class EvolvedClassifier(ClassifierMixin, BaseEstimator):
    """Searches for a network on a part of the training images, then trains the best one on all.

    If there is a ``workspace``, the result of each evaluation is saved there, and an interrupted
    search continues after the last one. An interrupted training of the winner starts again.
    """

    def __init__(
        self,
        space: SearchSpace,
        budget: SearchBudget,
        training: TrainingSettings,
        *,
        seed: int = 0,
        device: str = "cpu",
        workspace: Path | None = None,
    ) -> None:
        self.space = space
        self.budget = budget
        self.training = training
        self.seed = seed
        self.device = device
        self.workspace = workspace

    def fit(
        self, X: np.ndarray, y: np.ndarray, on_epoch: EpochCallback | None = None
    ) -> EvolvedClassifier:
        """Search and train on ``X uint8 (n, 28, 28)``, ``y uint8 (n,)``.

        ``on_epoch`` is called after every epoch of the winner's training, but not in the search.
        """
        self.classes_ = np.unique(y)
        path = self.workspace / JOURNAL if self.workspace else None
        journal = Journal(path, self._collect_fitness_inputs(X, y))
        images = split_images(X, y, self.budget, derive_seed(self.seed, SPLIT))
        numbers = count()

        def fitness(chromosome: Chromosome, epochs: int) -> float:
            number = next(numbers)
            return journal.load_or_compute(
                {"chromosome": chromosome.as_json(), "epochs": epochs},
                lambda: self._measure_fitness(chromosome, epochs, images, number),
            )

        search = evolve(self.space, self.budget, fitness, seed=derive_seed(self.seed, SEARCH))
        self.classifier_ = self._build_classifier(search.winner, self.training.final_epochs, WINNER)
        self.classifier_.fit(X, y, on_epoch)
        counts = count_parameters(self.classifier_.network_)
        self.details_ = {
            "search": {
                "generations": search.generations,
                "networks": journal.n_asked,
                "taken_from_an_interrupted_run": journal.n_known,
                "library": f"DEAP {importlib.metadata.version('deap')}",
            },
            "winner": {
                **search.winner.as_json(),
                "parameters": counts,
                "n_parameters": sum(counts.values()),
            },
        }
        self.earlier_seconds_ = journal.earlier_seconds
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the class probabilities ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self.classifier_.predict_proba(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the classes ``uint8 (n,)`` of images ``uint8 (n, 28, 28)``."""
        return self.classifier_.predict(X)

    def _build_classifier(
        self, chromosome: Chromosome, epochs: int, *purpose: int
    ) -> TorchClassifier:
        training = self.training
        config = TrainConfig(
            epochs, training.batch_size, training.optimizer, chromosome.learning_rate
        )
        return TorchClassifier(
            partial(build_network, chromosome.layers, training.scaling),
            config,
            seed=derive_seed(self.seed, *purpose),
            device=self.device,
        )

    def _measure_fitness(
        self, chromosome: Chromosome, epochs: int, images: SplitImages, number: int
    ) -> float:
        """Train a candidate and return its accuracy on the validation images."""
        classifier = self._build_classifier(chromosome, epochs, CANDIDATE, number)
        y_pred = classifier.fit(images.X_train, images.y_train).predict(images.X_validation)
        return float((y_pred == images.y_validation).mean())

    def _collect_fitness_inputs(self, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """Collect everything that decides the fitness of a chromosome, in JSON types."""
        inputs = {
            "space": asdict(self.space),
            "budget": asdict(self.budget),
            "training": asdict(self.training),
            "seed": self.seed,
            "images": hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest(),
            "device": environment.device_name(self.device),
            "threads": torch.get_num_threads(),
            "versions": environment.collect_versions(),
        }
        return json.loads(json.dumps(inputs))


@dataclass(frozen=True)
class SplitImages:
    """The images that candidates are trained on, and other images that give their fitness."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray


def split_images(X: np.ndarray, y: np.ndarray, budget: SearchBudget, seed: int) -> SplitImages:
    """Draw the images of a search from the training set.

    At most a quarter of the training set becomes validation images, however small the set is.
    """
    order = np.random.default_rng(seed).permutation(len(X))
    n = min(budget.validation_images, len(X) // 4)
    validation, train = order[:n], order[n:][: budget.train_images]
    return SplitImages(X[train], y[train], X[validation], y[validation])


def build_network(layers: Sequence[Layer], scaling: str) -> nn.Module:
    """Build the network of a chromosome: ``uint8 (n, 28, 28)`` to logits ``float32 (n, 10)``.

    An activation in front of a pooling is computed after it instead. All activations here increase
    with their argument, so the maximum is the same, and only a quarter of the values is left.
    """
    named: list[tuple[str, nn.Module]] = [("pixels", Pixels(scaling))]
    channels, side, flat = 1, SIDE, False
    for n, layer in enumerate(layers, 1):
        match layer:
            case Convolution(filters, kernel, activation):
                convolution = nn.Conv2d(channels, filters, kernel, padding="same")
                named += [(f"convolution{n}", convolution)]
                named += [(f"activation{n}", ACTIVATIONS[activation]())]
                channels = filters
            case Pooling():
                after_convolution = n > 1 and isinstance(layers[n - 2], Convolution)
                named.insert(len(named) - after_convolution, (f"pooling{n}", nn.MaxPool2d(2)))
                side //= 2
            case Dense(units, activation):
                if not flat:
                    named += [("flatten", nn.Flatten())]
                named += [(f"dense{n}", nn.Linear(channels * side * side, units))]
                named += [(f"activation{n}", ACTIVATIONS[activation]())]
                channels, side, flat = units, 1, True
            case Dropout(rate):
                named += [(f"dropout{n}", nn.Dropout(rate))]
    if not flat:
        named += [("flatten", nn.Flatten())]
    return build_sequential(*named, ("output", nn.Linear(channels * side * side, N_OUTPUTS)))


def derive_seed(seed: int, *purpose: int) -> int:
    """Derive the seed for one purpose from the classifier's seed."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1)[0])
