"""Says which seeds to measure next, so that compute goes only where a verdict is open.

:func:`plan_row` looks at one row of a table: either it stops, and for which reason, or it names the
next seeds. :func:`order_work` sorts the seeds of all rows: those that decide most for the least
compute come first. Both are pure functions of what is measured, so an interrupted run goes on as if
nothing had happened.

The looks are those of :mod:`fmbench.analysis.sequential`: after 3, 4, ... seeds, counted from seed
0 without a gap. Its p values are valid whenever a row stops, and whatever the reason. So a row may
also stop because a decision has become improbable, or because of a limit on the seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from fmbench.analysis.sequential import (
    Chances,
    Decision,
    LookPlan,
    Step,
    compute_chances,
    judge_last_look,
)
from fmbench.analysis.statistics import compute_mean_sd
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    MAX_SEEDS,
    Claim,
    VerdictKind,
)

UNKNOWN_CHANCE = 0.5  # of a decision, before anything is measured; it only orders the work
SHORTEST_SECONDS = 0.001  # no cell counts as shorter


class Stop(Enum):
    """Why a row gets no more seeds."""

    DECIDED = "decided"
    NO_TEST = "no seed can decide it"
    IMPROBABLE = "a decision is improbable"
    LIMIT = "the limit on the seeds is reached"
    FAILED = "a seed failed"


@dataclass(frozen=True)
class RowToDecide:
    """A row of a table: its claim, and what is measured of the runner that answers it.

    ``accuracies`` are those of seeds 0, 1, 2, ... up to the first one that is not measured.
    ``no_test``: why no rerun can test the claim, such as "recipe not stated"; empty if one can.
    ``failure``: why a seed failed; empty if none did. ``seconds``: how long one seed is expected to
    take on one core. ``reference``: the accuracies of fmbench's own run of the same configuration,
    where that run may take the place of a measurement; otherwise empty.
    """

    runner: str
    label: str
    claim: Claim | None
    accuracies: tuple[float, ...] = ()
    deterministic: bool = False
    no_test: str = ""
    failure: str = ""
    seconds: float = 0.0
    reference: tuple[float, ...] = ()

    @property
    def n(self) -> int:
        """The number of seeds that count: from seed 0, without a gap."""
        return len(self.accuracies)


@dataclass(frozen=True)
class RowPlan:
    """What to do with a row next: stop, or measure ``next_seeds``.

    ``reason`` explains the stop in words. ``verdict`` is given if the row is decided, and
    ``decided_at`` is the number of seeds at the look that did it. ``chance``: how probable a
    decision is, in [0, 1], if the row goes on.
    """

    row: RowToDecide
    stop: Stop | None = None
    reason: str = ""
    verdict: VerdictKind | None = None
    decided_at: int | None = None
    next_seeds: tuple[int, ...] = ()
    chance: float = 0.0


def make_look_plan(
    n_tests: int,
    max_seeds: int = MAX_SEEDS,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> LookPlan:
    """Make the plan of the looks for a table in which ``n_tests`` rows are tested.

    Looks are always planned up to :data:`~fmbench.analysis.verdicts.MAX_SEEDS` seeds, and p values
    are corrected for all of them. So ``max_seeds`` may be raised later without harm.
    """
    return LookPlan(
        last=MAX_SEEDS,
        margin=margin,
        alpha=alpha,
        n_tests=max(1, n_tests),
        max_seeds=max_seeds,
    )


def plan_row(row: RowToDecide, plan: LookPlan) -> RowPlan:
    """Say whether a row stops, and why, or which seeds to measure next.

    The first rule that applies decides:

    1. A seed failed: the row stops, because the other seeds alone would be a selection.
    2. No rerun can test the claim: one seed shows what the model gets. It is left out if fmbench's
       own run of the same configuration shows it already.
    3. A deterministic model: its one result decides.
    4. Nothing is measured, and by fmbench's own run a decision is improbable: the row stops, and
       the table shows that run.
    5. There are fewer seeds than at the first look: they are measured.
    6. A look decides, or a decision has become improbable, or the limit is reached: the row stops.
    7. One more seed.
    """
    if row.failure:
        return RowPlan(row, Stop.FAILED, row.failure)
    if row.no_test or row.claim is None:
        why = row.no_test or "nothing claimed"
        if row.n or row.reference:
            return RowPlan(row, Stop.NO_TEST, why)
        return RowPlan(row, next_seeds=(0,))
    if row.deterministic:
        return _plan_deterministic(row, row.claim, plan)
    if row.n < plan.first:
        return _plan_first_look(row, row.claim, plan)
    # The looks end at the last one; seeds beyond it do not count.
    accuracies = row.accuracies[: plan.last]
    decision = judge_last_look(row.claim, accuracies, plan, deterministic=False)
    return _follow_decision(row, decision, plan)


def _plan_deterministic(row: RowToDecide, claim: Claim, plan: LookPlan) -> RowPlan:
    if not row.n:
        return RowPlan(row, next_seeds=(0,), chance=1.0)
    decision = judge_last_look(claim, row.accuracies[:1], plan, deterministic=True)
    kind = decision.verdict.kind
    reason = f"{kind.word}; a deterministic model has one result"
    return RowPlan(row, Stop.DECIDED, reason, kind, decision.decided_at)


def _plan_first_look(row: RowToDecide, claim: Claim, plan: LookPlan) -> RowPlan:
    chances = _expect_chances(row, claim, plan)
    if chances and not row.n and _is_improbable(chances, plan):
        n = len(row.reference)
        reason = (
            f"by fmbench's own {n} seeds, less than {100 * plan.futility:g} % chance of a decision "
            f"by {plan.most_seeds} seeds"
        )
        return RowPlan(row, Stop.IMPROBABLE, reason)
    chance = _add_chances(chances) if chances else UNKNOWN_CHANCE
    seeds = tuple(range(row.n, min(plan.first, plan.most_seeds)))
    if not seeds:
        return RowPlan(row, Stop.LIMIT, f"{row.n} seeds, too few for a test")
    return RowPlan(row, next_seeds=seeds, chance=chance)


def _expect_chances(row: RowToDecide, claim: Claim, plan: LookPlan) -> Chances | None:
    """How probable each decision is by fmbench's own run; None if that run does not say."""
    if len(row.reference) < FEWEST_SEEDS or not compute_mean_sd(row.reference)[1]:
        return None
    return compute_chances(claim, row.reference, plan, start_again=True)


def _is_improbable(chances: Chances, plan: LookPlan) -> bool:
    return max(chances.reproduced, chances.not_reproduced) < plan.futility


def _add_chances(chances: Chances) -> float:
    return min(1.0, chances.reproduced + chances.not_reproduced)


def _follow_decision(row: RowToDecide, decision: Decision, plan: LookPlan) -> RowPlan:
    verdict = decision.verdict
    if decision.step is Step.DECIDED:
        reason = f"{verdict.kind.word}, after {decision.decided_at} seeds"
        return RowPlan(row, Stop.DECIDED, reason, verdict.kind, decision.decided_at)
    if decision.step is Step.STOP:
        stop = Stop.LIMIT if row.n >= plan.most_seeds else Stop.IMPROBABLE
        return RowPlan(row, stop, verdict.reason)
    assert decision.chances is not None, "it is computed to say that the row goes on"
    return RowPlan(row, next_seeds=(row.n,), chance=_add_chances(decision.chances))


def order_work(plans: Iterable[RowPlan]) -> list[tuple[str, int]]:
    """List the seeds to measure next, as pairs of runner and seed, in the order of the work.

    First come the runners whose rows have the largest chance of a decision for each second that
    their next seeds take. Runners of rows that no seed can decide come last, the shortest first.
    The seeds of a runner follow each other.
    """
    by_runner: dict[str, list[RowPlan]] = {}
    for plan in plans:
        if plan.next_seeds:
            by_runner.setdefault(plan.row.runner, []).append(plan)

    def sort_key(runner: str) -> tuple[float, float, str]:
        of_runner = by_runner[runner]
        seconds = _count_seeds(of_runner) * max(SHORTEST_SECONDS, of_runner[0].row.seconds)
        return -sum(plan.chance for plan in of_runner) / seconds, seconds, runner

    return [
        (runner, seed)
        for runner in sorted(by_runner, key=sort_key)
        for seed in _list_seeds(by_runner[runner])
    ]


def _list_seeds(of_runner: list[RowPlan]) -> list[int]:
    return sorted({seed for plan in of_runner for seed in plan.next_seeds})


def _count_seeds(of_runner: list[RowPlan]) -> int:
    return len(_list_seeds(of_runner))
