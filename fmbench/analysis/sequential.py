"""Judges a claim after each new seed, so that measuring can stop as soon as the verdict is certain.

Whoever tests after every seed and stops at the first small p finds one too often: with looks after
3 to 10 seeds, a claim exactly at the margin is called reproduced in 15 % instead of 5 %. So each p
is corrected. Let G(p) be the probability, at the boundary between two verdicts, that the least p
of all looks is at most p. Then G(least p so far) is a valid p value whenever the measuring stops,
and Holm's correction for many rows may follow. The joint law of the looks depends neither on the
mean nor on the spread, only on the looks and on how many runs the claim averages. So G is simulated
once, by ``benchmarks/verdicts/make_sequential_factors.py``, and read from
``sequential_factors.json``.

A *look* is a test after a certain number of seeds. A row may also stop because a decision has
become improbable ("futility"). Going on all the same does no harm, because the corrected p values
count every planned look. Accuracies are fractions in [0, 1].
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from fmbench.analysis.statistics import SampleFigure, compute_mean_sd, get_law
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    MAX_SEEDS,
    Claim,
    Figure,
    Verdict,
    VerdictKind,
    choose_kind,
    explain_few_seeds,
    judge_claim,
    make_trial,
)

FACTORS_FILE = Path(__file__).with_name("sequential_factors.json")
LAST_LOOK = 10  # seeds; the last look unless the caller asks for another
FUTILITY = 0.1  # a row stops if each decision has a lower probability
N_PATHS = 2_000  # simulated continuations from which that probability is computed

Test = Literal["reproduced", "not reproduced"]


@dataclass(frozen=True)
class LeastP:
    """The law of the least p of several looks, for a claim at the boundary: the function G.

    ``p`` is ascending and ends with 1, and ``probabilities`` holds G at these p values. Between
    them, the logarithm of G is interpolated linearly in the logarithm of p. Below the first one,
    and if both are empty, G is replaced by its upper bound, p times the number of looks.
    """

    n_looks: int
    p: np.ndarray
    probabilities: np.ndarray

    def compute_probability(self, p: float | np.ndarray) -> np.ndarray:
        """Compute G(p), the corrected p value; works on arrays of any shape."""
        p = np.asarray(p, float)
        bound = np.minimum(1.0, self.n_looks * p)
        if not len(self.p):
            return bound
        inside = np.log(np.maximum(p, self.p[0]))
        simulated = np.exp(np.interp(inside, np.log(self.p), np.log(self.probabilities)))
        return np.minimum(bound, simulated)

    def find_p(self, probability: float) -> float:
        """Find the largest p of one look whose corrected value is ``probability``."""
        if not len(self.p) or probability < self.probabilities[0]:
            return probability / self.n_looks
        logs = np.interp(math.log(probability), np.log(self.probabilities), np.log(self.p))
        return max(float(np.exp(logs)), probability / self.n_looks)


@cache
def load_factors() -> dict[str, dict[str, np.ndarray]]:
    """Read the simulated probabilities G: by looks ("3-10"), then by the claim's runs.

    The key ``"p"`` of each table holds the p values that belong to them.
    """
    stored = json.loads(FACTORS_FILE.read_text(encoding="utf-8"))
    p = np.array([*stored["p"], 1.0])
    return {
        looks: {"p": p} | {runs: np.array([*row, 1.0]) * p for runs, row in table.items()}
        for looks, table in stored["factors"].items()
    }


@cache
def get_least_p(
    test: Test,
    n_runs: int = 1,
    first: int = FEWEST_SEEDS,
    last: int = LAST_LOOK,
    *,
    best_of: int = 1,
) -> LeastP:
    """Get the law of the least p of the looks after ``first``, ``first`` + 1, ... ``last`` seeds.

    Where a case was not simulated, the neighbour on the safe side is taken: the smallest simulated
    range of looks that contains the one asked for, and the next larger number of runs. For the best
    of several runs there is no simulated law, so their p is multiplied by the number of looks.

    Raises:
        ValueError: there is no simulated range of looks that contains this one.
    """
    tables = load_factors()
    ranges = {looks: tuple(map(int, looks.split("-"))) for looks in tables}
    fitting = [looks for looks, (low, high) in ranges.items() if low <= first <= last <= high]
    if not fitting:
        known = ", ".join(looks.replace("-", " to ") for looks in ranges)
        raise ValueError(
            f"no factors for looks after {first} to {last} seeds; there are factors for {known}"
        )
    n_looks = last - first + 1
    if test == "not reproduced" and best_of > 1:
        return LeastP(n_looks, np.array([]), np.array([]))
    table = tables[min(fitting, key=lambda looks: ranges[looks][1] - ranges[looks][0])]
    # "Reproduced" is about the mean of new runs: the claim counts as a number without spread.
    wanted = n_runs if test == "not reproduced" else math.inf
    runs = min((name for name in table if name != "p" and float(name) >= wanted), key=float)
    return LeastP(n_looks, table["p"], table[runs])


def correct_for_looks(
    p_values: Sequence[float],
    test: Test,
    n_runs: int = 1,
    first: int = FEWEST_SEEDS,
    last: int = LAST_LOOK,
    *,
    best_of: int = 1,
) -> float:
    """Compute the p value that is valid although the claim was tested at every look so far.

    Args:
        p_values: one for each look so far, in their order: after ``first`` seeds and so on.
        test: which of the two tests gave them.
        n_runs, best_of: the claim's; see :class:`~fmbench.analysis.verdicts.Claim`.
        first, last: number of seeds at the first and the last look that is planned.

    Raises:
        ValueError: no p value, more of them than looks, or no factors for these looks.
    """
    if not 0 < len(p_values) <= last - first + 1:
        raise ValueError(f"{len(p_values)} p values for looks after {first} to {last} seeds")
    law = get_least_p(test, n_runs, first, last, best_of=best_of)
    return float(law.compute_probability(min(p_values)))


@dataclass(frozen=True)
class LookPlan:
    """When a claim is tested, and how strictly.

    Looks are after ``first``, ``first`` + 1, ... ``last`` seeds. ``n_tests`` is the number of rows
    that are tested together: "not reproduced" is decided at ``alpha / n_tests``, so that it also
    passes Holm's correction, whatever the other rows give. A row stops if each decision has a
    probability below ``futility``. ``max_seeds``: the measuring stops there, even if later looks
    are planned; by default at the last look. Another ``max_seeds`` never changes a p value.
    """

    first: int = FEWEST_SEEDS
    last: int = LAST_LOOK
    margin: float = MARGIN
    alpha: float = ALPHA
    n_tests: int = 1
    futility: float = FUTILITY
    max_seeds: int | None = None

    @property
    def most_seeds(self) -> int:
        """The largest number of seeds that may be measured."""
        return self.last if self.max_seeds is None else min(self.last, self.max_seeds)

    def get_law(self, claim: Claim, test: Test) -> LeastP:
        """Return the law of the least p for this claim; see :func:`get_least_p`."""
        return get_least_p(test, claim.n_runs, self.first, self.last, best_of=claim.best_of)

    def find_level(self, claim: Claim, test: Test) -> float:
        """Find the level at which to test at each look, so that all looks together keep alpha."""
        level = self.alpha if test == "reproduced" else self.alpha / self.n_tests
        return self.get_law(claim, test).find_p(level)


DEFAULT_PLAN = LookPlan()


class Step(Enum):
    """What to do after a look."""

    DECIDED = "decided"
    OPEN = "open"  # nothing was decided; whether to go on is not known yet
    GO_ON = "go on"
    STOP = "stop"  # nothing was decided, and a decision is improbable or this was the last look


@dataclass(frozen=True)
class Chances:
    """The probability of each decision at a later look."""

    reproduced: float
    not_reproduced: float


@dataclass(frozen=True)
class Decision:
    """What is known after ``n_seeds`` seeds, and what to do next.

    ``p_within`` and ``p_beyond`` of the verdict are corrected for the looks. So ``p_beyond`` may go
    into Holm's correction for many rows; ``p_holm`` is its upper limit, ``p_beyond`` times the
    number of tests. ``delta_star`` is the smallest margin with which this look would say
    "reproduced". ``chances`` is None unless the next step depends on it. ``decided_at``: the number
    of seeds at the look that decided the claim; None if none did.
    """

    n_seeds: int
    step: Step
    verdict: Verdict
    chances: Chances | None = None
    decided_at: int | None = None


def judge_sequentially(
    claim: Claim,
    accuracies: Sequence[float],
    plan: LookPlan = DEFAULT_PLAN,
    *,
    deterministic: bool,
) -> list[Decision]:
    """Judge a claim after each seed: one decision for each entry of ``accuracies``.

    ``accuracies`` are in the order in which the seeds were planned, never sorted by their result.
    The tests, and the order of the rules, are those of
    :func:`~fmbench.analysis.verdicts.judge_claim`. Once a claim is decided, later seeds do not
    change the verdict.

    Raises:
        ValueError: more seeds than the last look has, or no factors for these looks.
    """
    if len(accuracies) > plan.last:
        raise ValueError(f"{len(accuracies)} seeds, but the last look is after {plan.last}")
    decisions: list[Decision] = []
    for n in range(1, len(accuracies) + 1):
        before = decisions[-1] if n > plan.first else None
        decision = _judge_look(claim, accuracies[:n], plan, deterministic, before)
        if decision.step is Step.OPEN:
            decision = _plan_next_step(claim, accuracies[:n], plan, decision.verdict)
        decisions.append(decision)
    return decisions


def judge_last_look(
    claim: Claim,
    accuracies: Sequence[float],
    plan: LookPlan = DEFAULT_PLAN,
    *,
    deterministic: bool,
) -> Decision:
    """Judge a claim after each seed, and return the decision after the last one.

    It is the last decision of :func:`judge_sequentially`, and much faster to get.

    Raises:
        ValueError: no seeds, more than the last look has, or no factors for these looks.
    """
    if not 0 < len(accuracies) <= plan.last:
        raise ValueError(f"{len(accuracies)} seeds, but the last look is after {plan.last}")
    decision: Decision | None = None
    for n in range(min(plan.first, len(accuracies)), len(accuracies) + 1):
        before = decision if n > plan.first else None
        decision = _judge_look(claim, accuracies[:n], plan, deterministic, before)
    assert decision is not None, "there is at least one seed"
    if decision.step is Step.OPEN:
        return _plan_next_step(claim, accuracies, plan, decision.verdict)
    return decision


def _judge_look(
    claim: Claim,
    accuracies: Sequence[float],
    plan: LookPlan,
    deterministic: bool,
    before: Decision | None,
) -> Decision:
    """Judge a claim after all of these seeds; ``before`` is the decision at the look before."""
    n = len(accuracies)
    trial = make_trial(claim, accuracies, deterministic=deterministic)
    if isinstance(trial, Verdict):  # too few seeds for a test
        return Decision(n, Step.GO_ON, trial)
    if not trial.figure.has_spread:  # nothing to test: the figure itself is compared
        verdict = judge_claim(
            claim, accuracies, deterministic=deterministic, margin=plan.margin, alpha=plan.alpha
        )
        decided_at = before.decided_at if before and before.step is Step.DECIDED else n
        return Decision(n, Step.DECIDED, verdict, decided_at=decided_at)
    if n < plan.first:
        reason = f"the first test is after {plan.first} seeds"
        verdict = Verdict(VerdictKind.MORE_SEEDS, reason, interval=trial.figure.interval)
        return Decision(n, Step.GO_ON, verdict)
    verdict = _test_look(claim, trial.figure, plan, before.verdict if before else None)
    if before and before.step is Step.DECIDED:
        verdict = replace(verdict, kind=before.verdict.kind)
        return Decision(n, Step.DECIDED, verdict, decided_at=before.decided_at)
    if verdict.kind in (VerdictKind.REPRODUCED, VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER):
        return Decision(n, Step.DECIDED, verdict, decided_at=n)
    return Decision(n, Step.OPEN, verdict)


def _test_look(claim: Claim, figure: Figure, plan: LookPlan, before: Verdict | None) -> Verdict:
    """Test a claim at a look; without a decision, say whether one run's spread explains it."""
    p_within = figure.p_within(claim.accuracy, plan.margin)
    p_beyond = figure.p_beyond(claim.accuracy, plan.margin + claim.half_unit)
    p_within = float(plan.get_law(claim, "reproduced").compute_probability(p_within))
    p_beyond = float(plan.get_law(claim, "not reproduced").compute_probability(p_beyond))
    if before and before.p_within is not None and before.p_beyond is not None:
        p_within, p_beyond = min(p_within, before.p_within), min(p_beyond, before.p_beyond)
    p_holm = min(1.0, plan.n_tests * p_beyond)
    kind = choose_kind(claim, figure, p_within, p_holm, plan.alpha) or VerdictKind.UNDECIDABLE
    delta_star = figure.smallest_margin(claim.accuracy, plan.find_level(claim, "reproduced"))
    return Verdict(
        kind,
        delta_star=delta_star,
        p_within=p_within,
        p_beyond=p_beyond,
        p_holm=p_holm,
        interval=figure.interval,
    )


