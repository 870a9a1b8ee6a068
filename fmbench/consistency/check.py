"""Checks whether the figures that a paper reports can be true together. No model is run.

Figures of one model (same ``of``) and one kind of run (same ``mean_of``, ``best_of`` and ``folds``)
describe one confusion matrix, whose row sums are known. They are compared in exact arithmetic. If
the check cannot decide whether a figure is possible, the figure is listed as not checked. It never
counts as a contradiction. The claimed accuracies of rows are figures, too. A printed confusion
matrix is held against every figure (:mod:`fmbench.consistency.printed_matrices`).

The check goes from the whole to the parts (:mod:`fmbench.consistency.sources`): can everything be
true together? Is each source possible alone, such as a table, and what does it imply? Which pairs
of sources contradict each other, how severely, and which few figures are the reason? Which is the
largest set of sources that agree? Single figures are searched one by one only inside a source that
contradicts itself, or if the caller asks for it.

"Consistent" means: a confusion matrix was found for which every checked figure is true. A conflict
is a proven contradiction: its figures cannot all be true, and if any one of them is left out, the
others can.

Macro and weighted precision and F1, and MCC, are not linear. The check replaces them by linear
constraints that are weaker. If these prove that the figures cannot be true, that counts as a
conflict. If they prove nothing and no matrix is found either, the figure is listed as not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from fmbench.consistency.conflicts import Conflict, FigureGroup, ValueRange
from fmbench.consistency.folds import find_fold_size
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.printed_matrices import PrintedMatrix
from fmbench.consistency.solver import WorkLimit
from fmbench.consistency.sources import (
    CONTRADICTORY,
    PairResult,
    SourceResult,
    build_reading,
    check_matrix,
    check_source,
    collect_sources,
    compare_sources,
    find_claims_alone,
    find_joint_conflicts,
    find_largest_agreeing,
    sort_pairs,
)
from fmbench.consistency.spreads import is_spread_possible
from fmbench.errors import UserError
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Suite
from fmbench.suites.rounding import ROUNDING_RULES
from fmbench.suites.sources import RunKind, collect_figures, find_run_kind
from fmbench.utils.formatting import format_number_of

MAX_SUITE_WORK = 20_000.0  # for all searches of one suite, see WorkLimit
# Of a brief answer: for the severity of each pair, and for each other rounding rule.
BRIEF_WORK = 100.0
# Of the suite's work, for the conflicts inside a source that is impossible alone, and the same
# for its severity.
SHARE_ALONE = 0.025
NOT_DECIDED = "not decided within the limits of the search"
SPREAD_OF_OTHERS = "only the spread of accuracies, recalls and numbers of images can be checked"
RUNS_OR_FOLDS = "it may be the standard deviation over the runs or over the folds"
FOLD_SIZES = "the number of images of each fold is not known"
NO_FORMULA = "it does not follow from the confusion matrix by a formula that can be checked"


@dataclass(frozen=True)
class SpreadResult:
    """Whether runs exist with the printed mean and standard deviation of a figure, by its index.

    ``possible`` is ``None`` if that is not decided; then ``why`` says why. ``n_runs`` are the runs
    or folds, ``n_images`` the images of each.
    """

    figure: int
    possible: bool | None
    n_runs: int
    n_images: int
    why: str = ""


@dataclass(frozen=True)
class ConsistencyResult:
    """The result of the check of one suite.

    ``figures`` are the suite's reported figures in its order, and behind them the claims of rows;
    ``rows`` gives for each the position of its row, or None. Figures and sources are numbered from
    0. ``conflicts`` holds the reason of each pair of sources that contradict each other, the
    conflicts inside a source, those of three or more sources, and with ``all_figures`` further
    ones. ``implied`` holds for each figure the lowest and the highest accuracy in [0, 1] with which
    the figure can be true. For means of ratios, MCC, MSE and MAE the true range may be narrower.
    ``not_checked`` says why a figure was not checked. ``agreeing`` is the largest set of sources
    that agree, without claims of rows that stand alone. If ``complete`` is false, a search ended
    early, and there may be more conflicts. ``consistent_under``: if the figures are contradictory,
    the other rounding rules under which all checked figures can be true together. ``spreads`` has
    an entry for each figure with a standard deviation.
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
    figures: tuple[ReportedFigure, ...] = ()
    rows: tuple[int | None, ...] = ()
    consistent_under: tuple[str, ...] = ()
    spreads: tuple[SpreadResult, ...] = ()

    def __repr__(self) -> str:
        word = "contradictory" if self.contradictory else "consistent"
        return (
            f"<Check of {self.suite.name}: {word}; {format_number_of(len(self.figures), 'figure')}>"
        )

    @property
    def contradictory(self) -> bool:
        """Whether some figures cannot be true together, or one of them cannot be true."""
        is_impossible = any(source.possible is False for source in self.sources)
        is_impossible |= any(spread.possible is False for spread in self.spreads)
        return bool(self.conflicts or self.contradicting_pairs) or is_impossible

    @property
    def contradicting_pairs(self) -> tuple[PairResult, ...]:
        """The pairs of sources that contradict each other; the most severe contradiction first."""
        return tuple(pair for pair in self.pairs if pair.verdict == CONTRADICTORY)

    def as_json(self) -> dict[str, object]:
        """Return the result for ``json.dumps``; see ``fmbench/cli/README.md`` for the keys."""
        return {
            "verdict": "contradictory" if self.contradictory else "consistent",
            "rounding": self.rounding,
            "consistent_under": list(self.consistent_under),
            "conflicts": [list(conflict.members) for conflict in self.conflicts],
            "not_checked": sorted(self.not_checked),
            "implied_accuracy": [
                None if values is None else _as_list(values)
                for values in self.implied
            ],
            "sources": [
                {
                    "name": source.name, "of": source.of,
                    "mean_of": source.mean_of, "best_of": source.best_of, "folds": source.folds,
                    "figures": list(source.figures), "matrix": source.matrix,
                    "possible": source.possible, "problem": source.problem,
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
                    "clashes": [
                        {"figure": clash.figure, "matrix_gives": _as_list((clash.low, clash.high))}
                        for clash in pair.clashes
                    ],
                }
                for pair in self.pairs
            ],
            "agreeing": list(self.agreeing),
            "spreads": [
                {"figure": spread.figure, "possible": spread.possible, "why": spread.why}
                for spread in self.spreads
            ],
            "figures": [
                {
                    "where": figure.where, "of": figure.of, "metric": figure.metric,
                    "class": figure.class_, "average": figure.average,
                    "predicted_as": figure.predicted_as, **figure.describe_value(), "row": row,
                }
                for figure, row in zip(self.figures, self.rows, strict=True)
            ],
        }  # fmt: skip


