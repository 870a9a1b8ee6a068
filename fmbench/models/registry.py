"""Runners: named recipes, each hyperparameter with its origin.

A runner is a factory: calling it gives a fresh, unfitted classifier with scikit-learn's
``fit(X, y)`` and ``predict(X)``, where ``X`` is ``uint8 (n, 28, 28)`` and ``y`` is ``uint8 (n,)``.
A new file under ``fmbench/runners/`` that calls :func:`register` is all that a new runner needs.

The factory's signature says what the runner depends on: one that takes no ``seed`` is
deterministic, one that takes ``device`` can use a GPU. One that takes ``workspace`` is given a
folder of its cell's own (or ``None``) that outlives an interrupted fit and is gone once the cell
has finished: what it keeps there lets the next attempt go on.

A fitted classifier may have ``details_``, facts about its fit in JSON's types that its record
keeps, and ``earlier_seconds_``, what interrupted attempts at this fit spent on work it used.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fmbench.errors import UserError
from fmbench.utils.names import SAFE_NAME, suggestion

Origin = Literal["stated", "source", "our choice"]
Cost = Literal["seconds", "minutes", "hours", "unknown"]
Readings = Mapping[str, tuple[Mapping[str, Any], ...]]

# The flagged figure that the harness finds itself, from the curve that it keeps of every fit.
BEST_EPOCH = "best_epoch"

CONTEXT = {"seed", "device", "workspace"}  # what a factory may ask for beside hyperparameters

_REGISTRY: dict[str, Runner] = {}


@dataclass(frozen=True)
class Hyperparameter:
    """A value and where it comes from."""

    value: Any
    origin: Origin
    why: str  # the place in the paper or the source; for a choice of ours, the reason


def stated(value: Any, where: str) -> Hyperparameter:
    """A value that the benchmarked paper states."""
    return Hyperparameter(value, "stated", where)


def from_source(value: Any, where: str) -> Hyperparameter:
    """A value taken from the source that the paper cites."""
    return Hyperparameter(value, "source", where)


def our_choice(value: Any, why: str) -> Hyperparameter:
    """A value that no source states."""
    return Hyperparameter(value, "our choice", why)


@dataclass(frozen=True)
class Runner:
    """A recipe under a name, which is also that of its folder of records.

    ``revision`` is raised whenever the predictions change; it is part of every cell's key.
    ``quick`` replaces hyperparameters under ``--quick``. ``parameter_counts`` are the published
    parameters, layer by layer. ``scores`` names the method whose output is stored beside the
    predictions, where that is cheap.

    ``flagged`` names, in words, each other way of scoring that the source used: reported beside
    the result, never in its place. The classifier's ``flagged(X)`` gives the predictions by name;
    those of :data:`BEST_EPOCH` come from the harness. A runner that is ``by_name_only`` is too
    long for ``run --all``. ``readings`` are other ways to read what the source
    leaves open: by the question's name, the hyperparameters of each answer, the recipe's own among
    them.

    ``spelling`` is how a person asked for a runner that is not among the package's own, or for one
    with parameters of their own; the tables name it so. ``source`` is what decides, beside the
    hyperparameters, what a plug-in predicts: its file's hash, or its package's version.

    Raises:
        ValueError: the name cannot be that of a folder.
    """

    name: str
    title: str
    factory: Callable[..., Any]
    hyperparameters: Mapping[str, Hyperparameter]
    revision: int
    cost: Cost
    quick: Mapping[str, Any] = field(default_factory=dict)
    parameter_counts: Mapping[str, int] = field(default_factory=dict)
    scores: str | None = None
    notes: tuple[str, ...] = ()
    flagged: Mapping[str, str] = field(default_factory=dict)
    by_name_only: bool = False
    readings: Readings = field(default_factory=dict)
    spelling: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            raise ValueError(f"runner name {self.name!r} cannot be the name of a folder")

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Another process finds it by its name, so that a factory may be any callable.
        if _REGISTRY.get(self.name) == replace(self, spelling=""):
            return _restore, (self.factory.__module__, self.name, self.spelling)
        return super().__reduce_ex__(protocol)

    @property
    def deterministic(self) -> bool:
        """Whether every run gives the same predictions, so that one seed says all."""
        return "seed" not in inspect.signature(self.factory).parameters

    @property
    def cost_in_words(self) -> str:
        """For people: how long it takes, and whether ``run --all`` leaves it out."""
        return f"{self.cost}, by name only" if self.by_name_only else self.cost

    @property
    def uses_gpu(self) -> bool:
        """Whether ``--device cuda`` applies."""
        return "device" in inspect.signature(self.factory).parameters

    @property
    def resumable(self) -> bool:
        """Whether an interrupted fit goes on where it was."""
        return "workspace" in inspect.signature(self.factory).parameters

    def resolve(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every hyperparameter's value; raises UserError for a name the runner does not have."""
        overrides = overrides or {}
        for name in overrides:
            if name not in self.hyperparameters:
                raise UserError(
                    f"{self.spelling or self.name} has no hyperparameter {name!r}"
                    f"{suggestion(name, self.hyperparameters)}"
                )
        return {
            name: overrides.get(name, hyperparameter.value)
            for name, hyperparameter in self.hyperparameters.items()
        }

    def build(
        self,
        hyperparameters: Mapping[str, Any],
        *,
        seed: int,
        device: str,
        workspace: Path | None = None,
    ) -> Any:
        """A fresh, unfitted classifier."""
        context = {"seed": seed, "device": device, "workspace": workspace}
        wanted = inspect.signature(self.factory).parameters
        return self.factory(
            **hyperparameters, **{name: value for name, value in context.items() if name in wanted}
        )


