"""Compares fmbench's training of the CNN rows with a plain PyTorch loop, epoch by epoch.

`side_by_side.py` says what the two loops are and how they take turns. The benchmark also prints the
GFLOP/s of the whole training, counted from the network's convolutions and matrix products as they
are defined (fmbench computes some with fewer operations), and their share of the GFLOP/s of one
large matrix product.

    python benchmarks/speed/cnn_speed.py --epochs 1 --threads 1
    python benchmarks/speed/cnn_speed.py cnn-bn --images 2000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import Task, Turns, fmbench_way, plain_way

ROWS = ("cnn", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip")
GEMM_SIZE = 2048


def flops_per_image(classifier: Any) -> float:
    """Floating-point operations of one training step, for each image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    config, network = classifier.config, classifier.network()
    images = torch.zeros(config.batch_size, 28, 28, dtype=torch.uint8)
    labels = torch.zeros(config.batch_size, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        config.loss(dict(network.named_parameters()), network(images), labels).backward()
    return counter.get_total_flops() / config.batch_size


def gemm_rate(
    device: str,
    size: int = GEMM_SIZE,
    clock: Callable[[], float] = time.perf_counter,
    dtype: str = "float32",
) -> float:
    """FLOP/s of one large product of matrices: about the most that the device can do."""
    import torch

    a, b = (torch.rand(size, size, device=device).to(getattr(torch, dtype)) for _ in range(2))
    seconds = []
    for _ in range(6):  # the first warms up
        start = clock()
        torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - start)
    return 2 * size**3 / min(seconds[1:])


def measure(task: Task) -> dict[str, float]:
    """Train one row with both loops; seconds are medians over the epochs after the first."""
    classifier = task.classifier()
    n_turns = task.n_turns(classifier.config.batch_size)
    with Turns(task, plain_way, fmbench_way) as turns:
        epochs = [turns.next(n_turns) for _ in range(task.n_epochs)][1:]
        plain_accuracy, our_accuracy = turns.results()
    ours = statistics.median(b for _, b in epochs)
    return {
        "plain s": statistics.median(a for a, _ in epochs),
        "fmbench s": ours,
        "times as fast": statistics.median(a / b for a, b in epochs),
        "GFLOP/s": flops_per_image(classifier) * task.n_images / ours / 1e9,
        "plain %": 100 * plain_accuracy,
        "fmbench %": 100 * our_accuracy,
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

    import torch

    from fmbench.datasets import locate
    from fmbench.utils import environment

    torch.set_num_threads(options.threads)
    environment.resolve_device(options.device)
    locate.locate_dataset(folder=options.data, fetch=True)
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
        n_epochs = options.epochs + 1  # the first warms up
        found = measure(
            Task(name, options.images, n_epochs, options.threads, options.device, options.data)
        )
        found["of GEMM"] = 1e9 * found["GFLOP/s"] / best
        line = {c: f"{found[c]:.2f}" for c in columns} | {"of GEMM": f"{found['of GEMM']:.0%}"}
        print(f"{name:14}" + "".join(f"{line[column]:>15}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
