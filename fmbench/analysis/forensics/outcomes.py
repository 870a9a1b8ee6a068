"""Computes what the cells of a story give for a printed figure, and whether that explains it.

A story with at least 3 seeds *explains* a figure if the figure, widened by its rounding, lies in
the 95 % prediction interval of what the story gives. A table of classes is explained if it has as
many figures in common with a run of the story as two runs of the story have with each other.

A story with fewer seeds *may explain* a figure. Its spread is not known, so it gets that of the
registered recipe, scored on the same images: the recipe's own interval, with all the recipe's
seeds, moved to the mean of the story. The interval is as wide as the recipe's and no wider. So a
story never reaches a figure that the recipe misses because it has fewer seeds; it only does if its
mean is nearer to the figure. As the mean of few seeds is not sure either, more seeds may take such
an explanation away. A table of classes has to have as many figures in common with it as with the
recipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from fmbench.analysis.forensics.plan import Story
from fmbench.analysis.forensics.printed import ClassTable, PrintedFigure
from fmbench.analysis.forensics.stored import StoredPredictions
from fmbench.analysis.statistics import TOLERANCE, Quoting, compute_interval, lies_in
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import FEWEST_SEEDS
from fmbench.metrics.compute import compute_class_metrics, compute_overall_value
from fmbench.metrics.registry import METRICS

# The number of runs of which a figure may be the best, if the paper names no number of runs.
DEFAULT_RUNS = 10
N_PERMUTATIONS = 9_999


@dataclass(frozen=True)
class Attempt:
    """One candidate, tried for one figure: a story, a metric and a way of quoting.

    ``low`` and ``high`` are the ends of the prediction interval; ``value`` is the mean of the
    measured runs. ``unit``: the half width in which distances are measured; by default its own.
    ``departures``: what it takes beyond the figure's own name and description.
    ``clash``: a figure of the same table that the same runs cannot give beside this one.
    """

    metric: str
    quoting: Quoting
    value: float
    low: float
    high: float
    explains: bool
    departures: tuple[str, ...] = ()
    clash: str = ""
    unit: float | None = None

    def measure_distance(self, figure: PrintedFigure) -> float:
        """Measure how far a figure lies from the middle of the interval, in half widths.

        They are those of the registered recipe where it lends its spread or could: in half widths
        of its own, a story whose runs differ more would count as closer.
        """
        half = self.unit or (self.high - self.low) / 2
        if half <= TOLERANCE:  # a deterministic model has one value, rounded as printed
            return 0.0
        return abs(figure.value - (self.low + self.high) / 2) / half

    def measure_miss(self, figure: PrintedFigure) -> float:
        """Measure how far the interval ends from the values that are printed like a figure."""
        return max(0.0, figure.low - self.high, self.low - figure.high)


@dataclass(frozen=True)
class TableAttempt:
    """How many figures of a table of classes a story gives.

    ``hits``: the mean number over the runs. ``shared``: the mean number that two runs of the story
    have in common, rounded as the table is; ``low``: the lowest number that counts as explained.
    ``explains`` is None for too few seeds, or if two runs share so few figures that any table would
    be explained.
    """

    hits: float
    of: int
    shared: float | None = None
    low: float | None = None
    explains: bool | None = None

    def measure_distance(self) -> float:
        """Measure how far the hits are below what two runs share; 1 is the lowest that counts."""
        if self.shared is None or self.low is None or self.shared - self.low <= TOLERANCE:
            return 0.0
        return max(0.0, (self.shared - self.hits) / (self.shared - self.low))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the measured cells of a story give.

    ``confusions`` is ``int (n, n_classes, n_classes)``, one for each seed; rows are the true
    classes. ``accuracies`` stand in its place where only the accuracy is known; then ``confusions``
    is None. ``by_epoch``: the accuracy after each epoch of a story that may have stopped anywhere.
    ``like``: the outcome of the registered recipe on the same images, which lends its spread to a
    story with few seeds.
    """

    story: Story
    status: Status
    reason: str = ""
    n: int = 0
    confusions: np.ndarray | None = None
    accuracies: tuple[float, ...] = ()
    by_epoch: tuple[float, ...] = ()
    like: Outcome | None = None
    _values: dict[tuple[str, int | None], tuple[float, ...]] = field(default_factory=dict)
    _intervals: dict[tuple[Any, ...], tuple[float, float] | None] = field(default_factory=dict)
    _attempts: dict[tuple[PrintedFigure, Quoting], list[Attempt]] = field(default_factory=dict)

    @cached_property
    def deterministic(self) -> bool:
        """Whether another seed would give the same."""
        return self.story.cells[0].runner.deterministic

    @cached_property
    def has_enough_seeds(self) -> bool:
        """Whether it can explain a figure; with fewer seeds it only may explain it."""
        return self.deterministic or self.n >= FEWEST_SEEDS

    @cached_property
    def _lender(self) -> Outcome | None:
        """The outcome that lends its spread; None if this one has a spread of its own."""
        lends = self.like is not None and self.like.n >= FEWEST_SEEDS
        return self.like if lends and not self.has_enough_seeds else None

    def compute_values(self, metric: str, class_: int | None = None) -> tuple[float, ...]:
        """Compute a metric of each seed; empty if it does not follow from what is known."""
        question = metric, class_
        if question not in self._values:
            self._values[question] = self._compute_values(metric, class_)
        return self._values[question]

    def _compute_values(self, metric: str, class_: int | None) -> tuple[float, ...]:
        if self.by_epoch:
            return (self.by_epoch[-1],) if metric == "accuracy" and class_ is None else ()
        if self.confusions is not None:
            if METRICS[metric].is_per_class:
                values = self.class_metrics[metric]
                return tuple(
                    (values.mean(axis=1) if class_ is None else values[:, class_]).tolist()
                )
            found = [compute_overall_value(confusion, metric) for confusion in self.confusions]
            return tuple(value for value in found if value is not None)
        if metric == "accuracy":
            return self.accuracies
        if metric == "one-vs-rest accuracy" and class_ is None:
            n_classes = self.story.cells[0].dataset.n_classes
            return tuple(1 - 2 * (1 - accuracy) / n_classes for accuracy in self.accuracies)
        return ()

    @cached_property
    def class_metrics(self) -> dict[str, np.ndarray]:
        """Each metric that exists for each class: ``float (n, n_classes)``, by name."""
        assert self.confusions is not None
        return compute_class_metrics(self.confusions)

    # ------------------------------------------------------------ single figures

    def list_quotings(self, figure: PrintedFigure, runs: int) -> tuple[Quoting, ...]:
        """List the ways of quoting a figure, first the one that the paper describes.

        Then come one run, and the best of ``runs`` runs. A deterministic model has one result.
        """
        if self.deterministic or self.by_epoch:
            return (figure.quoting,)
        return figure.quoting, Quoting(), Quoting(best_of=runs)

    def attempt(self, figure: PrintedFigure, quoting: Quoting) -> list[Attempt]:
        """Try every metric that the figure's name may mean, first the one that it names.

        Empty if nothing is known.
        """
        question = figure, quoting
        if question not in self._attempts:
            self._attempts[question] = self._attempt(figure, quoting)
        return self._attempts[question]

    def _attempt(self, figure: PrintedFigure, quoting: Quoting) -> list[Attempt]:
        as_described = quoting == figure.quoting
        quoted = [] if as_described else [f"it is {quoting}, not {figure.quoting}"]
        attempts = []
        for metric in dict.fromkeys((figure.metric, *figure.other_meanings)):
            values = self.compute_values(metric, figure.class_)
            interval = self._predict(metric, figure.class_, quoting)
            if not values or interval is None:
                continue
            meant = [f"{METRICS[metric].title} is meant"] if metric != figure.metric else []
            attempts.append(
                Attempt(
                    metric, quoting, math.fsum(values) / len(values), *interval,
                    lies_in(interval, figure.low, figure.high), (*meant, *quoted),
                    unit=self._compute_unit(metric, figure.class_, quoting),
                )
            )  # fmt: skip
        return attempts

    def _compute_unit(self, metric: str, class_: int | None, quoting: Quoting) -> float | None:
        """Compute the half width of the registered recipe's interval; None if it is not known."""
        if self.like is None or self.like.n < FEWEST_SEEDS or self.by_epoch:
            return None
        interval = self.like._predict(metric, class_, quoting)
        return (interval[1] - interval[0]) / 2 if interval else None

    def _predict(
        self, metric: str, class_: int | None, quoting: Quoting
    ) -> tuple[float, float] | None:
        """Compute the prediction interval for a new figure; None if the spread is not known."""
        if self.by_epoch:  # it may have stopped after any epoch
            known = metric == "accuracy" and class_ is None
            return (min(self.by_epoch), max(self.by_epoch)) if known else None
        question = metric, class_, quoting
        if question not in self._intervals:
            values = self.compute_values(metric, class_)
            lent = self._lender.compute_values(metric, class_) if self._lender else ()
            sign = -1.0 if METRICS[metric].less_is_better else 1.0
            interval = self._compute_interval(
                [sign * value for value in values], [sign * value for value in lent], quoting
            )
            if interval is not None and sign < 0:
                interval = -interval[1], -interval[0]
            self._intervals[question] = interval
        return self._intervals[question]

    def can_be_one_run(
        self, figure: PrintedFigure, attempt: Attempt, other: PrintedFigure, its: Attempt
    ) -> bool:
        """Whether two explained figures can describe the same runs.

        Their difference, widened by both roundings, must lie in the prediction interval of the
        difference. On a balanced test set, for example, kappa and informedness are always equal.
        """
        if attempt.quoting != its.quoting or self.by_epoch:
            return True
        values = self._subtract(figure, attempt, other, its)
        lent = self._lender._subtract(figure, attempt, other, its) if self._lender else []
        interval = self._compute_interval(values, lent, Quoting(attempt.quoting.n_runs))
        printed, half = figure.value - other.value, figure.half_unit + other.half_unit
        return interval is None or lies_in(interval, printed - half, printed + half)

    def _subtract(
        self, figure: PrintedFigure, attempt: Attempt, other: PrintedFigure, its: Attempt
    ) -> list[float]:
        values = self.compute_values(attempt.metric, figure.class_)
        others = self.compute_values(its.metric, other.class_)
        return [a - b for a, b in zip(values, others, strict=True)]

    def _compute_interval(
        self, values: Sequence[float], lent: Sequence[float], quoting: Quoting
    ) -> tuple[float, float] | None:
        """Compute a prediction interval; None for too few seeds without a lender.

        With a lender it is the lender's, moved to the mean of ``values``.
        """
        if len(lent or values) < FEWEST_SEEDS and not self.deterministic:
            return None
        interval = compute_interval(
            lent or values, n_runs=quoting.n_runs, best_of=quoting.best_of,
            deterministic=self.deterministic,
        )  # fmt: skip
        if interval is None or not lent:
            return interval
        shift = math.fsum(values) / len(values) - math.fsum(lent) / len(lent)
        return interval[0] + shift, interval[1] + shift

    # ------------------------------------------------------------ tables of classes

    def attempt_table(self, table: ClassTable) -> TableAttempt | None:
        """Compare a table of classes with the runs; None if there are no confusion matrices."""
        hits = self._count_hits(table)
        if hits is None:
            return None
        mean = float(hits.mean())
        if self.deterministic:
            n = table.n_figures
            return TableAttempt(mean, n, n, n, mean >= n)
        several = self._lender or self
        if several.n < FEWEST_SEEDS:
            return TableAttempt(mean, table.n_figures)
        shared = average_over_partners(several.count_shared(table))
        interval = compute_interval(shared.tolist())
        assert interval is not None, "there are several runs"
        low = interval[0]
        explains: bool | None = mean >= max(low, 1.0) - TOLERANCE
        if explains and low <= 0:
            explains = None
        return TableAttempt(mean, table.n_figures, float(shared.mean()), low, explains)

    def compute_permutation_p(self, table: ClassTable) -> float | None:
        """Compute how often the table has as many hits if its classes are shuffled.

        A small p says that the story gives the pattern of the classes, too, and not only figures of
        about that size.
        """
        values = self._select_values(table)
        if values is None:
            return None
        agrees = (table.low[:, None] <= values[..., None] + TOLERANCE) & (
            values[..., None] <= table.high[:, None] + TOLERANCE
        )  # (runs, metrics, measured class, printed class)
        return compute_permutation_p(agrees.sum(axis=1).mean(axis=0))

    def count_shared(self, table: ClassTable) -> np.ndarray:
        """Count the figures that each run shares with each other run, rounded as the table is.

        ``int (n, n)``: the figures that run j would print and run i gives stand in row i, column j.
        """
        values = self._select_values(table)
        assert values is not None, "there are confusion matrices"
        half = (table.high - table.low) / 2
        printed = np.round(values / (2 * half)) * 2 * half  # NaN where nothing is printed
        return (np.abs(values[:, None] - printed[None]) <= half + TOLERANCE).sum(axis=(2, 3))

    def _count_hits(self, table: ClassTable) -> np.ndarray | None:
        """Count for each run the printed figures that it gives: ``int (n,)``."""
        values = self._select_values(table)
        if values is None:
            return None
        fits = (table.low <= values + TOLERANCE) & (values <= table.high + TOLERANCE)
        return fits.sum(axis=(1, 2))

    def _select_values(self, table: ClassTable) -> np.ndarray | None:
        """The metrics of the table: ``float (n, metrics, classes)``; None if they are not known."""
        if self.confusions is None or table.low.shape[1] > self.confusions.shape[1]:
            return None
        n_classes = table.low.shape[1]
        return np.stack([self.class_metrics[m][:, :n_classes] for m in table.metrics], axis=1)


