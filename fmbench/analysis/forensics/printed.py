"""Collects what a paper prints about one model: its figures, grouped by the source that has them.

A source is a table, a column of it, or a sentence (:mod:`fmbench.suites.sources`). The figures of
single classes in one source form a table of classes, which is compared as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fmbench.analysis.misquotes import find_misquote
from fmbench.analysis.statistics import Quoting
from fmbench.analysis.verdicts import Claim, Verdict
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import Bound, ReportedFigure, Row, Suite
from fmbench.suites.rounding import is_percentage
from fmbench.suites.sources import name_source, name_table

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import JudgedRow

# What else the printed name of a metric may mean. Equation 3 of Kayed et al. 2020 calls the
# one-vs-rest accuracy "accuracy"; a mean over one-vs-rest tables may also be the specificity.
OTHER_MEANINGS = {"accuracy": ("one-vs-rest accuracy", "specificity")}
# From this number on, the figures of single classes are compared as a table.
SMALLEST_CLASS_TABLE = 10


@dataclass(frozen=True, eq=False)  # the same figure may stand in two places
class PrintedFigure:
    """A printed figure; ``low`` to ``high`` are the values that are printed like it.

    It is one run, the mean of ``n_runs`` or the best of ``best_of`` runs. ``other_meanings``: the
    metrics that its name may mean as well. ``picked_epoch``: whether the source picked the epoch on
    the test images. ``scored_as``: the other way of scoring that the source used, if it did.
    ``model``: which model it is of, if the paper prints several that one runner measures; figures
    of different models are never taken as those of one run. ``reported``: the same figure for the
    check of figures with each other. ``verdict``: that of the table of accuracies on it, if known.
    """

    where: str
    metric: str
    printed: str
    low: float
    high: float
    class_: int | None = None
    n_runs: int = 1
    best_of: int = 1
    other_meanings: tuple[str, ...] = ()
    picked_epoch: bool = False
    scored_as: str = ""
    model: str = ""
    reported: ReportedFigure | None = None
    verdict: Verdict | None = None

    @classmethod
    def from_claim(
        cls,
        claim: Claim,
        scored_as: str = "",
        verdict: Verdict | None = None,
        bound: Bound | None = None,
    ) -> PrintedFigure:
        """Build the figure of a row's claimed accuracy; ``bound``: the claim is only a limit."""
        reported = ReportedFigure(
            claim.where, "accuracy", claim.printed, mean_of=claim.n_runs, best_of=claim.best_of,
            half_unit=f"{100 * claim.half_unit:.8f}%", bound=bound,
        )  # fmt: skip
        low = 0.0 if bound == "at most" else claim.low
        high = 1.0 if bound == "at least" else claim.high
        return cls(
            name_source(claim.where), "accuracy", claim.printed, low, high, None,
            claim.n_runs, claim.best_of, OTHER_MEANINGS["accuracy"],
            claim.picked == "best epoch", scored_as, reported=reported, verdict=verdict,
        )  # fmt: skip

    @classmethod
    def from_reported(cls, figure: ReportedFigure) -> PrintedFigure:
        """Build one of a suite's reported figures."""
        ends = figure.interval()
        meanings = OTHER_MEANINGS.get(figure.metric, ())
        if figure.alternative_metric:
            meanings = (*meanings, figure.alternative_metric)
        return cls(
            name_source(figure.where), figure.metric, figure.value.strip(), float(ends.low),
            float(ends.high), figure.class_, figure.mean_of, figure.best_of, meanings,
            reported=figure,
        )  # fmt: skip

    @property
    def quoting(self) -> Quoting:
        """Which of the runs it is, as the paper describes it."""
        return Quoting(self.n_runs, self.best_of)

    @property
    def is_accuracy(self) -> bool:
        """Whether it is an accuracy of all images."""
        return self.metric == "accuracy" and self.class_ is None

    @property
    def bound(self) -> Bound | None:
        """``at least`` or ``at most`` if the figure is only a limit."""
        return self.reported.bound if self.reported else None

    @property
    def value(self) -> float:
        """The middle of the values that are printed like it."""
        return (self.low + self.high) / 2

    @property
    def half_unit(self) -> float:
        """Half a unit of its rounding."""
        return (self.high - self.low) / 2

    @property
    def claim(self) -> Claim:
        """A printed accuracy as a claim."""
        return Claim(
            self.value, self.half_unit, self.n_runs, self.printed, where=self.where,
            best_of=self.best_of,
        )  # fmt: skip

    @property
    def is_percentage(self) -> bool:
        """Whether it is printed in percent."""
        return is_percentage(self.printed, self.metric)

    @property
    def title(self) -> str:
        """Metric and figure: ``accuracy 98.80 %``, ``class 3 recall 0.99``, ``MSE 0.66``."""
        return f"{self.name_metric(self.metric)} {self.text}"

    @property
    def text(self) -> str:
        """The figure with its unit: ``98.80 %``, ``0.99``, ``at most 98 %``."""
        unit = " %" if self.is_percentage else ""
        limit = f"{self.bound} " if self.bound else ""
        return f"{limit}{self.printed.removesuffix('%').strip()}{unit}"

    def name_metric(self, metric: str) -> str:
        """Name a metric of the figure's class: ``accuracy``, ``class 3 recall``."""
        of_class = "" if self.class_ is None else f"class {self.class_} "
        return f"{of_class}{METRICS[metric].title}"

    def format_value(self, value: float) -> str:
        """Format a measured value in the unit of the figure, with one more decimal."""
        unit = 100 if self.is_percentage else 1
        decimals = len(self.printed.removesuffix("%").strip().partition(".")[2])
        return f"{unit * value:.{max(2, decimals) if self.is_percentage else decimals + 1}f}"


