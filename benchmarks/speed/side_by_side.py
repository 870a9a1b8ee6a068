"""Trains a neural row with a plain PyTorch loop and with fmbench's own, side by side.

The plain loop is what a tutorial shows: a DataLoader over float images in PyTorch's own layout,
`optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`, and an optimizer over the list of
parameters. Network, initial weights, order of the images, loss, optimizer, batch size and thread
count are the same; only the masks of dropout are drawn anew. Each loop has a process of its own.
The ways take turns after some batches, so that all suffer equally when the speed of the machine
changes. On a GPU the plain loop keeps PyTorch's default, convolutions in TF32, which is faster than
fmbench's full float32.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """The training that both loops run: a runner, and how many images and epochs."""

    runner: str
    n_images: int
    n_epochs: int
    threads: int
    device: str
    data: Path | None
    clock: str = "wall"  # or "cpu": the process's own time, which other load disturbs less
    compile: bool = True  # whether PyTorch at its best uses torch.compile

    @property
    def turns(self) -> int:
        """Turns in an epoch. One on a GPU: fmbench's replayed step runs no Python to pause."""
        return 1 if self.device == "cuda" else 15

    def classifier(self) -> Any:
        """fmbench's classifier, with the number of epochs of this task."""
        from fmbench import runners

        runner = runners.get_runner(self.runner)
        recipe = runner.resolve()
        if "steps" in recipe:
            steps = self.n_epochs * math.ceil(self.n_images / recipe["batch_size"])
            recipe |= {"steps": steps, "held_out": 0}
        else:
            recipe["epochs"] = self.n_epochs
        return runner.build(recipe, seed=0, device=self.device)

    def images(self) -> tuple[Any, Any, Any, Any]:
        """X_train, y_train, X_test, y_test."""
        from fmbench.datasets import loading, locate

        data = loading.load_dataset(locate.locate_dataset(folder=self.data))
        n = self.n_images
        return data.X_train[:n], data.y_train[:n], data.X_test[:n], data.y_test[:n]

    def batches_a_turn(self, batch_size: int) -> int:
        """Batches in a turn."""
        return math.ceil(math.ceil(self.n_images / batch_size) / self.turns)

    def n_turns(self, batch_size: int) -> int:
        """The number of turns in an epoch."""
        n_batches = math.ceil(self.n_images / batch_size)
        return math.ceil(n_batches / self.batches_a_turn(batch_size))


def start_training(classifier: Any) -> tuple[Any, Any]:
    """Return a network with the weights with which fmbench's fit starts, and its order of images.

    Each ``torch.randperm(n, generator=order)`` is the order of the next epoch.
    """
    import numpy as np
    import torch

    weights_seed, order_seed, _ = np.random.SeedSequence(classifier.seed).generate_state(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(weights_seed))
        network = classifier.network()
    return network, torch.Generator().manual_seed(int(order_seed))


class EpochOrder:
    """Gives a DataLoader the images of each epoch in the order in which fmbench takes them.

    PyTorch's RandomSampler does not give it: it draws a second order in each epoch and does not
    use it, so its orders would be others from the second epoch on.
    """

    def __init__(self, n_images: int, order: Any) -> None:
        self._n_images, self._order = n_images, order

    def __len__(self) -> int:
        return self._n_images

    def __iter__(self) -> Iterator[int]:
        import torch

        return iter(torch.randperm(self._n_images, generator=self._order).tolist())


class PlainLoop:
    """The training of a tutorial, with the network and the settings of fmbench's classifier."""

    def __init__(self, ours: Any, X_train: Any, y_train: Any, device: str) -> None:
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        self._device, self._loss = device, ours.config.loss
        full, order = start_training(ours)
        self._pixels = full[0]
        self.network = full[1:].to(device)
        pixels, labels = torch.tensor(X_train), torch.tensor(y_train, dtype=torch.long)
        dataset = TensorDataset(self._pixels(pixels), labels)
        sampler: Any = EpochOrder(len(dataset), order)
        self._loader = DataLoader(dataset, batch_size=ours.config.batch_size, sampler=sampler)
        kind, options = find_optimizer(ours.config)
        self._optimizer = kind(self.network.parameters(), **options)

    def train_epoch(self) -> None:
        """Train one epoch."""
        import torch

        parameters = dict(self.network.named_parameters())
        self.network.train()
        for batch, target in self._loader:
            batch, target = batch.to(self._device), target.to(self._device)
            self._optimizer.zero_grad()
            self._loss(parameters, self.network(batch), target).backward()
            self._optimizer.step()
        if self._device == "cuda":  # calls on a GPU return early; fmbench's loop waits as well
            torch.cuda.synchronize()

    def measure_accuracy(self, X_test: Any, y_test: Any) -> float:
        """Compute the accuracy on test images."""
        import torch

        self.network.eval()
        with torch.inference_mode():
            parts = [
                self.network(batch.to(self._device)).argmax(1).cpu()
                for batch in self._pixels(torch.tensor(X_test)).split(1000)
            ]
        return float((torch.cat(parts).numpy() == y_test).mean())


