"""Measures the time that fmbench itself adds to each cell, by running many trivial cells.

The model predicts 0 and learns nothing. As in `fmbench run`, each cell gets all of the data, a
process of its own with limits, and a record. The benchmark prints

- *overhead a cell*: (wall time x jobs - the seconds of fit and predict of all cells) / cells;
- *wall a cell*: wall time / cells.

The wall time includes the start of the fork server, which loads the libraries and the data once. It
does not include the plan and the table.

    python benchmarks/speed/overhead.py
    python benchmarks/speed/overhead.py --cells 50 --jobs 4 --quick
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT = 0.2  # seconds a cell


class Nothing:
    """A classifier that always predicts 0."""

    def fit(self, X: Any, y: Any) -> Nothing:  # noqa: D102
        return self

    def predict(self, X: Any) -> Any:  # noqa: D102
        import numpy as np

        return np.zeros(len(X), np.uint8)


def nothing(*, seed: int) -> Nothing:
    return Nothing()


def main() -> None:
    from fmbench.datasets import locate
    from fmbench.execution import schedule
    from fmbench.execution.backend import Limits
    from fmbench.models.registry import Runner
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.records.store import Store
    from fmbench.utils import environment

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="use only a small part of the data")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    source = locate.locate_dataset(folder=options.data, fetch=True)
    runner = Runner("nothing", "Predicts 0", nothing, {}, 1, "seconds")
    cells = [Cell(runner, QUICK if options.quick else FULL, s) for s in range(options.cells)]
    limits = Limits(timeout=60, memory=4 * 2**30, jobs=options.jobs)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.prepare()
        start = time.perf_counter()
        records = schedule.run_cells(cells, store, source, limits, schedule.Observer())
        wall = time.perf_counter() - start
    failed = [record.why for record in records if not record.finished]
    if failed or len(records) != len(cells):
        raise SystemExit(f"{len(failed)} of {len(cells)} cells failed: {failed[:1]}")
    own = sum((r.fit_seconds or 0) + (r.predict_seconds or 0) for r in records)
    n = len(cells)
    overhead = (wall * options.jobs - own) / n
    print(f"{n} cells, {options.jobs} at a time, {environment.cpu_name()}: {wall:.1f} s")
    print(f"overhead a cell: {overhead:.3f} s (limit {LIMIT}), wall a cell: {wall / n:.3f} s")


if __name__ == "__main__":
    main()
