"""A network found by evolution: the best chromosome of a search, trained on every image.

Source: EDEN, Dufourq & Bassett 2017 (arXiv 1709.09161). What was not read in it is our choice;
the hyperparameters in ``fmbench/runners/eden.py`` say which is which.
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
    N_CLASSES,
    SIDE,
    Chromosome,
    Convolution,
    Dense,
    Dropout,
    Layer,
    Pooling,
    Space,
)
from fmbench.models.evolution.journal import Journal
from fmbench.models.evolution.search import Budget, evolve
from fmbench.models.nn.layers import ACTIVATIONS, Pixels, parameter_counts, sequential
from fmbench.models.nn.training import EpochCallback, TorchClassifier, TrainConfig
from fmbench.utils import environment

JOURNAL = "search.json"
# One random stream for each purpose, so that changing one leaves the others as they were.
SPLIT, SEARCH, WINNER, CANDIDATE = range(4)


@dataclass(frozen=True)
class Training:
    """How networks are trained, but for the learning rate, which is a gene.

    The winner is trained for ``final_epochs``, a candidate for those of its generation.
    """

    final_epochs: int
    batch_size: int
    optimizer: str
    scaling: str


class EvolvedClassifier(ClassifierMixin, BaseEstimator):
    """Searches for a network on a part of the training images, then trains the best on all.

    With a ``workspace``, each evaluation is written down there, and a search that was interrupted
    goes on after the last one. The winner's training, if interrupted, begins again.
    """

    def __init__(
        self,
        space: Space,
        budget: Budget,
        training: Training,
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

        ``on_epoch`` sees every epoch of the winner's training, none of the search.
        """
        self.classes_ = np.unique(y)
        path = self.workspace / JOURNAL if self.workspace else None
        journal = Journal(path, self._made_with(X, y))
        images = split(X, y, self.budget, _stream(self.seed, SPLIT))
        numbers = count()

        def fitness(chromosome: Chromosome, epochs: int) -> float:
            number = next(numbers)
            return journal.answer(
                {"chromosome": chromosome.as_json(), "epochs": epochs},
                lambda: self._fitness(chromosome, epochs, images, number),
            )

        search = evolve(self.space, self.budget, fitness, seed=_stream(self.seed, SEARCH))
        self.classifier_ = self._classifier(search.winner, self.training.final_epochs, WINNER)
        self.classifier_.fit(X, y, on_epoch)
        counts = parameter_counts(self.classifier_.network_)
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
        """Class probabilities ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self.classifier_.predict_proba(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Classes ``uint8 (n,)`` of images ``uint8 (n, 28, 28)``."""
        return self.classifier_.predict(X)

    def _classifier(self, chromosome: Chromosome, epochs: int, *purpose: int) -> TorchClassifier:
        how = self.training
        config = TrainConfig(epochs, how.batch_size, how.optimizer, chromosome.learning_rate)
        return TorchClassifier(
            partial(network, chromosome.layers, how.scaling),
            config,
            seed=_stream(self.seed, *purpose),
            device=self.device,
        )

    def _fitness(self, chromosome: Chromosome, epochs: int, images: Split, number: int) -> float:
        """Accuracy on the validation images."""
        classifier = self._classifier(chromosome, epochs, CANDIDATE, number)
        y_pred = classifier.fit(images.X_train, images.y_train).predict(images.X_validation)
        return float((y_pred == images.y_validation).mean())

    def _made_with(self, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """Everything that decides the fitness of a chromosome."""
        made_with = {
            "space": asdict(self.space),
            "budget": asdict(self.budget),
            "training": asdict(self.training),
            "seed": self.seed,
            "images": hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest(),
            "device": environment.device_name(self.device),
            "threads": torch.get_num_threads(),
            "versions": environment.versions(),
        }
        return json.loads(json.dumps(made_with))


@dataclass(frozen=True)
class Split:
    """Images that candidates are trained on, and others that they are judged by."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray


def split(X: np.ndarray, y: np.ndarray, budget: Budget, seed: int) -> Split:
    """Draw a search's images from the training set; of a small one, a quarter is for judging."""
    order = np.random.default_rng(seed).permutation(len(X))
    n = min(budget.validation_images, len(X) // 4)
    validation, train = order[:n], order[n:][: budget.train_images]
    return Split(X[train], y[train], X[validation], y[validation])


def network(layers: Sequence[Layer], scaling: str) -> nn.Module:
    """The network of a chromosome: ``uint8 (n, 28, 28)`` to logits ``float32 (n, 10)``.

    An activation whose values are pooled comes after the pooling: all of them grow with their
    argument, so the maximum is the same, and a quarter of the work is left.
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
    return sequential(*named, ("output", nn.Linear(channels * side * side, N_CLASSES)))


def _stream(seed: int, *purpose: int) -> int:
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1)[0])
