"""Can these reported figures be true together? Arithmetic only: nothing is run.

Figures of one model (same ``of``) and one number of averaged runs (same ``mean_of``) speak of one
confusion matrix, whose row sums are known. They are held against each other exactly; what cannot
be decided is said to be not checked and never taken for a contradiction.

What is promised: "consistent" means that a matrix was found for which every checked figure is
true; a conflict is proven, and with any of its figures left out, the rest of it can be true. Every
conflict of one or of two figures is listed, and of larger ones as many as it takes to explain each
figure outside one consistent set (up to :data:`MAX_CONFLICTS` in all, and to a limit of time).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fmbench.errors import UserError
from fmbench.feasibility import extreme, prove, search
from fmbench.polytope import Polytope, Ratio
from fmbench.program import Claim, Program
from fmbench.solver import Deadline
from fmbench.suites import Reported, Suite

MAX_CONFLICTS = 100  # of one model; more say nothing new
SECONDS = 20.0  # for one suite's conflicts
NOT_DECIDED = "not decided within the limits of the search"
NOT_LINEAR = "averaged over runs it is not a figure of their summed confusion matrix"

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


@dataclass(frozen=True)
class Findings:
    """What the reported figures of a suite say of each other; entries are counted from 0.

    ``implied`` is, for each entry, the least and the greatest accuracy in [0, 1] with which it can
    be true (bounds that need not be reached for macro precision and macro F1); ``not_checked`` says
    why. Not ``complete``: there may be further conflicts.
    """

    suite: Suite
    rounding: str
    conflicts: tuple[Conflict, ...]
    not_checked: dict[int, str]
    implied: tuple[Extent | None, ...]
    complete: bool = True

    @property
    def contradictory(self) -> bool:
        """Whether any figures cannot be true together."""
        return bool(self.conflicts)

    def as_json(self) -> dict[str, object]:
        """Verdict, conflicts, not_checked and implied_accuracy, for ``json.dumps``."""
        return {
            "verdict": "contradictory" if self.contradictory else "consistent",
            "conflicts": [list(conflict.members) for conflict in self.conflicts],
            "not_checked": sorted(self.not_checked),
            "implied_accuracy": [
                None if extent is None else [float(end) for end in extent]
                for extent in self.implied
            ],
        }


def judge(suite: Suite, rounding: str = "nearest", *, seconds: float = SECONDS) -> Findings:
    """Hold a suite's reported figures against each other.

    ``rounding`` is one of :data:`fmbench.rounding.RULES`; ``seconds`` limit the search.

    Raises:
        UserError: the suite reports nothing.
    """
    if not suite.reported:
        raise UserError(f"{suite.path}: no [[reported]] figure, so there is nothing to check")
    deadline = Deadline(seconds)
    groups: dict[tuple[str | None, int], dict[int, Reported]] = {}
    for i, figure in enumerate(suite.reported):
        groups.setdefault((figure.of, figure.mean_of), {})[i] = figure
    conflicts: list[Conflict] = []
    not_checked: dict[int, str] = {}
    implied: dict[int, Extent | None] = {}
    complete = True
    for (_, n_runs), figures in groups.items():
        group = _Group([n * n_runs for n in suite.n_per_class], figures, rounding, deadline)
        if n_runs > 1:
            averages = [i for i in group.claims if not group.claims[i].expression.linear]
            not_checked |= dict.fromkeys(averages, NOT_LINEAR)
            for i in averages:
                del group.claims[i]
        implied |= group.implied_accuracy()
        group.settle()
        conflicts += [group.explained(members) for members in group.conflicts]
        not_checked |= dict.fromkeys(group.not_decided(), NOT_DECIDED)
        complete &= group.complete
    return Findings(
        suite, rounding,
        tuple(sorted(conflicts, key=lambda conflict: (len(conflict.members), conflict.members))),
        not_checked, tuple(implied.get(i) for i in range(len(suite.reported))), complete,
    )  # fmt: skip


class _Group:
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

    def _possible(self, members: Iterable[int]) -> bool | None:
        """``True`` is certain; ``False`` may be just the solver's word; ``None``: not decided."""
        chosen = frozenset(members)
        if any(chosen <= together for together in self._together):
            return True
        if any(conflict <= chosen for conflict in self.conflicts):
            return False
        if chosen not in self._said:
            outcome = search(self._program(chosen), self._deadline)
            if outcome.point is not None:
                self._remember(outcome.point)
                return True
            self._said[chosen] = False if outcome.impossible else None
        return self._said[chosen]

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
        everything = sorted(self.claims, key=lambda i: self.claims[i].expression.is_mean)
        if self._possible(everything):
            return
        kept = self._grown([], everything)
        for i in sorted(self.claims):
            later = [j for j in sorted(self.claims) if j > i]
            if frozenset([i]) not in self.conflicts:
                self._pairs(i, [j for j in later if frozenset([j]) not in self.conflicts])
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
        """Every j of ``others`` that contradicts i, by halves that can be true together with i."""
        others = [j for j in others if not self._explained(i, j)]
        if not others or len(self.conflicts) >= MAX_CONFLICTS or self._possible([i, *others]):
            return
        if len(others) == 1:
            if self._possible([i, *others]) is False:
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
