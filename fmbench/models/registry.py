"""The registry of runners: named recipes whose hyperparameters each say where they come from.

A runner wraps a factory: calling it gives a fresh, unfitted classifier with scikit-learn's
``fit(X, y)`` and ``predict(X)``, where ``X`` is ``uint8 (n, 28, 28)`` and ``y`` is ``uint8 (n,)``.
To add a runner, add a file under ``fmbench/runners/`` that calls :func:`register`; no other file
has to change.

The signature of the factory says what the runner depends on. A factory without ``seed`` is
deterministic. A factory with ``device`` can use a GPU. A factory with ``workspace`` gets a folder
(or ``None``) that belongs to its cell: the folder survives an interrupted fit and is deleted when
the cell has finished, so that the next attempt can continue from what was saved there.

A classifier whose loops numba compiles has a method ``compile_loops()``, which compiles what its
fit on a CPU needs and starts no thread (see ``TorchClassifier``); in a pipeline a step has it. It
is called before the clock of the fit starts. If the runner says ``compiles_loops``, the fork server
calls it first, once for each recipe, and the processes of all its cells inherit the machine code.

A fitted classifier may have two more attributes. ``details_`` holds facts about the fit, in JSON
types, which go into the record. ``earlier_seconds_`` is the time that interrupted attempts spent
on work that this fit used.
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
from fmbench.utils.names import SAFE_NAME, suggest_names

Origin = Literal["stated", "source", "our choice"]
Cost = Literal["seconds", "minutes", "hours", "unknown"]
# From each open question to its possible answers; an answer sets some hyperparameters.
Readings = Mapping[str, tuple[Mapping[str, Any], ...]]

# The one flagged figure that fmbench computes itself, from the predictions after every epoch.
BEST_EPOCH = "best_epoch"

# The arguments that a factory may have besides its hyperparameters.
CONTEXT_ARGUMENTS = {"seed", "device", "workspace"}

_REGISTRY: dict[str, Runner] = {}


@dataclass(frozen=True)
class Hyperparameter:
    """A value and where it comes from."""

    value: Any
    origin: Origin
    why: str  # the place in the paper or source; for our own choice, the reason
    # True if the runner had records before it had this hyperparameter. Where it has the recipe's
    # value it is then left out of the key, so that the keys of those records do not change.
    added_later: bool = False


def stated(value: Any, where: str) -> Hyperparameter:
    """Make a value that the benchmarked paper states; ``where`` names the section."""
    return Hyperparameter(value, "stated", where)


def from_source(value: Any, where: str) -> Hyperparameter:
    """Make a value taken from the source that the paper cites; ``where`` names the source."""
    return Hyperparameter(value, "source", where)


def our_choice(value: Any, why: str, *, added_later: bool = False) -> Hyperparameter:
    """Make a value that no source states; ``why`` gives the reason for it.

    ``added_later``: the runner had records before it had this hyperparameter, and ``value`` is what
    it did then (see :class:`Hyperparameter`).
    """
    return Hyperparameter(value, "our choice", why, added_later)


@dataclass(frozen=True)
class Runner:
    """A named recipe: a factory of classifiers and the facts about it.

    Raises:
        ValueError: ``name`` cannot be the name of a folder.
    """

    name: str  # also the name of the folder that holds its records
    title: str  # one line for people
    factory: Callable[..., Any]  # makes a fresh, unfitted classifier
    hyperparameters: Mapping[str, Hyperparameter]
    revision: int  # part of every cell's key; raise it when the predictions change
    cost: Cost  # roughly how long one fit takes on one CPU core
    # Hyperparameters that `--quick` replaces, and their values.
    quick: Mapping[str, Any] = field(default_factory=dict)
    # The published number of parameters of each layer.
    parameter_counts: Mapping[str, int] = field(default_factory=dict)
    # The method whose output is stored beside the predictions, where that is cheap.
    scores: str | None = None
    notes: tuple[str, ...] = ()  # sentences for `fmbench show` and the report
    # Other ways of scoring that the source used: from a short name to a description. They are
    # reported beside the result and never replace it. The classifier's method `flagged(X)` returns
    # the predictions under the same names; fmbench itself computes BEST_EPOCH.
    flagged: Mapping[str, str] = field(default_factory=dict)
    # True if the runner takes too long for `run --all`: it runs only if the user names it.
    by_name_only: bool = False
    # Up to how many processes or threads one fit can use without any change of its predictions.
    max_workers: int = 1
    # GiB of memory that each of them needs, beside what they share.
    worker_gib: float = 1.0
    # Whether its classifiers, or a step of theirs, have a method `compile_loops`.
    compiles_loops: bool = False
    # Hyperparameters that change neither the layers of the network nor its number of steps.
    # Networks that differ only in their seeds and in these can be trained together.
    outside_layers: tuple[str, ...] = ()
    # Questions that the source leaves open, each with its possible answers. One of the answers is
    # the recipe's own.
    readings: Readings = field(default_factory=dict)
    # What the user typed to get this runner, for a plug-in or a runner with parameters of the
    # user's own; tables show it. Empty for the package's own recipes.
    requested_as: str = ""
    # For a plug-in: the hash of its file, or the version of its package. Together with the
    # hyperparameters it decides the predictions, so it is part of the key.
    source: str = ""
    # What papers call this model. If several runners have the same alias, it may mean any of them,
    # and the runner that lists it earliest is the best guess. It is not part of a cell's key.
    aliases: tuple[str, ...] = ()
    # Another runner of the same model, whose source can also be read as this one. `fmbench
    # forensics` tries it for what is printed of the other. It is not part of a cell's key.
    reading_of: str = ""

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            raise ValueError(f"runner name {self.name!r} cannot be the name of a folder")

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A registered runner is pickled by its name, so that its factory may be any callable.
        if _REGISTRY.get(self.name) == replace(self, requested_as=""):
            return _restore_runner, (self.factory.__module__, self.name, self.requested_as)
        return super().__reduce_ex__(protocol)

    @property
    def deterministic(self) -> bool:
        """Whether every run gives the same predictions, so that one seed is enough."""
        return "seed" not in inspect.signature(self.factory).parameters

    @property
    def cost_in_words(self) -> str:
        """How long a fit takes, and whether ``run --all`` leaves out the runner."""
        return f"{self.cost}, only if named" if self.by_name_only else self.cost

    @property
    def uses_gpu(self) -> bool:
        """Whether the option ``--device cuda`` has an effect."""
        return "device" in inspect.signature(self.factory).parameters

    @property
    def resumable(self) -> bool:
        """Whether an interrupted fit continues where it stopped."""
        return "workspace" in inspect.signature(self.factory).parameters

    def resolve(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the value of every hyperparameter, with ``overrides`` in place of the recipe's.

        Raises:
            UserError: the runner has no hyperparameter of that name.
        """
        overrides = overrides or {}
        for name in overrides:
            if name not in self.hyperparameters:
                raise UserError(
                    f"{self.requested_as or self.name} has no hyperparameter {name!r}"
                    f"{suggest_names(name, self.hyperparameters)} "
                    f"It has: {', '.join(self.hyperparameters) or 'none'}"
                )
        return {
            name: overrides.get(name, hyperparameter.value)
            for name, hyperparameter in self.hyperparameters.items()
        }

    def select_for_key(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters that are part of a cell's key, from the values of all.

        Those that were added later are left out where they have the recipe's value.
        """
        return {
            name: value
            for name, value in values.items()
            if not (self.hyperparameters[name].added_later
                    and value == self.hyperparameters[name].value)
        }  # fmt: skip

    def build(
        self,
        hyperparameters: Mapping[str, Any],
        *,
        seed: int,
        device: str,
        workspace: Path | None = None,
    ) -> Any:
        """Make a fresh, unfitted classifier."""
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
    max_workers: int = 1,
    worker_gib: float = 1.0,
    compiles_loops: bool = False,
    outside_layers: tuple[str, ...] = (),
    readings: Readings | None = None,
    aliases: tuple[str, ...] = (),
    reading_of: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated factory under ``name``; :class:`Runner` explains the arguments.

    The factory takes each hyperparameter as a keyword argument. It also takes those of ``seed``,
    ``device`` and ``workspace`` on which it depends.

    Raises:
        ValueError: the name is taken or malformed; ``max_workers`` or ``worker_gib`` is not
            positive; the signature and the hyperparameters do not agree; or a question of
            ``readings`` lacks the recipe's own answer.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"runner name {name!r}: use lower-case words joined by hyphens")
    if name in _REGISTRY:
        raise ValueError(f"runner {name!r} is registered twice")
    if max_workers < 1 or not worker_gib > 0:
        raise ValueError(f"runner {name!r}: max_workers and worker_gib must be positive")

    def decorate(factory: Callable[..., Any]) -> Callable[..., Any]:
        runner = Runner(
            name, title, factory, dict(hyperparameters), revision, cost, dict(quick or {}),
            dict(parameter_counts or {}), scores, notes, dict(flagged or {}), by_name_only,
            max_workers, worker_gib, compiles_loops, outside_layers,
            dict(readings or {}), aliases=aliases, reading_of=reading_of,
        )  # fmt: skip
        arguments = set(inspect.signature(factory).parameters) - CONTEXT_ARGUMENTS
        if arguments != set(hyperparameters):
            raise ValueError(
                f"runner {name!r}: the factory takes {sorted(arguments)}, "
                f"but the hyperparameters are {sorted(hyperparameters)}"
            )
        runner.resolve(runner.quick)
        runner.resolve(dict.fromkeys(runner.outside_layers))  # refuses unknown names
        _check_readings(runner)
        _REGISTRY[name] = runner
        return factory

    return decorate


def _check_readings(runner: Runner) -> None:
    names_of_earlier_questions: set[str] = set()
    for question, answers in runner.readings.items():
        names = set(answers[0]) if answers else set()
        own = {name: runner.resolve()[name] for name in names & set(runner.hyperparameters)}
        if (
            any(set(answer) != names for answer in answers)
            or names & names_of_earlier_questions
            or own not in answers
        ):
            raise ValueError(
                f"runner {runner.name!r}: all answers to {question!r} must set the same "
                "hyperparameters, no other question may set these, and one answer must be the "
                "recipe's own"
            )
        names_of_earlier_questions |= names


def list_runners() -> dict[str, Runner]:
    """Return the runners that are registered so far, by name."""
    return dict(sorted(_REGISTRY.items()))


@contextlib.contextmanager
def isolate_registrations() -> Iterator[dict[str, Runner]]:
    """Collect the runners that this block registers, without adding them to the registry.

    This is how a plug-in file is loaded: it cannot change the package's own runners.
    """
    global _REGISTRY
    before, _REGISTRY = _REGISTRY, {}
    try:
        yield _REGISTRY
    finally:
        _REGISTRY = before


def _restore_runner(module: str, name: str, requested_as: str) -> Runner:
    importlib.import_module(module)
    runner = _REGISTRY[name]
    return replace(runner, requested_as=requested_as) if requested_as else runner
