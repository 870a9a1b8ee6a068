"""The conflicts among the figures of one confusion matrix, and what each figure implies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fmbench.consistency.constraints import Claim, Program
from fmbench.consistency.feasibility import extreme, prove, search
from fmbench.consistency.matrices import Polytope, Ratio
from fmbench.consistency.solver import Deadline
from fmbench.suites.claims import Reported

MAX_CONFLICTS = 100  # of one model; more say nothing new

# Which of a conflict's figures the others "force": the more telling the other way round, the later.
_FORCED_FIRST = (
    "kappa", "informedness", "mse", "mae", "specificity", "f1", "precision", "recall", "accuracy",
)  # fmt: skip

Extent = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Conflict:
    """Entries that cannot all be true, though any of them left out, the rest can.

    The others force entry ``victim`` into the values ``forced``; ``None`` where that was not found.
    """

    members: tuple[int, ...]
    victim: int | None = None
    forced: Extent | None = None


class Group:
    """The figures of one confusion matrix, by entry."""

    def __init__(
        self,
        n_per_class: Sequence[int],
        figures: dict[int, Reported],
        rounding: str,
        deadline: Deadline,
    ) -> None:
        self._figures, self._deadline = figures, deadline
        self._with_cells = {i for i, f in figures.items() if f.metric in ("mse", "mae")}
        # The larger program only where a figure needs it: with 100 classes it has 10,101 variables.
        self._small = Polytope(n_per_class, cells=False)
        self._large = Polytope(n_per_class, cells=True) if self._with_cells else self._small
        self.claims = {
            i: Claim(
                self._large.expression(figure.metric, figure.class_), figure.interval(rounding)
            )
            for i, figure in figures.items()
        }
        self.conflicts: list[frozenset[int]] = []
        self.complete = True
        self._together: list[frozenset[int]] = []  # true of one matrix that was found
        self._said: dict[frozenset[int], bool | None] = {}  # the search's last word
        self._left_out: set[int] = set()

    def _program(self, members: Iterable[int], *more: int) -> Program:
        """The claims of ``members``, with the variables that ``more`` entries would need too."""
        members = sorted(members)
        needed = self._with_cells.intersection((*members, *more))
        return Program(self._large if needed else self._small, [self.claims[i] for i in members])

    def implied_accuracy(self) -> dict[int, Extent | None]:
        """The accuracies that each figure allows by itself."""
        known: dict[object, Extent | None] = {}
        implied = {}
        for i, claim in self.claims.items():
            figure = self._figures[i]
            size = None if figure.class_ is None else self._small.n_per_class[figure.class_]
            same = (figure.metric, size, claim.within)  # classes of one size are alike
            if same not in known:
                known[same] = self._extent(
                    self._program([i]), self._small.expression("accuracy").parts[0]
                )
            implied[i] = known[same]
        return implied

    def _extent(self, program: Program, ratio: Ratio) -> Extent | None:
        low = extreme(program, ratio, 1, self._deadline)
        high = None if low is None else extreme(program, ratio, -1, self._deadline)
        return None if low is None or high is None else (low, high)

    # ------------------------------------------------------------------------ what can be true

    def _possible(self, members: Iterable[int], *, thorough: bool = True) -> bool | None:
        """``True`` is certain; ``False`` may be just the solver's word; ``None``: not decided."""
        chosen = frozenset(members)
        if any(chosen <= together for together in self._together):
            return True
        if any(conflict <= chosen for conflict in self.conflicts):
            return False
        if chosen not in self._said:
            if self._deadline.passed:  # even to begin a search of many figures takes a moment
                return None
            outcome = search(self._program(chosen), self._deadline, thorough=thorough)
            if outcome.point is not None:
                self._remember(outcome.point)
                return True
            if not (thorough or outcome.impossible):
                return None
            self._said[chosen] = False if outcome.impossible else None
        return self._said[chosen]

    def _is_mean(self, i: int) -> bool:
        return self.claims[i].expression.is_mean

    def _remember(self, point: Sequence[int]) -> None:
        has_cells = len(point) == len(self._large.bounds)
        self._together.append(
            frozenset(
                i
                for i, claim in self.claims.items()
                if (has_cells or i not in self._with_cells)
                and claim.expression.fits(claim.within, point)
            )
        )

    # ------------------------------------------------------------------------ what cannot

    def settle(self) -> None:
        """Find the conflicts, and the figures that cannot be decided."""
        everything = sorted(self.claims)
        if self._possible(everything):
            return
        # Means last and one by one: they are the ones that may stay undecided.
        kept = self._grown([], [i for i in everything if not self._is_mean(i)])
        for i in everything:
            if self._is_mean(i):
                kept = self._grown(kept, [i])
        alone = [i for i in everything if frozenset([i]) not in self.conflicts]
        for i in alone:
            later = [j for j in alone if j > i]
            self._pairs(i, [j for j in later if not self._is_mean(j)])
            self._pairs(i, [j for j in later if self._is_mean(j)])
        self._left_out = set(everything) - set(kept)
        self.complete &= len(self.conflicts) < MAX_CONFLICTS and not self._deadline.passed

    def _grown(self, kept: list[int], more: list[int]) -> list[int]:
        """``kept`` and as many of ``more`` as can be true with it, in order; else the conflict."""
        if not more or self._possible([*kept, *more]):
            return [*kept, *more]
        if len(more) > 1:
            half = len(more) // 2
            return self._grown(self._grown(kept, more[:half]), more[half:])
        if self._possible([*kept, *more]) is False:
            self._conflict(more, kept)
        return kept

    def _pairs(self, i: int, others: list[int]) -> None:
        """Every j of ``others`` that contradicts i, by halves."""
        others = [j for j in others if not self._explained(i, j)]
        if not others or len(self.conflicts) >= MAX_CONFLICTS:
            return
        possible = self._possible([i, *others], thorough=False)
        undecided = possible is None and (len(others) == 1 or any(map(self._is_mean, [i, *others])))
        if possible or undecided:  # with a mean: by a relaxation, which is no stricter for a pair
            return
        if len(others) == 1:
            self._conflict([i], others)
            return
        half = len(others) // 2
        self._pairs(i, others[:half])
        self._pairs(i, others[half:])

    def _explained(self, i: int, j: int) -> bool:
        pair = frozenset([i, j])
        return pair in self.conflicts or any(pair <= together for together in self._together)

    def _conflict(self, some: list[int], others: list[int]) -> None:
        """Shrink a set that the solver calls impossible, prove what is left, and note it."""
        if any(conflict <= {*some, *others} for conflict in self.conflicts):
            return
        core = set(some) | set(self._reason(some, others, changed=True))
        while self._proven(core):
            smaller = (core - {i} for i in sorted(core) if self._possible(core - {i}) is False)
            if (next_core := next(smaller, None)) is None:
                self.conflicts.append(frozenset(core))
                return
            core = next_core

    def _proven(self, members: set[int]) -> bool:
        outcome = prove(self._program(members), self._deadline)
        if outcome.point is not None:
            self._remember(outcome.point)
        return outcome.impossible

    def _reason(self, base: list[int], candidates: list[int], *, changed: bool) -> list[int]:
        """The fewest candidates, none of them idle, that are impossible with ``base``.

        Junker's QuickXplain (AAAI 2004): a few solves for each figure of the conflict.
        """
        if changed and self._possible(base) is False:
            return []
        if len(candidates) <= 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        of_right = self._reason([*base, *left], right, changed=True)
        of_left = self._reason([*base, *of_right], left, changed=bool(of_right))
        return [*of_left, *of_right]

    def not_decided(self) -> set[int]:
        """Figures that are in no conflict and in no matrix that was found with the rest."""
        return self._left_out.difference(*self.conflicts)

    def explained(self, members: frozenset[int]) -> Conflict:
        """The conflict, with the value that one of its figures is forced to by the others."""
        ordered = tuple(sorted(members))
        rank = {i: _FORCED_FIRST.index(self._figures[i].metric) for i in ordered}
        for victim in sorted(ordered, key=lambda i: (rank[i], -i)):
            claim = self.claims[victim]
            if len(ordered) == 1 or claim.expression.is_mean:
                continue
            others = self._program(members - {victim}, victim)
            forced = self._extent(others, claim.expression.parts[0])
            if forced and (forced[1] < claim.within.low or forced[0] > claim.within.high):
                return Conflict(ordered, victim, forced)
        return Conflict(ordered)