@dataclass(frozen=True)
class PrintedSource:
    """All figures that a paper prints about one model in one place.

    ``model`` is given if the paper prints several models that one runner measures.
    """

    place: str
    figures: tuple[PrintedFigure, ...]
    model: str = ""

    @property
    def where(self) -> str:
        """The place, and the model if there are several: ``Table 3, LeNet-5 (ours)``."""
        return _add_model(self.place, self.model)

    @cached_property
    def class_figures(self) -> tuple[PrintedFigure, ...]:
        """The figures of its table of classes; none if there are too few of them."""
        found = tuple(figure for figure in self.figures if figure.class_ is not None)
        return found if len(found) >= SMALLEST_CLASS_TABLE else ()

    @cached_property
    def single_figures(self) -> tuple[PrintedFigure, ...]:
        """The figures that are compared one by one."""
        return tuple(figure for figure in self.figures if figure not in self.class_figures)

    @cached_property
    def class_table(self) -> ClassTable | None:
        """The table of classes, if it has one."""
        return ClassTable.build(self.class_figures) if self.class_figures else None

    @property
    def table(self) -> str:
        """The table of which the place is a part: ``Table 2`` of ``Table 2, kappa``."""
        return _add_model(name_table(self.place), self.model)

    @property
    def title(self) -> str:
        """The place and what is printed there: ``Table 3: accuracy 98.80 %``."""
        parts = [figure.title for figure in self.single_figures]
        if self.class_figures:
            parts.insert(0, f"{len(self.class_figures)} figures of classes")
        return f"{self.where}: {', '.join(parts)}"


@dataclass(frozen=True)
class ClassTable:
    """Printed figures of single classes: ``low`` and ``high`` are ``float (metrics, classes)``.

    They are NaN where nothing is printed.
    """

    metrics: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def build(cls, figures: Sequence[PrintedFigure]) -> ClassTable:
        """Arrange figures by metric and class."""
        metrics = tuple(dict.fromkeys(figure.metric for figure in figures))
        n_classes = 1 + max(figure.class_ or 0 for figure in figures)
        low = np.full((len(metrics), n_classes), np.nan)
        high = low.copy()
        for figure in figures:
            place = metrics.index(figure.metric), figure.class_
            low[place], high[place] = figure.low, figure.high
        return cls(metrics, low, high)

    @property
    def n_figures(self) -> int:
        """The number of printed figures."""
        return int(np.isfinite(self.low).sum())


def collect_sources(
    suite: Suite, name: str, judged: Iterable[JudgedRow] = ()
) -> tuple[PrintedSource, ...]:
    """Collect all that a suite prints about the models of one runner, in the suite's order.

    A figure that is printed twice in one place counts once; so does a row that is also reported.
    Rows with different labels are different models, unless one repeats the other. Claims about
    another release of the images are left out. So are the figures that no story
    can have, see :func:`collect_remarks`. ``judged``: the rows as the table of accuracies judges
    them, where that is known.
    """
    models = _collect_claims(suite, name, list(judged))
    reported = [figure for figure in suite.reported if can_be_compared(figure)]
    for figure in reported:
        printed = PrintedFigure.from_reported(figure)
        if figure.of == name:
            models.setdefault(_choose_model(printed, models), []).append(printed)
        elif figure.of in models:
            models[figure.of].append(printed)
    if len(models) == 1:
        [figures] = models.values()
        return group_by_source(figures)
    return group_by_source(
        replace(figure, model=model or name)
        for model, figures in models.items()
        for figure in figures
    )


