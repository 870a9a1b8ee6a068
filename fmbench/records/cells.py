"""The unit of work: one runner on one data set under one protocol with one seed.

A cell's key is a hash of everything that decides its predictions, and of nothing else. A longer
time limit or more processes do not change the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

from fmbench.datasets.specs import DEFAULT_DATASET, DatasetSpec
from fmbench.models.registry import Runner
from fmbench.records.protocols import FULL, QUICK, Protocol


class Definition(TypedDict):
    """Everything that decides a cell's predictions, in JSON's types."""

    runner: str
    revision: Annotated[int, Meta(ge=0, le=2**31)]
    hyperparameters: dict[str, Any]  # what Runner.select_for_key returns
    dataset: str
    data_sha256: str
    protocol: dict[str, Any]
    seed: Annotated[int, Meta(ge=0, le=2**62)]
    variant: str
    # Only for a plug-in: the hash of its file, or the version of its package.
    source: NotRequired[str]


@dataclass(frozen=True)
class Cell:
    """One unit of work. ``overrides`` replace hyperparameters of the runner's recipe."""

    runner: Runner
    protocol: Protocol
    seed: int
    dataset: DatasetSpec = DEFAULT_DATASET
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the cell in progress lines and messages."""
        usual = self.protocol in (FULL, QUICK)
        details = ", ".join(filter(None, ["" if usual else self.protocol.name, self.variant]))
        name = self.runner.requested_as or self.runner.name
        return f"{name}{f' ({details})' if details else ''} seed {self.seed}"

    @property
    def variant(self) -> str:
        """The overrides as a text; empty for the recipe as registered."""
        return describe_overrides(self.overrides)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every hyperparameter's value in this cell."""
        quick = self.runner.quick if self.protocol.quick else {}
        return self.runner.resolve({**quick, **self.overrides})

    def to_definition(self) -> Definition:
        """Return everything that decides the predictions.

        Raises:
            UserError: ``overrides`` names a hyperparameter that the runner does not have.
        """
        definition: Definition = {
            "runner": self.runner.name,
            "revision": self.runner.revision,
            "hyperparameters": self.runner.select_for_key(self.hyperparameters),
            "dataset": self.dataset.name,
            "data_sha256": self.dataset.fingerprint,
            "protocol": self.protocol.to_definition(),
            "seed": self.seed,
            "variant": self.variant,
        }
        if self.runner.source:
            definition["source"] = self.runner.source
        return definition

    @cached_property
    def key(self) -> str:
        """The hash of :meth:`to_definition`: 16 hexadecimal digits."""
        return compute_key(self.to_definition())


def compute_key(definition: Definition) -> str:
    """Return the key of a cell's definition: 16 hexadecimal digits."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_overrides(overrides: Mapping[str, Any]) -> str:
    """Return overrides as a text, sorted by name. The text is part of the key."""
    return ", ".join(f"{name}={value}" for name, value in sorted(overrides.items()))


def select_seeds(runner: Runner, n_seeds: int) -> range:
    """Return the seeds to run: 0, 1, ...; only 0 if the seed changes no prediction."""
    return range(1 if runner.deterministic else n_seeds)
