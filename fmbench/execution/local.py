"""Runs launches on this machine, each in a child process of its own.

The code here is the same on the user's machine and on a worker of a cluster; it knows nothing of
a results folder. ``process`` keeps the child process within its limits. A process for each launch
is cheap because it is forked from a server that has already loaded the heavy libraries and the
data and has started no thread (see ``fork_server`` and ``preload``). No two launches share a
process, so a crash, a memory leak or a changed setting ends with its launch.
``benchmarks/speed/overhead.py`` measures what a process costs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fmbench.datasets.specs import LocatedDataset
from fmbench.execution.backend import (
    Launch,
    LaunchQueue,
    LaunchResult,
    Limits,
    RunningLaunches,
    StopSignal,
    format_utc_now,
)
from fmbench.execution.fork_server import start_fork_server
from fmbench.execution.process import run_child_process


class LocalBackend:
    """Runs launches on this machine. If ``neural``, the fork server also loads PyTorch."""

    # Whether a fit may use the jobs that are free: they are cores of this machine.
    shares_jobs = True

    def __init__(self, *, neural: bool) -> None:
        self._neural = neural
        self._running = RunningLaunches()

    def discard_progress(self, launch: Launch) -> None:
        """Do nothing: local cells keep their progress in the results folder."""

    def split_into_queues(self, launches: Sequence[Launch], limits: Limits) -> list[LaunchQueue]:
        """Put the launches for the CPU and those for the GPU into two queues.

        So neither kind waits for the other. A launch on the GPU hardly uses the CPU's cores.
        """
        gpu = [launch for launch in launches if limits.get_device(launch[0]) == "cuda"]
        cpu = [launch for launch in launches if limits.get_device(launch[0]) != "cuda"]
        queues = [LaunchQueue(cpu, limits.jobs), LaunchQueue(gpu, limits.gpu_jobs)]
        return [queue for queue in queues if queue.launches]

    def run_launch(
        self,
        launch: Launch,
        source: LocatedDataset,
        limits: Limits,
        workspaces: Sequence[Path],
        on_start: Callable[[], None],
        stop: StopSignal,
    ) -> LaunchResult | None:
        """Run a launch to its end; None if it was stopped.

        Raises:
            UserError: the folder for temporary files has too long a path.
        """
        from fmbench.execution.measure import add_predictions

        start, started = time.monotonic(), format_utc_now()
        context = start_fork_server(limits.threads, source, neural=self._neural)
        # A killed runner may still write into its folder: deleting it must not raise.
        with (
            self._running.track(launch),
            tempfile.TemporaryDirectory(prefix="fmbench-", ignore_cleanup_errors=True) as name,
        ):
            on_start()
            folder = Path(name)
            result = run_child_process(launch, source, limits, folder, workspaces, context, stop)
            if result is None:
                return None
            measurements = [
                add_predictions(cell, source, folder / str(position), measurement)
                for position, (cell, measurement) in enumerate(
                    zip(launch, result.measurements, strict=False)  # a failed launch has none
                )
            ]
            return replace(
                result,
                measurements=measurements,
                started=started,
                total_seconds=round(time.monotonic() - start, 3),
                max_concurrent=self._running.count_max_concurrent(launch),
            )