def _plan_next_step(
    claim: Claim, accuracies: Sequence[float], plan: LookPlan, verdict: Verdict
) -> Decision:
    """Say how to go on with a claim that no look has decided."""
    n = len(accuracies)
    if n >= plan.most_seeds:
        what = "the last look" if n >= plan.last else "the limit"
        reason = f"no decision after {n} seeds, {what}"
        return Decision(n, Step.STOP, replace(verdict, reason=reason))
    chances = compute_chances(claim, accuracies, plan)
    best = max(chances.reproduced, chances.not_reproduced)
    if best < plan.futility:
        reason = (
            f"less than {100 * plan.futility:g} % chance of a decision by {plan.most_seeds} seeds"
        )
        return Decision(n, Step.STOP, replace(verdict, reason=reason), chances)
    reason = f"{100 * best:.0f} % chance of a decision by {plan.most_seeds} seeds"
    open_verdict = replace(verdict, kind=VerdictKind.MORE_SEEDS, reason=reason)
    return Decision(n, Step.GO_ON, open_verdict, chances)


# ---------------------------------------------------------------- in a table


@dataclass(frozen=True)
class SequentialTrial:
    """A claim beside seeds that were measured until it was decided.

    In a table, it is what a :class:`~fmbench.analysis.verdicts.Trial` is for a fixed number of
    seeds. ``accuracies`` are those of seeds 0, 1, 2, ..., at least three and at most as many as the
    last look has. Looks are planned up to :data:`~fmbench.analysis.verdicts.MAX_SEEDS` seeds.
    """

    claim: Claim
    accuracies: tuple[float, ...]
    margin: float = MARGIN
    alpha: float = ALPHA

    @property
    def p_beyond(self) -> float | None:
        """The p of "not reproduced", corrected for the looks; None without spread."""
        return self._judge(1).verdict.p_beyond

    def decide(self, p_holm: float | None, n_tests: int) -> Verdict:
        """Give the verdict; ``p_holm`` is p_beyond, corrected for ``n_tests`` tests.

        A decision of an earlier look stays.
        """
        decision = self._judge(n_tests)
        verdict = replace(decision.verdict, p_holm=p_holm)
        if decision.step is Step.DECIDED:
            return verdict
        assert verdict.p_within is not None, "figures without spread are decided"
        figure = SampleFigure(self.accuracies, self.claim.n_runs, self.claim.best_of)
        if kind := choose_kind(self.claim, figure, verdict.p_within, p_holm, self.alpha):
            return replace(verdict, kind=kind, reason="")
        goes_on = decision.step is Step.GO_ON
        return replace(verdict, kind=VerdictKind.MORE_SEEDS if goes_on else VerdictKind.UNDECIDABLE)

    def _judge(self, n_tests: int) -> Decision:
        plan = LookPlan(last=MAX_SEEDS, margin=self.margin, alpha=self.alpha, n_tests=n_tests)
        return judge_last_look(self.claim, self.accuracies, plan, deterministic=False)


