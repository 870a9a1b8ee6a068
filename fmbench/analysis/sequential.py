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

from fmbench.analysis.statistics import compute_mean_sd, get_law
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    Claim,
    Figure,
    Verdict,
    VerdictKind,
    choose_kind,
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
    probability below ``futility``.
    """

    first: int = FEWEST_SEEDS
    last: int = LAST_LOOK
    margin: float = MARGIN
    alpha: float = ALPHA
    n_tests: int = 1
    futility: float = FUTILITY

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
    "reproduced". ``chances`` is None unless the next step depends on it.
    """

    n_seeds: int
    step: Step
    verdict: Verdict
    chances: Chances | None = None


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
        decisions.append(_judge_look(claim, accuracies[:n], plan, deterministic, before))
    return decisions


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
        return Decision(n, Step.DECIDED, verdict)
    if n < plan.first:
        reason = f"the first test is after {plan.first} seeds"
        verdict = Verdict(VerdictKind.MORE_SEEDS, reason, interval=trial.figure.interval)
        return Decision(n, Step.GO_ON, verdict)
    verdict = _test_look(claim, trial.figure, plan, before.verdict if before else None)
    if before and before.step is Step.DECIDED:
        return Decision(n, Step.DECIDED, replace(verdict, kind=before.verdict.kind))
    if verdict.kind in (VerdictKind.REPRODUCED, VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER):
        return Decision(n, Step.DECIDED, verdict)
    return _plan_next_step(claim, accuracies, plan, verdict)


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
    if n == plan.last:
        reason = f"no decision after {n} seeds, the last look"
        return Decision(n, Step.STOP, replace(verdict, reason=reason))
    chances = compute_chances(claim, accuracies, plan)
    best = max(chances.reproduced, chances.not_reproduced)
    if best < plan.futility:
        reason = f"less than {100 * plan.futility:g} % chance of a decision by {plan.last} seeds"
        return Decision(n, Step.STOP, replace(verdict, reason=reason), chances)
    reason = f"{100 * best:.0f} % chance of a decision by {plan.last} seeds"
    open_verdict = replace(verdict, kind=VerdictKind.MORE_SEEDS, reason=reason)
    return Decision(n, Step.GO_ON, open_verdict, chances)


# ---------------------------------------------------------------- the probability of a decision


def compute_chances(
    claim: Claim, accuracies: Sequence[float], plan: LookPlan = DEFAULT_PLAN
) -> Chances:
    """Compute how probable each decision still is, given the seeds so far.

    Raises:
        ValueError: no look is left, the seeds have no spread, or there are no factors.
    """
    mean, sd = compute_mean_sd(accuracies)
    n = len(accuracies)
    if n >= plan.last or sd == 0:
        raise ValueError(f"no decision is open after {n} of {plan.last} seeds with spread {sd:g}")
    distances, spreads = np.array([claim.accuracy - mean]), np.array([sd])
    reproduced, beyond = simulate_chances(claim, distances, spreads, n, plan)
    return Chances(float(reproduced[0]), float(beyond[0]))


def simulate_chances(
    claim: Claim,
    distances: np.ndarray,
    spreads: np.ndarray,
    n: int,
    plan: LookPlan = DEFAULT_PLAN,
    n_paths: int = N_PATHS,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the chances of many rows at once, by continuing each with simulated seeds.

    Args:
        claim: the kind of claim and its rounding; its accuracy is not used.
        distances: claim minus measured mean, ``float (n_rows,)``.
        spreads: measured standard deviations, ``float (n_rows,)``.
        n: number of seeds that were measured.
        plan: the looks.
        n_paths: number of continuations, the same for each row.

    Returns:
        The probabilities of "reproduced" and "not reproduced" at a later look, ``float (n_rows,)``.

    After few seeds the true mean and spread are uncertain. So each continuation first draws them
    from their laws given the seeds (the predictive distribution). All is in units of the measured
    spread, around the measured mean.
    """
    generator = np.random.default_rng(0)
    true_sd = np.sqrt((n - 1) / generator.chisquare(n - 1, n_paths))
    true_mean = true_sd * generator.standard_normal(n_paths) / math.sqrt(n)
    draws = true_mean + true_sd * generator.standard_normal((plan.last - n, n_paths))
    sums, squares = np.cumsum(draws, axis=0), np.cumsum(draws**2, axis=0)
    margin = (plan.margin / spreads)[:, None]
    excess = margin + (claim.half_unit / spreads)[:, None]
    distance = (distances / spreads)[:, None]
    reproduced = np.zeros((len(spreads), n_paths), bool)
    beyond = np.zeros((len(spreads), n_paths), bool)
    for later in range(max(n + 1, plan.first), plan.last + 1):
        law = get_law(later, claim.n_runs, claim.best_of)
        above, below = law.critical_distances(plan.find_level(claim, "reproduced"))
        level = plan.find_level(claim, "not reproduced")
        low, high = law.quantile(level), law.quantile(1 - level)
        row = later - n - 1
        gap = distance - sums[row] / later  # claim minus the new mean
        sd = np.sqrt((n - 1 + squares[row] - sums[row] ** 2 / later) / (later - 1))
        reproduced |= (margin - gap > above * sd) & (margin + gap > below * sd)
        beyond |= (gap - excess > high * sd) | (gap + excess < low * sd)
    return reproduced.mean(axis=1), beyond.mean(axis=1)
