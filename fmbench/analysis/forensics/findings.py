"""Compares the accuracy of every known mistake with a claim.

The result is evidence of what may have led to a figure. It is never a proof.

The best of all readings is a fair result only if it was not chosen by the test images. So the
readings are ranked by their accuracy on training images that none of them was fitted on. Only the
best one is measured again, by the recipe's own protocol and with all seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.analysis.forensics.plan import EpochChoice, ForensicsPlan, Reading, Variant
from fmbench.analysis.statistics import CONFIDENCE_TEXT, compute_prediction_interval
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import MARGIN, Claim, Match
from fmbench.datasets.specs import MNIST_DIGITS, LocatedDataset, records_have_labels
from fmbench.records.cells import Cell
from fmbench.records.protocols import ImageSubset, Protocol, load_labels_by_subset
from fmbench.records.record import EPOCH_Y_PRED, TRAIN_ACCURACY, Y_PRED, Y_TRUE
from fmbench.records.store import Store, StoreContents
from fmbench.utils.files import write_text_atomically
from fmbench.utils.table import COUNT, FORMATS, PERCENT, POINTS, Column, Table

if TYPE_CHECKING:
    import numpy as np

FORENSICS_COLUMNS = (
    Column("mistake"),
    Column("fitted on"),
    Column("scored on"),
    Column("accuracy", PERCENT),
    Column("sd", PERCENT),
    Column("n", COUNT),
    Column("low", PERCENT),
    Column("high", PERCENT),
    Column("gap", POINTS),
    Column("lands"),
    Column("status"),
)


class StoredAccuracies:
    """The accuracies of single cells that a results folder holds.

    ``source`` has the labels of the default data set.
    """

    def __init__(self, store: Store, contents: StoreContents, source: LocatedDataset) -> None:
        self.contents = contents
        self._store, self._source = store, source
        self._labels: dict[Protocol, dict[ImageSubset, np.ndarray]] = {}
        self._known: dict[tuple[str, tuple[ImageSubset, ...], EpochChoice], float] = {}

    def accuracy(
        self,
        cell: Cell,
        parts: tuple[ImageSubset, ...] = ("test",),
        epoch: EpochChoice = "last epoch",
    ) -> float | None:
        """Compute the accuracy of one cell on some parts of its scored images, for an epoch.

        None if there is no finished record, or if the record lacks the epochs that are needed.
        """
        record = self.contents.find_finished(cell)
        if record is None or (epoch != "last epoch" and not record.history):
            return None
        if epoch == "while training":
            return record.history[-1][TRAIN_ACCURACY]
        question = (cell.key, parts, epoch)
        if question not in self._known:
            arrays = self._store.load_arrays(record)
            y_pred = arrays[EPOCH_Y_PRED] if epoch == "best epoch" else arrays[Y_PRED][None]
            if records_have_labels(cell.dataset.name):
                right = y_pred == arrays[Y_TRUE]
            else:
                y_true, counts = self._labels_and_mask(cell.protocol, parts)
                right = (y_pred == y_true)[:, counts]
            self._known[question] = float(right.mean(axis=1).max())
        return self._known[question]

    def failure(self, cell: Cell) -> str | None:
        """Return why a cell failed; None if it did not fail."""
        record = self.contents.failed.get(cell.key)
        return (record.why or "") if record else None

    def is_pending(self, cell: Cell) -> bool:
        """Whether a cell has neither finished nor failed."""
        return self.contents.find_finished(cell) is None and self.failure(cell) is None

    def _labels_and_mask(
        self, protocol: Protocol, parts: Sequence[ImageSubset]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Load the labels of all images that a protocol scores, and a mask of ``parts``."""
        import numpy as np

        if protocol not in self._labels:
            self._labels[protocol] = load_labels_by_subset(protocol, self._source)
        labels = self._labels[protocol]
        mask = [np.full(len(y), part in parts) for part, y in labels.items()]
        return np.concatenate(list(labels.values())), np.concatenate(mask)


@dataclass(frozen=True)
class MeasuredVariant:
    """A variant and its measurement; accuracies are fractions, by seed.

    ``match`` says whether it gives the claimed accuracy, ``gap`` is the accuracy minus the claim;
    both are None if nothing is measured, or nothing can be compared.
    """

    variant: Variant
    status: Status
    reason: str = ""
    accuracies: tuple[float, ...] = ()
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    gap: float | None = None
    match: Match | None = None

    @property
    def mistake(self) -> str:
        """The description of the mistake."""
        return self.variant.mistake

    @property
    def n(self) -> int:
        """The number of seeds that were measured."""
        return len(self.accuracies)

    def as_row(self) -> dict[str, Any]:
        """Return this variant as a row of the table."""
        status = self.status.value
        if self.status is Status.FAILED:
            status = f"{status}: {self.reason}"
        return {
            "mistake": self.mistake,
            "fitted on": self.variant.fitted_on,
            "scored on": self.variant.scored_on,
            "accuracy": self.mean,
            "sd": self.sd,
            "n": self.n or None,
            "low": self.low,
            "high": self.high,
            "gap": self.gap,
            "lands": self.match,
            "status": self.reason if self.status is Status.NOT_RUN and self.reason else status,
        }


