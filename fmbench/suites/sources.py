"""Says which figures of a suite belong to one source, and turns the claims of rows into figures.

A *source* is a table, a column of it or a sentence: all figures about one model that the suite
gives the same ``where``, without a trailing ", class 3". A source may be a part of a table:
"Table 2, kappa" is a part of "Table 2".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.suites.claims import Matrix, ReportedFigure, Row, Suite


class RunKind(NamedTuple):
    """Figures of one model and one kind of run describe one confusion matrix."""

    of: str | None
    mean_of: int = 1
    best_of: int = 1
    folds: int = 1


class Figures(NamedTuple):
    """All figures of a suite: the reported ones, and behind them the claims of rows.

    ``rows`` gives for each figure the position of its row in the suite; None if it is reported.
    """

    figures: tuple[ReportedFigure, ...]
    rows: tuple[int | None, ...]


def name_source(where: str) -> str:
    """Return the name of a figure's source: its place, without the class."""
    return re.sub(r",\s*class\s+\d+\s*$", "", where)


def name_table(where: str) -> str:
    """Return the table of which a place is a part: ``Table 2`` of ``Table 2, kappa``."""
    return where.partition(",")[0].strip()


def is_part_of(where: str, whole: str) -> bool:
    """Whether a place is a part of another: ``Table 2, kappa`` of ``Table 2``."""
    return where.startswith(f"{whole},")


def find_run_kind(figure: ReportedFigure | Matrix) -> RunKind:
    """Return which model and which kind of run a figure or a confusion matrix is about."""
    best_of = figure.best_of if isinstance(figure, ReportedFigure) else 1
    return RunKind(figure.of, figure.mean_of, best_of, figure.folds)


def collect_figures(suite: Suite) -> Figures:
    """Collect the reported figures of a suite, and behind them the claimed accuracies of its rows.

    A row's claim is left out if it is about other images (another release, another data set), or
    if a reported figure says the same. It is a figure of the row's runner. It is one of the row's
    label if the row has no runner or another row has the same, and if the reported figures name
    the model by its label.
    """
    rows = {i: row for i, row in enumerate(suite.rows) if is_about_the_test_set(row)}
    n_rows = Counter(row.runner for row in rows.values())
    named = {figure.of for figure in suite.reported} | {matrix.of for matrix in suite.matrices}
    figures: list[ReportedFigure] = list(suite.reported)
    owners: list[int | None] = [None] * len(figures)
    known = set(map(_describe_content, suite.reported))
    for i, row in rows.items():
        by_label = not row.runner or n_rows[row.runner] > 1
        by_label |= row.label in named and row.runner not in named
        figure = _build_figure(row, row.label if by_label else row.runner)
        if _describe_content(figure) not in known:
            figures.append(figure)
            owners.append(i)
    return Figures(tuple(figures), tuple(owners))


def is_about_the_test_set(row: Row) -> bool:
    """Whether a row claims an accuracy on the images of the suite's test set."""
    return row.claimed is not None and row.images == "today" and row.dataset == DEFAULT_DATASET.name


def _build_figure(row: Row, of: str) -> ReportedFigure:
    assert row.claimed is not None
    return ReportedFigure(
        row.where, "accuracy", row.claimed, of=of, mean_of=row.mean_of, best_of=row.best_of,
        half_unit=row.half_unit, sd=row.sd, bound=row.bound,
    )  # fmt: skip


def _describe_content(figure: ReportedFigure) -> tuple[RunKind, str, Fraction, Fraction, object]:
    """Return what a figure says, without its place."""
    ends = figure.interval()
    classes = figure.class_, figure.average, figure.sd
    return find_run_kind(figure), figure.metric, ends.low, ends.high, classes


def list_sources(figures: Iterable[ReportedFigure]) -> dict[tuple[str, RunKind], list[int]]:
    """Group figures by their source, in their order: name and kind of run to positions."""
    found: dict[tuple[str, RunKind], list[int]] = {}
    for i, figure in enumerate(figures):
        key = name_source(figure.where), find_run_kind(figure)
        found.setdefault(key, []).append(i)
    return found
