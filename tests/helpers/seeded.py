"""A run of tiny cells, for tests that kill it: ``python -m tests.seeded RESULTS DATA [force]``.

With ``hang`` in place of ``force``, of cells that do not end.
"""

import sys
import time
from pathlib import Path

import numpy as np

from fmbench.datasets.specs import FASHION_MNIST, Source
from fmbench.execution.backend import Limits
from fmbench.execution.schedule import Observer, pending, run
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store

HANGS = 1000  # the first seed whose fit does not end
LIMITS = Limits(timeout=60, memory=4 * 2**30, jobs=2)


class Seeded:
    """Predicts noise, always the same of a seed."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        time.sleep(0.02 if self.seed < HANGS else 600)
        return self

    def predict(self, X):
        return np.random.default_rng(self.seed).integers(0, 10, len(X))


def seeded(*, seed):
    return Seeded(seed)


def cells(n, first=0):
    runner = Runner("seeded", "Noise", seeded, {}, 1, "seconds")
    return [Cell(runner, QUICK, seed) for seed in range(first, first + n)]


def resume(store, source, n, first=0, *, force=False):
    """As ``fmbench run`` would: what is not finished, or all."""
    store.prepare()
    contents = store.read()
    todo = pending(cells(n, first), contents, force=force)
    return run(todo, store, source, LIMITS, Observer(), known=contents)


if __name__ == "__main__":
    where = Source(FASHION_MNIST, Path(sys.argv[2]), "a test")
    first = HANGS if "hang" in sys.argv else 0
    resume(Store(Path(sys.argv[1])), where, 30, first, force="force" in sys.argv)
