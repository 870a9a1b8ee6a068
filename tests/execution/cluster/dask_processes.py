"""Starts schedulers and workers of Dask on loopback, as a user starts them."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.runs import end_after_block, environment_with, wait_until

ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def run_scheduler(folder):
    """Run a scheduler during the block, on a port that is free; yield its process and address."""
    file = folder / "scheduler.json"
    command = ("scheduler", "--port", "0", "--scheduler-file", str(file))
    with end_after_block(_start_dask(folder, *command)) as scheduler:
        wait_until(lambda: file.exists() and file.read_text(), process=scheduler)
        yield scheduler, json.loads(file.read_text())["address"]


def start_worker(log_folder, address, *options, folder=None, **variables):
    """Start a worker of one thread in ``folder``; its log goes to ``log_folder``."""
    temporary = log_folder / f"dask-{variables['WORKER']}"
    command = ("worker", address, "--nthreads", "1", "--local-directory", str(temporary))
    return _start_dask(log_folder, *command, *options, folder=folder, **variables)


def _start_dask(log_folder, *arguments, folder=None, **variables):
    variables = {"PYTHONPATH": ROOT, "WORKER": "none", "DASK_CONFIG": log_folder, **variables}
    with (log_folder / f"log-{variables['WORKER']}").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
            cwd=folder or log_folder, stdout=log, stderr=log, env=environment_with(**variables),
        )  # fmt: skip