@dataclass(frozen=True)
class ForensicsFindings:
    """What the records say about the variants of a plan, compared with the claim (if any)."""

    plan: ForensicsPlan
    claim: Claim | None
    stored: StoredAccuracies

    @cached_property
    def best_reading(self) -> Reading | None:
        """The reading with the highest accuracy on held-out training images.

        None until every reading has been measured, because another one may be better.
        """
        accuracies = [
            (self.stored.accuracy(reading.cell, ("held out",)), reading)
            for reading in self.plan.readings
        ]
        measured = [(accuracy, r) for accuracy, r in accuracies if accuracy is not None]
        if self._n_pending_readings or not measured:
            return None
        return max(measured, key=lambda pair: pair[0])[1]

    @cached_property
    def variants(self) -> list[MeasuredVariant]:
        """Every mistake of the plan, then the best reading twice.

        It is chosen once on the test images, which is a mistake, and once on held-out images.
        """
        measured = [self._measure(variant) for variant in self.plan.variants]
        if self.plan.readings:
            measured += [self._find_best_on_test_images(), self.confirmed_best]
        return measured

    @property
    def measured_mistakes(self) -> list[MeasuredVariant]:
        """The mistakes that have been measured and can be compared with the claim."""
        # Not the correct procedure, which comes first, nor the confirmed reading, which is last.
        mistakes = self.variants[1:-1] if self.plan.readings else self.variants[1:]
        return [variant for variant in mistakes if variant.match]

    @cached_property
    def confirmed_best(self) -> MeasuredVariant:
        """The best reading on held-out images, measured by the recipe's own protocol."""
        what = f"none: best of {self._n_readings_compared} readings, picked on held-out images"
        correct = self.plan.variants[0]
        cells = self.plan.confirmation(self.best_reading) if self.best_reading else ()
        return self._measure(Variant(what, correct.fitted_on, correct.scored_on, cells))

    @property
    def n_matching_readings(self) -> int:
        """The number of readings whose test accuracy matches the claim."""
        if self._comparable_claim is None:
            return 0
        return [self._comparable_claim.match(a) for a in self._readings_on_test].count("yes")

    def build_table(self) -> Table:
        """Build the table of all variants."""
        question = f": which mistake lands on {self.claim.printed}?" if self.claim else ""
        title = f"Forensics of {self.plan.runner.name}{question}{self._scale}"
        rows = [variant.as_row() for variant in self.variants]
        notes = (*self._write_notes(), *self._write_notes_on_readings())
        return Table(title, FORENSICS_COLUMNS, rows, notes)

    def build_readings_table(self) -> Table:
        """Build the table of all readings, the best on the held-out images first."""
        rows: list[dict[str, Any]] = []
        for reading in self.plan.readings:
            held_out = self.stored.accuracy(reading.cell, ("held out",))
            status = Status.NOT_RUN.value if held_out is None else Status.MEASURED.value
            if (why := self.stored.failure(reading.cell)) is not None:
                status = f"{Status.FAILED.value}: {why}"
            test = self.stored.accuracy(reading.cell)
            rows.append({**reading.answers, "held out": held_out, "test": test, "status": status})
        # Sorted by the printed figures, so that equal ones stay in the order of the plan.
        rows.sort(key=lambda row: -1 if row["held out"] is None else round(row["held out"], 4),
                  reverse=True)  # fmt: skip
        split = self.plan.random_split
        notes = (
            f"Each combination was run once (seed 0), fitted on {split.fitted_on}. Accuracies in "
            f"percent. held out: on {split.scored_on}; the rows are sorted by it. test: on the "
            "test images, which have no influence on the choice.",
            *self._write_notes_on_stated_answers(),
        )
        title = (
            f"Every reading of what the source of {self.plan.runner.name} leaves open{self._scale}"
        )
        columns = (
            *map(Column, self.plan.runner.readings),
            Column("held out", PERCENT),
            Column("test", PERCENT),
            Column("status"),
        )
        return Table(title, columns, rows, notes)

    def write(self, folder: Path) -> list[Path]:
        """Write the tables as Markdown and CSV into a suite's folder, and return the files."""
        ending = "-quick" if self.plan.quick else ""
        stem = f"forensics-{self.plan.runner.name}"
        tables = {f"{stem}{ending}": self.build_table()}
        if self.plan.readings:
            tables[f"{stem}-readings{ending}"] = self.build_readings_table()
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, table in tables.items():
            for format_ in ("md", "csv"):
                path = folder / f"{name}.{format_}"
                write_text_atomically(path, FORMATS[format_](table))
                paths.append(path)
        return paths

    def _measure(self, variant: Variant) -> MeasuredVariant:
        found = (self.stored.accuracy(cell, variant.parts, variant.epoch) for cell in variant.cells)
        accuracies = [accuracy for accuracy in found if accuracy is not None]
        for cell in variant.cells:
            if (why := self.stored.failure(cell)) is not None:
                seed = "" if self.plan.runner.deterministic else f" (seed {cell.seed})"
                return self._compare(variant, accuracies, Status.FAILED, f"{why}{seed}")
        if accuracies:
            return self._compare(variant, accuracies, Status.MEASURED)
        without_epochs = any(self.stored.contents.find_finished(cell) for cell in variant.cells)
        reason = "its records have no epochs" if without_epochs else ""
        return MeasuredVariant(variant, Status.NOT_RUN, reason)

    def _find_best_on_test_images(self) -> MeasuredVariant:
        what = f"best of {self._n_readings_compared} readings, picked on the test set"
        fitted_on = self.plan.random_split.fitted_on
        variant = Variant(what, fitted_on, self.plan.variants[0].scored_on, ())
        if self._n_pending_readings or not self._readings_on_test:
            return MeasuredVariant(variant, Status.NOT_RUN)
        return self._compare(variant, [max(self._readings_on_test)], Status.MEASURED)

    def _compare(
        self, variant: Variant, accuracies: Sequence[float], status: Status, reason: str = ""
    ) -> MeasuredVariant:
        if not accuracies:
            return MeasuredVariant(variant, status, reason)
        deterministic = self.plan.runner.deterministic
        mean, sd, low, high = compute_prediction_interval(accuracies, deterministic=deterministic)
        claim = self._comparable_claim
        return MeasuredVariant(
            variant, status, reason, tuple(accuracies), mean, sd, low, high,
            gap=mean - claim.accuracy if claim else None,
            match=claim.match(mean, low, high) if claim else None,
        )  # fmt: skip

    def _write_notes(self) -> list[str]:
        notes = [
            f"Accuracies in percent; n: seeds; low, high: {CONFIDENCE_TEXT} prediction interval "
            "for one new run.",
            "Evidence, not proof: a variant that lands shows how a figure may have come about, not "
            "how it did; that none lands does not show that no mistake was made.",
        ]
        if claim := self._comparable_claim:
            notes.append(
                f"Claim: {claim.printed} ({claim.label}, {claim.where}). gap: accuracy minus "
                f"claim, in points. lands: yes, if the claim, give or take its rounding of "
                f"{100 * claim.half_unit:.3g}, is at most {100 * MARGIN:g} points from the "
                "accuracy; possible, if it is not, but lies in the prediction interval; else no."
            )
        elif self.claim is None:
            notes.append("The suite claims no figure for this runner: there is nothing to land on.")
        if any(v.variant.needs_digits and v.status is Status.NOT_RUN for v in self.variants):
            notes.append(
                f"The digits need the MNIST files: {MNIST_DIGITS.option} names their folder."
            )
        return notes

    def _write_notes_on_readings(self) -> list[str]:
        questions, n = self.plan.runner.readings, len(self.plan.readings)
        if not questions:
            return ["This runner declares no other readings of its source."]
        sizes = " x ".join(f"{len(answers)} {q}" for q, answers in questions.items())
        notes = [
            f"Readings of what the source leaves open: {sizes}.",
            *self._write_notes_on_stated_answers(),
        ]
        if not n:
            return [*notes, "None was tried: --no-readings."]
        if self._n_pending_readings:
            n_tried = n - self._n_pending_readings
            return [*notes, f"{n_tried} of {n} readings have been tried so far."]
        if best := self.best_reading:
            which = "; ".join(f"{q}: {answer}" for q, answer in best.answers.items())
            own = "" if best.cell.overrides else " It is the recipe as registered."
            notes.append(f"Best on the held-out images: {which}.{own}")
        if n_failed := n - len(self._readings_on_test):
            notes.append(f"{n_failed} of {n} readings failed: the best is the best of the others.")
        if self._comparable_claim:
            n_matching, n_measured = self.n_matching_readings, len(self._readings_on_test)
            notes.append(f"Of {n_measured} readings, {n_matching} land on the claim.")
        return notes

    def _write_notes_on_stated_answers(self) -> list[str]:
        """Write a note for each question that the source does answer."""
        recipe = self.plan.runner.hyperparameters
        return [
            f"{question}: the source states {name} ({recipe[name].value}); other answers differ "
            "from it."
            for question, answers in self.plan.runner.readings.items()
            for name in answers[0]
            if recipe[name].origin == "stated"
        ]

    @property
    def _comparable_claim(self) -> Claim | None:
        """The claim; None for quick figures, which cannot be compared with a claim."""
        return None if self.plan.quick else self.claim

    @property
    def _scale(self) -> str:
        title = self.plan.protocol.title
        return f" ({title}: not comparable with the claim)" if self.plan.quick else ""

    @cached_property
    def _readings_on_test(self) -> list[float]:
        """The test accuracies of the measured readings."""
        accuracies = (self.stored.accuracy(reading.cell) for reading in self.plan.readings)
        return [accuracy for accuracy in accuracies if accuracy is not None]

    @property
    def _n_readings_compared(self) -> int:
        n_pending = self._n_pending_readings
        return len(self.plan.readings) if n_pending else len(self._readings_on_test)

    @cached_property
    def _n_pending_readings(self) -> int:
        return sum(self.stored.is_pending(reading.cell) for reading in self.plan.readings)