def _as_floats(implied: Mapping[str, ValueRange]) -> dict[str, list[float]]:
    return {name: _as_list(values) for name, values in implied.items()}


def _as_list(values: ValueRange) -> list[float]:
    return [float(end) for end in values]


def check_consistency(
    suite: Suite,
    rounding: str = "nearest",
    *,
    all_figures: bool = False,
    find_implied: bool = True,
    brief: bool = False,
    work: float = MAX_SUITE_WORK,
) -> ConsistencyResult:
    """Check whether a suite's figures can be true together.

    ``rounding`` is one of :data:`fmbench.suites.rounding.ROUNDING_RULES`; a figure's own rule
    replaces it. ``all_figures``: also compare figure with figure. Every conflict of one or two
    figures is found then, and larger ones until each figure outside of one consistent set is in a
    conflict; this may take many seconds. ``find_implied``: also find the accuracy that each figure
    alone implies. ``brief``: find one reason for each source that is impossible alone, and for each
    pair that allows the same accuracies. Severities that take long, other readings of a metric's
    name, and the largest set of sources that agree are left out, and only what contradicts another
    source is said to imply something. ``work`` ends the search, see
    :class:`~fmbench.consistency.solver.WorkLimit`. Without ``all_figures``, a source that is
    impossible alone gets at most a share of it (:data:`SHARE_ALONE`) for further conflicts, and as
    much for its severity.

    Raises:
        UserError: there is nothing that could be checked.
    """
    limit = WorkLimit(work)
    share = 0 if brief else 1 if all_figures else SHARE_ALONE
    search = _Search(suite, rounding, limit, brief=brief, work_alone=work * share)
    if not search.figures and not suite.matrices:
        raise UserError(
            f"{suite.path}: the suite has no [[reported]] figure, no [[matrix]], and no [[row]] "
            "with a claim about today's images of Fashion-MNIST, so there is nothing to check"
        )
    search.check_sources()
    if all_figures:
        search.check_all_figures()
    if find_implied:  # last, because it decides nothing
        search.find_implied_accuracies()
    result = search.build_result()
    if result.contradictory:

        def holds_under(rule: str) -> bool:
            within = WorkLimit(BRIEF_WORK, limit) if brief else WorkLimit(work)
            return _Search(suite, rule, within).is_consistent(result.conflicts)

        others = [rule for rule in ROUNDING_RULES if rule != rounding]
        result = replace(result, consistent_under=tuple(filter(holds_under, others)))
    return result


