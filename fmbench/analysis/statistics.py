"""Statistics of accuracies over seeds: the interval for one new run, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95  # level of every interval that fmbench prints
CONFIDENCE_TEXT = f"{100 * CONFIDENCE:g} %"


def compute_prediction_interval(
    accuracies: Sequence[float], *, deterministic: bool
) -> tuple[float, float | None, float | None, float | None]:
    """Compute mean, standard deviation (n - 1), and both ends of the interval for one new run.

    The interval is Student's prediction interval (Spence & Stanley 2016) at :data:`CONFIDENCE`, cut
    at 0 and 1. A
    deterministic model has no spread: its standard deviation is 0, and both ends are the mean. For
    one run of a stochastic model, spread and ends are not known (``None``).
    """
    from scipy.special import stdtrit

    n = len(accuracies)
    mean = math.fsum(accuracies) / n
    if deterministic:
        return mean, 0.0, mean, mean
    if n == 1:
        return mean, None, None, None
    sd = math.sqrt(math.fsum((a - mean) ** 2 for a in accuracies) / (n - 1))
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd * math.sqrt(1 + 1 / n)
    return mean, sd, max(0.0, mean - half), min(1.0, mean + half)


def correct_p_values(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's method, in the order in which they are given.

    If the corrected values are tested at level alpha, the probability of any false rejection is at
    most alpha.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected
