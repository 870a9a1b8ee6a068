"""How long a training step of several LeNet-5 takes, with fmbench's own kernels and without.

The networks are trained for a few epochs on some of the images. What counts is the median of the
epochs after the first one, in which the step is recorded.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

N_EPOCHS = 5
STEPS_PER_EPOCH = 300
# A profile has an event for each kernel of each step, and Python reads them one by one: a few steps
# show as much as many.
PROFILED_EPOCHS, PROFILED_STEPS = 2, 50
STACKS = (1, 10, 20)  # networks
QUICK_STACKS = (2,)  # a CPU would compile the loops of a single network first
N_SLOWEST = 25  # kernels that a profile lists


def measure_stacks(device: str, folder: Path | None, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Time stacks of each size, each way; then profile the largest one where that is possible.

    After each part it yields the result so far, so that a step that is ended early has it. The
    result has ``rows``, one for each stack and way, with its microseconds for a step, and
    ``profiles``: for each way, the kernels that take the most time of a step, with microseconds.
    """
    rows: list[dict[str, Any]] = []
    profiles: dict[str, list[tuple[str, float]]] = {}
    ways = {"own kernels": "1", "PyTorch's kernels": "0"} if device == "cuda" else {"CPU": "1"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)  # the category of fmbench's own

        def describe() -> dict[str, Any]:
            return {
                "rows": rows,
                "profiles": profiles,
                "warnings": sorted({str(each.message) for each in caught}),
                "lines": [format_row(row) for row in rows],
            }

        for way, switch in ways.items():
            for n_networks in QUICK_STACKS if quick else STACKS:
                with use_switch(switch):
                    epochs, losses = train_stack(
                        n_networks, device, folder, N_EPOCHS, count_steps(quick)
                    )
                rows.append({
                    "way": way, "networks": n_networks, "losses": losses,
                    "step_us": 1e6 * statistics.median(epochs) / count_steps(quick),
                })  # fmt: skip
                print(format_row(rows[-1]), flush=True)
                yield describe()
        # The profiler stays attached to CUDA when it has ended, and may slow down what follows.
        for way, switch in ways.items() if device == "cuda" else ():
            with use_switch(switch):
                profiles[way] = profile_stack(device, folder)
            yield describe()


@contextmanager
def use_switch(value: str) -> Iterator[None]:
    """Turn fmbench's own kernels on ("1") or off ("0")."""
    from fmbench.models.nn.gpu_errors import KERNEL_SWITCH

    before = os.environ.get(KERNEL_SWITCH)
    os.environ[KERNEL_SWITCH] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNEL_SWITCH]
        else:
            os.environ[KERNEL_SWITCH] = before


def count_steps(quick: bool) -> int:
    """Return the steps of an epoch."""
    return 4 if quick else STEPS_PER_EPOCH


def train_stack(
    n_networks: int, device: str, folder: Path | None, n_epochs: int, n_steps: int
) -> tuple[list[float], list[float]]:
    """Train a stack with ``n_steps`` in each of ``n_epochs``.

    Return the seconds of each epoch but the first, and each network's last loss.
    """
    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.models.nn.training import TorchClassifier
    from fmbench.records.cells import Cell
    from fmbench.records.protocols import FULL

    cells = [
        Cell(runners.get_runner("lenet5"), FULL, seed, overrides={"epochs": n_epochs})
        for seed in range(n_networks)
    ]
    classifiers = [
        cell.runner.build(cell.hyperparameters, seed=cell.seed, device=device) for cell in cells
    ]
    X, y = loading.load_train(locate.locate_dataset(folder=folder))
    n_images = n_steps * cells[0].hyperparameters["batch_size"]
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
            train_stack(STACKS[-1], device, folder, PROFILED_EPOCHS, PROFILED_STEPS)
            torch.cuda.synchronize()
    except RuntimeError as error:
        why = " ".join(str(error).split())[:200]
        warnings.warn(f"no profile: {why}", RuntimeWarning, stacklevel=2)
        return []
    n_steps = PROFILED_EPOCHS * PROFILED_STEPS
    times = [(event.key[:100], event.self_device_time_total / n_steps)
             for event in profiler.key_averages()]  # fmt: skip
    return sorted(((n, t) for n, t in times if t > 0), key=lambda each: -each[1])[:N_SLOWEST]


def format_row(row: dict[str, Any]) -> str:
    """Write one line of text on a stack."""
    return (
        f"{row['networks']} LeNet-5 with {row['way']}: {row['step_us']:.0f} us a step, mean loss "
        f"{statistics.mean(row['losses']):.4f}"
    )
