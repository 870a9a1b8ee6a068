"""How many processes or threads a fit may use: set once in the process of a cell, by default one.

The number changes no prediction. Only runners that say so (``max_workers``) ask for it.
"""

from __future__ import annotations

_workers = 1


def allow_workers(n: int) -> None:
    """Let later fits in this process use up to ``n`` processes or threads."""
    global _workers
    _workers = n


def count_workers() -> int:
    """Return how many processes or threads a fit may use."""
    return _workers
