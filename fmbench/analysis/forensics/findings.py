"""Which known mistake lands on a claim? The accuracy of every variant, held against it.

Stands above both halves: it plans measurements (:mod:`fmbench.mistakes`) and holds a claim. What
it finds is evidence of how a figure may have come about, never proof.

The best of all readings is honest only if the test images had no part in choosing it: the readings
are ranked by training images that none of them was fitted on, and the winner alone is then measured
anew, by the recipe's own protocol and with all its seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fmbench.analysis.forensics.accuracies import Evidence
from fmbench.analysis.forensics.plan import Plan, Reading, Variant
from fmbench.analysis.statistics import spread
from fmbench.analysis.verdicts import MARGIN
from fmbench.suites.claims import Suite
from fmbench.suites.rounding import interval
from fmbench.utils.files import write_text
from fmbench.utils.table import FORMATS, Table

COLUMNS = (
    "mistake", "fitted on", "scored on", "accuracy", "sd", "n", "low", "high", "gap", "lands",
    "status",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A claimed accuracy as printed, and the accuracies that are printed so."""

    printed: str
    low: float
    high: float
    whose: str

    @classmethod
    def of(cls, suite: Suite, runner: str) -> Claim | None:
        """The first figure that the suite's rows claim for a runner."""
        for row in suite.rows:
            if row.runner == runner and row.claimed:
                within = interval(row.claimed, "accuracy")
                whose = f"{row.label}, {row.where}"
                return cls(row.claimed, float(within.low), float(within.high), whose)
        return None

    def lands(self, mean: float, low: float | None = None, high: float | None = None) -> str:
        """``yes``: the claim, give or take its rounding, is within the margin of ``mean``.

        ``possible``: it is not, but lies between ``low`` and ``high``, where 95 % of single new
        runs do. Otherwise ``no``.
        """
        if self.low - MARGIN <= mean <= self.high + MARGIN:
            return "yes"
        if low is not None and high is not None and low <= self.high and self.low <= high:
            return "possible"
        return "no"


