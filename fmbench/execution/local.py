"""Runs launches on this machine, each in a child process of its own.

The code here is the same on the user's machine and on a worker of a cluster; it knows nothing of
a results folder. ``process`` keeps the child process within its limits. A process for each launch
is cheap because it is forked from a server that has already loaded the heavy libraries and the
data and has started no thread (see ``fork_server`` and ``preload``). No two launches share a
process, so a crash, a memory leak or a changed setting ends with its launch.
``benchmarks/speed/overhead.py`` measures what a process costs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import UserError
from fmbench.execution.backend import (
    Launch,
    LaunchQueue,
    LaunchResult,
    Limits,
    RunningLaunches,
    StopSignal,
    format_utc_now,
)
from fmbench.execution.fork_server import ServerLostError, StoppedError, start_fork_server
from fmbench.execution.process import run_child_process

SCRATCH_PREFIX = "fmbench-"
LOCK = "lock"  # the file in a folder for temporary files that its run has locked


class LocalBackend:
    """Runs launches on this machine. If ``neural``, the fork server also loads PyTorch."""

    # Whether a fit may use the jobs that are free: they are cores of this machine.
    shares_jobs = True

    def __init__(self, *, neural: bool) -> None:
        self._neural = neural
        self._running = RunningLaunches()
        remove_left_folders(Path(tempfile.gettempdir()))

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
            UserError: the libraries cannot be loaded, or there is no folder for temporary files.
        """
        start_server = partial(start_fork_server, limits.threads, source, neural=self._neural)
        try:
            start_server().wait_until_ready(stop)
        except StoppedError:
            return None
        except ServerLostError:  # it was killed; `run_child_process` starts another
            pass
        start, started = time.monotonic(), format_utc_now()
        with self._running.track(launch), make_scratch_folder() as folder:
            on_start()
            result = run_child_process(
                launch, source, limits, folder, workspaces, start_server, stop
            )
            if result is None:
                return None
            return replace(
                _add_predictions(launch, source, folder, result),
                started=started,
                total_seconds=round(time.monotonic() - start, 3),
                max_concurrent=self._running.count_max_concurrent(launch),
            )


def _add_predictions(
    launch: Launch, source: LocatedDataset, folder: Path, result: LaunchResult
) -> LaunchResult:
    """Read the predictions that the process of a launch has left, and score them."""
    from fmbench.execution.measure import add_predictions

    try:
        measurements = [
            add_predictions(cell, source, folder / str(position), measurement)
            for position, (cell, measurement) in enumerate(
                zip(launch, result.measurements, strict=False)  # a failed launch has none
            )
        ]
    except (OSError, EOFError, ValueError) as error:  # the folder was removed or changed
        why = f"its predictions in {folder} cannot be read: {error}"
        return replace(result, measurements=[], failure=why)
    return replace(result, measurements=measurements)


@contextlib.contextmanager
def make_scratch_folder() -> Iterator[Path]:
    """A folder for temporary files during the block, which a later run removes after a kill.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX))
    except OSError as error:
        raise UserError(
            f"no folder for temporary files can be made in {tempfile.gettempdir()}: "
            f"{error.strerror or error}: set TMPDIR to another folder"
        ) from None
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_folder, folder)
        # It gets its name when it is locked: no other run takes it for one that was left.
        lock = os.open(folder / f"{LOCK}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)
        yield folder


def _remove_folder(folder: Path) -> None:
    """Remove a folder for temporary files, its lock last, as far as it is still there."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def remove_left_folders(temporary: Path) -> None:
    """Remove the folders for temporary files of runs that were killed."""
    for folder in temporary.glob(f"{SCRATCH_PREFIX}*"):
        with contextlib.suppress(OSError):  # another run removes it now, or it is another user's
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its run lives
                _remove_folder(folder)
            finally:
                os.close(lock)
