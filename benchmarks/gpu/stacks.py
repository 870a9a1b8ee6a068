"""How long a training step of several LeNet-5 takes, with fmbench's own kernels and without.

The networks are trained for a few epochs on some of the images. What counts is the median of the
epochs after the first one, in which the step is recorded.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

N_EPOCHS = 5
STEPS_PER_EPOCH = 300
STACKS = (1, 10, 20)  # networks
QUICK_STACKS = (2,)  # a CPU would compile the loops of a single network first
N_SLOWEST = 25  # kernels that a profile lists


def measure_stacks(device: str, folder: Path | None, *, quick: bool) -> dict[str, Any]:
    """Time stacks of each size, each way; profile the largest one where that is possible.

    The result has ``rows``, one for each stack and way, with its microseconds for a step, and
    ``profiles``: for each way, the kernels that take the most time of a step, with microseconds.
    """
    from fmbench.models.nn.gpu_kernels.build import SWITCH

    rows: list[dict[str, Any]] = []
    profiles: dict[str, list[tuple[str, float]]] = {}
    before = os.environ.get(SWITCH)
    ways = {"own kernels": "1", "PyTorch's kernels": "0"} if device == "cuda" else {"CPU": "1"}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RuntimeWarning)  # the category of fmbench's own
            for way, switch in ways.items():
                os.environ[SWITCH] = switch
                for n_networks in QUICK_STACKS if quick else STACKS:
                    epochs, losses = train_stack(n_networks, device, folder, quick=quick)
                    rows.append({
                        "way": way, "networks": n_networks, "losses": losses,
                        "step_us": 1e6 * statistics.median(epochs) / count_steps(quick),
                    })  # fmt: skip
                    print(format_row(rows[-1]), flush=True)
                if device == "cuda":
                    profiles[way] = profile_stack(device, folder)
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before
    return {
        "rows": rows,
        "profiles": profiles,
        "warnings": sorted({str(each.message) for each in caught}),
        "lines": [format_row(row) for row in rows],
    }


def count_steps(quick: bool) -> int:
    """Return the steps of an epoch."""
    return 4 if quick else STEPS_PER_EPOCH


def train_stack(
    n_networks: int, device: str, folder: Path | None, *, quick: bool
) -> tuple[list[float], list[float]]:
    """Train a stack; return the seconds of each epoch but the first, and each last loss."""
    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.models.nn.training import TorchClassifier
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import FULL

    cells = [
        Cell(runners.get_runner("lenet5"), FULL, seed, overrides={"epochs": N_EPOCHS})
        for seed in range(n_networks)
    ]
    classifiers = [
        cell.runner.build(cell.hyperparameters, seed=cell.seed, device=device) for cell in cells
    ]
    X, y = loading.load_train(locate.locate_dataset(folder=folder))
    n_images = count_steps(quick) * cells[0].hyperparameters["batch_size"]
    ends: list[float] = []
    losses = [0.0] * n_networks

    def note(position: int, report: Any) -> None:
        losses[position] = report.train_loss
        if position == 0:
            ends.append(time.perf_counter())

    callbacks = [
        lambda _, report, position=position: note(position, report)
        for position in range(n_networks)
    ]
    TorchClassifier.fit_together(classifiers, X[:n_images], y[:n_images], callbacks)
    return [after - before for before, after in pairwise(ends)], losses


def profile_stack(device: str, folder: Path | None) -> list[tuple[str, float]]:
    """Return the kernels that take the most time of a step of the largest stack.

    Each comes with its microseconds for a step. The list is empty where CUDA cannot be profiled.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    try:
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            train_stack(STACKS[-1], device, folder, quick=False)
            torch.cuda.synchronize()
    except RuntimeError as error:
        why = " ".join(str(error).split())[:200]
        warnings.warn(f"no profile: {why}", RuntimeWarning, stacklevel=2)
        return []
    n_steps = N_EPOCHS * STEPS_PER_EPOCH
    times = [(event.key[:100], event.self_device_time_total / n_steps)
             for event in profiler.key_averages()]  # fmt: skip
    return sorted(((n, t) for n, t in times if t > 0), key=lambda each: -each[1])[:N_SLOWEST]


def format_row(row: dict[str, Any]) -> str:
    """Write one line of text on a stack."""
    return (
        f"{row['networks']} LeNet-5 with {row['way']}: {row['step_us']:.0f} us a step, mean loss "
        f"{statistics.mean(row['losses']):.4f}"
    )
