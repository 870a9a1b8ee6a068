"""Collects what the records say about the stories of one model, and writes it as tables.

The result is evidence of how a paper's figures may have come about. It is never a proof.

The best of all readings is a fair result only if it was not chosen by the test images. So readings
are ranked by their accuracy on training images that none of them was fitted on. The best one is
measured again, by the recipe's own protocol and with all seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from fmbench.analysis.forensics import describe
from fmbench.analysis.forensics.matrix import Match, SourceCount, StoryMatrix, StoryPair, StoryRow
from fmbench.analysis.forensics.outcomes import Outcome, collect_metrics, measure_story
from fmbench.analysis.forensics.plan import NETWORK, CellGroup, ForensicsPlan, Reading, Story
from fmbench.analysis.forensics.printed import (
    PrintedFigure,
    PrintedSource,
    collect_remarks,
    collect_sources,
    group_by_source,
    select_comparable_rows,
)
from fmbench.analysis.forensics.stored import StoredPredictions
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import FEWEST_SEEDS, MARGIN, Claim, Verdict
from fmbench.datasets.specs import FIRST_RELEASE, MNIST_DIGITS
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import Suite
from fmbench.utils.file_errors import name_file
from fmbench.utils.files import write_text_atomically
from fmbench.utils.table import COUNT, FORMATS, PERCENT, Column, ColumnKind, Table

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import JudgedRow

MOST_CANDIDATES = 100  # in the Markdown table of candidates; the CSV has all
BEST_SHOWN = 10  # readings' stories in the matrix; all are in the table of candidates
VALUE = ColumnKind("value", lambda value: f"{value:.4f}", float, "right")
HITS = ColumnKind("figures in common", lambda value: f"{value:.1f}", float, "right")
EVIDENCE = (
    "Evidence, not proof: a story that explains a figure shows how the figure may have come about, "
    "not how it did; if no story explains it, that does not show that no mistake was made."
)


@dataclass(frozen=True)
class ForensicsFindings:
    """What the records say about the stories of a plan, beside everything that a paper prints.

    ``claim`` is the accuracy that a row claims of the model, if any; ``sources`` hold all of the
    paper's figures of the model, by default the claim alone. ``remarks``: what is known of these
    claims and no story can show. ``suite`` has the sizes of the classes, with which figures are
    checked against each other.
    """

    plan: ForensicsPlan
    claim: Claim | None
    stored: StoredPredictions
    sources: tuple[PrintedSource, ...] = ()
    remarks: tuple[str, ...] = ()
    suite: Suite | None = None

    @cached_property
    def printed(self) -> tuple[PrintedSource, ...]:
        """The sources that the stories are compared with."""
        if self.sources or self.claim is None:
            return self.sources
        return group_by_source([PrintedFigure.from_claim(self.claim)])

    # ------------------------------------------------------------ what was measured

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What the records hold about each story of the plan, in the plan's order."""
        lenders: dict[tuple[Any, ...], Outcome] = {}

        def measure(story: Story) -> Outcome:
            if not story.like:
                return measure_story(story, self.stored)
            images = story.like[0].key, story.parts, story.epoch
            if images not in lenders:
                lender = Story((), "", "", story.like, story.parts, story.epoch)
                lenders[images] = measure_story(lender, self.stored)
            return measure_story(story, self.stored, lenders[images])

        return tuple(map(measure, self.plan.stories))

    @cached_property
    def measured(self) -> tuple[Outcome, ...]:
        """The outcomes that have a figure, and the best reading measured with every seed."""
        found = [outcome for outcome in self.outcomes if outcome.n]
        if self.confirmed_best.n and self.confirmed_best.story.is_reading:
            found.append(self.confirmed_best)
        return tuple(found)

    @property
    def n_not_measured(self) -> int:
        """The number of stories of the registered recipe that have no record."""
        return sum(outcome.status is Status.NOT_RUN for outcome in self._registered)

    @property
    def _registered(self) -> tuple[Outcome, ...]:
        return self.outcomes[: len(self.plan.registered)]

    @property
    def honest(self) -> Outcome:
        """The registered recipe without a mistake."""
        return self.outcomes[0]

    # ------------------------------------------------------------ readings

    @cached_property
    def measured_readings(self) -> tuple[Reading, ...]:
        """The readings that have been measured on held-out images."""
        return tuple(r for r in self.plan.readings if self._held_out(r) is not None)

    @cached_property
    def best_reading(self) -> Reading | None:
        """The reading with the highest accuracy on held-out training images, of those measured.

        Another one may be better as long as some are not measured.
        """
        return max(self.measured_readings, key=lambda r: self._held_out(r) or 0.0, default=None)

    @cached_property
    def confirmed_best(self) -> Outcome:
        """The best reading so far, measured by the recipe's own protocol."""
        honest, best = self.plan.honest, self.best_reading
        if best is None:
            return Outcome(honest, Status.NOT_RUN)
        if not best.different:
            return self.honest
        story = Story(
            (), honest.fitted_on, honest.scored_on, self.plan.confirmation(best),
            answers=best.different, contradicted=best.contradicted,
        )  # fmt: skip
        return measure_story(story, self.stored)

    @property
    def n_measured_on_digits(self) -> int:
        """The number of readings that have been measured on the digits."""
        cells = (reading.digits for reading in self.plan.readings if reading.digits)
        return sum(self.stored.find_record(cell) is not None for cell in cells)

    def _held_out(self, reading: Reading) -> float | None:
        return self.stored.compute_accuracy(reading.cell, ("held out",))

    # ------------------------------------------------------------ what explains what

    @cached_property
    def matrix(self) -> StoryMatrix:
        """Every measured story beside every printed source."""
        return StoryMatrix(
            self.printed, self.honest, self.measured, not self.plan.quick, self._contradict
        )

    def _contradict(self, figures: Sequence[PrintedFigure]) -> bool:
        """Whether no single run can have all these figures, by the arithmetic of ``check``."""
        reported = [figure.reported for figure in figures if figure.reported]
        if self.suite is None or len(reported) < len(figures):
            return False
        from fmbench.consistency.check import check_consistency
        from fmbench.consistency.solver import silence_solver_output

        silence_solver_output()
        of_one = tuple(structs.replace(figure, of="the model") for figure in reported)
        alone = replace(self.suite, rows=(), matrices=(), reported=of_one)
        return check_consistency(alone, find_implied=False).contradictory

    @property
    def verdict(self) -> Verdict | None:
        """How the table of accuracies judges the claim, if it does."""
        figures = (figure for source in self.printed for figure in source.figures)
        return next((figure.verdict for figure in figures if figure.verdict), None)

    @property
    def best_story(self) -> StoryRow | None:
        """The story to call the best; None if none explains any source."""
        return self.matrix.best_story

    @property
    def best_pair(self) -> StoryPair | None:
        """The two stories that explain the most sources; None if one story does as well."""
        return self.matrix.best_pair

    @property
    def counts(self) -> tuple[SourceCount, ...]:
        """For each source: how many stories were tried, and how many explain it."""
        return self.matrix.counts

    @cached_property
    def n_compared(self) -> int:
        """The number of stories that have been compared with a printed figure."""
        rows = self.matrix.rows
        return sum(any(match.explained is not None for match in row.matches) for row in rows)

    @property
    def needs_no_mistake(self) -> bool:
        """Whether the correct procedure explains everything that is printed."""
        return bool(self.printed) and all(map(self.matrix.is_settled, self.printed))

    @property
    def has_only_remarks(self) -> bool:
        """Whether all claims are about other images, so that no story can be compared."""
        return not self.printed and bool(self.remarks)

    @property
    def needs_no_story(self) -> bool:
        """Whether no story besides the correct procedure has to be measured."""
        is_settled = bool(self.printed) and not self.matrix.open_sources
        return is_settled or self.has_only_remarks

    @cached_property
    def confirmation(self) -> CellGroup:
        """The cells that give the best story and the best pair their own spread over seeds."""
        cells = [cell for row in self.matrix.unconfirmed for cell in row.outcome.story.cells]
        return CellGroup("more seeds of the best stories", tuple(cells))

    # ------------------------------------------------------------ tables

    def build_table(self) -> Table:
        """Build the matrix: stories of the registered recipe and the best readings, by source.

        The correct procedure comes first, then the other stories, the best first.
        """
        columns = (
            Column("story"),
            Column("n", COUNT),
            *((Column("does not explain"), Column("explains")) if self._compares else ()),
            *(Column(source.title) for source in self.printed),
            *(() if self.printed else (Column("accuracy", PERCENT),)),
            Column("status"),
        )
        rows = [self._build_honest_row(), *map(self._build_row, self._select_rows())]
        if not self.needs_no_story:
            rows += [_build_empty_row(o) for o in self._registered[1:] if not o.n]
        names = [column.name for column in columns]
        filled = [{name: row.get(name) for name in names} for row in rows]
        title = f"Forensics of {self.plan.name}: which story explains the printed figures?"
        return Table(f"{title}{self._scale}", columns, filled, tuple(self._write_notes()))

    def build_candidates_table(self, limit: int | None = None) -> Table:
        """Build the table of all measured stories with the metrics that the paper prints.

        The best come first. ``limit``: only so many of them.
        """
        figures = [figure for source in self.printed for figure in source.single_figures]
        metrics = list(dict.fromkeys(["accuracy", *collect_metrics(figures)]))
        in_percent = {"accuracy"} | {
            m for f in figures if f.is_percentage for m in (f.metric, *f.other_meanings)
        }
        tables = [source for source in self.printed if source.class_table]
        columns = (
            Column("story"), Column("fitted on"), Column("scored on"), Column("n", COUNT),
            *(Column(METRICS[m].title, PERCENT if m in in_percent else VALUE) for m in metrics),
            *(Column(f"{s.where}: figures in common of {len(s.class_figures)}", HITS)
              for s in tables),
            *((Column("explains"), Column("departures")) if self._compares else ()),
        )  # fmt: skip
        rows = [self._build_candidate(row, metrics, tables) for row in self._all_rows[:limit]]
        names = [column.name for column in columns]
        shown = f"; the best {limit} are shown" if limit and limit < len(self._all_rows) else ""
        notes = (
            f"Stories measured: {len(self.measured)}{shown}. Means over n seeds, "
            "accuracies in percent.",
            *self._count_readings(),
            EVIDENCE,
        )
        title = f"Every story of {self.plan.name} that has been measured{self._scale}"
        filled = [{name: row.get(name) for name in names} for row in rows]
        return Table(title, columns, filled, notes)

    def build_readings_table(self) -> Table:
        """Build the table of all readings, the best on the held-out images first."""
        rows: list[dict[str, Any]] = []
        for reading in self.plan.readings:
            held_out = self._held_out(reading)
            status = Status.NOT_RUN.value if held_out is None else Status.MEASURED.value
            if (why := self.stored.find_failure(reading.cell)) is not None:
                status = f"{Status.FAILED.value}: {why}"
            test = self.stored.compute_accuracy(reading.cell)
            digits = self.stored.compute_accuracy(reading.digits) if reading.digits else None
            rows.append(
                {**reading.answers, "held out": held_out, "test": test, "digits": digits,
                 "status": status}
            )  # fmt: skip
        # Sorted by the printed figures, so that equal ones stay in the order of the plan.
        rows.sort(key=lambda row: -1 if row["held out"] is None else round(row["held out"], 4),
                  reverse=True)  # fmt: skip
        split = self.plan.random_split
        notes = (
            f"Seed 0 of each combination, fitted on {split.fitted_on}. Accuracies in "
            f"percent. held out: on {split.scored_on}; the rows are sorted by it. test: on the "
            "test images, which have no influence on the choice. digits: fitted and scored on the "
            "MNIST digits instead.",
            *self._count_readings(),
            *self._list_stated_answers(),
        )
        title = f"Every reading of what the source of {self.plan.name} leaves open{self._scale}"
        columns = (
            *map(Column, self.plan.runner.readings),
            Column("held out", PERCENT),
            Column("test", PERCENT),
            Column("digits", PERCENT),
            Column("status"),
        )
        return Table(title, columns, rows, notes)

    def write(self, folder: Path) -> list[Path]:
        """Write the tables as Markdown and CSV into a suite's folder, and return the files.

        If no story has to be told, only the first table is written, and earlier ones are removed.
        """
        ending = "-quick" if self.plan.quick else ""
        stem = f"forensics-{self.plan.runner.name}"
        matrix, readings = self.build_table(), self.build_readings_table()
        tables = {
            f"{stem}{ending}.md": matrix,
            f"{stem}{ending}.csv": matrix,
            f"{stem}-candidates{ending}.md": self.build_candidates_table(MOST_CANDIDATES),
            f"{stem}-candidates{ending}.csv": self.build_candidates_table(),
        }
        if self.plan.readings:
            tables[f"{stem}-readings{ending}.md"] = readings
            tables[f"{stem}-readings{ending}.csv"] = readings
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, table in tables.items():
            if table is matrix or not self.needs_no_story:
                with name_file(folder / name):
                    write_text_atomically(folder / name, FORMATS[name.rpartition(".")[2]](table))
                written.append(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        return written

    def as_dict(self) -> dict[str, Any]:
        """Return sources, stories, the best story and pair, and the counts, in JSON's types."""
        pair, best = self.best_pair, self.best_story
        return {
            "model": self.plan.name,
            "quick": self.plan.quick,
            "sources": [describe.describe_source(source, self.matrix) for source in self.printed],
            "needs_no_mistake": self.needs_no_mistake,
            "remarks": list(self.remarks),
            "stories": [describe.describe_row(row) for row in self._all_rows],
            "verdict": self.verdict.word if self.verdict else None,
            "best_story": best.outcome.story.name if best else None,
            "best_story_n": best.outcome.n if best else None,
            "equally_good": [row.outcome.story.name for row in self.matrix.equals_of_best],
            "may_also_be_explained": [
                {
                    "where": further.source.where,
                    "stories": [row.outcome.story.name for row in further.rows],
                    "of": further.n,
                }
                for further in self.matrix.further_stories
            ],
            "best_pair": pair and {
                "stories": [pair.first.outcome.story.name, pair.second.outcome.story.name],
                "n": [pair.first.outcome.n, pair.second.outcome.n],
                "explained": [source.where for source in pair.explained],
                "missed": [source.where for source in pair.missed],
            },
            "counts": [
                {
                    "source": count.source.where, "stories": count.n_stories,
                    "explaining": count.n_explaining,
                    "explaining_with_few_seeds": count.n_with_few_seeds,
                    "by_its_name": count.n_by_its_name,
                    "as_stated": count.n_as_stated,
                    "candidates": count.n_candidates,
                    "explaining_candidates": count.n_explaining_candidates,
                    "share_of_range": count.share_of_range,
                    "share_as_stated": count.share_as_stated,
                }
                for count in self.counts
            ],
            "readings": len(self.plan.readings),
            "measured_readings": len(self.measured_readings),
            "measured_readings_on_digits": self.n_measured_on_digits,
        }  # fmt: skip

    # ------------------------------------------------------------ rows

    @property
    def _compares(self) -> bool:
        """Whether there is anything to compare, and the figures can be compared."""
        return bool(self.printed) and self.matrix.comparable

    @cached_property
    def _all_rows(self) -> tuple[StoryRow, ...]:
        """Every measured story; the best first, or in the order of the plan."""
        if self._compares:
            return self.matrix.rows
        none = tuple(Match(source, None) for source in self.printed)
        return tuple(StoryRow(outcome, none) for outcome in self.measured)

    def _select_rows(self) -> list[StoryRow]:
        """The rows of the matrix after the first: of the recipe, and of the best readings.

        The stories that the answer names are always among them, and so are the other networks.
        """
        if self.needs_no_story:
            return []
        pair = self.best_pair
        named = [self.best_story, pair and pair.first, pair and pair.second]
        selected, n_readings = [], 0
        for row in self._all_rows:
            story = row.outcome.story
            if story.is_honest:
                continue
            if {*story.answers} == {NETWORK}:
                if story.mistakes and not row.explained:
                    continue
            elif story.is_reading:
                n_readings += 1
                is_named = any(row is each for each in named)
                if not is_named and (n_readings > BEST_SHOWN or not row.explained):
                    continue
            selected.append(row)
        return selected

    def _build_honest_row(self) -> dict[str, Any]:
        if not self.honest.n:
            return _build_empty_row(self.honest)
        none = tuple(Match(source, None) for source in self.printed)
        own = (row for row in self._all_rows if row.outcome is self.honest)
        cells = self._build_row(next(own, StoryRow(self.honest, none)))
        for source in self.printed:
            values = self._name_values(self.honest, source)
            if self._compares and self.matrix.is_settled(source):
                cells[source.title] = f"yes: {values}, no mistake is needed"
        for clash in self.matrix.clashes:
            values = self._name_values(self.honest, clash.source)
            figures = "the figure" if len(clash.figures) == 1 else "the figures"
            cells[clash.source.title] = (
                f"no: {values}; no run gives {figures} beside {clash.accuracy.title}"
            )
        return cells

    def _build_row(self, row: StoryRow) -> dict[str, Any]:
        outcome = row.outcome
        accuracies = outcome.compute_values("accuracy")
        cells: dict[str, Any] = {
            "story": outcome.story.name,
            "n": outcome.n,
            "does not explain": "; ".join(source.where for source in row.missed),
            "explains": f"{len(row.explained)} of {len(self.matrix.open_sources)}",
            "accuracy": sum(accuracies) / len(accuracies) if accuracies else None,
            "status": Status.MEASURED.value,
        }
        for match in row.matches:
            cells[match.source.title] = self._name_match(match, outcome)
        return cells

    def _build_candidate(
        self, row: StoryRow, metrics: Iterable[str], tables: Iterable[PrintedSource]
    ) -> dict[str, Any]:
        outcome, story = row.outcome, row.outcome.story
        cells: dict[str, Any] = {
            "story": story.name, "fitted on": story.fitted_on, "scored on": story.scored_on,
            "n": outcome.n, "explains": "; ".join(source.where for source in row.explained),
            "departures": "; ".join(row.departures),
        }  # fmt: skip
        for metric in metrics:
            if values := outcome.compute_values(metric):
                cells[METRICS[metric].title] = sum(values) / len(values)
        for source in tables:
            attempt = source.class_table and outcome.attempt_table(source.class_table)
            if attempt:
                name = f"{source.where}: figures in common of {len(source.class_figures)}"
                cells[name] = attempt.hits
        return cells

    def _name_match(self, match: Match, outcome: Outcome) -> str:
        """Say whether a story explains a source, and what it gives: ``yes: 98.98 (...)``."""
        if not self._compares:
            return self._name_values(outcome, match.source)
        parts = [
            describe.name_attempt(figure, attempt)
            if attempt
            else describe.name_value(figure, outcome)
            for figure, attempt in zip(match.figures, match.attempts, strict=True)
        ]
        if match.table:
            parts.insert(0, describe.name_table(match, outcome))
        if not any(parts):
            return ""
        yes = "yes: " if outcome.has_enough_seeds else "may: "
        word = {True: yes, False: "no: ", None: ""}[match.explained]
        return f"{word}{', '.join(filter(None, parts))}, n = {outcome.n}"

    @staticmethod
    def _name_values(outcome: Outcome, source: PrintedSource) -> str:
        """What a story gives for each figure of a source, without a comparison."""
        parts = []
        if source.class_table and (attempt := outcome.attempt_table(source.class_table)):
            parts.append(f"{attempt.hits:.1f} of {attempt.of}")
        parts += [describe.name_value(figure, outcome) for figure in source.single_figures]
        return ", ".join(filter(None, parts))

    # ------------------------------------------------------------ notes

    def _write_notes(self) -> Iterable[str]:
        if self.needs_no_mistake:
            yield (
                "The correct procedure explains every printed figure, so no mistake is needed and "
                f"nothing else is listed: each figure lies in the {CONFIDENCE_TEXT} prediction "
                f"interval, or is an accuracy that is reproduced within {100 * MARGIN:g} points."
            )
            yield from self.remarks
            return
        if not self.printed and not self.remarks:
            yield "The suite prints no figure of this model: there is nothing to explain."
        elif self._compares:
            yield from self._explain_comparison()
        yield from self.remarks
        if self.matrix.clashes:
            yield (
                "Where a figure cannot belong to the same run as an accuracy that needs no "
                "mistake, no story is compared with it: `fmbench check` gives the reason."
            )
        if self.needs_no_story:
            return
        if any(outcome.story.needs_digits and not outcome.n for outcome in self._registered):
            yield f"The digits need the MNIST files: {MNIST_DIGITS.option} names their folder."
        if any(outcome.story.needs_first_release and not outcome.n for outcome in self._registered):
            yield f"The first release needs its files: {FIRST_RELEASE.option} names their folder."
        yield from self._describe_long_run()
        yield from self._write_notes_on_readings()

    def _explain_comparison(self) -> Iterable[str]:
        yield EVIDENCE
        yield (
            "yes: the printed figure, give or take its rounding, lies in the "
            f"{CONFIDENCE_TEXT} prediction interval of what the story gives (means over n seeds "
            "are shown), by its own name or by what stands in parentheses. The correct procedure "
            f"also explains an accuracy that is reproduced within {100 * MARGIN:g} points."
        )
        if any(source.class_table for source in self.matrix.open_sources):
            yield (
                "A table of classes is explained if a run has as many figures in common with it "
                f"as two runs of the story have with each other, within their {CONFIDENCE_TEXT} "
                "prediction interval. p: how often shuffled classes share as many with it."
            )
        if len(self.matrix.open_sources) > 1:
            yield (
                "Figures of one table must fit the same runs. Those of different tables may be of "
                "different runs; `fmbench check` says which cannot be true together."
            )
        if not all(row.outcome.deterministic for row in self.matrix.rows):
            yield (
                f"may: the story has fewer than {FEWEST_SEEDS} seeds, so it only may explain the "
                "figure. Its interval is as wide as that of the recipe as registered, on the same "
                "images and by the same metric. Without such an interval there is no answer."
            )
        yield from (describe.describe_count(count) for count in self.counts if count.n_stories)
        if hidden := self._n_hidden:
            one = hidden == 1
            yield (
                f"{'1 more story is' if one else f'{hidden} more stories are'} not shown: "
                f"{'it is a reading that explains' if one else 'they are readings that explain'} "
                f"nothing, or not among the best {BEST_SHOWN}. The table of candidates has "
                f"{'it' if one else 'them'}."
            )

    @property
    def _n_hidden(self) -> int:
        return len(self.matrix.rows) - len(self._select_rows()) - int(bool(self.honest.n))

    def _describe_long_run(self) -> Iterable[str]:
        if self.plan.long_run is None or self.claim is None or not self.matrix.comparable:
            return
        curve = self.stored.read_training_accuracies(self.plan.long_run)
        if curve:
            passed = [epoch for epoch, a in enumerate(curve, 1) if a >= self.claim.low]
            test = self.stored.compute_accuracy(self.plan.long_run)
            when = f"passes {self.claim.printed} in epoch {passed[0]}" if passed else (
                f"never passes {self.claim.printed}; the highest is {100 * max(curve):.2f}"
            )  # fmt: skip
            yield (
                f"Trained for {len(curve)} epoch{'' if len(curve) == 1 else 's'}, the training "
                f"accuracy {when}. After the last epoch the test accuracy is "
                f"{100 * (test or 0.0):.2f}."
            )

    def _write_notes_on_readings(self) -> Iterable[str]:
        questions = self.plan.runner.readings
        if not questions:
            yield "This runner declares no other readings of its source."
            return
        if not self.plan.readings:
            yield "The readings of what the source leaves open were left out (--no-readings)."
            return
        sizes = " x ".join(f"{len(answers)} {q}" for q, answers in questions.items())
        yield f"Readings of what the source leaves open: {sizes}."
        others = (plan.runner for plan in self.plan.other_networks)
        if networks := [f"{runner.name} ({runner.title})" for runner in others]:
            yield f"Other networks that the source may mean: {'; '.join(networks)}."
        yield from self._list_stated_answers()
        yield from self._count_readings()
        if best := self.best_reading:
            answers = "; ".join(f"{q}: {answer}" for q, answer in best.answers.items())
            which = "It is the recipe as registered." if not best.different else (
                "It is not the recipe as registered."
            )  # fmt: skip
            n = len(self.measured_readings)
            of = "Only measured reading" if n == 1 else f"Best of the {n} measured readings"
            yield f"{of} on held-out images: {answers}. {which}"

    def _count_readings(self) -> Iterable[str]:
        n = len(self.plan.readings)
        if not n:
            return
        failed = sum(self.stored.find_failure(r.cell) is not None for r in self.plan.readings)
        text = f"Readings measured: {len(self.measured_readings)} of {n}"
        if self.plan.has_digits:
            text += f", {self.n_measured_on_digits} of {n} on the digits"
        yield f"{text}; {failed} failed." if failed else f"{text}."

    def _list_stated_answers(self) -> Iterable[str]:
        """Write a note for each question that the source does answer."""
        recipe = self.plan.runner.hyperparameters
        for question, answers in self.plan.runner.readings.items():
            for name in answers[0]:
                if recipe[name].origin == "stated":
                    yield (
                        f"{question}: the source states {name} ({recipe[name].value}); other "
                        "answers differ from it."
                    )

    @property
    def _scale(self) -> str:
        title = self.plan.protocol.title
        return f" ({title}: not comparable with the claim)" if self.plan.quick else ""


def build_findings(
    plan: ForensicsPlan,
    stored: StoredPredictions,
    suite: Suite,
    judged: Sequence[JudgedRow] = (),
) -> ForensicsFindings:
    """Compare a plan's stories with everything that a suite prints of its model.

    ``judged``: the suite's rows as the table of accuracies judges them, where that is known.
    """
    names = tuple(dict.fromkeys((plan.name, plan.runner.name)))
    sources = next(filter(None, (collect_sources(suite, name, judged) for name in names)), ())
    rows = [row for name in names for row in select_comparable_rows(suite, name)]
    claim = next(filter(None, map(Claim.from_row, rows)), None)
    remarks = [remark for name in names for remark in collect_remarks(suite, name, judged)]
    return ForensicsFindings(plan, claim, stored, sources, tuple(dict.fromkeys(remarks)), suite)


def _build_empty_row(outcome: Outcome) -> dict[str, Any]:
    status = f"{outcome.status.value}: {outcome.reason}" if outcome.reason else outcome.status.value
    return {"story": outcome.story.name, "status": status}
