"""TODO docstring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

CONFIDENCE = 0.95


def spread(
    accuracies: Sequence[float], *, deterministic: bool
) -> tuple[float, float | None, float | None, float | None]:
    """Mean, standard deviation (n - 1) and the 95 % prediction interval of one new run."""
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


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for their number, so that the chance of any error is bounded."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected
