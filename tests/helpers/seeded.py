"""A run of tiny cells, for tests that kill it.

``python -m tests.helpers.seeded RESULTS DATA`` runs the cells that are not finished yet,
``... force`` runs all of them, ``... hang`` runs cells whose fit does not end.
"""

import sys
import time
from pathlib import Path

import numpy as np

from fmbench.datasets.specs import DEFAULT_DATASET, LocatedDataset
from fmbench.execution.backend import Limits
from fmbench.execution.schedule import Observer, run_cells, select_pending
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store

N_CELLS = 30
FIRST_HANGING_SEED = 1000
LIMITS = Limits(timeout=900, memory=4 * 2**30, jobs=2)


class Seeded:
    """Predicts noise, the same for the same seed."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        time.sleep(0.02 if self.seed < FIRST_HANGING_SEED else 3600)
        return self

    def predict(self, X):
        return np.random.default_rng(self.seed).integers(0, 10, len(X))


def seeded(*, seed):
    return Seeded(seed)


def make_cells(n, first=0):
    runner = Runner("seeded", "Noise", seeded, {}, 1, "seconds")
    return [Cell(runner, QUICK, seed) for seed in range(first, first + n)]


def run_unfinished(cells, store, source, *, force=False):
    """Run the cells that are not finished, or all of them, as ``fmbench run`` does."""
    store.prepare()
    contents = store.read_contents()
    todo = select_pending(cells, contents, force=force)
    return run_cells(todo, store, source, LIMITS, Observer(), known=contents)


if __name__ == "__main__":
    results, data, *options = sys.argv[1:]
    run_unfinished(
        make_cells(N_CELLS, first=FIRST_HANGING_SEED if "hang" in options else 0),
        Store(Path(results)),
        LocatedDataset(DEFAULT_DATASET, Path(data), "a test"),
        force="force" in options,
    )
