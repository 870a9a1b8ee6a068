"""LeNet-5: fmbench's training loop against the plain PyTorch way, an epoch at a time.

What the two ways are and how they take turns: `side_by_side.py`.

    python benchmarks/lenet_speed.py --epochs 3 --threads 1
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from side_by_side import Task, Turns, fmbench_way, plain_way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="after one that warms up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()

    import torch

    from fmbench import datasets, environment
    from fmbench.downloads import fetch

    environment.resolve_device(options.device)
    datasets.locate(data=options.data, fetch=fetch)
    n_epochs = options.epochs + 1
    task = Task("lenet5", 60_000, n_epochs, options.threads, options.device, options.data)
    n_turns = task.n_turns(task.classifier().config.batch_size)
    print(
        f"LeNet-5, an epoch of 60,000 images, {environment.device_name(options.device)}, "
        f"{options.threads} thread(s), torch {torch.__version__}"
    )
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


if __name__ == "__main__":
    main()
