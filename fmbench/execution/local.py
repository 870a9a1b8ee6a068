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

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.datasets.specs import Source
from fmbench.execution.backend import Beside, Launch, Limits, Measured, Stop, _time_of_day, _where
from fmbench.execution.fork_server import fork_server
from fmbench.execution.process import supervise
from fmbench.utils import environment

if TYPE_CHECKING:
    pass


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
        from fmbench.execution.measure import collect

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
