"""Judges thousands of simulated claims at once, by the rules of `judge_claim`.

The simulations in this folder import it. `tests/analysis/test_verdict_simulations.py` checks that
it gives the verdicts of `judge_claim`, `decide_together` and `judge_sequentially`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fmbench.analysis.sequential import LookPlan, simulate_chances
from fmbench.analysis.statistics import CONFIDENCE, compute_p_beyond, get_law
from fmbench.analysis.verdicts import ALPHA, MARGIN, Claim

HALF_UNIT = 0.00005  # of a claim that is printed with two decimals, in percent
POINT = 0.01
CHUNK = 200  # rows whose chances are simulated together: so few that they stay in the cache


def round_to_images(accuracies: np.ndarray) -> np.ndarray:
    """Round to a whole number of correct images out of 10,000, which is also how claims print."""
    return np.round(accuracies, 4)


@dataclass(frozen=True)
class Verdicts:
    """Which claims get which verdict: ``bool`` arrays of the shape of the claims."""

    reproduced: np.ndarray
    within_spread: np.ndarray
    not_reproduced: np.ndarray


def measure(accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the last axis; equal accuracies have no spread at all."""
    mean, sd = accuracies.mean(axis=-1), accuracies.std(axis=-1, ddof=1)
    return mean, np.where(np.ptp(accuracies, axis=-1) > 1e-9, sd, 0.0)


def judge_many(
    claimed: np.ndarray,
    accuracies: np.ndarray,
    *,
    n_runs: int = 1,
    best_of: int = 1,
    half_unit: float = HALF_UNIT,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    level: float = ALPHA,
) -> Verdicts:
    """Judge claims; ``accuracies`` has one more axis than ``claimed``, for the seeds.

    "Reproduced" is tested at ``alpha``, "not reproduced" at ``level``.
    """
    law = get_law(accuracies.shape[-1], n_runs, best_of)
    mean, sd = measure(accuracies)
    gap = claimed - mean
    above, below = law.critical_distances(alpha)
    reproduced = (margin - gap > above * sd) & (margin + gap > below * sd)
    low, high = law.quantile((1 - CONFIDENCE) / 2), law.quantile((1 + CONFIDENCE) / 2)
    within = (gap + half_unit >= low * sd) & (gap - half_unit <= high * sd)
    low, high = law.quantile(level), law.quantile(1 - level)
    excess = margin + half_unit
    beyond = (gap - excess > high * sd) | (gap + excess < low * sd)
    # Without spread nothing is tested, and the distance decides.
    close = np.abs(gap) <= excess + 1e-9
    reproduced = np.where(sd > 0, reproduced, close)
    within = ~reproduced & within & (sd > 0)
    beyond = np.where(sd > 0, beyond & ~reproduced & ~within, ~close)
    return Verdicts(reproduced, within, beyond)


def judge_tables(
    claimed: np.ndarray, accuracies: np.ndarray, *, n_runs: int = 1, alpha: float = ALPHA
) -> np.ndarray:
    """Say which rows of many tables are not reproduced after Holm's correction.

    Args:
        claimed: ``float (n_tables, n_rows)``.
        accuracies: ``float (n_tables, n_rows, n_seeds)``; each row needs some spread.
        n_runs: the number of runs that each claim averages.
        alpha: the level.

    Returns:
        ``bool (n_tables, n_rows)``.
    """
    n_seeds, n_rows = accuracies.shape[-1], claimed.shape[-1]
    mean, sd = measure(accuracies)
    p = compute_p_beyond(claimed - mean, sd, get_law(n_seeds, n_runs), MARGIN + HALF_UNIT)
    order = np.argsort(p, axis=1)
    holm = np.maximum.accumulate(
        np.take_along_axis(p, order, axis=1) * (n_rows - np.arange(n_rows)), axis=1
    )
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, holm, axis=1)
    plain = judge_many(claimed, accuracies, n_runs=n_runs, alpha=alpha, level=alpha)
    return plain.not_reproduced & (corrected < alpha)


# ---------------------------------------------------------------- sequential


@dataclass(frozen=True)
class SequentialVerdicts:
    """When each row stopped, and with which decision: arrays ``(n_rows,)``."""

    n_seeds: np.ndarray
    reproduced: np.ndarray
    not_reproduced: np.ndarray


# Which rows are reproduced, and which not, by a look: (gaps, spreads, n seeds) -> two bool arrays.
Look = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def judge_many_sequentially(
    claimed: np.ndarray,
    accuracies: np.ndarray,
    claim: Claim,
    plan: LookPlan,
    *,
    n_paths: int = 500,
    look: Look | None = None,
) -> SequentialVerdicts:
    """Judge each row after each look until it stops.

    Args:
        claimed: ``float (n_rows,)``.
        accuracies: ``float (n_rows, plan.most_seeds)``, in the order in which the seeds are run.
        claim: the kind of claim and its rounding; its accuracy is not used.
        plan: the looks. With a ``futility`` of 0, only a decision or the last look stops a row.
        n_paths: see :func:`fmbench.analysis.sequential.simulate_chances`.
        look: another test than that of :mod:`fmbench.analysis.sequential`.
    """
    look = look or make_look(claim, plan)
    n_rows = len(claimed)
    n_seeds = np.full(n_rows, plan.most_seeds)
    reproduced, beyond = np.zeros(n_rows, bool), np.zeros(n_rows, bool)
    is_open = np.ones(n_rows, bool)
    for n in range(plan.first, plan.most_seeds + 1):
        rows = np.flatnonzero(is_open)
        mean, sd = measure(accuracies[rows, :n])
        gap = claimed[rows] - mean
        yes, no = look(gap, sd, n)
        close = np.abs(gap) <= plan.margin + claim.half_unit + 1e-9
        yes, no = np.where(sd > 0, yes, close), np.where(sd > 0, no & ~yes, ~close)
        reproduced[rows], beyond[rows] = yes, no
        stops = yes | no
        if plan.futility and n < plan.most_seeds:
            left = np.flatnonzero(~stops)
            for start in range(0, len(left), CHUNK):
                some = left[start : start + CHUNK]
                chances = simulate_chances(claim, gap[some], sd[some], n, plan, n_paths)
                stops[some] = np.maximum(*chances) < plan.futility
        n_seeds[rows[stops]] = n
        is_open[rows[stops]] = False
    return SequentialVerdicts(n_seeds, reproduced, beyond)


def make_look(claim: Claim, plan: LookPlan, *, naive: bool = False) -> Look:
    """The corrected tests of a look; ``naive``: those without correction for repeated looks."""
    strict = plan.find_level(claim, "reproduced"), plan.find_level(claim, "not reproduced")
    within_level, level = (plan.alpha, plan.alpha / plan.n_tests) if naive else strict

    def look(gap: np.ndarray, sd: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        law = get_law(n, claim.n_runs, claim.best_of)
        above, below = law.critical_distances(within_level)
        low, high = law.quantile(level), law.quantile(1 - level)
        excess = plan.margin + claim.half_unit
        yes = (plan.margin - gap > above * sd) & (plan.margin + gap > below * sd)
        return yes, (gap - excess > high * sd) | (gap + excess < low * sd)

    return look
