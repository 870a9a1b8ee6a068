"""Two ways of doing the same, each in a process of its own, taking turns."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Turn:
    """One side's end: it works while it has the turn and waits otherwise."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start = 0.0

    def ready(self) -> None:
        """Everything is set up; wait for the first turn."""
        self._connection.send(None)
        self._wait()

    def pause_every(self, n_batches: int, network: Any) -> Any:
        """Hand over after every so many training batches of a network; returns the network."""
        n_seen = 0

        def before_forward(module: Any, _: Any) -> None:
            nonlocal n_seen
            if module.training:
                if n_seen and n_seen % n_batches == 0:
                    self.done()
                n_seen += 1

        network.register_forward_pre_hook(before_forward)
        return network

    def done(self) -> None:
        """Hand over the seconds of this turn and wait for the next."""
        self._connection.send(time.perf_counter() - self._start)
        self._wait()

    def result(self, value: Any) -> None:
        """After the last turn: what came out."""
        self._connection.send(value)

    def _wait(self) -> None:
        self._connection.recv()
        self._start = time.perf_counter()


class Turns:
    """Starts a process for each function, called with its :class:`Turn` and ``arguments``."""

    def __init__(
        self, *sides: Callable[..., None], arguments: tuple[Any, ...], threads: int
    ) -> None:
        # Read by the libraries when they load, in each process.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        context = multiprocessing.get_context("spawn")
        self._connections, self._processes = [], []
        for side in sides:
            mine, theirs = context.Pipe()
            process = context.Process(target=side, args=(Turn(theirs), *arguments), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)
        for connection in self._connections:
            connection.recv()

    def next(self, n_turns: int = 1) -> list[float]:
        """Seconds that each side took for so many turns, one side after the other in each."""
        seconds = [0.0] * len(self._connections)
        for _ in range(n_turns):
            for i, connection in enumerate(self._connections):
                connection.send(None)
                seconds[i] += connection.recv()
        return seconds

    def results(self) -> list[Any]:
        """What each side hands over at the end."""
        for connection in self._connections:
            connection.send(None)
        return [connection.recv() for connection in self._connections]

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
