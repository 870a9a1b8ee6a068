"""TODO docstring."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fmbench.datasets.specs import Source
from fmbench.records.cells import Cell
from fmbench.utils import environment

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Measured:
    """A launch that has ended, wherever it ran.

    ``where`` are the fields of a record that are the machine's and the launch's. ``cells`` are the
    facts and arrays of each cell, in the launch's order; none if it failed, with ``failure`` the
    reason.
    """

    where: dict[str, Any]
    cells: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = field(default_factory=list)
    failure: str | None = None


def not_started(launch: Launch, limits: Limits, why: str, device: str | None = None) -> Measured:
    """What came of a launch that failed before its start, or without a word from where it ran.

    ``device`` is in words; by default this machine's.
    """
    where = _where(launch, limits, _time_of_day(), jobs=1, total_seconds=0.0)
    return Measured(where | ({"device": device} if device else {}), failure=why)


def _where(launch: Launch, limits: Limits, started: str, **facts: Any) -> dict[str, Any]:
    """The fields of a record that are this machine's and the launch's, ``facts`` among them."""
    return {
        "device": environment.cpu_name(),
        "threads": limits.threads,
        "together": len(launch),
        "versions": environment.versions(),
        "package": environment.package(),
        "started": started,
        **facts,
    }


def _time_of_day() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Place(Protocol):
    """Where launches run."""

    def measure(
        self,
        launch: Launch,
        source: Source,
        limits: Limits,
        workspaces: Sequence[Path],
        started: Callable[[], None],
        stop: Stop,
    ) -> Measured | None:
        """Run a launch to its end; None if it was stopped. ``started`` is called once, before."""

    def saved(self, launch: Launch) -> None:
        """Told that a launch has finished and its records are written."""

    def lanes(
        self, launches: Sequence[Launch], limits: Limits
    ) -> list[tuple[Sequence[Launch], int]]:
        """The launches, apart where they need not wait for each other: each with its jobs."""


class Beside:
    """Which launches run at the moment, and how many at most while each one did."""

    def __init__(self) -> None:
        self._most: dict[int, int] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def running(self, launch: Launch) -> Iterator[None]:
        """The launch runs in this block."""
        with self._changed:
            self._most[id(launch)] = 0
            self._most = {i: max(n, len(self._most)) for i, n in self._most.items()}
        try:
            yield
        finally:
            with self._changed:
                del self._most[id(launch)]
                self._changed.notify_all()

    def most(self, launch: Launch) -> int:
        """The most launches that ran at a time since this one, which runs, began; itself one."""
        with self._changed:
            return self._most[id(launch)]

    def wait_until_alone(self) -> None:
        """Wait until no launch runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._most)


POLL_SECONDS = 0.2  # how late a limit or Ctrl-C is noticed; a result is noticed at once


Launch = Sequence[Cell]


class Stop(Protocol):
    """Tells whether a launch is still wanted: a ``threading.Event``, or what answers like one."""

    def is_set(self) -> bool:
        """Whether it is not."""


@dataclass(frozen=True)
class Limits:
    """What a cell may use. ``timeout`` is in seconds, ``memory`` in bytes of resident size.

    ``together``: so many seeds of one neural runner share a process, with the time limit of all
    of them and the memory limit of one.
    """

    timeout: float
    memory: int
    threads: int = 1
    jobs: int = 1
    device: str = "cpu"
    together: int = 1

    def device_of(self, cell: Cell) -> str:
        """The device that this cell runs on."""
        return self.device if cell.runner.uses_gpu else "cpu"