def make_sequential_trial(
    claim: Claim, accuracies: Sequence[float], *, margin: float = MARGIN, alpha: float = ALPHA
) -> Verdict | SequentialTrial:
    """Put a claim beside the seeds 0, 1, 2, ... of a row that was measured until it was decided.

    The result is a verdict if there are too few seeds for the first look. Seeds after the last look
    do not count.
    """
    n = len(accuracies)
    if n < FEWEST_SEEDS:
        figure = SampleFigure(tuple(accuracies), claim.n_runs, claim.best_of)
        return Verdict(
            VerdictKind.UNTESTABLE,
            explain_few_seeds(n, " from seed 0 without a gap"),
            interval=figure.interval if n > 1 else None,
        )
    return SequentialTrial(claim, tuple(accuracies[:MAX_SEEDS]), margin, alpha)


# ---------------------------------------------------------------- the probability of a decision


def compute_chances(
    claim: Claim,
    accuracies: Sequence[float],
    plan: LookPlan = DEFAULT_PLAN,
    *,
    start_again: bool = False,
) -> Chances:
    """Compute how probable each decision still is, given the seeds so far.

    ``start_again``: the seeds were measured elsewhere and only say what is to be expected; all
    looks are still to come.

    Raises:
        ValueError: no look is left, the seeds have no spread, or there are no factors.
    """
    mean, sd = compute_mean_sd(accuracies)
    n = len(accuracies)
    most = plan.most_seeds
    if (n >= most and not start_again) or sd == 0:
        raise ValueError(f"no decision is open after {n} of {most} seeds with spread {sd:g}")
    distances, spreads = np.array([claim.accuracy - mean]), np.array([sd])
    reproduced, beyond = simulate_chances(
        claim, distances, spreads, n, plan, start_again=start_again
    )
    return Chances(float(reproduced[0]), float(beyond[0]))


