"""The CNN rows: fmbench's training loop against the plain PyTorch way, an epoch at a time.

The plain way is what a tutorial shows: a DataLoader over float images in PyTorch's own layout, and
an optimizer over the list of parameters. Same network, loss, optimizer, batch size and thread
count. The two take turns in one process, so that a machine whose speed drifts is fair to both.
Beside the ratio stands what the machine gives: GFLOP/s of the whole training, counted from the
network's convolutions and matrix products, and that as a share of one large matrix product's.

    python benchmarks/cnn_speed.py --epochs 1 --threads 1
    python benchmarks/cnn_speed.py cnn-bn --images 2000
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROWS = ("cnn", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip")
GEMM_SIZE = 2048


def clock(device: str) -> float:
    """Seconds, when the device has done all that it was told."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def plain_epochs(network: Any, images: Any, labels: Any, config: Any, device: str) -> Iterator:
    """Train for ever, yielding the seconds of each epoch."""
    from torch.utils.data import DataLoader, TensorDataset

    from fmbench.training import OPTIMIZERS

    loader = DataLoader(TensorDataset(images, labels), batch_size=config.batch_size, shuffle=True)
    optimizer = OPTIMIZERS[config.optimizer](list(network.parameters()), config)
    parameters = dict(network.named_parameters())
    network.train()
    while True:
        start = clock(device)
        for batch, target in loader:
            batch, target = batch.to(device), target.to(device)
            optimizer.zero_grad()
            config.loss(parameters, network(batch), target).backward()
            optimizer.step()
        yield clock(device) - start


def one_after_the_other(
    ours: Any, plain: Iterator, X: Any, y: Any, device: str
) -> list[tuple[float, float]]:
    """Seconds of (plain, ours) for each epoch of ``ours``: the plain way's turn is its callback."""
    turns = []
    start = clock(device)

    def at_the_end_of_an_epoch(_classifier: Any, _report: Any) -> None:
        nonlocal start
        seconds = clock(device) - start
        turns.append((next(plain), seconds))
        start = clock(device)

    ours.fit(X, y, on_epoch=at_the_end_of_an_epoch)
    return turns


def flops_per_image(network: Any, images: Any, labels: Any, config: Any) -> float:
    """Floating point operations of one training step, by image."""
    from torch.utils.flop_counter import FlopCounterMode

    parameters = dict(network.named_parameters())
    with FlopCounterMode(display=False) as counter:
        config.loss(parameters, network(images), labels).backward()
    network.zero_grad()
    return counter.get_total_flops() / len(images)


def gemm_rate(device: str) -> float:
    """FLOP/s of one large product of float32 matrices: what the device gives at its best."""
    import torch

    a, b = (torch.rand(GEMM_SIZE, GEMM_SIZE, device=device) for _ in range(2))
    seconds = []
    for _ in range(6):  # the first warms up
        start = clock(device)
        torch.mm(a, b)
        seconds.append(clock(device) - start)
    return 2 * GEMM_SIZE**3 / min(seconds[1:])


def accuracy_of_plain(network: Any, images: Any, y_true: Any, device: str) -> float:
    import torch

    network.eval()
    with torch.inference_mode():
        parts = [network(batch.to(device)).argmax(1).cpu() for batch in images.split(1000)]
    return float((torch.cat(parts).numpy() == y_true).mean())


def measure(name: str, data: Any, options: argparse.Namespace) -> dict[str, float]:
    """Train one row both ways; seconds are medians over the epochs after the first."""
    import math

    import torch

    from fmbench import registry

    device, n = options.device, options.images
    X, y = data.X_train[:n], data.y_train[:n]
    runner = registry.get(name)
    recipe = runner.resolve()
    epochs = options.epochs + 1  # the first warms up
    if "steps" in recipe:
        budget = {"steps": epochs * math.ceil(n / recipe["batch_size"]), "held_out": 0}
    else:
        budget = {"epochs": epochs}
    ours = runner.build({**recipe, **budget}, seed=0, device=device)

    pixels, *_ = full = ours.network()
    network = full[1:].to(device)  # the images are floats already
    images, labels = pixels(torch.tensor(X)), torch.tensor(y, dtype=torch.long)
    head = slice(0, ours.config.batch_size)
    operations = flops_per_image(
        network, images[head].to(device), labels[head].to(device), ours.config
    )
    plain = plain_epochs(network, images, labels, ours.config, device)
    turns = one_after_the_other(ours, plain, X, y, device)[1:]
    X_test, y_test = data.X_test[:n], data.y_test[:n]
    return {
        "plain s": statistics.median(a for a, _ in turns),
        "fmbench s": statistics.median(b for _, b in turns),
        "times as fast": statistics.median(a / b for a, b in turns),
        "GFLOP/s": operations * n / statistics.median(b for _, b in turns) / 1e9,
        "plain %": 100 * accuracy_of_plain(network, pixels(torch.tensor(X_test)), y_test, device),
        "fmbench %": 100 * float((ours.predict(X_test) == y_test).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=ROWS, metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--epochs", type=int, default=1, help="after one that warms up")
    parser.add_argument("--images", type=int, default=60_000, help="of the training set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import torch

    from fmbench import datasets, environment
    from fmbench.downloads import fetch
    from fmbench.execution import keep_freed_memory

    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as every cell does; the plain way gains by it as well
    environment.resolve_device(options.device)
    data = datasets.load(datasets.locate(data=options.data, fetch=fetch))
    best = gemm_rate(options.device)
    print(
        f"{environment.device_name(options.device)}, {options.threads} thread(s), torch "
        f"{torch.__version__}; one {GEMM_SIZE} x {GEMM_SIZE} float32 matrix product: "
        f"{best / 1e9:.1f} GFLOP/s\n"
        f"seconds of an epoch of {options.images:,} images, median of n={options.epochs} after "
        f"one that warms up; accuracy on the first {min(options.images, 10_000):,} test images "
        f"after these {options.epochs + 1} epochs"
    )
    columns = (
        "plain s", "fmbench s", "times as fast", "GFLOP/s", "of GEMM", "plain %", "fmbench %"
    )  # fmt: skip
    print(f"{'row':14}" + "".join(f"{column:>15}" for column in columns))
    for name in options.names:
        found = measure(name, data, options)
        found["of GEMM"] = 1e9 * found["GFLOP/s"] / best
        line = {c: f"{found[c]:.2f}" for c in columns} | {"of GEMM": f"{found['of GEMM']:.0%}"}
        print(f"{name:14}" + "".join(f"{line[column]:>15}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
