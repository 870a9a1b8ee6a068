"""The unit of work: one runner on one data set under one protocol with one seed.

A cell's key is a hash of what decides its predictions, and of nothing else: a longer time limit
or more processes do not make a result a different one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from fmbench.datasets.specs import FASHION_MNIST, DatasetSpec
from fmbench.models.registry import Runner
from fmbench.records.protocols import FULL, QUICK, Protocol

if TYPE_CHECKING:
    pass


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
