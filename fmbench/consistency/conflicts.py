"""Finds the conflicts among the figures of one confusion matrix.

A *conflict* is a set of figures that cannot all be true. It is *irreducible*: whichever of its
figures is left out, the others can be true together. So at least one figure of each conflict is
wrong, and no figure stands in a conflict without need.
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

MAX_CONFLICTS = 100  # of one model; more say nothing new

ValueRange = tuple[Fraction, Fraction]  # the least and the greatest value


@dataclass(frozen=True)
class Conflict:
    """Figures, by their index in the suite, that cannot all be true.

    The others force the figure ``forced_figure`` into the values ``forced_range``, which its
    printed value is not among; both are ``None`` where such a figure was not found.
    """

    members: tuple[int, ...]
    forced_figure: int | None = None
    forced_range: ValueRange | None = None


class FigureGroup:
    """Figures that describe the same confusion matrix; ``figures`` are by index in the suite."""

    def __init__(
        self,
        n_per_class: Sequence[int],
        figures: Mapping[int, ReportedFigure],
        rounding: str,
        deadline: Deadline,
    ) -> None:
        self._figures, self._deadline = figures, deadline
        self._need_cells = {i for i, f in figures.items() if METRICS[f.metric].needs_cells}
        # The larger model only where a figure needs it: with 100 classes it has 10,101 variables.
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
        self._compatible: list[frozenset[int]] = []  # sets that are true of a matrix that was found
        self._answers: dict[frozenset[int], bool | None] = {}  # of earlier searches
        self._left_out: set[int] = set()

    def exclude_nonlinear(self) -> list[int]:
        """Take out the figures whose metric is not linear; returns their indices."""
        nonlinear = [i for i, c in self.constraints.items() if not c.expression.is_linear]
        for i in nonlinear:
            del self.constraints[i]
        return nonlinear

    def _system(self, members: Iterable[int], *more: int) -> ConstraintSystem:
        """The constraints of ``members``, on a model with all variables that ``more`` need, too."""
        members = sorted(members)
        is_large = self._need_cells.intersection((*members, *more))
        model = self._large_model if is_large else self._small_model
        return ConstraintSystem(model, [self.constraints[i] for i in members])

    def implied_accuracy(self) -> dict[int, ValueRange | None]:
        """For each figure, the accuracies with which it can be true."""
        accuracy = self._small_model.expression("accuracy").parts[0]
        known: dict[object, ValueRange | None] = {}
        implied = {}
        for i, constraint in self.constraints.items():
            figure = self._figures[i]
            size = None if figure.class_ is None else self._small_model.n_per_class[figure.class_]
            same = (figure.metric, size, constraint.interval)  # classes of one size give the same
            if same not in known:
                known[same] = self._range(self._system([i]), accuracy)
            implied[i] = known[same]
        return implied

    def _range(self, system: ConstraintSystem, ratio: Ratio) -> ValueRange | None:
        low = find_extreme(system, ratio, 1, self._deadline)
        high = None if low is None else find_extreme(system, ratio, -1, self._deadline)
        return None if low is None or high is None else (low, high)

    # ------------------------------------------------------------------------ which can be true

    def _can_be_true(self, members: Iterable[int], *, thorough: bool = True) -> bool | None:
        """``True`` is certain, ``False`` may not be proven, ``None`` is not decided."""
        chosen = frozenset(members)
        if any(chosen <= compatible for compatible in self._compatible):
            return True
        if any(conflict <= chosen for conflict in self.conflicts):
            return False
        if chosen not in self._answers:
            if self._deadline.passed:  # even the start of a search of many figures takes a moment
                return None
            found = find_matrix(self._system(chosen), self._deadline, thorough=thorough)
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
        """Note every figure that is true of a matrix that was found."""
        has_cells = len(point) == len(self._large_model.bounds)
        self._compatible.append(
            frozenset(
                i
                for i, constraint in self.constraints.items()
                if (has_cells or i not in self._need_cells)
                and constraint.expression.lies_in(constraint.interval, point)
            )
        )

    # ------------------------------------------------------------------------ which cannot

    def find_conflicts(self) -> None:
        """Find the conflicts, and the figures that cannot be decided."""
        everything = sorted(self.constraints)
        if self._can_be_true(everything):
            return
        # Means last and one by one: they are the ones that may stay undecided.
        kept = self._extended([], [i for i in everything if not self._is_mean(i)])
        for i in everything:
            if self._is_mean(i):
                kept = self._extended(kept, [i])
        possible = [i for i in everything if frozenset([i]) not in self.conflicts]
        for i in possible:
            later = [j for j in possible if j > i]
            self._find_pairs(i, [j for j in later if not self._is_mean(j)])
            self._find_pairs(i, [j for j in later if self._is_mean(j)])
        self._left_out = set(everything) - set(kept)
        self.is_complete &= len(self.conflicts) < MAX_CONFLICTS and not self._deadline.passed

    def _extended(self, kept: list[int], more: list[int]) -> list[int]:
        """``kept`` and those of ``more``, in order, that can be true with it.

        For each one that cannot, a conflict is noted.
        """
        if not more or self._can_be_true([*kept, *more]):
            return [*kept, *more]
        if len(more) > 1:
            half = len(more) // 2
            return self._extended(self._extended(kept, more[:half]), more[half:])
        if self._can_be_true([*kept, *more]) is False:
            self._note_conflict(more, kept)
        return kept

    def _find_pairs(self, i: int, others: list[int]) -> None:
        """Note each figure of ``others`` that contradicts figure i; halves the list repeatedly."""
        others = [j for j in others if not self._is_decided(i, j)]
        if not others or len(self.conflicts) >= MAX_CONFLICTS:
            return
        can_be_true = self._can_be_true([i, *others], thorough=False)
        # With a mean, the answer comes from relaxed constraints, which say no more about a pair.
        with_mean = any(map(self._is_mean, [i, *others]))
        if can_be_true or (can_be_true is None and (len(others) == 1 or with_mean)):
            return
        if len(others) == 1:
            self._note_conflict([i], others)
            return
        half = len(others) // 2
        self._find_pairs(i, others[:half])
        self._find_pairs(i, others[half:])

    def _is_decided(self, i: int, j: int) -> bool:
        pair = frozenset([i, j])
        return pair in self.conflicts or any(pair <= known for known in self._compatible)

    def _note_conflict(self, some: list[int], others: list[int]) -> None:
        """Shrink figures that the solver calls infeasible, prove what is left, and note it."""
        if any(conflict <= {*some, *others} for conflict in self.conflicts):
            return
        core = set(some) | set(self._minimal_subset(some, others, changed=True))
        while self._is_proven_infeasible(core):
            smaller = (core - {i} for i in sorted(core) if self._can_be_true(core - {i}) is False)
            if (next_core := next(smaller, None)) is None:
                self.conflicts.append(frozenset(core))
                return
            core = next_core

    def _is_proven_infeasible(self, members: set[int]) -> bool:
        decided = decide_with_proof(self._system(members), self._deadline)
        if decided.point is not None:
            self._remember_compatible(decided.point)
        return decided.infeasible

    def _minimal_subset(
        self, base: list[int], candidates: list[int], *, changed: bool
    ) -> list[int]:
        """A minimal subset of ``candidates`` that is infeasible with ``base``.

        Junker's QuickXplain (AAAI 2004): a few solves for each figure of the subset. ``changed``:
        ``base`` has grown since it was last solved.
        """
        if changed and self._can_be_true(base) is False:
            return []
        if len(candidates) <= 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        of_right = self._minimal_subset([*base, *left], right, changed=True)
        of_left = self._minimal_subset([*base, *of_right], left, changed=bool(of_right))
        return [*of_left, *of_right]

    def not_decided(self) -> set[int]:
        """Figures that are in no conflict, and in no matrix that was found for the others."""
        return self._left_out.difference(*self.conflicts)

    def with_forced_range(self, members: frozenset[int]) -> Conflict:
        """The conflict, and the values that one of its figures is forced to by the others."""
        ordered = tuple(sorted(members))
        priority = {i: METRICS[self._figures[i].metric].forced_priority for i in ordered}
        for forced in sorted(ordered, key=lambda i: (-priority[i], -i)):
            constraint = self.constraints[forced]
            if len(ordered) == 1 or constraint.expression.is_mean:
                continue
            others = self._system(members - {forced}, forced)
            values = self._range(others, constraint.expression.parts[0])
            interval = constraint.interval
            if values and (values[1] < interval.low or values[0] > interval.high):
                return Conflict(ordered, forced, values)
        return Conflict(ordered)
