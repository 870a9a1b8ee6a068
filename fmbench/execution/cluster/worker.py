"""Runs launches on a worker of a cluster. The client sends a request; this module answers it.

A worker needs fmbench and the data, which it finds or downloads, and checks. It keeps no records:
it returns the measurements, and the client writes the records. A worker whose own code or plug-in
would measure a different cell under the same name refuses the request.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fmbench.datasets.loading import has_all_files, verify_files
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import LocatedDataset, get_dataset
from fmbench.errors import UserError
from fmbench.execution.backend import Launch, LaunchResult, Limits
from fmbench.execution.local import LocalBackend
from fmbench.plugins.factories import PluginFactory
from fmbench.records.cells import Cell, Definition, compute_key
from fmbench.records.record import describe_changes
from fmbench.records.store import Store
from fmbench.utils import environment
from fmbench.utils.files import find_user_cache


@dataclass(frozen=True)
class LaunchRequest:
    """A launch as the client sends it to a worker.

    ``definitions`` are the definitions of its cells on the client. ``folder`` is the folder of the
    data on the client; the worker uses it if it has it too, for instance on a shared disk.
    ``results_id`` tells results folders apart. The worker logs an event under ``topic`` when it has
    the request, and another one when its libraries and data are loaded and it measures. ``neural``:
    whether any launch of the run is neural.
    """

    launch: Launch
    definitions: Sequence[Definition]
    dataset: str
    folder: Path
    limits: Limits
    results_id: str
    topic: str
    neural: bool

    @property
    def needs_gpu(self) -> bool:
        """Whether only a worker with a GPU can run it."""
        return self.limits.get_device(self.launch[0]) == "cuda"


@dataclass(frozen=True)
class Refusal:
    """Says why a worker does not run a launch. Another worker may run it."""

    worker: str  # its address
    why: str


@dataclass(frozen=True)
class WorkerVersions:
    """The versions of the libraries and of fmbench on a worker."""

    libraries: dict[str, str]
    package: dict[str, Any]


def collect_worker_versions() -> WorkerVersions:
    """Collect the versions on the machine that this is called on."""
    return WorkerVersions(environment.collect_versions(), environment.describe_package())


def run_launch_on_worker(request: LaunchRequest) -> LaunchResult | Refusal | None:
    """Run a launch on the worker that this is called on; None if it was cancelled."""
    from distributed import get_worker

    worker = get_worker()
    key = str(worker.get_current_task())

    def report(*, measures: bool) -> None:
        message = {"key": key, "worker": worker.address, "measures": measures}
        worker.log_event(request.topic, message)

    report(measures=False)
    try:
        _check_code_is_unchanged()
        _check_definitions(request)
        store = _open_progress_store(request.results_id)
        return _get_local_backend(request.neural).run_launch(
            request.launch,
            _find_source(request.dataset, request.folder),
            request.limits,
            [store.workspace_path(cell) for cell in request.launch],
            lambda: report(measures=True),
            _TaskCancelled(worker, key),
        )
    except UserError as error:
        return Refusal(worker.address, str(error))
    except OSError as error:  # for example a full disk: the cell is not the cause
        return Refusal(worker.address, f"{type(error).__name__}: {error}")


def discard_progress(results_id: str, launch: Launch) -> None:
    """Delete the progress that this machine keeps of a launch whose records are saved."""
    for cell in launch:
        _open_progress_store(results_id).remove_workspace(cell)


def _open_progress_store(results_id: str) -> Store:
    """Return the store, in this machine's cache, in which resumable cells keep their progress."""
    return Store(find_user_cache() / "cluster" / results_id)


# A worker may run for days. A record names the commit of the code that was there at the start.
environment.identify_code()


def _check_code_is_unchanged() -> None:
    """Raise UserError if fmbench's code has changed since this worker imported it."""
    at_start = environment.identify_code()
    if environment.read_code_identity() != at_start:
        raise UserError(
            f"the code in {at_start.folder} has changed since this worker started: restart it"
        )


def _check_definitions(request: LaunchRequest) -> None:
    """Raise UserError if a cell's definition on this worker differs from that on the client."""
    for cell, there in zip(request.launch, request.definitions, strict=True):
        here = _define_here(cell)
        if compute_key(here) != compute_key(there):
            why = describe_changes(here, there)
            raise UserError(
                f"it would measure a different cell ({why}): install the same fmbench and plug-ins "
                "on that worker"
            )


def _define_here(cell: Cell) -> Definition:
    # A runner of the package is sent by name, so it is this machine's own. A plug-in is sent with
    # the source identity of the client's code: replace that by the identity of the code here.
    factory = cell.runner.factory
    if isinstance(factory, PluginFactory):
        cell = replace(cell, runner=replace(cell.runner, source=factory.code.local_source))
    return cell.to_definition()


_source_lock = threading.Lock()


def _find_source(dataset: str, folder: Path) -> LocatedDataset:
    with _source_lock:  # one thread of the worker finds the data, the others wait for it
        return _find_source_once(dataset, folder)


@cache
def _find_source_once(dataset: str, folder: Path) -> LocatedDataset:
    spec = get_dataset(dataset)
    shared_folder = folder if has_all_files(spec, folder) else None
    source = locate_dataset(spec, shared_folder, fetch=True)
    verify_files(spec, source.folder)
    return source


@cache
def _get_local_backend(neural: bool) -> LocalBackend:
    return LocalBackend(neural=neural)


class _TaskCancelled:
    """A stop signal that is set when the scheduler drops a task.

    It does so after Ctrl-C, or when the client is gone. Dask cannot end the thread in which the
    task runs: it marks the task as cancelled, or forgets it.
    """

    def __init__(self, worker: Any, key: str) -> None:
        self._worker, self._key = worker, key

    def is_set(self) -> bool:
        """Whether no client waits for the result any more."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"
