"""Collects what a paper prints about one model: its figures, grouped by the source that has them.

A source is a table, a column of it, or a sentence: all figures with the same ``where``. The figures
of single classes in one source form a table of classes, which is compared as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fmbench.analysis.misquotes import find_misquote
from fmbench.analysis.verdicts import Claim
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Row, Suite
from fmbench.suites.rounding import is_percentage

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

    @classmethod
    def from_claim(cls, claim: Claim, scored_as: str = "") -> PrintedFigure:
        """Build the figure of a row's claimed accuracy."""
        return cls(
            claim.where, "accuracy", claim.printed, claim.low, claim.high, None, claim.n_runs,
            claim.best_of, OTHER_MEANINGS["accuracy"], claim.picked == "best epoch", scored_as,
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
        )  # fmt: skip

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
        """The figure with its unit: ``98.80 %``, ``0.99``."""
        unit = " %" if self.is_percentage else ""
        return f"{self.printed.removesuffix('%').strip()}{unit}"

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
    """All figures that a paper prints about one model in one place."""

    where: str
    figures: tuple[PrintedFigure, ...]

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
        return self.where.partition(",")[0]

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


def name_source(where: str) -> str:
    """Return the name of a figure's source: its place, without the class."""
    return re.sub(r", class \d+$", "", where)


def collect_sources(suite: Suite, name: str) -> tuple[PrintedSource, ...]:
    """Collect all that a suite prints about one model, in the suite's order.

    A figure that is printed twice in one place counts once; so does a row that is also reported.
    Claims about another release of the images are left out: no story has them.
    """
    figures = [
        PrintedFigure.from_claim(claim, row.scored_as)
        for row in select_comparable_rows(suite, name)
        if (claim := Claim.from_row(row))
    ]
    figures += [PrintedFigure.from_reported(f) for f in suite.reported if f.of == name]
    return group_by_source(figures)


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
                f"{row.where}: the claim is about the {row.images} of the images, which no story "
                "here has."
            )
        elif row.picked == "best of a grid":
            also = ", but the table of accuracies also judges the row by that protocol"
            remarks.append(
                f"{row.where}: the source picked its figure as the best of a grid; no story here "
                f"repeats that{also if row in by_protocol else ''}."
            )
    return tuple(dict.fromkeys(remarks))


def group_by_source(figures: Iterable[PrintedFigure]) -> tuple[PrintedSource, ...]:
    """Group figures by their source, in the order in which they come, each figure once."""
    grouped: dict[str, list[PrintedFigure]] = {}
    for figure in figures:
        found = grouped.setdefault(figure.where, [])
        if not any(_is_the_same(figure, other) for other in found):
            found.append(figure)
    return tuple(PrintedSource(where, tuple(found)) for where, found in grouped.items())


def _is_the_same(figure: PrintedFigure, other: PrintedFigure) -> bool:
    same_metric = (figure.metric, figure.class_) == (other.metric, other.class_)
    return same_metric and abs(figure.value - other.value) < 1e-12
