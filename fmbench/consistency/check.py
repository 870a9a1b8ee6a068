"""Checks whether the figures that a paper reports can be true together. No model is run.

Figures of one model (same ``of``) that average the same number of runs (same ``mean_of``) describe
one confusion matrix, whose row sums are known. They are compared in exact arithmetic. If the check
cannot decide whether a figure is possible, the figure is listed as not checked. It never counts as
a contradiction.

"Consistent" means: a confusion matrix was found for which every checked figure is true. A conflict
is a proven contradiction: its figures cannot all be true, and if any one of them is left out, the
others can. Every conflict of one or two figures is listed. Larger conflicts are listed until each
figure outside of one consistent set appears in a conflict; their number and the search time are
limited (:mod:`fmbench.consistency.conflicts`).

Macro precision and macro F1 are not linear. The check replaces them by linear constraints that are
weaker. If these prove that the figures cannot be true, that counts as a conflict. If they prove
nothing and no matrix is found either, the figure is listed as not checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench.consistency.conflicts import Conflict, FigureGroup, ValueRange
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.solver import Deadline
from fmbench.errors import UserError
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Suite

MAX_SUITE_SECONDS = 20.0  # computing time for all searches of one suite
NOT_DECIDED = "not decided within the limits of the search"
NOT_LINEAR = "its mean over several runs does not follow from the sum of their confusion matrices"
NO_FORMULA = "it does not follow from the confusion matrix by a formula that can be checked"


@dataclass(frozen=True)
class ConsistencyResult:
    """The result of the check of one suite. Figures are numbered from 0, in the suite's order.

    ``implied`` holds for each figure the lowest and the highest accuracy in [0, 1] with which the
    figure can be true. For macro precision and macro F1, and for MSE and MAE of about 20 classes or
    more, the true range may be narrower. ``not_checked`` says why a figure was not checked. If
    ``complete`` is false, there may be more conflicts.
    """

    suite: Suite
    rounding: str
    conflicts: tuple[Conflict, ...]
    not_checked: dict[int, str]
    implied: tuple[ValueRange | None, ...]
    complete: bool = True

    @property
    def contradictory(self) -> bool:
        """Whether some figures cannot be true together."""
        return bool(self.conflicts)

    def as_json(self) -> dict[str, object]:
        """Return verdict, conflicts, not_checked and implied_accuracy, for ``json.dumps``."""
        return {
            "verdict": "contradictory" if self.contradictory else "consistent",
            "conflicts": [list(conflict.members) for conflict in self.conflicts],
            "not_checked": sorted(self.not_checked),
            "implied_accuracy": [
                None if values is None else [float(end) for end in values]
                for values in self.implied
            ],
        }


def check_consistency(
    suite: Suite, rounding: str = "nearest", *, seconds: float = MAX_SUITE_SECONDS
) -> ConsistencyResult:
    """Check whether a suite's reported figures can be true together.

    ``rounding`` is one of :data:`fmbench.suites.rounding.ROUNDING_RULES`. ``seconds`` is the
    computing time after which the search ends.

    Raises:
        UserError: the suite reports no figures.
    """
    if not suite.reported:
        raise UserError(
            f"{suite.path}: the suite has no [[reported]] figure, so there is nothing to check"
        )
    deadline = Deadline(seconds)
    not_checked: dict[int, str] = {}
    groups: dict[tuple[str | None, int], dict[int, ReportedFigure]] = {}
    for i, figure in enumerate(suite.reported):
        if _has_checkable_formula(figure):
            groups.setdefault((figure.of, figure.mean_of), {})[i] = figure
        else:
            not_checked[i] = NO_FORMULA
    conflicts: list[Conflict] = []
    implied: dict[int, ValueRange | None] = {}
    complete = True
    for (_, n_runs), figures in groups.items():
        group = FigureGroup([n * n_runs for n in suite.n_per_class], figures, rounding, deadline)
        if n_runs > 1:
            not_checked |= dict.fromkeys(group.exclude_nonlinear(), NOT_LINEAR)
        implied |= group.implied_accuracy()
        group.find_conflicts()
        conflicts += [group.find_forced_range(members) for members in group.conflicts]
        not_checked |= dict.fromkeys(group.find_undecided(), NOT_DECIDED)
        complete &= group.is_complete
    return ConsistencyResult(
        suite, rounding,
        tuple(sorted(conflicts, key=lambda conflict: (len(conflict.members), conflict.members))),
        not_checked, tuple(implied.get(i) for i in range(len(suite.reported))), complete,
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
