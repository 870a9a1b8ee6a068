"""Compares one and two workers of a Dask cluster: the time for a batch of equal cells.

A scheduler and a worker with one thread are started on loopback, as a user starts them, and run the
batch. Then a second worker is started, and both run the same batch in an empty folder. Each worker
first runs some cells that are not timed, because its fork server takes seconds to load the
libraries. All workers share this machine, so it needs two idle cores. Without them, cells that only
wait (`--wait 5`) still show what the cluster itself costs.

    python benchmarks/speed/cluster.py
    python benchmarks/speed/cluster.py --cells 24 --runner random-forest
    python benchmarks/speed/cluster.py --wait 5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

GOAL = 0.6
WAITING = """
import time
import numpy as np

class Waiting:
    def fit(self, X, y):
        time.sleep({seconds})
    def predict(self, X):
        return np.zeros(len(X), np.uint8)

def make(*, seed):
    return Waiting()
"""


def dask(stack: ExitStack, folder: Path, *arguments: str) -> None:
    """Start a Dask process; closing the stack ends it."""
    command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
    log = stack.enter_context((folder / "log").open("a"))
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def scheduler(stack: ExitStack, folder: Path) -> str:
    """Start a scheduler and return its address."""
    file = folder / "scheduler.json"
    dask(stack, folder, "scheduler", "--port", "0", "--scheduler-file", str(file))
    while not file.exists():
        time.sleep(0.05)
    return json.loads(file.read_text())["address"]


def seconds_of(cells: Sequence[Any], address: str, n_workers: int) -> float:
    """Wall time of a batch in an empty results folder, after some cells that are not timed."""
    from fmbench.datasets import locate
    from fmbench.execution.backend import Limits
    from fmbench.execution.cluster.client import connect_to_cluster
    from fmbench.execution.schedule import Observer, run_cells
    from fmbench.records.store import Store

    source = locate.locate_dataset(fetch=True)
    limits = Limits(timeout=3600, memory=4 * 2**30, jobs=n_workers)
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        store.prepare()
        with connect_to_cluster(address, store.folder, 0, print) as cluster:
            while cluster.count_jobs(1) < n_workers:
                time.sleep(0.05)
            run_cells(cells[: 2 * n_workers], store, source, limits, Observer(), cluster=cluster)
            start = time.monotonic()
            records = run_cells(cells, store, source, limits, Observer(), cluster=cluster)
            seconds = time.monotonic() - start
    assert all(record.finished for record in records), [record.why for record in records]
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, default=16)
    parser.add_argument("--runner", default="sgd", help="the runner of the cells (quick protocol)")
    parser.add_argument("--wait", type=float, help="run cells that only wait this many seconds")
    options = parser.parse_args()
    from fmbench.records.protocols import QUICK
    from fmbench.suites.configurations import resolve_configuration

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        name = options.runner
        if options.wait is not None:
            (folder / "waiting.py").write_text(WAITING.format(seconds=options.wait))
            name = f"{folder}/waiting.py:make"
        cells = resolve_configuration(name).cells(QUICK, options.cells)
        address = scheduler(stack, folder)
        seconds = []
        for n_workers in (1, 2):
            dask(stack, folder, "worker", address, "--nthreads", "1")
            seconds.append(seconds_of(cells, address, n_workers))
            print(f"{n_workers} worker(s): {len(cells)} cells of {name} "
                  f"in {seconds[-1]:.1f} s")  # fmt: skip
    ratio = seconds[1] / seconds[0]
    print(f"two workers take {ratio:.2f} of the time of one (goal: at most {GOAL})")


if __name__ == "__main__":
    main()
