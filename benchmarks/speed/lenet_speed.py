"""Compares fmbench's training of LeNet-5 with a plain PyTorch loop: one epoch, or the whole job.

`side_by_side.py` says what the two loops are and how they take turns. The whole job is the paper's
protocol, ten trials of ten epochs. fmbench runs it as `fmbench run lenet5 --seeds 10` does, with a
process for each cell and the scoring of every epoch. The plain loop runs one trial after the other
on all cores; some of its epochs are timed and multiplied.

    python benchmarks/speed/lenet_speed.py --epochs 3 --threads 1
    python benchmarks/speed/lenet_speed.py --job --device cuda
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from side_by_side import Task, Turns, fmbench_way, plain_way

N_IMAGES = 60_000


def compare_epochs(options: argparse.Namespace) -> None:
    """Print the seconds of each epoch with both loops, and their ratio."""
    n_epochs = options.epochs + 1
    task = Task("lenet5", N_IMAGES, n_epochs, options.threads, options.device, options.data)
    n_turns = task.n_turns(task.classifier().config.batch_size)
    print(f"an epoch of {N_IMAGES:,} images, {options.threads} thread(s)")
    print(f"{'epoch':>8} {'plain s':>9} {'fmbench s':>10} {'ratio':>7}")
    ratios = []
    with Turns(task, plain_way, fmbench_way) as turns:
        for epoch in range(n_epochs):
            plain, ours = turns.next(n_turns)
            name = epoch or "warm-up"
            print(f"{name:>8} {plain:9.2f} {ours:10.2f} {ours / plain:7.2f}", flush=True)
            if epoch:
                ratios.append(ours / plain)
        accuracies = turns.results()
    print(
        f"ratio fmbench / plain: median {statistics.median(ratios):.2f} of n={len(ratios)} epochs"
    )
    for name, accuracy in zip(("plain", "fmbench"), accuracies, strict=True):
        print(f"test accuracy after {n_epochs} epochs, {name}: {100 * accuracy:.2f} %")


def compare_jobs(options: argparse.Namespace) -> None:
    """Print the seconds of the paper's whole protocol with both loops, and their ratio."""
    found = measure_jobs(options.trials, options.device, options.data, n_epochs=options.epochs)
    print(
        f"{found['trials']} trials of {found['epochs']} epochs of {N_IMAGES:,} images\n"
        f"fmbench, whole job:           {found['seconds']:8.1f} s; "
        f"{found['jobs']} process(es) of one thread at a time, {found['together']} trial(s) in "
        f"each; accuracy {found['accuracy']:.2f} +- {found['sd']:.2f} (n={found['trials']})\n"
        f"memory of a process:          {found['memory'] / 2**30:8.2f} GB"
    )
    if found["gpu memory"]:
        print(f"memory on the GPU:            {found['gpu memory'] / 2**30:8.2f} GB")
    print(
        f"plain loop, {found['cores']} thread(s):      {found['plain seconds']:8.1f} s; "
        f"{found['plain epoch']:.2f} s an epoch (median of n={found['n']}), multiplied\n"
        f"times as fast: {found['plain seconds'] / found['seconds']:.1f}"
    )


def measure_jobs(
    trials: int,
    device: str,
    data: Path | None,
    *,
    n_epochs: int,
    n_images: int = N_IMAGES,
    quick: bool = False,
) -> dict[str, Any]:
    """Measure the paper's whole protocol with fmbench, and ``n_epochs`` of the plain loop.

    The plain loop's seconds are multiplied: so many images, trials and epochs as fmbench's.
    ``quick``: fmbench runs its quick protocol.
    """
    from fmbench.utils import environment

    n_cores = environment.count_cores()
    with tempfile.TemporaryDirectory() as folder:
        records, seconds = run_trials(trials, device, data, Path(folder), jobs=n_cores, quick=quick)
    # A quick cell has no accuracy after each epoch.
    accuracies = [100 * r.history[-1].get("heldout_accuracy", math.nan) for r in records]
    epochs = time_plain_epochs(Task("lenet5", n_images, n_epochs + 1, n_cores, device, data))
    plain_epoch = statistics.median(epochs)
    return {
        "trials": trials,
        "epochs": len(records[0].history),
        "seconds": seconds,
        "jobs": records[0].jobs,
        "together": records[0].together,
        "accuracy": statistics.mean(accuracies),
        "sd": statistics.stdev(accuracies),
        "memory": max(record.peak_memory_bytes for record in records),
        "gpu memory": max(record.peak_gpu_memory_bytes or 0 for record in records),
        "cores": n_cores,
        "plain epoch": plain_epoch,
        "plain seconds": plain_epoch * len(records[0].history) * trials,
        "n": len(epochs),
    }


def run_trials(
    trials: int, device: str, data: Path | None, folder: Path, *, jobs: int, quick: bool = False
) -> tuple[list[Any], float]:
    """Run trials of LeNet-5 as `fmbench run` does; return their records and the seconds in all.

    The records are written into ``folder``.
    """
    from fmbench import runners
    from fmbench.datasets import locate
    from fmbench.execution import schedule
    from fmbench.execution.backend import Limits
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.records.store import Store

    together = trials if device == "cuda" else 1
    limits = Limits(timeout=3600, memory=8 * 2**30, jobs=jobs, device=device, together=together)
    runner, protocol = runners.get_runner("lenet5"), QUICK if quick else FULL
    cells = [Cell(runner, protocol, seed) for seed in range(trials)]
    source = locate.locate_dataset(folder=data)
    store = Store(folder)
    store.prepare()
    start = time.perf_counter()
    records = schedule.run_cells(cells, store, source, limits, schedule.Observer())
    seconds = time.perf_counter() - start
    if failed := [record.why for record in records if not record.finished]:
        raise SystemExit(f"a trial failed: {failed[0]}")
    return records, seconds


def time_plain_epochs(task: Task) -> list[float]:
    """The seconds of each epoch of the plain loop, after the first one, which warms up."""
    n_turns = task.n_turns(task.classifier().config.batch_size)
    with Turns(task, plain_way) as turns:
        return [sum(turns.next(n_turns)) for _ in range(task.n_epochs)][1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="after one that warms up")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of each loop, without --job"
    )
    parser.add_argument("--job", action="store_true", help="time the paper's whole protocol")
    parser.add_argument("--trials", type=int, default=10, help="of the whole protocol")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()

    import torch

    from fmbench.datasets import locate
    from fmbench.utils import environment

    environment.resolve_device(options.device)
    locate.locate_dataset(folder=options.data, fetch=True)
    print(f"LeNet-5, {environment.device_name(options.device)}, torch {torch.__version__}")
    (compare_jobs if options.job else compare_epochs)(options)


if __name__ == "__main__":
    main()
