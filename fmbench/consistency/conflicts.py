"""Finds the conflicts among the figures of one confusion matrix.

A *conflict* is a set of figures that cannot all be true, so at least one of them is wrong. Every
conflict is *irreducible*: if any one of its figures is left out, the others can be true together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations, product

from fmbench.consistency.constraints import Box, ConstraintSystem, FigureConstraint
from fmbench.consistency.feasibility import (
    MANY_VARIABLES,
    decide_with_proof,
    find_extreme,
    find_matrix,
    find_proof,
)
from fmbench.consistency.folds import find_fold_error
from fmbench.consistency.linear import Point
from fmbench.consistency.matrices import Expression, MatrixModel, MetricExpression, Ratio
from fmbench.consistency.severity import MAX_WORK as MAX_SEVERITY_WORK
from fmbench.consistency.severity import compute_severity
from fmbench.consistency.solver import WorkLimit
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure
from fmbench.suites.sources import RunKind, find_run_kind

MAX_CONFLICTS = 100  # the search for conflicts of one model ends here
NOT_LINEAR = (
    "its mean over several runs or folds does not follow from the sum of their confusion matrices"
)
FOLD_SIZES = "without the sizes of the folds, its mean over them does not follow from their sum"
NOT_STRATIFIED = (
    "its mean over folds follows from their sum only if they are stratified, which the suite does "
    "not say"
)

IMPLIED_METRICS = ("accuracy", "kappa", "mse", "mae")

ValueRange = tuple[Fraction, Fraction]  # the least and the greatest value
Rows = Sequence[Sequence[int]]  # of a confusion matrix; rows are the true classes
CellBounds = tuple[Rows, Rows]  # the least and the greatest number of images in each cell


@dataclass(frozen=True)
class Conflict:
    """Figures, by their index in the suite, that cannot all be true.

    If the other figures are true, ``forced_figure`` must lie in ``forced_range``, and its printed
    value does not. Both are ``None`` if no such figure was found.
    """

    members: tuple[int, ...]
    forced_figure: int | None = None
    forced_range: ValueRange | None = None


class FigureGroup:
    """Figures that describe the same confusion matrix; the keys are their indices in the suite.

    All are of one kind of run (:class:`fmbench.suites.sources.RunKind`). If it is a mean of
    several runs, the matrix is the sum of theirs. ``n_per_class`` are the images of one run.
    ``kind`` is needed if there are no figures. ``cell_bounds``: the least and the greatest number
    of images in each cell of that matrix, if a printed matrix says them.
    """

    def __init__(
        self,
        n_per_class: Sequence[int],
        figures: Mapping[int, ReportedFigure],
        rounding: str,
        limit: WorkLimit,
        *,
        kind: RunKind | None = None,
        cell_bounds: CellBounds | None = None,
    ) -> None:
        self._figures, self._limit, self._rounding = figures, limit, rounding
        self._n_per_class, self._cell_bounds = n_per_class, cell_bounds
        if kind is None:
            kind = find_run_kind(next(iter(figures.values())))
        self._sizes = [n * kind.mean_of for n in n_per_class]
        self._n_runs = kind.mean_of * kind.folds
        self.is_mean = self._n_runs > 1
        self._need_cells = {i for i, f in figures.items() if _needs_cells(f)}
        self._small_model = MatrixModel(self._sizes, has_cells=False, n_runs=self._n_runs)
        self.not_checked: dict[int, str] = {}
        self.constraints: dict[int, FigureConstraint] = {}
        for i, figure in figures.items():
            self._add_figure(i, figure)
        self.conflicts: list[frozenset[int]] = []
        self.is_complete = True  # whether all conflicts were found
        self._compatible: list[frozenset[int]] = []  # each: all true for one matrix
        self._proven: list[frozenset[int]] = []  # each: proven to contradict each other
        self._answers: dict[frozenset[int], bool | None] = {}  # results of earlier searches
        self._accuracies: dict[frozenset[int], ValueRange | None] = {}  # the same

    @cached_property
    def _large_model(self) -> MatrixModel:
        """The model with cells; slow, with 10,101 variables for 100 classes."""
        return MatrixModel(self._sizes, has_cells=True, n_runs=self._n_runs)

    @cached_property
    def _box(self) -> Box | None:
        """The bounds of the variables that follow from those of the cells; None without these."""
        if self._cell_bounds is None:
            return None
        model = self._large_model
        low, high = (model.build_point(rows) for rows in self._cell_bounds)
        return [
            (max(least, a), min(greatest, b))
            for (least, greatest), a, b in zip(model.bounds, low, high, strict=True)
        ]

    def _add_figure(self, i: int, figure: ReportedFigure) -> None:
        """Add the constraint of a figure, or the reason why it cannot be checked."""
        model = self._large_model if i in self._need_cells else self._small_model
        expression = model.expression(
            figure.metric, figure.class_, average=figure.average, predicted_as=figure.predicted_as
        )
        interval = figure.interval(self._rounding)
        if self.is_mean and not expression.is_linear:
            self.not_checked[i] = NOT_LINEAR
            return
        fold_error = find_fold_error(figure, self._n_per_class)
        if fold_error is None:
            is_known = figure.fold_sizes != "equal" or figure.stratified
            self.not_checked[i] = FOLD_SIZES if is_known else NOT_STRATIFIED
            return
        widened = replace(interval, low=interval.low - fold_error, high=interval.high + fold_error)
        self.constraints[i] = FigureConstraint(expression, widened)

    def _build_system(
        self, members: Iterable[int], *more: int, has_cells: bool = False
    ) -> ConstraintSystem:
        """Build the constraints of ``members``; the model also has the variables for ``more``."""
        members = sorted(members)
        is_large = (
            has_cells
            or self._cell_bounds is not None
            or self._need_cells.intersection((*members, *more))
        )
        model = self._large_model if is_large else self._small_model
        return ConstraintSystem(model, [self.constraints[i] for i in members], self._box)

    # --------------------------------------------------------------- what figures imply

    def find_implied_accuracy(self) -> dict[int, ValueRange | None]:
        """Return for each figure the lowest and the highest accuracy with which it can be true."""
        known: dict[object, ValueRange | None] = {}
        implied = {}
        for i, constraint in self.constraints.items():
            figure = self._figures[i]
            size = None if figure.class_ is None else self._small_model.n_per_class[figure.class_]
            # Classes of the same size share a result.
            is_diagonal = figure.class_ == figure.predicted_as
            same = figure.metric, figure.average, size, is_diagonal, constraint.interval
            if same not in known:
                known[same] = self._find_accuracy([i])
            implied[i] = known[same]
        return implied

    def find_implied(
        self, members: Iterable[int], *, accuracy_only: bool = False
    ) -> dict[str, ValueRange]:
        """Return the least and the greatest value of each metric under some figures.

        The metrics are :data:`IMPLIED_METRICS`. One is left out if it takes too long: MSE and MAE
        with many classes. If a figure is an MSE, an MAE or a mean of ratios, the ranges are bounds:
        the true ones may be narrower.
        """
        members = list(members)
        implied: dict[str, ValueRange] = {}
        if (accuracy := self._find_accuracy(members)) is None:
            return implied
        implied["accuracy"] = accuracy
        if accuracy_only:
            return implied
        kappa = self._small_model.expression("kappa").parts[0]
        variables = {variable for variable, _ in kappa.numerator.terms}
        if kappa.is_linear and variables == {self._small_model.n_correct}:
            ((_, factor),) = kappa.numerator.terms
            low, high = (
                (factor * end * self._small_model.n_images + kappa.numerator.constant)
                / kappa.denominator.constant
                for end in accuracy
            )
            implied["kappa"] = low, high
        elif values := self._find_range(self._build_system(members), kappa):
            implied["kappa"] = values
        n_cells = self._small_model.n_classes**2
        if n_cells > MANY_VARIABLES and not self._need_cells:
            return implied
        system = self._build_system(members, has_cells=True)
        for name in ("mse", "mae"):
            if values := self._find_range(system, self._large_model.expression(name).parts[0]):
                implied[name] = values
        return implied

    def _find_accuracy(self, members: Sequence[int]) -> ValueRange | None:
        chosen = frozenset(members)
        if chosen not in self._accuracies:
            self._accuracies[chosen] = self._compute_accuracy(chosen)
        return self._accuracies[chosen]

    def _compute_accuracy(self, members: frozenset[int]) -> ValueRange | None:
        accuracy = self._small_model.expression("accuracy")
        if self._cell_bounds is None and len(members) == 1:
            [constraint] = [self.constraints[i] for i in members]
            n, sizes = self._small_model.n_images, self._small_model.n_per_class
            of_class = {
                self._small_model.expression("recall", k): size
                for k, size in enumerate(sizes if len(sizes) > 1 else ())
            }
            if (size := (of_class | {accuracy: n}).get(constraint.expression)) is not None:
                # No program has to be solved: the other images may be all wrong, or all right.
                low, high = constraint.interval.scaled(size).integer_range()
                low, high = max(low, 0), min(high, size)
                if low > high:
                    return None
                return Fraction(low, n), Fraction(high + n - size, n)
        return self._find_range(self._build_system(members), accuracy.parts[0])

    def _find_range(
        self, system: ConstraintSystem, ratio: Ratio, *, bound_only: bool = False
    ) -> ValueRange | None:
        low = find_extreme(system, ratio, 1, self._limit, bound_only=bound_only)
        if low is None:
            return None
        high = find_extreme(system, ratio, -1, self._limit, bound_only=bound_only)
        return None if high is None else (low, high)

    def find_severity(
        self, members: Iterable[int], work: float = MAX_SEVERITY_WORK
    ) -> float | None:
        """Return the severity of figures that cannot all be true, see :func:`compute_severity`."""
        system = self._build_system(members)
        return compute_severity(system.model, system.figures, WorkLimit(work, self._limit))

    # ------------------------------------------------------- which figures can be true together

    def _can_be_true(self, members: Iterable[int], *, thorough: bool = True) -> bool | None:
        """Whether figures can be true together; ``None``: not decided, ``False``: not proven."""
        chosen = frozenset(members)
        if any(chosen <= compatible for compatible in self._compatible):
            return True
        if any(known <= chosen for known in (*self.conflicts, *self._proven)):
            return False
        if chosen not in self._answers:
            if self._limit.reached:  # even starting a search takes a moment
                return None
            found = find_matrix(self._build_system(chosen), self._limit, thorough=thorough)
            if found.point is not None:
                self._remember_compatible(found.point)
                return True
            if not (thorough or found.infeasible):
                return None
            self._answers[chosen] = False if found.infeasible else None
        return self._answers[chosen]

    def decide(self, members: Iterable[int]) -> bool | None:
        """Whether figures can be true together; ``None``: not decided. Both answers are proven."""
        chosen = frozenset(members)
        if self._can_be_true(chosen) is not False:
            return self._can_be_true(chosen)
        if any(known <= chosen for known in (*self.conflicts, *self._proven)):
            return False
        if self.prove_conflict(chosen) is not None or self._is_proven_infeasible(chosen):
            return False
        # The solver was wrong, or could not prove its answer.
        self._answers[chosen] = None
        return self._can_be_true(chosen)

    def prove_conflict(self, members: Iterable[int]) -> frozenset[int] | None:
        """Return those of the figures that a simple proof needs, if there is one, else ``None``."""
        ordered = sorted(members)
        found = find_proof(self._build_system(ordered), self._limit)
        if found is None:
            return None
        self._proven.append(frozenset(ordered[position] for position in found))
        return self._proven[-1]

    def _is_relaxed(self, i: int) -> bool:
        return self.constraints[i].expression.is_relaxed

    def remember_matrix(self, rows: Rows) -> None:
        """Remember all figures that are true for a known confusion matrix."""
        model = self._large_model if self._need_cells else self._small_model
        self._remember_compatible(model.build_point(rows))

    def find_implied_of(self, rows: Rows | None) -> dict[str, ValueRange]:
        """Return the implied metrics of a known matrix; if None, of any within the bounds."""
        if rows is None:
            return self.find_implied([])
        point = self._large_model.build_point(rows)
        values = {
            name: evaluate(self._large_model.expression(name), point) for name in IMPLIED_METRICS
        }
        return {name: (value, value) for name, value in values.items()}

    def find_values(self, i: int) -> ValueRange | None:
        """Return the least and the greatest value of a figure's metric in any matrix.

        ``None`` if this takes too long, or for a metric that linear constraints do not describe.
        """
        expression = self.constraints[i].expression
        if expression.is_relaxed:
            return None
        return self._find_range(self._build_system([], i), expression.parts[0], bound_only=True)

    def find_false(self, members: Iterable[int], rows: Rows) -> dict[int, Fraction]:
        """Return the figures that are not true for a known confusion matrix, with their values."""
        model = self._large_model if self._need_cells else self._small_model
        point = model.build_point(rows)
        return {
            i: evaluate(self.constraints[i].expression, point)
            for i in members
            if not self.constraints[i].expression.lies_in(self.constraints[i].interval, point)
        }

    def _remember_compatible(self, point: Sequence[int]) -> None:
        """Remember all figures that are true for a matrix that was found."""
        has_cells = len(point) > len(self._small_model.bounds)
        self._compatible.append(
            frozenset(
                i
                for i, constraint in self.constraints.items()
                if (has_cells or i not in self._need_cells)
                and constraint.expression.lies_in(constraint.interval, point)
            )
        )

    # --------------------------------------------------------------- which figures cannot

    def find_conflicts_within(self, members: Iterable[int], work: float) -> None:
        """Find conflicts among figures until this much work is done."""
        whole = self._limit
        self._limit = WorkLimit(work, whole)
        try:
            self.find_conflicts(members)
        finally:
            self._limit = whole

    def find_conflicts(self, members: Iterable[int] | None = None) -> list[int]:
        """Find the conflicts among figures, by default all; return a set that can be true together.

        The figures for which there is no decision are in no conflict and not in that set.
        """
        everything = sorted(self.constraints if members is None else members)
        if self._can_be_true(everything):
            return everything
        # Means come last and one by one, because the search may not be able to decide them.
        kept = self._extend([], [i for i in everything if not self._is_relaxed(i)])
        for i in everything:
            if self._is_relaxed(i):
                kept = self._extend(kept, [i])
        possible = [i for i in everything if frozenset([i]) not in self.conflicts]
        for i in possible:
            later = [j for j in possible if j > i]
            self._find_pairs(i, [j for j in later if not self._is_relaxed(j)])
            self._find_pairs(i, [j for j in later if self._is_relaxed(j)])
        self.is_complete &= len(self.conflicts) < MAX_CONFLICTS and not self._limit.reached
        return kept

    def _extend(self, kept: list[int], more: list[int]) -> list[int]:
        """Add to ``kept`` each figure of ``more`` that can be true together with it, in order.

        For each figure that cannot, a conflict is added.
        """
        if not more or self._can_be_true([*kept, *more]):
            return [*kept, *more]
        if len(more) > 1:
            half = len(more) // 2
            return self._extend(self._extend(kept, more[:half]), more[half:])
        if self._can_be_true([*kept, *more]) is False:
            self.add_conflict(more, kept)
        return kept

    def _find_pairs(self, i: int, others: list[int]) -> None:
        """Add a conflict for each figure of ``others`` that contradicts figure i, by bisection."""
        others = [j for j in others if not self._is_decided(i, j)]
        if not others or len(self.conflicts) >= MAX_CONFLICTS:
            return
        can_be_true = self._can_be_true([i, *others], thorough=False)
        # A mean is checked by weaker constraints, which would decide no more about a single pair.
        with_mean = any(map(self._is_relaxed, [i, *others]))
        if can_be_true or (can_be_true is None and (len(others) == 1 or with_mean)):
            return
        if len(others) == 1:
            self.add_conflict([i], others)
            return
        half = len(others) // 2
        self._find_pairs(i, others[:half])
        self._find_pairs(i, others[half:])

    def _is_decided(self, i: int, j: int) -> bool:
        pair = frozenset([i, j])
        return pair in self.conflicts or any(pair <= known for known in self._compatible)

    def add_conflict(self, some: Sequence[int], others: Sequence[int]) -> None:
        """Find an irreducible conflict in figures that cannot all be true, and add it.

        Its figures are some of ``some`` and of ``others``, of which either can be true alone.
        """
        if any(conflict <= {*some, *others} for conflict in self.conflicts):
            return
        # A quick test that proves the contradiction also finds its core: no matrix is searched for.
        is_quick = self._can_be_true([*some, *others], thorough=False) is False
        core = {*some, *self._find_minimal_subset([*some], [*others], not is_quick, changed=True)}
        if self._is_proven_infeasible(core):
            self._add_reduced(core)

    def _add_reduced(self, proven: Iterable[int]) -> frozenset[int] | None:
        """Reduce a proven conflict to an irreducible one, add that, and return it."""
        core = self._reduce(proven)
        if core is None or self._limit.reached:  # then it may not be irreducible
            return None
        if core not in self.conflicts:
            self.conflicts.append(core)
        return core

    def _is_proven_infeasible(self, members: Iterable[int]) -> bool:
        members = frozenset(members)
        decided = decide_with_proof(self._build_system(members), self._limit)
        if decided.point is not None:
            self._remember_compatible(decided.point)
        if decided.infeasible:
            self._proven.append(members)
        return decided.infeasible

    def _reduce(self, proven: Iterable[int], at_most: int | None = None) -> frozenset[int] | None:
        """Leave out figures of a proven conflict until it is irreducible.

        Returns ``None`` as soon as it is certain that more than ``at_most`` figures remain.
        """
        core, n_needed = frozenset(proven), 0
        for i in sorted(core):
            if i not in core:
                continue
            if self.decide(core - {i}) is False:
                known = (*self.conflicts, *self._proven)
                core = min((smaller for smaller in known if smaller < core), key=len)
            elif at_most is not None and (n_needed := n_needed + 1) > at_most:
                return None
        return core

    def _find_minimal_subset(
        self, base: list[int], candidates: list[int], thorough: bool, *, changed: bool
    ) -> list[int]:
        """Find a smallest set of ``candidates`` that is infeasible together with ``base``.

        This is Junker's QuickXplain (AAAI 2004); it solves a few times for each figure that it
        returns. ``changed`` says that ``base`` has grown since it was last solved; ``thorough`` is
        as in :meth:`_can_be_true`.
        """
        if changed and self._can_be_true(base, thorough=thorough) is False:
            return []
        if len(candidates) <= 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        of_right = self._find_minimal_subset([*base, *left], right, thorough, changed=True)
        of_left = self._find_minimal_subset(
            [*base, *of_right], left, thorough, changed=bool(of_right)
        )
        return [*of_left, *of_right]

    def find_reason(self, first: Sequence[int], second: Sequence[int]) -> frozenset[int] | None:
        """Find a short conflict of two sets of figures that contradict each other, and add it.

        A *column* is all figures of one metric in a set. One column of each set is tried first,
        then two columns of one set with one of the other, then all figures. There may be a shorter
        conflict. Returns ``None`` if the search ends without a proof.
        """
        for choices in self._choose_columns(first, second):
            best: frozenset[int] | None = None
            for members in choices:
                core = self.prove_conflict(members)
                if core is not None and (best is None or len(core) < len(best)):
                    best = self._reduce(core, None if best is None else len(best) - 1) or best
            if best is not None:
                return self._add_reduced(best)
        return self.find_conflict([*first, *second])

    def find_conflict(self, members: Iterable[int]) -> frozenset[int] | None:
        """Find one conflict in figures that cannot all be true, and add it.

        It is one of those that a proof by linear programming needs, which are few as a rule.
        Returns ``None`` if the search ends without a proof.
        """
        members = frozenset(members)
        core = self.prove_conflict(members)
        if core is None:
            core = members if self.decide(members) is False else None
        return None if core is None else self._add_reduced(core)

    def _choose_columns(
        self, first: Sequence[int], second: Sequence[int]
    ) -> Iterator[list[list[int]]]:
        """Yield the sets of figures that are tried, those of the same size together."""
        columns = [self._find_columns(first), self._find_columns(second)]
        yield [[*some, *others] for some, others in product(*columns)]
        pairs = [[[*a, *b] for a, b in combinations(of, 2)] for of in columns]
        yield [
            [*some, *others]
            for several, single in ((pairs[0], columns[1]), (pairs[1], columns[0]))
            for some, others in product(several, single)
        ]

    def _find_columns(self, members: Sequence[int]) -> list[list[int]]:
        """Group figures by their metric; linear metrics come first, as the easiest to follow."""
        columns: dict[object, list[int]] = {}
        for i in members:
            figure = self._figures[i]
            columns.setdefault((figure.metric, figure.class_ is None), []).append(i)
        return sorted(
            columns.values(),
            key=lambda column: not self.constraints[column[0]].expression.is_linear,
        )

    def find_forced_range(self, members: frozenset[int]) -> Conflict:
        """Return the conflict with a figure that the others force to other values than printed.

        A figure of all classes is preferred to one of a single class.
        """
        ordered = tuple(sorted(members))

        def rank(i: int) -> tuple[bool, int, int]:
            figure = self._figures[i]
            return figure.class_ is not None, -METRICS[figure.metric].forced_priority, -i

        for forced in sorted(ordered, key=rank):
            constraint = self.constraints[forced]
            if len(ordered) == 1 or constraint.expression.is_relaxed:
                continue
            others = self._build_system(members - {forced}, forced)
            # A search for whole numbers takes long if the model has cells, and beside means of
            # ratios, whose constraints are bounds as well.
            values = self._find_range(
                others, constraint.expression.parts[0],
                bound_only=others.model.has_cells or not others.is_exact,
            )  # fmt: skip
            interval = constraint.interval
            if values and (values[1] < interval.low or values[0] > interval.high):
                return Conflict(ordered, forced, values)
        return Conflict(ordered)


def _needs_cells(figure: ReportedFigure) -> bool:
    """Whether a figure depends on single cells off the diagonal of the matrix."""
    is_on_diagonal = figure.class_ is not None and figure.class_ == figure.predicted_as
    return METRICS[figure.metric].needs_cells and not is_on_diagonal


def evaluate(expression: Expression, point: Point) -> Fraction:
    """Compute a metric of a known matrix; a ratio of 0/0 counts as 0, and MCC is rounded."""
    if not isinstance(expression, MetricExpression):
        return Fraction(expression.linearise(point)[0])
    values = [part.value_at(point) or Fraction(0) for part in expression.parts]
    weighted = (w * value for w, value in zip(expression.weights, values, strict=True))
    return sum(weighted, Fraction(0)) / sum(expression.weights)
