"""The known mistakes, as variants of a protocol, and the cells that measure them.

A variant is a figure that somebody could have taken for a model's test accuracy: what the model
was fitted on, which images were scored, and which of the figures at hand was quoted. Each is
measured like any other cell, and several variants may share a cell. What a recipe's source leaves
open (the runner's ``readings``) gives variants too: every combination once, and the best of them.

Nothing here knows a claim, and the measuring half knows nothing of mistakes: to it, these are
protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

from fmbench.datasets.specs import FASHION_MNIST, MNIST_DIGITS, DatasetSpec
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell, seeds_of
from fmbench.records.protocols import DIGITS, FULL, LEAK, QUICK, SEEN, SPLIT, Part, Protocol, quick

Quoted = Literal["last epoch", "best epoch", "while training"]


@dataclass(frozen=True)
class Variant:
    """A figure that could be taken for a test accuracy, ``fitted`` and ``scored`` in words.

    ``parts``: the scored images that count. ``quoted``: the accuracy after the last epoch; the
    highest of all epochs; or the running mean over the last epoch that training itself prints.
    """

    what: str
    fitted: str
    scored: str
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...] = ("test",)
    quoted: Quoted = "last epoch"


@dataclass(frozen=True)
class Reading:
    """One answer in words to each question that the source leaves open, and the cell to try it."""

    answers: Mapping[str, str]
    cell: Cell


@dataclass(frozen=True)
class Plan:
    """All that is measured to look into one runner.

    Stochastic runners are measured with ``n_seeds`` seeds, readings with one.
    """

    runner: Runner
    n_seeds: int
    quick: bool = False
    with_readings: bool = True

    @property
    def honest(self) -> Protocol:
        """The protocol without a mistake."""
        return QUICK if self.quick else FULL

    @cached_property
    def variants(self) -> list[Variant]:
        """The honest figure, then each mistake; those that need no run of their own first."""
        own = self.honest
        n_fit, n_test = 10 * (own.train_per_class or 6000), own.n_test or 10_000
        train, test = f"{n_fit:,} training images", f"{n_test:,} test images"
        honest, seen = self._seeds(own), self._seeds(self._sized(SEEN))
        leak, digits = self._seeds(self._sized(LEAK)), self._sized(DIGITS)
        free = [
            Variant("best epoch picked on the test set", train, test, honest, quoted="best epoch"),
            Variant("training accuracy quoted, as training prints it", train,
                    f"the same {n_fit:,}, while training", honest, quoted="while training"),
        ]  # fmt: skip
        return [
            Variant("none: as it should be", train, test, honest),
            *(free if self.runner.uses_gpu else []),  # only the neural ones have epochs
            Variant("MNIST digits in place of Fashion-MNIST", f"{n_fit:,} digits",
                    f"{n_test:,} test digits", self._seeds(digits, MNIST_DIGITS)),
            Variant("training accuracy quoted", train, f"the same {n_fit:,}", seen, ("fitted",)),
            Variant("scored on training and test images together", train,
                    f"all {n_fit + n_test:,} images", seen, ("fitted", "test")),
            self.random_split,
            Variant("test images in the training set", f"{train}, {test}", test, leak),
        ]  # fmt: skip

    @cached_property
    def random_split(self) -> Variant:
        """Scored on training images that were taken out of the training set."""
        split = self._sized(SPLIT)
        n_fit = 10 * (split.train_per_class or 6000 - split.held_out_per_class)
        return Variant(
            "scored on a random split of the training images",
            f"{n_fit:,} training images",
            f"{10 * split.held_out_per_class:,} other training images",
            self._seeds(split),
            ("held out",),
        )

    @cached_property
    def readings(self) -> list[Reading]:
        """Every combination of the runner's readings; none where it declares none."""
        if not (self.with_readings and self.runner.readings):
            return []
        questions, protocol = self.runner.readings, self._sized(SPLIT)
        return [
            Reading(
                {q: _in_words(answer) for q, answer in zip(questions, answers, strict=True)},
                self._cell(protocol, 0, {k: v for answer in answers for k, v in answer.items()}),
            )
            for answers in product(*questions.values())
        ]

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell but the confirmation's: the digits, the other mistakes, then the readings.

        Within each, seed by seed: a whole table early, better as it goes on.
        """
        mistakes = {cell.key: cell for variant in self.variants for cell in variant.cells}
        in_turn = sorted(mistakes.values(), key=lambda c: (c.dataset == FASHION_MNIST, c.seed))
        readings = [r.cell for r in self.readings if r.cell.key not in mistakes]
        return in_turn + readings

    def confirmation(self, reading: Reading) -> tuple[Cell, ...]:
        """The cells that measure a reading as the recipe itself is measured."""
        seeds = seeds_of(self.runner, self.n_seeds)
        return tuple(self._cell(self.honest, seed, reading.cell.overrides) for seed in seeds)

    def _seeds(self, protocol: Protocol, dataset: DatasetSpec = FASHION_MNIST) -> tuple[Cell, ...]:
        seeds = seeds_of(self.runner, self.n_seeds)
        return tuple(Cell(self.runner, protocol, seed, dataset) for seed in seeds)

    def _cell(self, protocol: Protocol, seed: int, settings: Mapping[str, Any]) -> Cell:
        # What the recipe does anyway is no override: the recipe's own reading has its own cell.
        recipe = Cell(self.runner, protocol, seed)
        own = recipe.hyperparameters
        return replace(recipe, overrides={k: v for k, v in settings.items() if own[k] != v})

    def _sized(self, protocol: Protocol) -> Protocol:
        return quick(protocol) if self.quick else protocol


def _in_words(answer: Mapping[str, Any]) -> str:
    """``sgd, momentum 0.9``: the first value speaks for itself."""
    (_, first), *others = answer.items()
    return ", ".join([str(first), *(f"{name} {value}" for name, value in others)])
