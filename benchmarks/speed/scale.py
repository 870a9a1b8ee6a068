"""Times planning, resuming and the table for growing numbers of stored records.

The records are synthetic: made-up predictions for every row of the suite, in a temporary folder.
Each says so in its `device` and `details`. Nothing is trained.

- *plan*: choose and sort the cells to run, when nothing has been measured yet;
- *resume*: the same when everything has been measured. `fmbench run --all` does this first: it
  reads every record and checks the predictions against their SHA-256;
- *table*: the command `fmbench table`, with the verdict of each row;
- *run*: the command `fmbench run --all` when nothing is left to do.

    python benchmarks/speed/scale.py
    python benchmarks/speed/scale.py 100 1000 --scores
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SYNTHETIC = "synthetic, never run"
N_IMAGES = 10_000
WAYS = ("plan", "resume", "table", "run")


def cells(n: int) -> tuple[list[Any], int]:
    """About ``n`` cells: those of every row that `--all` runs; and the number of seeds of a row."""
    from fmbench import runners
    from fmbench.records.cells import Cell, select_seeds
    from fmbench.records.protocols import FULL
    from fmbench.suites import reader

    known = runners.load_runners()
    chosen = [known[name] for name in reader.read_suite().runners if name in known]
    chosen = [runner for runner in chosen if not runner.by_name_only]
    once = sum(runner.deterministic for runner in chosen)
    n_seeds = max(1, round((n - once) / (len(chosen) - once)))
    return [Cell(r, FULL, seed) for r in chosen for seed in select_seeds(r, n_seeds)], n_seeds


def fill(folder: Path, n: int, source: Any, *, scores: bool) -> None:
    """Write about ``n`` synthetic records."""
    import numpy as np

    from fmbench.records.protocols import FULL, load_labels
    from fmbench.records.record import Record
    from fmbench.records.store import Store
    from fmbench.utils.environment import collect_versions

    store, y_true, generator = Store(folder), load_labels(FULL, source), np.random.default_rng(0)
    store.prepare()
    for cell in cells(n)[0]:
        right = generator.random(N_IMAGES) < 0.9
        arrays = {"y_pred": np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)}
        if scores:
            arrays["scores"] = generator.random((N_IMAGES, 10)).astype(np.float16)
        record = Record(
            "finished", cell.key, cell.to_definition(), SYNTHETIC, 1, 1, collect_versions(), {},
            "2026-01-01T00:00:00+00:00", 1.0, fit_seconds=1.0, details={"synthetic": True},
        )  # fmt: skip
        store.save(record, arrays)


def plan(folder: Path, n: int) -> list[Any]:
    """The cells that have to run, sorted."""
    from fmbench.execution import schedule
    from fmbench.execution.backend import Limits
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.records.store import Store

    contents = Store(folder).read_contents()
    todo = schedule.select_pending(cells(n)[0], contents)
    limits = Limits(timeout=3600, memory=8 * 2**30)
    return schedule.sort_cells(todo, DurationEstimate(contents).expected_seconds, limits)


def command(*arguments: object) -> None:
    """Run a command of fmbench in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "fmbench", *map(str, arguments)], check=True, capture_output=True
    )


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def measure(n: int, source: Any, *, scores: bool) -> tuple[int, dict[str, float]]:
    """The number of records that were made, and the seconds of each of :data:`WAYS`."""
    n_cells, n_seeds = len(cells(n)[0]), cells(n)[1]
    with tempfile.TemporaryDirectory(prefix="fmbench-scale-") as name:
        folder = Path(name)
        found = {"plan": seconds(lambda: plan(folder / "empty", n))}
        fill(folder, n, source, scores=scores)
        found["resume"] = seconds(lambda: plan(folder, n))
        where = ("--results", folder, "--data", source.folder)
        found["table"] = seconds(lambda: command("table", *where))
        everything = ("run", "--all", "--seeds", n_seeds, *where)
        command(*everything)  # writes the tables, with every metric of the suite's subject
        found["run"] = seconds(lambda: command(*everything))
    return n_cells, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[100, 1000, 10_000], metavar="N")
    parser.add_argument(
        "--scores",
        action="store_true",
        help="store class scores too: records are 50 times as large",
    )
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()

    from fmbench.datasets import locate
    from fmbench.utils import environment

    source = locate.locate_dataset(folder=options.data, fetch=True)
    print(
        f"{environment.device_name('cpu')}, Python {sys.version.split()[0]}; synthetic records "
        f"{'with' if options.scores else 'without'} scores; seconds, n=1; in brackets: times the "
        "row above"
    )
    print(f"{'records':>8}" + "".join(f"{way:>16}" for way in WAYS))
    before: dict[str, float] = {}
    for n in options.sizes:
        n_records, found = measure(n, source, scores=options.scores)
        growth = {w: f" ({found[w] / before[w]:.1f}x)" if before else "" for w in WAYS}
        line = "".join(f"{f'{found[way]:.2f}{growth[way]}':>16}" for way in WAYS)
        print(f"{n_records:>8,}{line}", flush=True)
        before = found


if __name__ == "__main__":
    main()
