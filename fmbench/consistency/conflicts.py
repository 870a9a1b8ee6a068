"""Finds the conflicts among the figures of one confusion matrix.

A *conflict* is a set of figures that cannot all be true, so at least one of them is wrong. Every
conflict is *irreducible*: if any one of its figures is left out, the others can be true together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fmbench.consistency.constraints import ConstraintSystem, FigureConstraint
from fmbench.consistency.feasibility import decide_with_proof, find_extreme, find_matrix
from fmbench.consistency.matrices import MatrixModel, Ratio
from fmbench.consistency.solver import Deadline
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure

MAX_CONFLICTS = 100  # the search for conflicts of one model ends here

ValueRange = tuple[Fraction, Fraction]  # the least and the greatest value


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
    """Figures that describe the same confusion matrix; the keys are their indices in the suite."""

    def __init__(
        self,
        n_per_class: Sequence[int],
        figures: Mapping[int, ReportedFigure],
        rounding: str,
        deadline: Deadline,
    ) -> None:
        self._figures, self._deadline = figures, deadline
        self._need_cells = {i for i, f in figures.items() if METRICS[f.metric].needs_cells}
        # The model with cells is slow (10,101 variables for 100 classes), so it is built on demand.
        self._small_model = MatrixModel(n_per_class, has_cells=False)
        self._large_model = (
            MatrixModel(n_per_class, has_cells=True) if self._need_cells else self._small_model
        )
        self.constraints = {
            i: FigureConstraint(
                self._large_model.expression(figure.metric, figure.class_),
                figure.interval(rounding),
            )
            for i, figure in figures.items()
        }
        self.conflicts: list[frozenset[int]] = []
        self.is_complete = True  # whether all conflicts were found
        self._compatible: list[frozenset[int]] = []  # each: all true for one matrix
        self._answers: dict[frozenset[int], bool | None] = {}  # results of earlier searches
        self._left_out: set[int] = set()

    def exclude_nonlinear(self) -> list[int]:
        """Remove the figures whose metric is not linear, and return their indices."""
        nonlinear = [i for i, c in self.constraints.items() if not c.expression.is_linear]
        for i in nonlinear:
            del self.constraints[i]
        return nonlinear

    def _build_system(self, members: Iterable[int], *more: int) -> ConstraintSystem:
        """Build the constraints of ``members``; the model also has the variables for ``more``."""
        members = sorted(members)
        is_large = self._need_cells.intersection((*members, *more))
        model = self._large_model if is_large else self._small_model
        return ConstraintSystem(model, [self.constraints[i] for i in members])

    def implied_accuracy(self) -> dict[int, ValueRange | None]:
        """Return for each figure the lowest and the highest accuracy with which it can be true."""
        accuracy = self._small_model.expression("accuracy").parts[0]
        known: dict[object, ValueRange | None] = {}
        implied = {}
        for i, constraint in self.constraints.items():
            figure = self._figures[i]
            size = None if figure.class_ is None else self._small_model.n_per_class[figure.class_]
            same = (
                figure.metric,
                size,
                constraint.interval,
            )  # classes of the same size share a result
            if same not in known:
                known[same] = self._find_range(self._build_system([i]), accuracy)
            implied[i] = known[same]
        return implied

    def _find_range(self, system: ConstraintSystem, ratio: Ratio) -> ValueRange | None:
        low = find_extreme(system, ratio, 1, self._deadline)
        high = None if low is None else find_extreme(system, ratio, -1, self._deadline)
        return None if low is None or high is None else (low, high)

    # ------------------------------------------------------- which figures can be true together

    def _can_be_true(self, members: Iterable[int], *, thorough: bool = True) -> bool | None:
        """Whether figures can be true together; ``None``: not decided, ``False``: not proven."""
        chosen = frozenset(members)
        if any(chosen <= compatible for compatible in self._compatible):
            return True
        if any(conflict <= chosen for conflict in self.conflicts):
            return False
        if chosen not in self._answers:
            if self._deadline.passed:  # even starting a search takes a moment
                return None
            found = find_matrix(self._build_system(chosen), self._deadline, thorough=thorough)
            if found.point is not None:
                self._remember_compatible(found.point)
                return True
            if not (thorough or found.infeasible):
                return None
            self._answers[chosen] = False if found.infeasible else None
        return self._answers[chosen]

    def _is_mean(self, i: int) -> bool:
        return self.constraints[i].expression.is_mean

    def _remember_compatible(self, point: Sequence[int]) -> None:
        """Remember all figures that are true for a matrix that was found."""
        has_cells = len(point) == len(self._large_model.bounds)
        self._compatible.append(
            frozenset(
                i
                for i, constraint in self.constraints.items()
                if (has_cells or i not in self._need_cells)
                and constraint.expression.lies_in(constraint.interval, point)
            )
        )

    # --------------------------------------------------------------- which figures cannot

    def find_conflicts(self) -> None:
        """Find the conflicts, and the figures for which there is no decision."""
        everything = sorted(self.constraints)
        if self._can_be_true(everything):
            return
        # Means come last and one by one, because the search may not be able to decide them.
        kept = self._extend([], [i for i in everything if not self._is_mean(i)])
        for i in everything:
            if self._is_mean(i):
                kept = self._extend(kept, [i])
        possible = [i for i in everything if frozenset([i]) not in self.conflicts]
        for i in possible:
            later = [j for j in possible if j > i]
            self._find_pairs(i, [j for j in later if not self._is_mean(j)])
            self._find_pairs(i, [j for j in later if self._is_mean(j)])
        self._left_out = set(everything) - set(kept)
        self.is_complete &= len(self.conflicts) < MAX_CONFLICTS and not self._deadline.passed

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
            self._add_conflict(more, kept)
        return kept

    def _find_pairs(self, i: int, others: list[int]) -> None:
        """Add a conflict for each figure of ``others`` that contradicts figure i, by bisection."""
        others = [j for j in others if not self._is_decided(i, j)]
        if not others or len(self.conflicts) >= MAX_CONFLICTS:
            return
        can_be_true = self._can_be_true([i, *others], thorough=False)
        # A mean is checked by weaker constraints, which would decide no more about a single pair.
        with_mean = any(map(self._is_mean, [i, *others]))
        if can_be_true or (can_be_true is None and (len(others) == 1 or with_mean)):
            return
        if len(others) == 1:
            self._add_conflict([i], others)
            return
        half = len(others) // 2
        self._find_pairs(i, others[:half])
        self._find_pairs(i, others[half:])

    def _is_decided(self, i: int, j: int) -> bool:
        pair = frozenset([i, j])
        return pair in self.conflicts or any(pair <= known for known in self._compatible)

    def _add_conflict(self, some: list[int], others: list[int]) -> None:
        """Reduce infeasible figures to an irreducible set, prove that it is one, and add it."""
        if any(conflict <= {*some, *others} for conflict in self.conflicts):
            return
        core = set(some) | set(self._find_minimal_subset(some, others, changed=True))
        while self._is_proven_infeasible(core):
            smaller = (core - {i} for i in sorted(core) if self._can_be_true(core - {i}) is False)
            if (next_core := next(smaller, None)) is None:
                self.conflicts.append(frozenset(core))
                return
            core = next_core

    def _is_proven_infeasible(self, members: set[int]) -> bool:
        decided = decide_with_proof(self._build_system(members), self._deadline)
        if decided.point is not None:
            self._remember_compatible(decided.point)
        return decided.infeasible

    def _find_minimal_subset(
        self, base: list[int], candidates: list[int], *, changed: bool
    ) -> list[int]:
        """Find a smallest set of ``candidates`` that is infeasible together with ``base``.

        This is Junker's QuickXplain (AAAI 2004); it solves a few times for each figure that it
        returns. ``changed`` says that ``base`` has grown since it was last solved.
        """
        if changed and self._can_be_true(base) is False:
            return []
        if len(candidates) <= 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        of_right = self._find_minimal_subset([*base, *left], right, changed=True)
        of_left = self._find_minimal_subset([*base, *of_right], left, changed=bool(of_right))
        return [*of_left, *of_right]

    def find_undecided(self) -> set[int]:
        """Return the figures without a decision, which are in no conflict and in no matrix."""
        return self._left_out.difference(*self.conflicts)

    def find_forced_range(self, members: frozenset[int]) -> Conflict:
        """Return the conflict with a figure that the others force to other values than printed."""
        ordered = tuple(sorted(members))
        priority = {i: METRICS[self._figures[i].metric].forced_priority for i in ordered}
        for forced in sorted(ordered, key=lambda i: (-priority[i], -i)):
            constraint = self.constraints[forced]
            if len(ordered) == 1 or constraint.expression.is_mean:
                continue
            others = self._build_system(members - {forced}, forced)
            values = self._find_range(others, constraint.expression.parts[0])
            interval = constraint.interval
            if values and (values[1] < interval.low or values[0] > interval.high):
                return Conflict(ordered, forced, values)
        return Conflict(ordered)
