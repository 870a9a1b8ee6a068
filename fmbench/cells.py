"""The unit of work: one runner on one data set under one protocol with one seed.

A cell's key is a hash of what decides its predictions, and of nothing else: a longer time limit
or more processes do not make a result a different one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fmbench.datasets import FASHION_MNIST, DatasetSpec
from fmbench.registry import Runner

if TYPE_CHECKING:
    import numpy as np

Part = Literal["test", "held out", "fitted"]


@dataclass(frozen=True)
class Protocol:
    """Which images a model is fitted on and which it is scored on.

    ``train_per_class``: only the first so many training images of each class.
    ``n_test``: only the first so many test images.
    ``held_out_per_class``: so many images of each class (at random, by a fixed seed) are taken out
    of the training set and not fitted on.
    ``scored``: the images that are scored, part after part: the test images, the training images
    held out, those fitted on.
    ``fits_test``: also fit on the test images and their labels. A mistake, made on purpose.
    ``detailed``: also keep the class scores and what every epoch predicted.
    """

    name: str  # small letters alone: it is part of file names
    title: str
    train_per_class: int | None = None
    n_test: int | None = None
    held_out_per_class: int = 0
    quick: bool = False  # use the runner's quick hyperparameters
    scored: tuple[Part, ...] = ("test",)
    fits_test: bool = False
    detailed: bool = True

    def definition(self) -> dict[str, Any]:
        """What of the protocol decides the predictions.

        What is as it always was is left out, so that the keys of earlier records stay.
        """
        definition: dict[str, Any] = {
            "name": self.name,
            "train_per_class": self.train_per_class,
            "n_test": self.n_test,
            "held_out_per_class": self.held_out_per_class,
        }
        if self.scored != (("held out",) if self.held_out_per_class else ("test",)):
            definition["scored"] = list(self.scored)
        if self.fits_test:
            definition["fits_test"] = True
        return definition

    def held_out(self, y_train: np.ndarray) -> np.ndarray:
        """Mask ``bool (n,)`` of the training images that are not fitted on."""
        import numpy as np

        mask = np.zeros(len(y_train), bool)
        generator = np.random.default_rng(0)
        for label in np.unique(y_train):
            members = np.flatnonzero(y_train == label)
            mask[generator.choice(members, self.held_out_per_class, replace=False)] = True
        return mask

    def fitted(self, y_train: np.ndarray) -> np.ndarray:
        """Indices of the training images that a model is fitted on, in the files' order."""
        import numpy as np

        remaining = np.flatnonzero(~self.held_out(y_train))
        if self.train_per_class is None:
            return remaining
        first = [remaining[y_train[remaining] == k][: self.train_per_class] for k in range(10)]
        return np.sort(np.concatenate(first))


FULL = Protocol("full", "all 60,000 training and 10,000 test images")
QUICK = Protocol(
    "quick",
    "3,000 training images, the first 2,000 test images, few epochs",
    train_per_class=300,
    n_test=2000,
    quick=True,
)
VALIDATION = Protocol(
    "validation",
    "50,000 training images, scored on the other 10,000 training images",
    held_out_per_class=1000,
    scored=("held out",),
)


class _OwnDefinition(TypedDict):
    runner: str
    revision: int
    hyperparameters: dict[str, Any]
    dataset: str
    data_sha256: str
    protocol: dict[str, Any]
    seed: int
    variant: str


class Definition(_OwnDefinition, total=False):
    """Everything that decides a cell's predictions, in JSON's types."""

    source: str  # of a plug-in: its file's hash, or its package's version


@dataclass(frozen=True)
class Cell:
    """One unit of work. ``overrides`` replace hyperparameters of the runner's recipe."""

    runner: Runner
    protocol: Protocol
    seed: int
    dataset: DatasetSpec = FASHION_MNIST
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """In words, for progress and messages."""
        usual = self.protocol in (FULL, QUICK)
        details = ", ".join(filter(None, ["" if usual else self.protocol.name, self.variant]))
        name = self.runner.spelling or self.runner.name
        return f"{name}{f' ({details})' if details else ''} seed {self.seed}"

    @property
    def variant(self) -> str:
        """The overrides in words; empty for the recipe as registered."""
        return ", ".join(f"{name}={value}" for name, value in sorted(self.overrides.items()))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every hyperparameter's value in this cell."""
        quick = self.runner.quick if self.protocol.quick else {}
        return self.runner.resolve({**quick, **self.overrides})

    def definition(self) -> Definition:
        """Everything that decides the predictions."""
        definition: Definition = {
            "runner": self.runner.name,
            "revision": self.runner.revision,
            "hyperparameters": self.hyperparameters,
            "dataset": self.dataset.name,
            "data_sha256": self.dataset.fingerprint,
            "protocol": self.protocol.definition(),
            "seed": self.seed,
            "variant": self.variant,
        }
        if self.runner.source:
            definition["source"] = self.runner.source
        return definition

    @property
    def key(self) -> str:
        """Hash of :meth:`definition`."""
        return key_of(self.definition())


def key_of(definition: Definition) -> str:
    """The key that belongs to a cell's definition: 16 hexadecimal digits."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seeds_of(runner: Runner, n_seeds: int) -> range:
    """Seeds 0, 1, ... of a runner: one is enough where every run gives the same predictions."""
    return range(1 if runner.deterministic else n_seeds)