def find_optimizer(config: Any) -> tuple[Any, dict[str, Any]]:
    """Return PyTorch's optimizer of a configuration, and its options."""
    import torch

    options: dict[str, Any] = {"lr": config.learning_rate}
    if config.optimizer == "sgd":
        options["momentum"] = config.momentum
    else:
        options["eps"] = config.epsilon
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamax": torch.optim.Adamax}
    return make[config.optimizer], options


def plain_way(turn: Turn, task: Task) -> None:
    """Train as in a tutorial."""
    import torch

    torch.set_num_threads(task.threads)
    X_train, y_train, X_test, y_test = task.images()
    ours = task.classifier()
    loop = PlainLoop(ours, X_train, y_train, task.device)
    turn.paused(loop.network, task, ours.config.batch_size)
    turn.ready()
    for _ in range(task.n_epochs):
        loop.train_epoch()
        turn.done()
    turn.result(loop.measure_accuracy(X_test, y_test))


def fmbench_way(turn: Turn, task: Task) -> None:
    """Train as in a cell."""
    from fmbench.execution.process import keep_freed_memory, use_threads

    classifier = task.classifier()
    network, batch_size = classifier.network, classifier.config.batch_size
    classifier.set_params(network=lambda: turn.paused(network(), task, batch_size))
    use_threads(task.threads)
    keep_freed_memory()
    classifier.compile_loops()  # as in a cell, before the clock
    X_train, y_train, X_test, y_test = task.images()
    turn.ready()
    classifier.fit(X_train, y_train, on_epoch=lambda *_: turn.done())
    turn.result(float((classifier.predict(X_test) == y_test).mean()))


class Turn:
    """One loop's side: the loop runs while it has the turn, and waits otherwise."""

    def __init__(self, connection: Connection, clock: str) -> None:
        self._connection = connection
        self._read_clock = time.process_time if clock == "cpu" else time.perf_counter
        self._start = 0.0

    def ready(self) -> None:
        """Report that everything is set up, and wait for the first turn."""
        self._connection.send(None)
        self._wait()

    def paused(self, network: Any, task: Task, batch_size: int) -> Any:
        """Make the network end the turn after some training batches; returns the network."""
        within, n_batches = task.batches_a_turn(batch_size), math.ceil(task.n_images / batch_size)
        n_seen = 0

        def before_forward(module: Any, _: Any) -> None:
            nonlocal n_seen
            if module.training:
                if n_seen % n_batches % within == 0 and n_seen % n_batches:
                    self.done()
                n_seen += 1

        if task.turns > 1:
            # On a layer, not on the network: fmbench may call the layers one by one.
            network[0].register_forward_pre_hook(before_forward)
        return network

    def done(self) -> None:
        """Report the seconds of this turn and wait for the next."""
        self._connection.send(self._read_clock() - self._start)
        self._wait()

    def result(self, value: Any) -> None:
        """Report the result after the last turn."""
        self._connection.send(value)

    def _wait(self) -> None:
        self._connection.recv()
        self._start = self._read_clock()


class Turns:
    """Starts a process for each loop; use it as a context manager."""

    def __init__(self, task: Task, *ways: Callable[[Turn, Task], None]) -> None:
        # Read by the libraries when they load, in each process.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(task.threads)
        context = multiprocessing.get_context("spawn")
        self._connections, self._processes = [], []
        for way in ways:
            mine, theirs = context.Pipe()
            process = context.Process(
                target=way, args=(Turn(theirs, task.clock), task), daemon=True
            )
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)
        for connection in self._connections:
            connection.recv()

    def next(self, n_turns: int) -> list[float]:
        """Let each loop have ``n_turns`` turns, alternately; return the seconds of each."""
        seconds = [0.0] * len(self._connections)
        for _ in range(n_turns):
            for i, connection in enumerate(self._connections):
                connection.send(None)
                seconds[i] += connection.recv()
        return seconds

    def results(self) -> list[Any]:
        """What each loop reports at the end."""
        for connection in self._connections:
            connection.send(None)
        return [connection.recv() for connection in self._connections]

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