def _collect_claims(
    suite: Suite, name: str, judged: Sequence[JudgedRow]
) -> dict[str, list[PrintedFigure]]:
    """Collect the claimed accuracies of a runner's rows, by their model."""
    models: dict[str, list[PrintedFigure]] = {}
    for row in select_comparable_rows(suite, name):
        claim = Claim.from_row(row)
        if claim is None:
            continue
        verdict = next((each.verdict for each in judged if each.row == row), None)
        figure = PrintedFigure.from_claim(claim, row.scored_as, verdict, row.bound)
        models.setdefault(row.label, []).append(figure)
    distinct: dict[str, list[PrintedFigure]] = {}
    for label, figures in models.items():
        if not any(all(_is_among(f, others) for f in figures) for others in distinct.values()):
            distinct[label] = figures
    return distinct


def _choose_model(figure: PrintedFigure, models: Mapping[str, Sequence[PrintedFigure]]) -> str:
    """Choose the model of a figure that names only the runner; empty if it is none of them."""
    if len(models) == 1:
        return next(iter(models))
    return next((model for model, figures in models.items() if _is_among(figure, figures)), "")


def can_be_compared(figure: ReportedFigure) -> bool:
    """Whether stories have such a figure: not a cell, a weighted average or a mean over folds."""
    is_of_a_cell = METRICS[figure.metric].is_of_a_cell
    return figure.average in (None, "macro") and figure.folds == 1 and not is_of_a_cell


def select_comparable_rows(suite: Suite, name: str) -> list[Row]:
    """Select the rows on a model that are about the images that the stories have."""
    return [row for row in suite.rows if row.runner == name and row.images == "today"]


def collect_remarks(suite: Suite, name: str, judged: Iterable[JudgedRow] = ()) -> tuple[str, ...]:
    """Collect what is known of the claims on a model and no story can show, in sentences.

    ``judged``: the suite's rows as the table of accuracies judges them, where that is known.
    """
    by_protocol = [each.row for each in judged if each.source_protocol]
    remarks = []
    for row in suite.rows:
        if row.runner != name or row.claimed is None:
            continue
        if misquote := find_misquote(row, suite.rows):
            remarks.append(
                f"{row.where} prints {misquote.claimed}, but its source says {misquote.source}: "
                f"{misquote.slip}."
            )
        if row.images != "today":
            remarks.append(
                f"{row.where}: the claim is about the {row.images} of the images, so it is not "
                "compared with the stories."
            )
        elif row.picked == "best of a grid":
            also = ", but the table of accuracies also judges the row by that protocol"
            remarks.append(
                f"{row.where}: the source picked its figure as the best of a grid; no story here "
                f"repeats that{also if row in by_protocol else ''}."
            )
    left_out = [f for f in suite.reported if f.of == name and not can_be_compared(f)]
    for where in dict.fromkeys(name_source(figure.where) for figure in left_out):
        n = sum(name_source(figure.where) == where for figure in left_out)
        figures = "1 figure is" if n == 1 else f"{n} figures are"
        remarks.append(
            f"{where}: {figures} left out, because no story here has single cells, weighted or "
            "micro averages, or means over folds."
        )
    return tuple(dict.fromkeys(remarks))


def group_by_source(figures: Iterable[PrintedFigure]) -> tuple[PrintedSource, ...]:
    """Group figures by their source, in the order in which they come, each figure once."""
    grouped: dict[tuple[str, str], list[PrintedFigure]] = {}
    for figure in figures:
        found = grouped.setdefault((figure.where, figure.model), [])
        if not any(_is_the_same(figure, other) for other in found):
            found.append(figure)
    return tuple(
        PrintedSource(where, tuple(found), model) for (where, model), found in grouped.items()
    )


def _add_model(place: str, model: str) -> str:
    return f"{place}, {model}" if model else place


def _is_among(figure: PrintedFigure, others: Iterable[PrintedFigure]) -> bool:
    """Whether one of the others is the same figure in the same place."""
    return any(figure.where == other.where and _is_the_same(figure, other) for other in others)


def _is_the_same(figure: PrintedFigure, other: PrintedFigure) -> bool:
    same_metric = (figure.metric, figure.class_) == (other.metric, other.class_)
    return same_metric and abs(figure.value - other.value) < 1e-12
