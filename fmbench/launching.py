"""Runs a launch on this machine and says what came of it.

What runs here is the same whether this is the machine of the person who asked or a worker of a
cluster: nothing in this file knows of a results folder. Each launch is a process of its own;
``supervision`` says how that is kept within its limits. Isolation costs little because the process
is forked from a server that has the heavy libraries and the data loaded (``warm``) and no thread
started: nothing is imported, unpacked or checked for a cell, and yet no two launches share a
process, so that a crash, a leak or a changed setting ends with its launch. There is no pool of
workers to replace: ``benchmarks/overhead.py`` measures what a process each costs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fmbench import environment, warm
from fmbench.datasets import Source
from fmbench.errors import UserError
from fmbench.supervision import Launch, Limits, Stop, supervise

if TYPE_CHECKING:
    import numpy as np

# A socket's path has at most 107 bytes, of which multiprocessing's own names take about 30.
LONGEST_TEMPORARY_PATH = 75
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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


class Here:
    """This machine. ``neural``: have PyTorch loaded in the server that processes come from."""

    def __init__(self, *, neural: bool) -> None:
        self._neural = neural
        self._beside = Beside()

    def saved(self, launch: Launch) -> None:
        """Nothing is left to do: what it kept was in the results folder."""

    def lanes(
        self, launches: Sequence[Launch], limits: Limits
    ) -> list[tuple[Sequence[Launch], int]]:
        """One."""
        return [(launches, limits.jobs)]

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
        from fmbench.harness import collect

        clock = time.monotonic()
        time_of_day = _time_of_day()

        def where(peak_memory: int) -> dict[str, Any]:
            return _where(
                launch, limits, time_of_day, jobs=self._beside.most(launch),
                total_seconds=round(time.monotonic() - clock, 3), peak_memory_bytes=peak_memory,
            )  # fmt: skip

        context = fork_server(limits.threads, source, neural=self._neural)
        # What a killed runner still writes into its folder is no reason to fail.
        with (
            self._beside.running(launch),
            tempfile.TemporaryDirectory(prefix="fmbench-", ignore_cleanup_errors=True) as name,
        ):
            started()
            folder = Path(name)
            report = supervise(launch, source, limits, folder, workspaces, context, stop)
            if report is None:
                return None
            if report.failure is not None:
                facts = where(report.peak_memory)
                if limits.device_of(launch[0]) == "cuda":
                    facts["device"] = environment.gpu_name() or facts["device"]
                return Measured(facts, failure=report.failure)
            cells = []
            for place, (cell, facts) in enumerate(zip(launch, report.facts, strict=True)):
                outcome = collect(cell, source, folder / str(place), facts["history"])
                cells.append(({**facts, "history": outcome.history}, outcome.arrays))
            return Measured(where(report.peak_memory), cells)


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


_starting = threading.Lock()


def fork_server(threads: int, source: Source, *, neural: bool) -> Any:
    """The context whose processes come from the server, which is started unless it runs.

    Raises:
        UserError: the folder for temporary files cannot hold its socket.
    """
    if len(tempfile.gettempdir()) > LONGEST_TEMPORARY_PATH:
        raise UserError(
            f"the folder for temporary files, {tempfile.gettempdir()}, is too deep for the socket "
            "of a worker: set TMPDIR to a folder with a shorter path"
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fmbench.warm"])
    with _starting:
        # The server reads these as it starts: the libraries, when they load.
        wanted = dict.fromkeys(THREAD_VARIABLES, str(threads)) | warm.order(source, neural=neural)
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
    return context