def register(
    name: str,
    *,
    title: str,
    hyperparameters: Mapping[str, Hyperparameter],
    revision: int,
    cost: Cost,
    quick: Mapping[str, Any] | None = None,
    parameter_counts: Mapping[str, int] | None = None,
    scores: str | None = None,
    notes: tuple[str, ...] = (),
    flagged: Mapping[str, str] | None = None,
    by_name_only: bool = False,
    readings: Readings | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated factory under ``name``.

    The factory takes each hyperparameter as a keyword, and of ``seed``, ``device`` and
    ``workspace`` those that it depends on.

    Raises:
        ValueError: the name is taken or ill-formed, the signature and the hyperparameters do not
            agree, or a question of ``readings`` lacks the recipe's own answer.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"runner name {name!r}: use lower-case words joined by hyphens")
    if name in _REGISTRY:
        raise ValueError(f"runner {name!r} is registered twice")

    def decorate(factory: Callable[..., Any]) -> Callable[..., Any]:
        runner = Runner(
            name, title, factory, dict(hyperparameters), revision, cost, dict(quick or {}),
            dict(parameter_counts or {}), scores, notes, dict(flagged or {}), by_name_only,
            dict(readings or {}),
        )  # fmt: skip
        arguments = set(inspect.signature(factory).parameters) - CONTEXT
        if arguments != set(hyperparameters):
            raise ValueError(
                f"runner {name!r}: the factory takes {sorted(arguments)}, "
                f"but the hyperparameters are {sorted(hyperparameters)}"
            )
        runner.resolve(runner.quick)
        _check_readings(runner)
        _REGISTRY[name] = runner
        return factory

    return decorate


def _check_readings(runner: Runner) -> None:
    asked: set[str] = set()
    for question, answers in runner.readings.items():
        names = set(answers[0]) if answers else set()
        own = {name: runner.resolve()[name] for name in names & set(runner.hyperparameters)}
        if any(set(answer) != names for answer in answers) or names & asked or own not in answers:
            raise ValueError(
                f"runner {runner.name!r}: each answer to {question!r} must set the same "
                "hyperparameters, which no other question sets, and one must be the recipe's own"
            )
        asked |= names


def registered() -> dict[str, Runner]:
    """What has been registered so far, by name."""
    return dict(sorted(_REGISTRY.items()))


@contextlib.contextmanager
def apart() -> Iterator[dict[str, Runner]]:
    """What is registered in this block is kept apart: a plug-in adds nothing to the package."""
    global _REGISTRY
    before, _REGISTRY = _REGISTRY, {}
    try:
        yield _REGISTRY
    finally:
        _REGISTRY = before


def _restore(module: str, name: str, spelling: str) -> Runner:
    importlib.import_module(module)
    runner = _REGISTRY[name]
    return replace(runner, spelling=spelling) if spelling else runner
