"""Plans the stories for one model: which predictions a paper's figures may describe, and the cells.

A story says on which images a model was fitted, which images were scored and after which epoch. One
story has no mistake; every other makes a known one. If the source of a model leaves something open
(the runner's ``readings``), there are stories for every combination of answers, too, and for other
runners that say that they are a reading of this one. A story is measured like any other cell, and
several stories may share a cell.

This module knows no claims, and these cells are measured like those of any other protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

from fmbench.datasets.specs import (
    DEFAULT_DATASET,
    FASHION_MNIST,
    FIRST_RELEASE,
    MNIST_DIGITS,
    DatasetSpec,
)
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell, select_seeds
from fmbench.records.protocols import (
    DIGITS,
    FULL,
    ON_FIRST_RELEASE,
    QUICK,
    RANDOM_SPLIT,
    SCORED_ON_TRAINING,
    TEST_IN_TRAINING,
    ImageSubset,
    Protocol,
    make_quick,
)
from fmbench.runners import load_runners

# "last epoch": the predictions after the last epoch. "best epoch": those of the epoch with the
# highest accuracy on the test images. "while training": no predictions, only the accuracy that
# training itself prints, the mean over the last epoch. "any epoch": the same after every epoch.
EpochChoice = Literal["last epoch", "best epoch", "while training", "any epoch"]

NO_MISTAKE = "no mistake"
PICKED_EPOCH = "best epoch picked on the test set"
PRINTED_TRAINING = "training accuracy quoted, as training prints it"
FIRST_IMAGES = f"{FIRST_RELEASE.title} in place of today's"
LONG_EPOCHS, QUICK_LONG_EPOCHS = 100, 10  # of the run that is trained longer than stated
EPOCHS = "epochs"  # the hyperparameter that it changes
NETWORK = "network"  # the question that another runner answers


@dataclass(frozen=True)
class Story:
    """One way in which predictions may have been made and scored.

    ``mistakes`` are the known mistakes that it makes, none for the correct procedure. ``answers``
    are the answers to open questions that differ from the registered recipe's; ``contradicted``
    are those among them that differ from what the source states. ``parts``: which of the scored
    images count. ``like`` are the cells of the registered recipe with the same scored images: a
    story with few seeds gets its spread from them. ``flagged``: the name of another way of scoring,
    whose predictions are taken.
    """

    mistakes: tuple[str, ...]
    fitted_on: str
    scored_on: str
    cells: tuple[Cell, ...]
    parts: tuple[ImageSubset, ...] = ("test",)
    epoch: EpochChoice = "last epoch"
    answers: Mapping[str, str] = field(default_factory=dict)
    contradicted: tuple[str, ...] = ()
    like: tuple[Cell, ...] = ()
    flagged: str = ""

    @property
    def name(self) -> str:
        """What tables call it: the mistakes, then the answers that differ from the recipe's."""
        answers = [f"{question}: {answer}" for question, answer in self.answers.items()]
        return "; ".join([self.family, *answers])

    @property
    def is_reading(self) -> bool:
        """Whether it answers an open question in another way than the registered recipe."""
        return bool(self.answers)

    @property
    def is_honest(self) -> bool:
        """Whether it is the registered recipe without a mistake."""
        return not self.mistakes and not self.is_reading

    @property
    def departures(self) -> tuple[str, ...]:
        """What in it departs from what is stated or from the correct procedure."""
        return (*self.mistakes, *self.contradicted)

    @property
    def family(self) -> str:
        """Its mistakes, or "no mistake". Stories of one family differ only in open settings."""
        return " and ".join(self.mistakes) or NO_MISTAKE

    @property
    def needs_digits(self) -> bool:
        """Whether it needs the MNIST digits, which this machine may not have."""
        return any(cell.dataset == MNIST_DIGITS for cell in self.cells)

    @property
    def needs_first_release(self) -> bool:
        """Whether it needs Fashion-MNIST's first release, which this machine may not have."""
        return any(cell.dataset == FIRST_RELEASE for cell in self.cells)


