"""TODO docstring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def count(mean: float) -> str:
    """A mean number of images, whole; what is not none is not called 0."""
    return "<1" if 0 < mean < 0.5 else f"{mean:.0f}"


def in_words(seconds: float) -> str:
    """``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def mean_sd(values: Sequence[float], decimals: int) -> str:
    """``0.908 ± 0.002``, with the standard deviation (n - 1) where there are several values."""
    if not values:
        return ""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.{decimals}f}"
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return f"{mean:.{decimals}f} ± {sd:.{decimals}f}"