def simulate_chances(
    claim: Claim,
    distances: np.ndarray,
    spreads: np.ndarray,
    n: int,
    plan: LookPlan = DEFAULT_PLAN,
    n_paths: int = N_PATHS,
    *,
    start_again: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the chances of many rows at once, by continuing each with simulated seeds.

    Args:
        claim: the kind of claim and its rounding; its accuracy is not used.
        distances: claim minus measured mean, ``float (n_rows,)``.
        spreads: measured standard deviations, ``float (n_rows,)``.
        n: number of seeds that were measured.
        plan: the looks.
        n_paths: number of continuations, the same for each row.
        start_again: see :func:`compute_chances`.

    Returns:
        The probabilities of "reproduced" and "not reproduced" at a later look, ``float (n_rows,)``.

    After few seeds the true mean and spread are uncertain. So each continuation first draws them
    from their laws given the seeds (the predictive distribution). All is in units of the measured
    spread, around the measured mean.
    """
    n_own, squares_so_far = (0, 0) if start_again else (n, n - 1)
    generator = np.random.default_rng(0)
    true_sd = np.sqrt((n - 1) / generator.chisquare(n - 1, n_paths))
    true_mean = true_sd * generator.standard_normal(n_paths) / math.sqrt(n)
    draws = true_mean + true_sd * generator.standard_normal((plan.most_seeds - n_own, n_paths))
    sums, squares = np.cumsum(draws, axis=0), np.cumsum(draws**2, axis=0)
    margin = (plan.margin / spreads)[:, None]
    excess = margin + (claim.half_unit / spreads)[:, None]
    distance = (distances / spreads)[:, None]
    reproduced = np.zeros((len(spreads), n_paths), bool)
    beyond = np.zeros((len(spreads), n_paths), bool)
    for later in range(max(n_own + 1, plan.first), plan.most_seeds + 1):
        law = get_law(later, claim.n_runs, claim.best_of)
        above, below = law.critical_distances(plan.find_level(claim, "reproduced"))
        level = plan.find_level(claim, "not reproduced")
        low, high = law.quantile(level), law.quantile(1 - level)
        row = later - n_own - 1
        gap = distance - sums[row] / later  # claim minus the new mean
        squared = squares_so_far + squares[row] - sums[row] ** 2 / later
        sd = np.sqrt(squared / (later - 1))
        reproduced |= (margin - gap > above * sd) & (margin + gap > below * sd)
        beyond |= (gap - excess > high * sd) | (gap + excess < low * sd)
    return reproduced.mean(axis=1), beyond.mean(axis=1)
