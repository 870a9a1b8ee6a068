"""Plans the known mistakes for one runner: variants of the protocol, and their cells.

A variant is a figure that somebody could have taken for a model's test accuracy. It says what the
model was fitted on, which images were scored, and which of the available figures was reported. A
variant is measured like any other cell, and several variants may share a cell. If a recipe's source
leaves something open (the runner's ``readings``), every combination of answers is measured once,
and the best of them is a variant as well.

This module knows no claims, and these cells are measured like those of any other protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

from fmbench.datasets.specs import DEFAULT_DATASET, MNIST_DIGITS, DatasetSpec
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell, select_seeds
from fmbench.records.protocols import (
    DIGITS,
    FULL,
    QUICK,
    RANDOM_SPLIT,
    SCORED_ON_TRAINING,
    TEST_IN_TRAINING,
    ImageSubset,
    Protocol,
    make_quick,
)

EpochChoice = Literal["last epoch", "best epoch", "while training"]


@dataclass(frozen=True)
class Variant:
    """A figure that could be taken for a test accuracy; the first three fields are for tables.

    ``parts``: which of the scored images are used. ``epoch``: the accuracy after the last epoch,
    the highest of all epochs, or the running mean over the last epoch that training itself prints.
    """

    mistake: str
    fitted_on: str
    scored_on: str
    cells: tuple[Cell, ...]
    parts: tuple[ImageSubset, ...] = ("test",)
    epoch: EpochChoice = "last epoch"

    @property
    def needs_digits(self) -> bool:
        """Whether it needs the MNIST digits, which this machine may not have."""
        return any(cell.dataset == MNIST_DIGITS for cell in self.cells)


@dataclass(frozen=True)
class Reading:
    """An answer to each question that the source leaves open, and the cell that measures them."""

    answers: Mapping[str, str]
    cell: Cell


@dataclass(frozen=True)
class ForensicsPlan:
    """All measurements for the known mistakes of one runner.

    Stochastic runners are measured with ``n_seeds`` seeds, readings with one.
    """

    runner: Runner
    n_seeds: int
    quick: bool = False
    with_readings: bool = True

    @property
    def protocol(self) -> Protocol:
        """The protocol without a mistake."""
        return QUICK if self.quick else FULL

    @cached_property
    def variants(self) -> list[Variant]:
        """The figure without a mistake, then each mistake; first those without an own run."""
        own = self.protocol
        n_fit = self._n_train(own.train_per_class)
        n_test = own.n_test or DEFAULT_DATASET.n_test
        train, test = f"{n_fit:,} training images", f"{n_test:,} test images"
        correct = self._cells(own)
        seen = self._cells(self._resized(SCORED_ON_TRAINING))
        leak = self._cells(self._resized(TEST_IN_TRAINING))
        digits = self._cells(self._resized(DIGITS), MNIST_DIGITS)
        from_same_run = [
            Variant("best epoch picked on the test set", train, test, correct, epoch="best epoch"),
            Variant("training accuracy quoted, as training prints it", train,
                    f"the same {n_fit:,}, while training", correct, epoch="while training"),
        ]  # fmt: skip
        return [
            Variant("none: as it should be", train, test, correct),
            *(from_same_run if self.runner.uses_gpu else []),  # only neural runners have epochs
            Variant(f"MNIST digits in place of {DEFAULT_DATASET.title}", f"{n_fit:,} digits",
                    f"{n_test:,} test digits", digits),
            Variant("training accuracy quoted", train, f"the same {n_fit:,}", seen, ("fitted",)),
            Variant("scored on training and test images together", train,
                    f"all {n_fit + n_test:,} images", seen, ("fitted", "test")),
            self.random_split,
            Variant("test images in the training set", f"{train}, {test}", test, leak),
        ]  # fmt: skip

    @cached_property
    def random_split(self) -> Variant:
        """Scored on training images that were taken out of the training set."""
        split = self._resized(RANDOM_SPLIT)
        n_held_out = DEFAULT_DATASET.n_classes * split.held_out_per_class
        n_fit = self._n_train(split.train_per_class) - (0 if split.train_per_class else n_held_out)
        return Variant(
            "scored on a random split of the training images",
            f"{n_fit:,} training images",
            f"{n_held_out:,} other training images",
            self._cells(split),
            ("held out",),
        )

    @cached_property
    def readings(self) -> list[Reading]:
        """Every combination of the runner's readings; none if it declares none."""
        if not (self.with_readings and self.runner.readings):
            return []
        questions, protocol = self.runner.readings, self._resized(RANDOM_SPLIT)
        return [
            Reading(
                {q: _describe_answer(answer) for q, answer in zip(questions, answers, strict=True)},
                self._cell(protocol, 0, {k: v for answer in answers for k, v in answer.items()}),
            )
            for answers in product(*questions.values())
        ]

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell except the confirmation's: the digits, the other mistakes, the readings.

        Within the first two, the cells are ordered by seed, so that the table is complete early.
        """
        mistakes = {cell.key: cell for variant in self.variants for cell in variant.cells}
        by_seed = sorted(mistakes.values(), key=lambda c: (c.dataset == DEFAULT_DATASET, c.seed))
        readings = [r.cell for r in self.readings if r.cell.key not in mistakes]
        return by_seed + readings

    def confirmation(self, reading: Reading) -> tuple[Cell, ...]:
        """Return the cells that measure a reading with the full protocol and every seed."""
        seeds = select_seeds(self.runner, self.n_seeds)
        return tuple(self._cell(self.protocol, seed, reading.cell.overrides) for seed in seeds)

    def _n_train(self, per_class: int | None) -> int:
        """Return the number of training images, if only ``per_class`` of each class are used."""
        return DEFAULT_DATASET.n_classes * per_class if per_class else DEFAULT_DATASET.n_train

    def _cells(
        self, protocol: Protocol, dataset: DatasetSpec = DEFAULT_DATASET
    ) -> tuple[Cell, ...]:
        seeds = select_seeds(self.runner, self.n_seeds)
        return tuple(Cell(self.runner, protocol, seed, dataset) for seed in seeds)

    def _cell(self, protocol: Protocol, seed: int, settings: Mapping[str, Any]) -> Cell:
        # Settings that equal the recipe's are not overrides, so the recipe keeps its own cell.
        recipe = Cell(self.runner, protocol, seed)
        own = recipe.hyperparameters
        return replace(recipe, overrides={k: v for k, v in settings.items() if own[k] != v})

    def _resized(self, protocol: Protocol) -> Protocol:
        return make_quick(protocol) if self.quick else protocol


def _describe_answer(answer: Mapping[str, Any]) -> str:
    """Return ``sgd, momentum 0.9``; the name of the first value is left out."""
    (_, first), *others = answer.items()
    return ", ".join([str(first), *(f"{name} {value}" for name, value in others)])