def average_over_partners(shared: np.ndarray) -> np.ndarray:
    """Average, for each run, what it would print and the other runs give: ``float (n,)``."""
    n = len(shared)
    return (shared.sum(axis=0) - np.diagonal(shared)) / (n - 1)


def compute_permutation_p(agreement: np.ndarray) -> float:
    """Compute the p of a permutation test over the classes; the seed is fixed.

    ``agreement`` is ``(n_classes, n_classes)``: how many figures a measured class (row) has in
    common with a printed class (column).
    """
    n = len(agreement)
    hits = agreement[np.arange(n), _draw_orders(n)].sum(axis=1)
    return float((1 + (hits >= agreement.trace() - TOLERANCE).sum()) / (1 + N_PERMUTATIONS))


@lru_cache(maxsize=4)
def _draw_orders(n: int) -> np.ndarray:
    orders = np.tile(np.arange(n), (N_PERMUTATIONS, 1))
    return np.random.default_rng(0).permuted(orders, axis=1)


def measure_story(story: Story, stored: StoredPredictions, like: Outcome | None = None) -> Outcome:
    """Collect what the records hold about a story."""
    for cell in story.cells:
        if (why := stored.find_failure(cell)) is not None:
            seed = "" if cell.runner.deterministic else f" (seed {cell.seed})"
            return Outcome(story, Status.FAILED, f"{why}{seed}")
    found = [cell for cell in story.cells if stored.find_record(cell)]
    if not found:
        return Outcome(story, Status.NOT_RUN)
    if story.epoch in ("while training", "any epoch"):
        curves = [curve for curve in map(stored.read_training_accuracies, found) if curve]
        if not curves:
            return Outcome(story, Status.NOT_RUN, "its records have no epochs")
        if story.epoch == "any epoch":
            return Outcome(story, Status.MEASURED, n=1, by_epoch=tuple(curves[0]))
        last = tuple(curve[-1] for curve in curves)
        return Outcome(story, Status.MEASURED, n=len(last), accuracies=last, like=like)
    matrices = [
        matrix
        for cell in found
        if (matrix := stored.compute_confusion(cell, story.parts, story.epoch, story.flagged))
        is not None
    ]
    if not matrices:
        return Outcome(story, Status.NOT_RUN, "its records lack these predictions")
    confusions = np.stack(matrices)
    return Outcome(story, Status.MEASURED, n=len(matrices), confusions=confusions, like=like)


def collect_metrics(figures: Sequence[PrintedFigure]) -> list[str]:
    """List every metric that the figures are named after, or may mean, each once."""
    names = (m for figure in figures for m in (figure.metric, *figure.other_meanings))
    return list(dict.fromkeys(names))
