"""Checks whether the figures that a paper reports can be true together. No model is run.

Figures of one model (same ``of``) and one kind of run (same ``mean_of`` and ``best_of``) describe
one confusion matrix, whose row sums are known. They are compared in exact arithmetic. If the check
cannot decide whether a figure is possible, the figure is listed as not checked. It never counts as
a contradiction.

The check goes from the whole to the parts (:mod:`fmbench.consistency.sources`): can everything be
true together? Is each source possible alone, such as a table, and what does it imply? Which pairs
of sources contradict each other, how severely, and which few figures are the reason? Which is the
largest set of sources that agree? Single figures are searched one by one only inside a source that
contradicts itself, or if the caller asks for it.

"Consistent" means: a confusion matrix was found for which every checked figure is true. A conflict
is a proven contradiction: its figures cannot all be true, and if any one of them is left out, the
others can.

Macro precision and macro F1 are not linear. The check replaces them by linear constraints that are
weaker. If these prove that the figures cannot be true, that counts as a conflict. If they prove
nothing and no matrix is found either, the figure is listed as not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fmbench.consistency.conflicts import Conflict, FigureGroup, ValueRange
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.solver import Deadline
from fmbench.consistency.sources import (
    CONTRADICTORY,
    Kind,
    PairResult,
    SourceResult,
    build_reading,
    check_source,
    collect_sources,
    compare_sources,
    find_joint_conflicts,
    find_largest_agreeing,
)
from fmbench.errors import UserError
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Suite

MAX_SUITE_SECONDS = 20.0  # computing time for all searches of one suite
NOT_DECIDED = "not decided within the limits of the search"
NOT_LINEAR = "its mean over several runs does not follow from the sum of their confusion matrices"
NO_FORMULA = "it does not follow from the confusion matrix by a formula that can be checked"


@dataclass(frozen=True)
class ConsistencyResult:
    """The result of the check of one suite.

    Figures are numbered from 0, in the suite's order; so are sources. ``conflicts`` holds the
    reason of each pair of sources that contradict each other, the conflicts inside a source, those
    of three or more sources, and with ``all_figures`` further ones. ``implied`` holds for each
    figure the lowest and the highest accuracy in [0, 1] with which the figure can be true. For
    macro precision, macro F1, MSE and MAE the true range may be narrower. ``not_checked`` says why
    a figure was not checked. ``agreeing`` is the largest set of sources that agree. If
    ``complete`` is false, a search ended early, and there may be more conflicts.
    """

    suite: Suite
    rounding: str
    conflicts: tuple[Conflict, ...]
    not_checked: dict[int, str]
    implied: tuple[ValueRange | None, ...]
    complete: bool = True
    sources: tuple[SourceResult, ...] = ()
    pairs: tuple[PairResult, ...] = ()
    agreeing: tuple[int, ...] = ()

    @property
    def contradictory(self) -> bool:
        """Whether some figures cannot be true together."""
        is_impossible = any(source.possible is False for source in self.sources)
        return bool(self.conflicts or self.contradicting_pairs) or is_impossible

    @property
    def contradicting_pairs(self) -> tuple[PairResult, ...]:
        """The pairs of sources that contradict each other; the most severe contradiction first."""
        return tuple(pair for pair in self.pairs if pair.verdict == CONTRADICTORY)

    def as_json(self) -> dict[str, object]:
        """Return the result for ``json.dumps``; see ``fmbench/cli/README.md`` for the keys."""
        reported = self.suite.reported
        return {
            "verdict": "contradictory" if self.contradictory else "consistent",
            "conflicts": [list(conflict.members) for conflict in self.conflicts],
            "not_checked": sorted(self.not_checked),
            "implied_accuracy": [
                None if values is None else [float(end) for end in values]
                for values in self.implied
            ],
            "sources": [
                {
                    "name": source.name, "of": source.of,
                    "mean_of": source.mean_of, "best_of": source.best_of,
                    "figures": list(source.figures), "possible": source.possible,
                    "severity": source.severity, "implied": _as_floats(source.implied),
                }
                for source in self.sources
            ],
            "pairs": [
                {
                    "first": pair.first, "second": pair.second, "verdict": pair.verdict,
                    "severity": pair.severity,
                    "alternative": pair.alternative
                    and {"metric": pair.alternative[0], "severity": pair.alternative[1]},
                    "implied": [
                        _as_floats(self.sources[i].implied) for i in (pair.first, pair.second)
                    ],
                    "reason": list(pair.reason), "note": pair.note,
                }
                for pair in self.pairs
            ],
            "agreeing": list(self.agreeing),
            "figures": [
                {
                    "where": figure.where, "of": figure.of, "metric": figure.metric,
                    "class": figure.class_, "average": figure.average, "value": figure.value,
                }
                for figure in reported
            ],
        }  # fmt: skip


def _as_floats(implied: Mapping[str, ValueRange]) -> dict[str, list[float]]:
    return {name: [float(end) for end in values] for name, values in implied.items()}


def check_consistency(
    suite: Suite,
    rounding: str = "nearest",
    *,
    all_figures: bool = False,
    seconds: float = MAX_SUITE_SECONDS,
) -> ConsistencyResult:
    """Check whether a suite's reported figures can be true together.

    ``rounding`` is one of :data:`fmbench.suites.rounding.ROUNDING_RULES`. ``all_figures``: also
    compare figure with figure. Every conflict of one or two figures is found then, and larger ones
    until each figure outside of one consistent set is in a conflict; this may take many seconds.
    ``seconds`` is the computing time after which the search ends.

    Raises:
        UserError: the suite reports no figures.
    """
    if not suite.reported:
        raise UserError(
            f"{suite.path}: the suite has no [[reported]] figure, so there is nothing to check"
        )
    search = _Search(suite, rounding, Deadline(seconds))
    search.check_sources()
    if all_figures:
        search.check_all_figures()
    return search.build_result()


class _Search:
    """The state of the check of one suite."""

    def __init__(self, suite: Suite, rounding: str, deadline: Deadline) -> None:
        self.suite, self.rounding, self.deadline = suite, rounding, deadline
        self.not_checked: dict[int, str] = {}
        self.implied: dict[int, ValueRange | None] = {}
        self.groups: dict[Kind, FigureGroup] = {}
        figures: dict[Kind, dict[int, ReportedFigure]] = {}
        for i, figure in enumerate(suite.reported):
            if _has_checkable_formula(figure):
                kind = figure.of, figure.mean_of, figure.best_of
                figures.setdefault(kind, {})[i] = figure
            else:
                self.not_checked[i] = NO_FORMULA
        for kind, members in figures.items():
            group = self._build_group(members)
            if kind[1] > 1:
                self.not_checked |= dict.fromkeys(group.exclude_nonlinear(), NOT_LINEAR)
            self.groups[kind] = group

    def _build_group(self, figures: Mapping[int, ReportedFigure]) -> FigureGroup:
        n_runs = next(iter(figures.values())).mean_of
        sizes = [n * n_runs for n in self.suite.n_per_class]
        return FigureGroup(sizes, figures, self.rounding, self.deadline)

    def check_sources(self) -> None:
        """Check each source alone, then the pairs, then sets of sources."""
        for group in self.groups.values():
            self.implied |= group.find_implied_accuracy()
            group.decide(group.constraints)  # one matrix for everything answers all that follows
        collected = collect_sources(self.suite.reported, self.not_checked)
        self.sources = [
            check_source(source, self.groups[source.kind]) if source.checked else source
            for source in collected
        ]
        self.pairs = compare_sources(self.sources, self.groups, self._compare_reading)
        undecided = find_joint_conflicts(self.sources, self.pairs, self.groups, self.deadline)
        for before, source in zip(collected, self.sources, strict=True):
            undecided.update(set(before.checked) - set(source.checked))
            if source.possible is None:
                undecided.update(source.checked)
        self.not_checked |= dict.fromkeys(undecided, NOT_DECIDED)
        self.agreeing, self.is_complete = find_largest_agreeing(
            self.sources, self.pairs, self.groups, self.deadline
        )

    def _compare_reading(self, members: Sequence[int]) -> tuple[str, float | None] | None:
        """Return the other reading of figures that contradict each other, and its severity."""
        name, figures = build_reading({i: self.suite.reported[i] for i in members})
        if not name or not all(map(_has_checkable_formula, figures.values())):
            return None
        group = self._build_group(figures)
        answer = group.decide(figures)
        if answer is None:
            return None
        return name, None if answer else group.find_severity(figures)

    def check_all_figures(self) -> None:
        """Search for further conflicts, figure by figure."""
        undecided: set[int] = set()
        for group in self.groups.values():
            kept = group.find_conflicts()
            undecided |= set(group.constraints).difference(kept, *group.conflicts)
        self.not_checked = {
            i: why for i, why in self.not_checked.items() if why != NOT_DECIDED
        } | dict.fromkeys(undecided, NOT_DECIDED)

    def build_result(self) -> ConsistencyResult:
        """Collect what was found."""
        conflicts = [
            group.find_forced_range(members)
            for group in self.groups.values()
            for members in group.conflicts
        ]
        conflicts.sort(key=lambda conflict: (len(conflict.members), conflict.members))
        return ConsistencyResult(
            self.suite, self.rounding, tuple(conflicts), self.not_checked,
            tuple(self.implied.get(i) for i in range(len(self.suite.reported))),
            self.is_complete and all(group.is_complete for group in self.groups.values()),
            tuple(self.sources), tuple(self.pairs), self.agreeing,
        )  # fmt: skip


def _has_checkable_formula(figure: ReportedFigure) -> bool:
    """Whether the check has constraints for this figure; class sizes make no difference."""
    metric = METRICS[figure.metric]
    if not metric.can_be_checked:
        return False
    model = MatrixModel((2, 3), has_cells=metric.needs_cells)
    is_mean = figure.class_ is None and model.expression(figure.metric).is_mean
    # The constraints for a mean of ratios are only valid if each ratio lies in [0, 1].
    return not is_mean or (metric.lowest, metric.highest) == (0, 1)