class _Search:
    """The state of the check of one suite."""

    def __init__(
        self,
        suite: Suite,
        rounding: str,
        limit: WorkLimit,
        *,
        brief: bool = False,
        work_alone: float = 0.0,
    ) -> None:
        self.suite, self.rounding, self.limit, self.brief = suite, rounding, limit, brief
        self.work_alone = work_alone
        self.agreeing: tuple[int, ...] = ()
        self.figures, self.rows = collect_figures(suite)
        self.not_checked: dict[int, str] = {}
        self.implied: dict[int, ValueRange | None] = {}
        by_kind: dict[RunKind, dict[int, ReportedFigure]] = {}
        for i, figure in enumerate(self.figures):
            if _has_checkable_formula(figure):
                by_kind.setdefault(find_run_kind(figure), {})[i] = figure
            else:
                self.not_checked[i] = NO_FORMULA
        self.groups = {kind: self._build_group(members) for kind, members in by_kind.items()}
        for group in self.groups.values():
            self.not_checked |= group.not_checked
        self.matrices = [
            PrintedMatrix(
                matrix, suite.n_per_class, by_kind.get(find_run_kind(matrix), {}), rounding,
                limit,
            )
            for matrix in suite.matrices
        ]  # fmt: skip
        for matrix in self.matrices:
            if matrix.rows is not None and matrix.kind in self.groups:
                self.groups[matrix.kind].remember_matrix(matrix.rows)

    def _build_group(self, figures: Mapping[int, ReportedFigure]) -> FigureGroup:
        return FigureGroup(self.suite.n_per_class, figures, self.rounding, self.limit)

    def is_consistent(self, conflicts: Sequence[Conflict]) -> bool:
        """Whether all checked figures are true for matrices that were found.

        ``conflicts`` are those under another rounding rule; they are decided first, as the fastest
        way to a no.
        """
        for conflict in conflicts:
            group = self.groups[find_run_kind(self.figures[conflict.members[0]])]
            if not group.decide(conflict.members):
                return False
        known = {matrix.kind for matrix in self.matrices}
        self.check_spreads()
        return (
            all(spread.possible for spread in self.spreads if not spread.why)
            and all(
                not matrix.problem and matrix.decide(matrix.group.constraints)
                for matrix in self.matrices
            )
            and all(a.agrees_with(b) for a, b in combinations(self.matrices, 2) if a.kind == b.kind)
            and all(
                kind in known or group.decide(group.constraints)
                for kind, group in self.groups.items()
            )
        )

    def check_spreads(self) -> None:
        """Decide for each printed standard deviation whether runs can have it."""
        self.spreads = [
            check_spread(i, figure, self.suite.n_per_class, self.rounding)
            for i, figure in enumerate(self.figures)
            if figure.sd is not None
        ]

    def find_implied_accuracies(self) -> None:
        """Find for each figure the accuracies with which it can be true."""
        for group in self.groups.values():
            self.implied |= group.find_implied_accuracy()

    def check_sources(self) -> None:
        """Check each source alone, then the pairs, then sets of sources."""
        self.check_spreads()
        for group in self.groups.values():
            group.decide(group.constraints)  # one matrix for everything answers all that follows
        collected = collect_sources(self.figures, self.suite.matrices, self.not_checked)
        alone = find_claims_alone(collected, self.rows)
        self.sources = [
            self._check_source(source, is_alone=source in alone) for source in collected
        ]
        self.pairs = compare_sources(
            self.sources, self.groups, self.matrices, self._compare_reading, brief=self.brief
        )
        undecided = find_joint_conflicts(
            self.sources, self.pairs, self.groups, self.matrices, self.limit
        )
        for before, source in zip(collected, self.sources, strict=True):
            undecided.update(set(before.checked) - set(source.checked))
            if source.possible is None:
                undecided.update(source.checked)
        self._set_undecided(undecided)
        if self.brief:
            self._complete_implied()
            self.is_complete = not self.limit.reached
            self._complete_severities()
            return
        positions = {i for i, source in enumerate(collected) if source in alone}
        self.agreeing, self.is_complete = find_largest_agreeing(
            self.sources, self.pairs, self.groups, self.matrices, self.limit,
            left_out=positions,
        )  # fmt: skip

    def _check_source(self, source: SourceResult, *, is_alone: bool) -> SourceResult:
        """Check one source; ``is_alone``: it is a claim, and nothing else is about its model."""
        if source.matrix is not None:
            return check_matrix(source, self.matrices[source.matrix])
        if not source.checked:
            return source
        group = self.groups[source.kind]
        return check_source(
            source, group, accuracy_only=is_alone or self.brief, work=self.work_alone
        )

    def _complete_implied(self) -> None:
        """Find what those sources imply that contradict another one."""
        apart = {
            i for pair in self.pairs if pair.verdict == CONTRADICTORY
            for i in (pair.first, pair.second)
        }  # fmt: skip
        self.sources = [
            replace(source, implied=self.groups[source.kind].find_implied(source.checked))
            if i in apart and source.matrix is None
            else source
            for i, source in enumerate(self.sources)
        ]

    def _complete_severities(self) -> None:
        """Find the severities of the contradicting pairs that are found fast."""
        pairs = []
        for pair in self.pairs:
            source, other = self.sources[pair.first], self.sources[pair.second]
            if pair.verdict == CONTRADICTORY and source.kind == other.kind and not pair.clashes:
                members = [*source.checked, *other.checked]
                severity = self.groups[source.kind].find_severity(members, BRIEF_WORK)
                pair = replace(pair, severity=severity)
            pairs.append(pair)
        self.pairs = sort_pairs(pairs)

    def _compare_reading(self, members: Sequence[int]) -> tuple[str, float | None] | None:
        """Return the other reading of figures that contradict each other, and its severity."""
        name, figures = build_reading({i: self.figures[i] for i in members})
        if not name or not all(map(_has_checkable_formula, figures.values())):
            return None
        group = self._build_group(figures)
        answer = group.decide(group.constraints)
        if answer is None or group.not_checked:
            return None
        return name, None if answer else group.find_severity(figures)

    def check_all_figures(self) -> None:
        """Search for further conflicts, figure by figure."""
        undecided: set[int] = set()
        for group in self.groups.values():
            kept = group.find_conflicts()
            undecided |= set(group.constraints).difference(kept, *group.conflicts)
        self._set_undecided(undecided)

    def _set_undecided(self, undecided: Iterable[int]) -> None:
        """Replace the figures for which there is no decision; a printed matrix may decide some."""
        decided = {clash.figure for pair in self.pairs for clash in pair.clashes}
        for matrix in self.matrices:
            if matrix.rows is not None:
                decided.update(matrix.group.constraints)
        self.not_checked = {
            i: why for i, why in self.not_checked.items() if why != NOT_DECIDED
        } | dict.fromkeys(set(undecided) - decided, NOT_DECIDED)

    def build_result(self) -> ConsistencyResult:
        """Collect what was found."""
        conflicts = [
            group.find_forced_range(members)
            for group in self.groups.values()
            for members in group.conflicts
        ]
        alone = {conflict.members for conflict in conflicts if len(conflict.members) == 1}
        conflicts.sort(key=lambda conflict: (len(conflict.members), conflict.members))
        return ConsistencyResult(
            self.suite, self.rounding, tuple(conflicts), self.not_checked,
            tuple(self.implied.get(i) for i in range(len(self.figures))),
            self.is_complete and all(group.is_complete for group in self.groups.values()),
            tuple(self.sources), tuple(self.pairs), self.agreeing, self.figures, self.rows,
            spreads=tuple(spread for spread in self.spreads if (spread.figure,) not in alone),
        )  # fmt: skip


