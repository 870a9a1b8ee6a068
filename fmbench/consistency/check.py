"""Can these reported figures be true together? Arithmetic only: nothing is run.

Figures of one model (same ``of``) and one number of averaged runs (same ``mean_of``) speak of one
confusion matrix, whose row sums are known. They are held against each other exactly; what cannot
be decided is said to be not checked and never taken for a contradiction.

What is promised: "consistent" means that a matrix was found for which every checked figure is
true. A conflict is proven, and with any of its figures left out, the rest of it can be true. Every
conflict of one or of two figures is listed, and of larger ones as many as it takes to explain each
figure outside one consistent set, up to a limit of number and of time (:mod:`fmbench.conflicts`).
For macro precision and macro F1, which are not linear, a contradiction is what a relaxation proves;
where neither that nor a matrix is found, they count as not checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench.consistency.conflicts import Conflict, Extent, Group
from fmbench.consistency.solver import Deadline
from fmbench.errors import UserError
from fmbench.suites.claims import Reported, Suite

SECONDS = 20.0  # for one suite's conflicts
NOT_DECIDED = "not decided within the limits of the search"
NOT_LINEAR = "averaged over runs it is not a figure of their summed confusion matrix"


@dataclass(frozen=True)
class Findings:
    """What the reported figures of a suite say of each other; entries are counted from 0.

    ``implied`` is, for each entry, the least and the greatest accuracy in [0, 1] with which it can
    be true (bounds that need not be reached for macro precision and macro F1, and for MSE and MAE
    of some 20 classes or more); ``not_checked`` says why. Not ``complete``: there may be further
    conflicts.
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
        group = Group([n * n_runs for n in suite.n_per_class], figures, rounding, deadline)
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
