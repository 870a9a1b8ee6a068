"""Compares the sources of a paper: its tables, their columns, its sentences and its matrices.

A *source* is all figures of one model that stand in one place (:mod:`fmbench.suites.sources`), or a
printed confusion matrix. Two sources can be true together if one confusion matrix gives all their
figures. Only sources that describe the same kind of run are compared so: one run, a mean of ten
runs and the best of ten runs have different confusion matrices. Of two different kinds only the
accuracies can be compared that they imply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import msgspec

from fmbench.consistency.conflicts import FigureGroup, ValueRange
from fmbench.consistency.printed_matrices import Clash, PrintedMatrix
from fmbench.consistency.solver import WorkLimit
from fmbench.suites.claims import Matrix, ReportedFigure
from fmbench.suites.sources import RunKind, find_run_kind, list_sources, name_source

AGREE = "agree"
CONTRADICTORY = "contradictory"
NOT_COMPARED = "not compared"
NOT_DECIDED = "not decided"
# Of each step of the search for sources that agree, for each pair of sources; see WorkLimit.
WORK_OF_PAIR = 0.001

FigureGroups = Mapping[RunKind, FigureGroup]
Matrices = Sequence[PrintedMatrix]


@dataclass(frozen=True)
class SourceResult:
    """One source alone: whether it is possible, and what it implies.

    ``figures`` are indices of the suite's figures; ``checked`` are those of them that the check has
    constraints for. ``matrix`` is the index of a printed matrix, which is then the whole source;
    ``problem`` says why no matrix is printed like it. ``implied`` gives for each metric of
    :data:`fmbench.consistency.conflicts.IMPLIED_METRICS` the least and the greatest value with
    which the source can be true. ``possible`` is ``None`` if that is not decided, or if no figure
    can be checked. ``severity``, only if it is not possible: by which factor its rounding
    intervals must grow until it is (:mod:`fmbench.consistency.severity`).
    """

    name: str
    of: str | None
    figures: tuple[int, ...]
    checked: tuple[int, ...]
    mean_of: int = 1
    best_of: int = 1
    folds: int = 1
    possible: bool | None = None
    implied: Mapping[str, ValueRange] = field(default_factory=dict)
    severity: float | None = None
    matrix: int | None = None
    problem: str = ""

    @property
    def kind(self) -> RunKind:
        """Sources of one kind describe one confusion matrix."""
        return RunKind(self.of, self.mean_of, self.best_of, self.folds)

    @property
    def is_checked(self) -> bool:
        """Whether the check has constraints for some of it."""
        return bool(self.checked) or self.matrix is not None


@dataclass(frozen=True)
class PairResult:
    """Two sources of one model, by their position among the sources; ``first < second``.

    ``verdict``: :data:`AGREE`, :data:`CONTRADICTORY`, :data:`NOT_DECIDED` or :data:`NOT_COMPARED`;
    ``note`` says why a pair was not compared, or what was. If the two contradict each other:
    ``severity`` is the factor by which the rounding intervals of both must grow until they agree
    (``None``: not found within the limit), and ``reason`` a short conflict, as indices of figures.
    Beside a printed matrix, ``clashes`` are the figures that it contradicts one by one, and the
    severity counts only their rounding.
    ``alternative``: another reading of a metric's printed name, and the severity with it; the
    severity is ``None`` if the two agree then.
    """

    first: int
    second: int
    verdict: str
    severity: float | None = None
    alternative: tuple[str, float | None] | None = None
    reason: tuple[int, ...] = ()
    note: str = ""
    clashes: tuple[Clash, ...] = ()


def collect_sources(
    figures: Sequence[ReportedFigure], matrices: Sequence[Matrix], unchecked: Iterable[int]
) -> list[SourceResult]:
    """Collect the sources of a suite, in its order, then its matrices; nothing is checked yet."""
    left_out = set(unchecked)
    sources = []
    for (name, kind), members in list_sources(figures).items():
        checked = tuple(i for i in members if i not in left_out)
        sources.append(
            SourceResult(
                name, kind.of, tuple(members), checked, kind.mean_of, kind.best_of, kind.folds
            )
        )
    for i, matrix in enumerate(matrices):
        kind, name = find_run_kind(matrix), name_source(matrix.where)
        sources.append(
            SourceResult(name, kind.of, (), (), kind.mean_of, kind.best_of, kind.folds, matrix=i)
        )
    return sources


def find_claims_alone(
    sources: Sequence[SourceResult], rows: Sequence[int | None]
) -> list[SourceResult]:
    """Find the sources that are claims of rows, and the only ones about their model.

    ``rows`` gives for each figure the position of its row; None for a reported figure.
    """
    n_sources = Counter(source.of for source in sources)
    return [
        source
        for source in sources
        if n_sources[source.of] == 1
        and source.matrix is None
        and all(rows[i] is not None for i in source.figures)
    ]


def check_matrix(source: SourceResult, matrix: PrintedMatrix) -> SourceResult:
    """Decide whether a printed matrix is possible, and what it implies."""
    if matrix.problem:
        return replace(source, possible=False, problem=matrix.problem)
    return replace(source, possible=True, implied=matrix.find_implied())


def check_source(
    source: SourceResult,
    group: FigureGroup,
    *,
    accuracy_only: bool = False,
    work: float,
) -> SourceResult:
    """Decide whether a source is possible alone, and what it implies; add its conflicts.

    Figures that keep the source from being decided are no longer among its checked figures.
    ``accuracy_only``: of the implied metrics, compute only the accuracy. ``work``: if the source
    is not possible, the work for further conflicts than one, and as much for the
    severity; 0: look for neither.
    """
    if not source.checked:
        return source
    possible = group.decide(source.checked)
    if possible is False:
        group.find_conflict(source.checked)  # one comes fast; the search for all may not end
        severity = None
        if work:
            severity = group.find_severity(source.checked, work)
            group.find_conflicts_within(source.checked, work)
        return replace(source, possible=False, severity=severity)
    if not possible:
        kept = tuple(group.find_conflicts(source.checked))
        if any(conflict <= set(source.checked) for conflict in group.conflicts):
            possible = False
        elif possible is None and kept:
            source, possible = replace(source, checked=kept), True
    if possible is False:
        return replace(source, possible=False, severity=group.find_severity(source.checked))
    if not possible:
        return replace(source, possible=possible)
    implied = group.find_implied(source.checked, accuracy_only=accuracy_only)
    return replace(source, possible=possible, implied=implied)


def compare_sources(
    sources: Sequence[SourceResult],
    groups: FigureGroups,
    matrices: Matrices,
    compare_reading: Callable[[Sequence[int]], tuple[str, float | None] | None],
    *,
    brief: bool = False,
) -> list[PairResult]:
    """Compare every two sources of a model; contradicting pairs come first, the worst of all first.

    ``compare_reading`` returns the alternative reading of figures that contradict each other.
    ``brief``: without it, without severities, and without the figures that are the reason if the
    two allow different accuracies.
    """
    pairs = []
    for (i, first), (j, second) in combinations(enumerate(sources), 2):
        if first.of != second.of:
            continue
        pair = PairResult(i, j, NOT_COMPARED)
        is_with_matrix = (first.matrix, second.matrix) != (None, None)
        if is_with_matrix and first.kind == second.kind:
            pair = _compare_with_matrix(pair, first, second, matrices)
        elif not (first.possible and second.possible):
            pair = replace(pair, note=_explain_not_compared(first, second))
        elif first.kind != second.kind:
            pair = _compare_accuracies(pair, first, second)
        else:
            pair = _compare_figures(pair, first, second, groups[first.kind], brief=brief)
            if pair.verdict == CONTRADICTORY and not brief:
                members = [*first.checked, *second.checked]
                pair = replace(pair, alternative=compare_reading(members))
        pairs.append(pair)
    return sort_pairs(pairs)


def sort_pairs(pairs: Iterable[PairResult]) -> list[PairResult]:
    """Sort the contradicting pairs to the front, the worst first."""
    return sorted(pairs, key=_get_rank)


def _get_rank(pair: PairResult) -> tuple[bool, float]:
    return pair.verdict != CONTRADICTORY, -(pair.severity or 0)


def _compare_figures(
    pair: PairResult, first: SourceResult, second: SourceResult, group: FigureGroup, *, brief: bool
) -> PairResult:
    members = [*first.checked, *second.checked]
    answer = group.decide(members)
    if answer is not False:
        return replace(pair, verdict=AGREE if answer else NOT_DECIDED)
    some, other = first.implied.get("accuracy"), second.implied.get("accuracy")
    is_plain = some is not None and other is not None and not _overlap(some, other)
    reason = None if brief and is_plain else group.find_reason(first.checked, second.checked)
    return replace(
        pair, verdict=CONTRADICTORY, severity=None if brief else group.find_severity(members),
        reason=tuple(sorted(reason or ())),
    )  # fmt: skip


def _compare_with_matrix(
    pair: PairResult, first: SourceResult, second: SourceResult, matrices: Matrices
) -> PairResult:
    """Hold each figure of a source against a printed matrix, or compare two matrices."""
    for source in (first, second):
        if source.problem or not source.is_checked:
            return replace(pair, note=_explain_not_compared(first, second))
    if first.matrix is not None and second.matrix is not None:
        agree = matrices[first.matrix].agrees_with(matrices[second.matrix])
        return replace(pair, verdict=AGREE if agree else CONTRADICTORY)
    source, position = (first, second.matrix) if first.matrix is None else (second, first.matrix)
    assert position is not None
    matrix = matrices[position]
    # All figures: the matrix decides even those that the search left open without it.
    clashes = matrix.find_clashes(source.figures)
    if clashes:
        return replace(
            pair, verdict=CONTRADICTORY, severity=matrix.find_severity(clashes),
            reason=tuple(clash.figure for clash in clashes), clashes=clashes,
        )  # fmt: skip
    answer = matrix.decide(source.checked)
    if answer is not False:
        return replace(pair, verdict=AGREE if answer else NOT_DECIDED)
    reason = matrix.group.find_conflict(source.checked)
    return replace(pair, verdict=CONTRADICTORY, reason=tuple(sorted(reason or source.checked)))


def _compare_accuracies(pair: PairResult, first: SourceResult, second: SourceResult) -> PairResult:
    kinds = f"{describe_kind(first)} and {describe_kind(second)}"
    ranges = first.implied.get("accuracy"), second.implied.get("accuracy")
    if ranges[0] is None or ranges[1] is None or not _overlap(ranges[0], ranges[1]):
        return replace(pair, note=f"{kinds} are different runs")
    return replace(pair, verdict=AGREE, note=f"{kinds}: the accuracies that they allow overlap")


def _overlap(some: ValueRange, other: ValueRange) -> bool:
    return some[0] <= other[1] and other[0] <= some[1]


def _explain_not_compared(first: SourceResult, second: SourceResult) -> str:
    for source in (first, second):
        if source.possible is False:
            return f"{source.name} is impossible alone"
        if not source.is_checked:
            return f"no figure of {source.name} can be checked"
        if source.possible is None:
            return f"it is not decided whether {source.name} is possible alone"
    raise AssertionError("both sources are possible")


def describe_kind(source: SourceResult) -> str:
    """Say in words what kind of run a source describes."""
    mean = "" if source.mean_of == 1 else f"the mean of {source.mean_of} runs"
    best = "" if source.best_of == 1 else f"the best of {source.best_of} runs"
    folds = "" if source.folds == 1 else f"the mean of {source.folds} folds"
    return " of ".join(filter(None, (mean, best, folds))) or "one run"


def build_reading(figures: Mapping[int, ReportedFigure]) -> tuple[str, dict[int, ReportedFigure]]:
    """Replace the metric of figures by the other that the printed name may mean.

    Returns the names of those metrics, empty if no figure has one, and all the figures.
    """
    read = {
        i: figure
        if figure.alternative_metric is None
        else msgspec.structs.replace(figure, metric=figure.alternative_metric)
        for i, figure in figures.items()
    }
    names = dict.fromkeys(read[i].metric for i in figures if figures[i].alternative_metric)
    return ", ".join(names), read


def find_largest_agreeing(
    sources: Sequence[SourceResult],
    pairs: Iterable[PairResult],
    groups: FigureGroups,
    matrices: Matrices,
    limit: WorkLimit,
    *,
    left_out: Container[int] = (),
) -> tuple[tuple[int, ...], bool]:
    """Find the largest set of sources that agree, by their positions; of equals most figures.

    Sources at the positions ``left_out`` do not count.

    All figures of one kind of run can be true together; every two sources of different kinds
    agree. Returns also whether the search was complete.
    """
    apart = {
        frozenset((pair.first, pair.second)) for pair in pairs if pair.verdict != AGREE
    }  # fmt: skip
    best: tuple[int, ...] = ()

    def weigh(chosen: Sequence[int]) -> tuple[int, int]:
        return len(chosen), sum(len(sources[i].checked) for i in chosen)

    def is_possible(chosen: Iterable[int]) -> bool:
        members: dict[RunKind, list[int]] = {}
        known: dict[RunKind, list[PrintedMatrix]] = {}
        for i in chosen:
            members.setdefault(sources[i].kind, []).extend(sources[i].checked)
            if (position := sources[i].matrix) is not None:
                known.setdefault(sources[i].kind, []).append(matrices[position])
        return all(
            all(matrix.decide(figures) for matrix in known[kind])
            if kind in known
            else groups[kind].decide(figures) is True
            for kind, figures in members.items()
        )

    def search(chosen: tuple[int, ...], candidates: list[int]) -> None:
        nonlocal best
        limit.add(WORK_OF_PAIR * (1 + len(candidates) ** 2))
        if weigh([*chosen, *candidates]) <= weigh(best) or limit.reached:
            return
        all_agree = all(frozenset(pair) not in apart for pair in combinations(candidates, 2))
        if all_agree and is_possible([*chosen, *candidates]):
            best = (*chosen, *candidates)
            return
        if not candidates:
            return
        first, rest = candidates[0], candidates[1:]
        if is_possible([*chosen, first]):
            search((*chosen, first), [i for i in rest if frozenset((first, i)) not in apart])
        search(chosen, rest)

    n_apart = [sum(i in pair for pair in apart) for i in range(len(sources))]
    candidates = [
        i for i, source in enumerate(sources) if source.possible and i not in left_out
    ]  # fmt: skip
    search((), sorted(candidates, key=lambda i: n_apart[i]))
    return tuple(sorted(best)), not limit.reached


def find_joint_conflicts(
    sources: Sequence[SourceResult],
    pairs: Sequence[PairResult],
    groups: FigureGroups,
    matrices: Matrices,
    limit: WorkLimit,
) -> set[int]:
    """Find conflicts of three or more sources, where no two of them contradict each other.

    They are added to the groups. Returns the figures for which there is no decision.
    """
    undecided: set[int] = set()
    for kind, group in groups.items():
        own = [
            i for i, source in enumerate(sources)
            if source.kind == kind and source.possible and source.matrix is None
        ]  # fmt: skip
        if group.decide([i for position in own for i in sources[position].checked]):
            continue
        alone = [
            source if i in own else replace(source, possible=False)
            for i, source in enumerate(sources)
        ]
        largest, _ = find_largest_agreeing(alone, pairs, groups, matrices, limit)
        kept = [i for position in largest for i in sources[position].checked]
        for position in own:
            members = sources[position].checked
            if position in largest or any(known.intersection(members) for known in group.conflicts):
                continue
            if group.decide([*kept, *members]) is False:
                group.add_conflict(members, kept)
            if not any(known.intersection(members) for known in group.conflicts):
                undecided.update(members)
    return undecided