@dataclass(frozen=True)
class Reading:
    """An answer to each question that the source leaves open, and the cells that measure them.

    ``cells`` are fitted on a part of the training images and scored on the others and on the test
    images, ``on_digits`` on the digits (none if the model is about the digits itself). There is one
    for each seed; only seed 0 is measured for every reading.
    """

    answers: Mapping[str, str]
    cells: tuple[Cell, ...]
    on_digits: tuple[Cell, ...]
    different: Mapping[str, str]  # those of ``answers`` that are not the registered recipe's
    contradicted: tuple[str, ...]  # those that differ from what the source states

    @property
    def cell(self) -> Cell:
        """Seed 0 on the training images."""
        return self.cells[0]

    @property
    def digits(self) -> Cell | None:
        """Seed 0 on the digits."""
        return self.on_digits[0] if self.on_digits else None


@dataclass(frozen=True)
class CellGroup:
    """Cells that are measured one after another, and what they are, for a list of what is left."""

    what: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ForensicsPlan:
    """All stories of one model, and their cells.

    ``parameters`` replace some hyperparameters of the runner in all cells; ``name`` is what the
    user calls the model. Stochastic models are measured with ``n_seeds`` seeds, readings with one;
    more seeds of a reading count if they have been measured.
    """

    runner: Runner
    n_seeds: int
    quick: bool = False
    with_readings: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: DatasetSpec = DEFAULT_DATASET
    target: str = ""

    @property
    def name(self) -> str:
        """What the user calls the model."""
        return self.target or self.runner.requested_as or self.runner.name

    @property
    def protocol(self) -> Protocol:
        """The protocol without a mistake."""
        return QUICK if self.quick else FULL

    @cached_property
    def stories(self) -> tuple[Story, ...]:
        """All stories: the correct one, each mistake, other networks, then the readings."""
        readings = (story for reading in self.readings for story in self._tell(reading))
        return (*self.registered, *self._tell_other_networks(), *readings)

    @property
    def honest(self) -> Story:
        """The registered recipe without a mistake."""
        return self.registered[0]

    @cached_property
    def registered(self) -> tuple[Story, ...]:
        """The stories of the recipe as registered; the first makes no mistake."""
        return (*self._tell_honest_run(), *self._tell_mistakes(), *self._tell_long_run())

    def _tell_honest_run(self) -> Iterator[Story]:
        """Yield the stories of the run without a mistake, whose figures can be quoted wrongly."""
        own = self._cells(self.protocol)
        train, test = self._name_fitted(self.protocol), self._name_test()
        yield Story((), train, test, own)
        if self.runner.uses_gpu:  # only neural runners have epochs
            yield Story((PICKED_EPOCH,), train, test, own,
                        epoch="best epoch")  # fmt: skip
            yield Story((PRINTED_TRAINING,), train,
                        "the same images, while training", own, epoch="while training")  # fmt: skip
        for name, description in self.runner.flagged.items():
            if name != "best_epoch":
                yield Story((description,), train, test, own, flagged=name)

    def _tell_mistakes(self) -> Iterator[Story]:
        own = self.protocol
        train, test = self._name_fitted(own), self._name_test()
        n = self._n_fitted(own) + self._n_test
        if self.has_digits:
            yield from self._tell_digits(self._digits_cells)
        seen = self._cells(self._resized(SCORED_ON_TRAINING))
        yield Story(("training accuracy quoted",), train, "the same images", seen, ("fitted",))
        yield Story(("scored on training and test images together",), train, f"all {n:,} images",
                    seen, ("fitted", "test"))  # fmt: skip
        yield self.random_split
        leak = self._cells(self._resized(TEST_IN_TRAINING))
        yield Story(("test images in the training set",), f"{train}, {test}", test, leak)
        if self.has_first_release:
            yield Story((FIRST_IMAGES,), f"{train} of that release", f"{test} of that release",
                        self._first_release_cells)  # fmt: skip

    def _tell_long_run(self) -> Iterator[Story]:
        if self.long_run:
            epochs = self.long_run.hyperparameters[EPOCHS]
            yield Story(
                (f"trained for up to {epochs} epochs, until the training accuracy is the claim",),
                self._name_fitted(self.protocol), "the same images, while training",
                (self.long_run,), epoch="any epoch",
            )  # fmt: skip

    def _tell_digits(self, cells: tuple[Cell, ...]) -> Iterator[Story]:
        digits = f"MNIST digits in place of {self.dataset.title}"
        fitted_on = f"{self._n_fitted(self.protocol):,} digits"
        n_test = self.protocol.n_test or MNIST_DIGITS.n_test
        yield Story((digits,), fitted_on, f"{n_test:,} test digits", cells)
        if self.runner.uses_gpu:
            yield Story((digits, PRINTED_TRAINING), fitted_on, "the same digits, while training",
                        cells, epoch="while training")  # fmt: skip

    @cached_property
    def random_split(self) -> Story:
        """Scored on training images that were taken out of the training set."""
        split = self._resized(RANDOM_SPLIT)
        n_held_out = self.dataset.n_classes * split.held_out_per_class
        return Story(
            ("scored on a random split of the training images",),
            self._name_fitted(split),
            f"{n_held_out:,} other training images",
            self._cells(split),
            ("held out",),
        )

    def _tell(self, reading: Reading) -> Iterator[Story]:
        """Yield the stories of a reading; none of the registered recipe, which has its own."""
        if not reading.different:
            return
        for story, like in self._tell_without_answers(reading):
            yield replace(
                story, like=like, answers=reading.different, contradicted=reading.contradicted
            )

    def _tell_without_answers(self, reading: Reading) -> Iterator[tuple[Story, tuple[Cell, ...]]]:
        """Yield each story of a reading with the registered recipe's cells of the same images."""
        split, cells = self.random_split, reading.cells
        yield Story((), split.fitted_on, self._name_test(), cells), self.honest.cells
        yield replace(split, cells=cells), split.cells
        if self.runner.uses_gpu:
            yield Story((PRINTED_TRAINING,), split.fitted_on, "the same images, while training",
                        cells, epoch="while training"), split.cells  # fmt: skip
        if reading.on_digits:
            for story in self._tell_digits(reading.on_digits):
                yield story, self._digits_cells

    def _tell_other_networks(self) -> Iterator[Story]:
        """Yield the stories of the networks that the source may mean instead."""
        for plan in self.other_networks:
            told = [(story, self.honest.cells) for story in plan._tell_honest_run()]
            if self.has_digits:
                told += [
                    (story, self._digits_cells) for story in plan._tell_digits(plan._digits_cells)
                ]
            for story, like in told:
                yield replace(story, answers={NETWORK: plan.runner.title}, like=like)

    @cached_property
    def other_networks(self) -> tuple[ForensicsPlan, ...]:
        """The plans of the runners that are another reading of what the source says of this one.

        None if some hyperparameters are the user's, since they are those of this runner.
        """
        if not self.with_readings or self.parameters:
            return ()
        others = (r for r in load_runners().values() if r.reading_of == self.runner.name)
        return tuple(
            ForensicsPlan(other, self.n_seeds, self.quick, False, dataset=self.dataset)
            for other in others
        )

    @property
    def has_digits(self) -> bool:
        """Whether the digits can have been taken for the data set of the claim."""
        return self.dataset != MNIST_DIGITS and self.dataset.n_classes == MNIST_DIGITS.n_classes

    @property
    def has_first_release(self) -> bool:
        """Whether the data set of the claim has an older release."""
        return self.dataset == FASHION_MNIST

    @cached_property
    def _digits_cells(self) -> tuple[Cell, ...]:
        return self._cells(self._resized(DIGITS), MNIST_DIGITS)

    @cached_property
    def _first_release_cells(self) -> tuple[Cell, ...]:
        return self._cells(self._resized(ON_FIRST_RELEASE), FIRST_RELEASE)

    @cached_property
    def long_run(self) -> Cell | None:
        """The cell that is trained for many epochs; None if the runner has no such setting."""
        epochs = self._cell(self.protocol, 0, self.dataset).hyperparameters.get(EPOCHS)
        if not self.runner.uses_gpu or not isinstance(epochs, int):
            return None
        n = max(QUICK_LONG_EPOCHS if self.quick else LONG_EPOCHS, 2 * epochs)
        return self._cell(self._resized(SCORED_ON_TRAINING), 0, self.dataset, {EPOCHS: n})

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """Every combination of the runner's readings; none if it declares none."""
        if not (self.with_readings and self.runner.readings):
            return ()
        return tuple(map(self._build_reading, product(*self.runner.readings.values())))

    def _build_reading(self, answers: tuple[Mapping[str, Any], ...]) -> Reading:
        settings = {name: value for answer in answers for name, value in answer.items()}
        own = self._cell(self.protocol, 0, self.dataset).hyperparameters
        texts, different, contradicted = {}, {}, []
        for question, answer in zip(self.runner.readings, answers, strict=True):
            texts[question] = _describe_answer(answer)
            if changed := [name for name, value in answer.items() if own[name] != value]:
                different[question] = texts[question]
                if any(self.runner.hyperparameters[n].origin == "stated" for n in changed):
                    contradicted.append(f"{question}: {texts[question]}")
        digits: tuple[Cell, ...] = ()
        if self.has_digits:
            digits = self._cells(self._resized(DIGITS), MNIST_DIGITS, settings)
        split = self._cells(self._resized(RANDOM_SPLIT), self.dataset, settings)
        return Reading(texts, split, digits, different, tuple(contradicted))

    @cached_property
    def groups(self) -> tuple[CellGroup, ...]:
        """Every cell, except those of :meth:`confirmation`, in the order in which they are run.

        The cells that tell the most come first: the digits, the training images, then the readings
        that differ in one answer from the recipe.
        """
        seen, leak = self._resized(SCORED_ON_TRAINING), self._resized(TEST_IN_TRAINING)
        others = [*self.random_split.cells, *self._cells(leak)]
        different = [reading for reading in self.readings if reading.different]
        near = [reading for reading in different if len(reading.different) == 1]
        far = [reading for reading in different if len(reading.different) > 1]
        digits = self._digits_cells if self.has_digits else ()
        networks = (cell for story in self._tell_other_networks() for cell in story.cells)
        first_release = self._first_release_cells if self.has_first_release else ()
        groups = [
            CellGroup("the correct procedure", self.honest.cells),
            CellGroup("the MNIST digits", digits),
            CellGroup("scored on training images", self._cells(seen)),
            CellGroup("other mistakes", tuple(sorted(others, key=lambda cell: cell.seed))),
            CellGroup("the first release of the images", first_release),
            CellGroup("readings that differ in one answer, on the digits", _on_digits(near)),
            CellGroup("readings that differ in one answer", tuple(r.cell for r in near)),
            CellGroup("other networks that the source may mean", _drop_repeats(networks)),
            CellGroup("trained longer", (self.long_run,) if self.long_run else ()),
            CellGroup("all other readings, on the digits", _on_digits(far)),
            CellGroup("all other readings", tuple(r.cell for r in far)),
        ]
        return tuple(group for group in groups if group.cells)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all groups, in order."""
        return tuple(cell for group in self.groups for cell in group.cells)

    def confirmation(self, reading: Reading) -> tuple[Cell, ...]:
        """Return the cells that measure a reading with the full protocol and every seed."""
        seeds = select_seeds(self.runner, self.n_seeds)
        overrides = reading.cell.overrides
        return tuple(Cell(self.runner, self.protocol, s, self.dataset, overrides) for s in seeds)

    @property
    def _n_test(self) -> int:
        return self.protocol.n_test or self.dataset.n_test

    def _n_fitted(self, protocol: Protocol) -> int:
        per_class = protocol.train_per_class
        if per_class:
            return self.dataset.n_classes * per_class
        return self.dataset.n_train - self.dataset.n_classes * protocol.held_out_per_class

    def _name_fitted(self, protocol: Protocol) -> str:
        return f"{self._n_fitted(protocol):,} training images"

    def _name_test(self) -> str:
        return f"{self._n_test:,} test images"

    def _cells(
        self,
        protocol: Protocol,
        dataset: DatasetSpec | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> tuple[Cell, ...]:
        first = self._cell(protocol, 0, dataset or self.dataset, settings)
        seeds = select_seeds(self.runner, self.n_seeds)
        return tuple(replace(first, seed=seed) for seed in seeds)

    def _cell(
        self,
        protocol: Protocol,
        seed: int,
        dataset: DatasetSpec,
        settings: Mapping[str, Any] | None = None,
    ) -> Cell:
        # Settings that equal the recipe's are not overrides, so the recipe keeps its own cell.
        recipe = Cell(self.runner, protocol, seed, dataset, self.parameters)
        own = recipe.hyperparameters
        changes = {name: value for name, value in (settings or {}).items() if own[name] != value}
        return replace(recipe, overrides={**self.parameters, **changes})

    def _resized(self, protocol: Protocol) -> Protocol:
        return make_quick(protocol) if self.quick else protocol


def _on_digits(readings: Iterable[Reading]) -> tuple[Cell, ...]:
    return tuple(reading.digits for reading in readings if reading.digits)


def _drop_repeats(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    return tuple({cell.key: cell for cell in cells}.values())


def _describe_answer(answer: Mapping[str, Any]) -> str:
    """Return ``sgd, momentum 0.9``; the first name is left out, and so is a value of 0."""
    (_, first), *others = answer.items()
    return ", ".join([str(first), *(f"{name} {value}" for name, value in others if value)])
