"""LeNet-5: fmbench's training loop against the plain PyTorch way, an epoch at a time.

The plain way is what a tutorial shows: a DataLoader with batches of 32, `optimizer.zero_grad()`,
`loss.backward()`, `optimizer.step()`. Same network, images, optimizer and thread count. Each way
has a process of its own, as it would have at a user's, and the two take turns of 125 batches, so
that a machine whose speed drifts is fair to both.

    python benchmarks/lenet_speed.py --epochs 3 --threads 1
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from turns import Turns

RUNNER = "lenet5"
BATCHES = 125  # of a turn
TURNS = 60_000 // 32 // BATCHES  # of an epoch


def plain(turn, n_epochs: int, threads: int, data_folder: Path | None) -> None:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from fmbench import datasets, registry
    from fmbench.optimizers import EPSILON

    torch.set_num_threads(threads)
    data = datasets.load(datasets.locate(data=data_folder))
    ours = registry.get(RUNNER).build(registry.get(RUNNER).resolve(), seed=0, device="cpu")
    network = turn.pause_every(BATCHES, ours.network())
    optimizer = torch.optim.Adamax(network.parameters(), lr=ours.config.learning_rate, eps=EPSILON)
    labels = torch.tensor(data.y_train, dtype=torch.long)
    dataset = TensorDataset(torch.tensor(data.X_train), labels)
    loader = DataLoader(dataset, batch_size=ours.config.batch_size, shuffle=True)
    turn.ready()
    for _ in range(n_epochs):
        network.train()
        for batch, target in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), target).backward()
            optimizer.step()
    turn.done()
    network.eval()
    with torch.inference_mode():
        y_pred = network(torch.tensor(data.X_test)).argmax(1).numpy()
    turn.result(float((y_pred == data.y_test).mean()))


def fmbench(turn, n_epochs: int, threads: int, data_folder: Path | None) -> None:
    from fmbench import datasets, registry
    from fmbench.execution import keep_freed_memory, use_threads

    runner = registry.get(RUNNER)
    classifier = runner.build(runner.resolve({"epochs": n_epochs}), seed=0, device="cpu")
    network = classifier.network
    classifier.set_params(network=lambda: turn.pause_every(BATCHES, network()))
    use_threads(threads)  # these two are what every cell does
    keep_freed_memory()
    data = datasets.load(datasets.locate(data=data_folder))
    turn.ready()
    classifier.fit(data.X_train, data.y_train)
    turn.done()
    turn.result(float((classifier.predict(data.X_test) == data.y_test).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()

    import torch

    from fmbench import datasets, environment
    from fmbench.downloads import fetch

    datasets.locate(data=options.data, fetch=fetch)
    print(f"LeNet-5, an epoch of 60,000 images, {options.threads} thread(s), "
          f"{environment.cpu_name()}, torch {torch.__version__}")  # fmt: skip
    print(f"{'epoch':>8} {'plain s':>9} {'fmbench s':>10} {'ratio':>7}")
    ratios = []
    arguments = (options.epochs + 1, options.threads, options.data)
    with Turns(plain, fmbench, arguments=arguments, threads=options.threads) as turns:
        for epoch in range(options.epochs + 1):
            a, b = turns.next(TURNS)
            name = epoch or "warm-up"
            print(f"{name:>8} {a:9.2f} {b:10.2f} {b / a:7.2f}", flush=True)
            if epoch:
                ratios.append(b / a)
        accuracies = turns.results()
    print(
        f"ratio fmbench / plain: median {statistics.median(ratios):.2f} of n={len(ratios)} epochs"
    )
    for name, accuracy in zip(("plain", "fmbench"), accuracies, strict=True):
        print(f"test accuracy after {options.epochs + 1} epochs, {name}: {100 * accuracy:.2f} %")


if __name__ == "__main__":
    main()
