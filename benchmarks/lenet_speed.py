"""LeNet-5: fmbench's training loop against the plain PyTorch way, an epoch at a time.

The plain way is what a tutorial shows: a DataLoader with batches of 32, `optimizer.zero_grad()`,
`loss.backward()`, `optimizer.step()`, on float images. Same network, optimizer and thread count.
The two take turns in one process, so that a machine whose speed drifts is fair to both.

    python benchmarks/lenet_speed.py --epochs 3 --threads 1
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path


def plain_epochs(network, X, y, make_optimizer):
    """Train for ever, yielding the seconds of each epoch."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    images = torch.tensor(X)
    labels = torch.tensor(y, dtype=torch.long)
    loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
    optimizer = make_optimizer(network.parameters())
    while True:
        start = time.perf_counter()
        network.train()
        for batch, target in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), target).backward()
            optimizer.step()
        yield time.perf_counter() - start


def our_epochs(classifier, X, y, n_epochs):
    """Train for ``n_epochs``, handing over after each; yields the seconds of each epoch."""
    import threading

    finished, go_on = threading.Semaphore(0), threading.Semaphore(0)
    clock: dict[str, float] = {}

    def pause(_classifier, _report):
        clock["seconds"] = time.perf_counter() - clock["start"]
        finished.release()
        go_on.acquire()
        clock["start"] = time.perf_counter()

    def train():
        go_on.acquire()
        clock["start"] = time.perf_counter()
        classifier.fit(X, y, on_epoch=pause)

    threading.Thread(target=train, daemon=True).start()
    for _ in range(n_epochs):
        go_on.release()
        finished.acquire()
        yield clock["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import torch

    from fmbench import datasets, environment, registry
    from fmbench.downloads import fetch
    from fmbench.execution import keep_freed_memory
    from fmbench.training import OPTIMIZERS

    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as every cell does; the plain way gains by it as well
    data = datasets.load(datasets.locate(data=options.data, fetch=fetch))
    runner = registry.get("lenet5")
    recipe = runner.resolve({"epochs": options.epochs + 1})
    ours = runner.build(recipe, seed=0, device="cpu")
    config = ours.config
    plain_network = ours.network()
    plain = plain_epochs(
        plain_network,
        data.X_train,
        data.y_train,
        lambda parameters: OPTIMIZERS[config.optimizer](parameters, config),
    )
    mine = our_epochs(ours, data.X_train, data.y_train, options.epochs + 1)
    print(f"LeNet-5, batch 32, {config.optimizer}, {options.threads} thread(s), "
          f"{environment.cpu_name()}, torch {torch.__version__}")  # fmt: skip
    print(f"{'epoch':>8} {'plain s':>9} {'fmbench s':>10} {'ratio':>7}")
    ratios = []
    for epoch in range(options.epochs + 1):
        a, b = next(plain), next(mine)
        warm_up = epoch == 0
        print(f"{'warm-up' if warm_up else epoch:>8} {a:9.2f} {b:10.2f} {b / a:7.2f}", flush=True)
        if not warm_up:
            ratios.append(b / a)
    with torch.inference_mode():
        plain_network.eval()
        y_pred = plain_network(torch.tensor(data.X_test)).argmax(1).numpy()
    print(
        f"ratio fmbench / plain: median {statistics.median(ratios):.2f} of n={len(ratios)} epochs"
    )
    for name, predicted in (("plain", y_pred), ("fmbench", ours.predict(data.X_test))):
        print(f"test accuracy, {name}: {100 * (predicted == data.y_test).mean():.2f} %")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