@dataclass(frozen=True)
class Findings:
    """What the evidence says of a plan."""

    plan: Plan
    claim: Claim | None
    evidence: Evidence

    @cached_property
    def best(self) -> Reading | None:
        """The reading with the highest accuracy on held-out training images.

        None as long as any reading is still to be measured: the best of some is not the best.
        """
        found = [(self.evidence.accuracy(r.cell, ("held out",)), r) for r in self.plan.readings]
        measured = [(accuracy, r) for accuracy, r in found if accuracy is not None]
        if self._n_open or not measured:
            return None
        return max(measured, key=lambda pair: pair[0])[1]

    def table(self) -> Table:
        """The variants, a line each."""
        lines = [self._line(variant) for variant in self.plan.variants]
        if self.plan.readings:
            lines += [self._picked_on_test(), self._picked_honestly()]
        question = f": which mistake lands on {self.claim.printed}?" if self.claim else ""
        title = f"Forensics of {self.plan.runner.name}{question}{self._scale}"
        return Table(title, COLUMNS, lines, (*self._notes(lines), *self._notes_on_readings()))

    @property
    def mistakes(self) -> list[dict[str, str]]:
        """The lines of the mistakes that have been measured at the scale of the claim."""
        lines = [self._line(variant) for variant in self.plan.variants[1:]]
        if self.plan.readings:
            lines.append(self._picked_on_test())
        return [line for line in lines if line["lands"]]

    @property
    def honest_best(self) -> dict[str, str] | None:
        """The line of the best reading, once it has been measured with all its seeds."""
        line = self._picked_honestly()
        return line if self.best and line["lands"] else None

    @property
    def n_readings_landing(self) -> int:
        """How many readings land on the claim."""
        if self._judged is None:
            return 0
        return [self._judged.lands(accuracy) for accuracy in self._on_test].count("yes")

    def readings_table(self) -> Table:
        """Every reading, the best on the held-out images first."""
        lines = []
        for reading in self.plan.readings:
            held_out = self.evidence.accuracy(reading.cell, ("held out",))
            status = "not run" if held_out is None else "measured"
            lines.append(
                {
                    **reading.answers,
                    "held out": _percent(held_out),
                    "test": _percent(self.evidence.accuracy(reading.cell)),
                    "status": self.evidence.failure(reading.cell) or status,
                }
            )
        lines.sort(key=lambda line: -float(line["held out"] or -1))
        split = self.plan.random_split
        notes = (
            f"Each combination once (seed 0), fitted on {split.fitted}. Accuracies in percent: "
            f"held out, of {split.scored}, by which they are ranked; test, of the test images, "
            "which choose nothing.",
            *self._departures(),
        )
        title = f"What is left open about {self.plan.runner.name}, read in every way{self._scale}"
        return Table(title, tuple(lines[0]), lines, notes)

    def write(self, folder: Path) -> list[Path]:
        """Write the tables in Markdown and CSV into a suite's folder; returns the files."""
        ending = "-quick" if self.plan.quick else ""
        stem = f"forensics-{self.plan.runner.name}"
        named = {f"{stem}{ending}": self.table()}
        if self.plan.readings:
            named[f"{stem}-readings{ending}"] = self.readings_table()
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for stem, table in named.items():
            for format_ in ("md", "csv"):
                path = folder / f"{stem}.{format_}"
                write_text(path, FORMATS[format_](table))
                paths.append(path)
        return paths

    def _line(self, variant: Variant) -> dict[str, str]:
        figures = (
            self.evidence.accuracy(cell, variant.parts, variant.quoted) for cell in variant.cells
        )
        accuracies = [accuracy for accuracy in figures if accuracy is not None]
        failures = [
            why + ("" if self.plan.runner.deterministic else f" (seed {cell.seed})")
            for cell in variant.cells
            if (why := self.evidence.failure(cell))
        ]
        if not accuracies and any(self.evidence.contents.of(cell) for cell in variant.cells):
            failures.append("its records hold no epochs")
        return self._figures(variant, accuracies, failures[0] if failures else None)

    def _picked_on_test(self) -> dict[str, str]:
        what = f"best of {self._n_compared} readings, picked on the test set"
        variant = Variant(what, self.plan.random_split.fitted, self.plan.variants[0].scored, ())
        highest = [] if self._n_open else sorted(self._on_test)[-1:]
        return self._figures(variant, highest)

    def _picked_honestly(self) -> dict[str, str]:
        what = f"none: best of {self._n_compared} readings, picked on held-out images"
        honest = self.plan.variants[0]
        cells = self.plan.confirmation(self.best) if self.best else ()
        return self._line(Variant(what, honest.fitted, honest.scored, cells))

    def _figures(
        self, variant: Variant, accuracies: Sequence[float], failure: str | None = None
    ) -> dict[str, str]:
        line = dict.fromkeys(COLUMNS, "") | {
            "mistake": variant.what,
            "fitted on": variant.fitted,
            "scored on": variant.scored,
            "status": failure or ("measured" if accuracies else "not run"),
        }
        if not accuracies:
            return line
        deterministic = self.plan.runner.deterministic
        mean, sd, low, high = spread(accuracies, deterministic=deterministic)
        line |= {"n": str(len(accuracies))}
        line |= {"accuracy": _percent(mean), "sd": _percent(sd)}
        line |= {"low": _percent(low), "high": _percent(high)}
        if self._judged:
            gap = 100 * (mean - (self._judged.low + self._judged.high) / 2)
            line["gap"] = f"{round(gap, 2) + 0.0:+.2f}"  # a rounded -0.0 becomes 0.0
            line["lands"] = self._judged.lands(mean, low, high)
        return line

    def _notes(self, lines: Sequence[dict[str, str]]) -> list[str]:
        notes = [
            "Accuracies in percent; n: seeds; low, high: 95 % prediction interval for one new run.",
            "Evidence, not proof: a variant that lands shows how a figure may have come about, not "
            "how it did; that none lands does not show that no mistake was made.",
        ]
        if claim := self._judged:
            half = 100 * (claim.high - claim.low) / 2
            notes.append(
                f"Claim: {claim.printed} ({claim.whose}). gap: accuracy minus claim, in points. "
                f"lands: yes, if the claim, give or take its rounding of {half:.3g}, is at most "
                f"{100 * MARGIN:g} points from the accuracy; possible, if it is not, but lies in "
                "the prediction interval; else no."
            )
        elif self.claim is None:
            notes.append("The suite claims no figure for this runner: there is nothing to land on.")
        if any("digits" in line["fitted on"] and line["status"] == "not run" for line in lines):
            notes.append("The digits need the MNIST files: --digits names their folder.")
        return notes

    def _notes_on_readings(self) -> list[str]:
        questions, n = self.plan.runner.readings, len(self.plan.readings)
        if not questions:
            return ["This runner declares no other readings of its source."]
        sizes = " x ".join(f"{len(answers)} {q}" for q, answers in questions.items())
        notes = [f"Readings of what the source leaves open: {sizes}.", *self._departures()]
        if not n:
            return [*notes, "None was tried: --no-readings."]
        if self._n_open:
            return [*notes, f"{n - self._n_open} of {n} readings have been tried so far."]
        if self.best:
            which = "; ".join(f"{q}: {answer}" for q, answer in self.best.answers.items())
            own = "" if self.best.cell.overrides else " It is the recipe as registered."
            notes.append(f"Best on the held-out images: {which}.{own}")
        if n_failed := n - len(self._on_test):
            notes.append(f"{n_failed} of {n} readings failed: the best is that of the others.")
        if self._judged:
            n = self.n_readings_landing
            notes.append(f"Of {len(self._on_test)} readings, {n} land on the claim.")
        return notes

    def _departures(self) -> list[str]:
        recipe = self.plan.runner.hyperparameters
        return [
            f"{question}: {name} is stated ({recipe[name].value}); other answers depart from it."
            for question, answers in self.plan.runner.readings.items()
            for name in answers[0]
            if recipe[name].origin == "stated"
        ]

    @property
    def _judged(self) -> Claim | None:
        """The claim, where the figures are at its scale."""
        return None if self.plan.quick else self.claim

    @property
    def _scale(self) -> str:
        title = self.plan.honest.title
        return f" ({title}: not comparable with the claim)" if self.plan.quick else ""

    @cached_property
    def _on_test(self) -> list[float]:
        """Test accuracies of the readings that are measured."""
        found = (self.evidence.accuracy(reading.cell) for reading in self.plan.readings)
        return [accuracy for accuracy in found if accuracy is not None]

    @property
    def _n_compared(self) -> int:
        return len(self.plan.readings) if self._n_open else len(self._on_test)

    @cached_property
    def _n_open(self) -> int:
        """Readings that are still to be measured."""
        return sum(self.evidence.is_open(reading.cell) for reading in self.plan.readings)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
