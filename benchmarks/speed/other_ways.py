"""Compares fmbench's training on a CPU with ways that it does not use: what would they bring?

- *compile off*, *compile on*: PyTorch at its best, without and with `torch.compile`;
- *bfloat16*: the same without `torch.compile`, computed in bfloat16 by PyTorch's autocast;
- *stack*: five seeds that fmbench trains as one network, as on a GPU; the seconds of one seed.

All train the same network on one thread and take turns, an epoch each. The first epoch warms up.

    python benchmarks/speed/other_ways.py
    python benchmarks/speed/other_ways.py cnn-bn --epochs 1 --images 2000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cnn_speed import gemm_rate
from peer_loops import best_torch_way
from side_by_side import Task, Turn, Turns, fmbench_way

ROWS = ("lenet5", "cnn", "cnn-softmax")
N_SEEDS = 5  # in a stack


class TaskByEpoch(Task):
    """A training in which each way trains a whole epoch before the next way has its turn."""

    @property
    def turns(self) -> int:
        """The number of turns in an epoch."""
        return 1


def compile_off_way(turn: Turn, task: Task, *, bfloat16: bool = False) -> None:
    """Train with PyTorch at its best, but without torch.compile."""
    best_torch_way(turn, replace(task, compile=False), bfloat16=bfloat16)


def stack_way(turn: Turn, task: Task) -> None:
    """Train fmbench's classifier with several seeds at once, stacked into one network."""
    from fmbench.execution.process import keep_freed_memory, use_threads

    use_threads(task.threads)
    keep_freed_memory()
    X_train, y_train, X_test, y_test = task.images()
    classifiers = [task.classifier().set_params(seed=seed) for seed in range(N_SEEDS)]

    def end_epoch(classifier: object, report: object) -> None:
        if classifier is classifiers[-1]:
            turn.done()

    turn.ready()
    classifiers[0].fit_together(classifiers, X_train, y_train, [end_epoch] * N_SEEDS)
    turn.result(float((classifiers[0].predict(X_test) == y_test).mean()))


WAYS: dict[str, Callable[[Turn, Task], None]] = {
    "fmbench": fmbench_way,
    "compile off": compile_off_way,
    "compile on": best_torch_way,
    "bfloat16": partial(compile_off_way, bfloat16=True),
    "stack": stack_way,
}


def measure(task: Task) -> dict[str, str]:
    """Train one row in all ways; return the seconds of an epoch and the accuracy of each."""
    with Turns(task, *WAYS.values()) as turns:
        epochs = [turns.next(1) for _ in range(task.n_epochs)][1:]
        accuracies = turns.results()
    found = {}
    for i, (way, accuracy) in enumerate(zip(WAYS, accuracies, strict=True)):
        seconds = statistics.median(epoch[i] for epoch in epochs)
        seconds /= N_SEEDS if way == "stack" else 1
        found[way] = f"{seconds:.3g} ({accuracy:.1%})"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", default=ROWS, metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--epochs", type=int, default=3, help="after one that warms up")
    parser.add_argument("--images", type=int, default=6_000, help="of the training set")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()

    import torch

    from fmbench.datasets import locate
    from fmbench.utils import environment

    torch.set_num_threads(1)
    locate.locate_dataset(folder=options.data, fetch=True)
    kinds = ("float32", "bfloat16")
    rates = {kind: gemm_rate("cpu", clock=time.process_time, dtype=kind) for kind in kinds}
    print(
        f"{environment.cpu_name()}, one thread, torch {torch.__version__}; a large matrix product: "
        + ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {kind}" for kind, rate in rates.items())
    )
    print(
        f"CPU seconds of an epoch of {options.images:,} images, median of n={options.epochs} "
        "after one that warms up, and the accuracy after all of them on the first "
        f"{min(options.images, 10_000):,} test images"
    )
    print(f"{'row':12}" + "".join(f"{way:>17}" for way in WAYS))
    for name in options.names:
        task = TaskByEpoch(
            name, options.images, options.epochs + 1, 1, "cpu", options.data, clock="cpu"
        )
        print(f"{name:12}" + "".join(f"{text:>17}" for text in measure(task).values()), flush=True)


if __name__ == "__main__":
    main()
