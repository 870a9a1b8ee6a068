"""Checks whether the figures that a paper reports can be true together. No model is run.

Figures of one model (same ``of``) that average the same number of runs (same ``mean_of``) describe
one confusion matrix, whose row sums are known. They are compared exactly. A figure that cannot be
decided is listed as not checked, and never counts as a contradiction.

"Consistent" means: a confusion matrix was found for which every checked figure is true. A conflict
is proven, and without any one of its figures the others can be true together. Every conflict of one
or two figures is listed. Of larger ones, as many are listed as it takes to explain each figure that
is not in one consistent set, up to a limit of number and time
(:mod:`fmbench.consistency.conflicts`). Macro precision and macro F1 are not linear; for them, a
contradiction is what relaxed constraints prove. Where these prove nothing and no matrix is found
either, the figure is not checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench.consistency.conflicts import Conflict, FigureGroup, ValueRange
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.solver import Deadline
from fmbench.errors import UserError
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Suite

MAX_SECONDS = 20.0  # for the conflicts of one suite
NOT_DECIDED = "not decided within the limits of the search"
NOT_LINEAR = "its mean over several runs does not follow from the sum of their confusion matrices"
NO_FORMULA = "it does not follow from the confusion matrix by a formula that can be checked"


@dataclass(frozen=True)
class ConsistencyResult:
    """What the reported figures of a suite say about each other; figures are counted from 0.

    ``implied`` has, for each figure, the least and the greatest accuracy in [0, 1] with which it
    can be true. For macro precision and macro F1, and for MSE and MAE of about 20 classes or more,
    these are bounds that need not be reached. ``not_checked`` says why a figure was not checked.
    Without ``complete`` there may be more conflicts.
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
        """Verdict, conflicts, not_checked and implied_accuracy, for ``json.dumps``."""
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
    suite: Suite, rounding: str = "nearest", *, seconds: float = MAX_SECONDS
) -> ConsistencyResult:
    """Check whether a suite's reported figures can be true together.

    ``rounding`` is one of :data:`fmbench.suites.rounding.ROUNDING_RULES`; ``seconds`` limit the
    search.

    Raises:
        UserError: the suite reports no figures.
    """
    if not suite.reported:
        raise UserError(f"{suite.path}: no [[reported]] figure, so there is nothing to check")
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
        conflicts += [group.with_forced_range(members) for members in group.conflicts]
        not_checked |= dict.fromkeys(group.not_decided(), NOT_DECIDED)
        complete &= group.is_complete
    return ConsistencyResult(
        suite, rounding,
        tuple(sorted(conflicts, key=lambda conflict: (len(conflict.members), conflict.members))),
        not_checked, tuple(implied.get(i) for i in range(len(suite.reported))), complete,
    )  # fmt: skip


def _has_checkable_formula(figure: ReportedFigure) -> bool:
    """Whether there are constraints for this figure. Any class sizes have constraints alike."""
    metric = METRICS[figure.metric]
    if not metric.can_be_checked:
        return False
    model = MatrixModel((2, 3), has_cells=metric.needs_cells)
    is_mean = figure.class_ is None and model.expression(figure.metric).is_mean
    # The constraints of a mean of ratios suppose that each ratio lies in [0, 1].
    return not is_mean or (metric.lowest, metric.highest) == (0, 1)
