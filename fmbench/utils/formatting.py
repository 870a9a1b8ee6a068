"""Formats numbers for people: durations, counts, means with their spread, intervals."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence

from fmbench.utils.table import MeanSd


def join_words(words: Iterable[str], most: int | None = None) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``. Words beyond ``most`` are only counted."""
    listed = list(words)
    if most and len(listed) > most:
        listed = [*listed[:most], f"{len(listed) - most} more"]
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))


def replace_between(text: str, start: str, end: str, content: str) -> str:
    """Return ``text`` with ``content`` between the marks ``start`` and ``end``, which stay.

    Raises:
        ValueError: ``start`` is not in the text exactly once.
        IndexError: ``end`` does not follow it.
    """
    before, rest = text.split(start)
    return before + start + content + end + rest.split(end)[1]


def format_number_of(n: int, noun: str) -> str:
    """``1 row``, ``29 rows``: a number with a noun whose plural ends with ``s``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def format_count(mean: float) -> str:
    """Format a mean number of images as a whole number; ``<1`` for small numbers above 0."""
    return "<1" if 0 < mean < 0.5 else f"{mean:.0f}"


def format_duration(seconds: float) -> str:
    """``8.2 s``, ``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_mean_sd(values: Sequence[float], decimals: int) -> str:
    """``0.908 ± 0.002``: the mean, and the standard deviation (n - 1) of several values."""
    return "" if not values else str(MeanSd.of(values, decimals))


def format_interval(low: float | None, high: float | None) -> str:
    """``90.24 to 91.41`` in percent; one number if both print the same, nothing if unknown."""
    if low is None or high is None:
        return ""
    first, last = f"{100 * low:.2f}", f"{100 * high:.2f}"
    return first if first == last else f"{first} to {last}"


def format_signal(number: int) -> str:
    """Return the number of a signal with its name: ``9 (SIGKILL)``; some have no name."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
