"""Helpers for tests that start runs, wait for them and end them."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil

from fmbench.execution.backend import Limits
from fmbench.execution.schedule import Observer

_set_handler = signal.signal  # some tests replace `signal.signal`

LIMITS = Limits(timeout=900, memory=4 * 2**30, jobs=2)

# How long a test waits for something that must happen. Only a failing test waits this long, so the
# limit is long enough for a slow machine that runs other tests at the same time. What must be ended
# sleeps for longer, so that it does not end by itself.
WAIT_SECONDS = 900


def wait_until(condition, *, process=None):
    """Wait until a condition holds; fail after a long time, or if ``process`` ends first."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        if process is not None and process.poll() is not None:
            assert condition(), f"the process ended with status {process.returncode}"
            return
        time.sleep(0.02)


class EventLog(Observer):
    """An observer that keeps a list of the events."""

    def __init__(self):
        self.events = []

    def on_start(self, cell):
        self.events.append(("start", cell.name))

    def on_end(self, cell, record):
        self.events.append(("end", cell.name))

    def on_measured_elsewhere(self, cell, record):
        self.events.append(("measured elsewhere", cell.name))


def start_fmbench(*arguments, **options):
    """Start `fmbench` with pipes; end it with :func:`end_after_block` in the same test."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "fmbench", *map(str, arguments)],
        **{**pipes, **options},
        text=True,
        start_new_session=True,
        # A background job of a shell ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: _set_handler(signal.SIGINT, signal.SIG_DFL),
    )


@contextlib.contextmanager
def end_after_block(process):
    """Kill a process and all its descendants at the end of the block, even after an error."""
    try:
        yield process
    finally:
        left = [process, *list_descendants(process.pid)]
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.communicate()


def wait_for_output(process):
    """Wait for a process and return what it printed: stdout and stderr."""
    return process.communicate(timeout=WAIT_SECONDS)


def list_descendants(pid):
    """Return all descendants of a process; an empty list if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process):
    """Whether a ``psutil.Process`` still runs; a zombie counts as ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(processes):
    wait_until(lambda: not any(map(is_alive, processes)))


def is_dead(pid):
    try:
        return not is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def list_fork_servers(pid):
    """Return the fork servers of a process: one if it has run any cell, else none."""
    return [child for child in list_children(pid) if "server_process" in read_command(child)]


def list_cell_processes(pid):
    """Return the processes in which the run ``pid`` is measuring cells now.

    The fork server starts a keeper for each, which starts the process.
    """
    keepers = [keeper for server in list_fork_servers(pid) for keeper in list_children(server.pid)]
    return [cell for keeper in keepers for cell in list_children(keeper.pid)]


def list_children(pid):
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def read_command(process):
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def list_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def list_records(results):
    return list(results.glob("records/*/*.json"))


def environment_with(**variables):
    return {**os.environ, **{name: str(value) for name, value in variables.items()}}