def check_spread(
    i: int, figure: ReportedFigure, n_per_class: Sequence[int], rounding: str
) -> SpreadResult:
    """Decide whether runs exist with the mean and the standard deviation of a figure.

    ``i`` is the figure's index.
    """
    mean, sd = figure.interval(rounding), figure.sd_interval(rounding)
    assert sd is not None
    n_images, n_runs = _count_images(figure, n_per_class), max(figure.mean_of, figure.folds)
    if n_images is None:
        return SpreadResult(i, None, n_runs, 0, SPREAD_OF_OTHERS)
    if figure.folds > 1:
        if figure.mean_of > 1:
            return SpreadResult(i, None, n_runs, n_images, RUNS_OR_FOLDS)
        in_fold = find_fold_size(figure, n_per_class)
        if in_fold is None:
            return SpreadResult(i, None, n_runs, n_images, FOLD_SIZES)
        n_images = in_fold
    if METRICS[figure.metric].is_count:
        mean, sd = (
            replace(values, low=values.low / n_images, high=values.high / n_images)
            for values in (mean, sd)
        )
    possible = is_spread_possible(n_images, n_runs, mean, sd)
    return SpreadResult(i, possible, n_runs, n_images, NOT_DECIDED if possible is None else "")


def _count_images(figure: ReportedFigure, n_per_class: Sequence[int]) -> int | None:
    """Return the images of which the figure is the share in each run; None if it is no share."""
    metric = METRICS[figure.metric]
    if figure.class_ is not None:
        return n_per_class[figure.class_] if metric.share_of == "class" else None
    is_balanced = len(set(n_per_class)) == 1
    is_share = metric.is_share_of_images or metric.is_accuracy(
        figure.average, is_balanced=is_balanced
    )
    return sum(n_per_class) if is_share else None


def _has_checkable_formula(figure: ReportedFigure) -> bool:
    """Whether the check has constraints for this figure; class sizes make no difference."""
    metric = METRICS[figure.metric]
    if not metric.can_be_checked:
        return False
    if figure.class_ is not None:
        return True
    model = MatrixModel((2, 3), has_cells=metric.needs_cells)
    expression = model.expression(figure.metric, average=figure.average)
    # The constraints for a mean of ratios are only valid if each ratio lies in [0, 1].
    return len(expression.parts) <= 1 or (metric.lowest, metric.highest) == (0, 1)
