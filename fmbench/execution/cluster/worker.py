"""What a worker of a cluster does with a launch: the coordinator sends an order, this answers it.

A worker needs fmbench and the data, which it finds or fetches and checks itself. It keeps no
records: what it measured goes back, and is written where the run was started. A cell that it
would not measure as the coordinator meant it (other code, other versions of a plug-in) it refuses.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fmbench.datasets.download import fetch
from fmbench.datasets.loading import verify
from fmbench.datasets.locate import is_complete, locate
from fmbench.datasets.specs import SPECS, Source
from fmbench.errors import UserError
from fmbench.execution.backend import Launch, Limits, Measured
from fmbench.execution.local import Here
from fmbench.plugins.adapters import Plugin
from fmbench.records.cells import Cell, Definition, key_of
from fmbench.records.record import difference
from fmbench.records.store import Store
from fmbench.utils import environment


@dataclass(frozen=True)
class Order:
    """A launch, as it is sent to a worker.

    ``definitions`` are those of its cells where it was sent from. ``folder`` is where the data
    are there, and used here if it is here too, as on a shared disk. ``owner`` tells results
    folders apart. When the launch starts, the worker says so under the event's name ``topic``.
    ``neural``: whether neural cells are among those of its run.
    """

    launch: Launch
    definitions: Sequence[Definition]
    dataset: str
    folder: Path
    limits: Limits
    owner: str
    topic: str
    neural: bool


@dataclass(frozen=True)
class Refused:
    """Why a worker does not measure a launch. Another may."""

    worker: str
    why: str


def facts() -> dict[str, Any]:
    """What a worker's results are made with."""
    return {"versions": environment.versions(), "package": environment.package()}


def measure(order: Order) -> Measured | Refused | None:
    """Measure a launch on the worker that this is called in; None if it is wanted no more."""
    from distributed import get_worker

    worker = get_worker()
    key = str(worker.get_current_task())
    worker.log_event(order.topic, {"key": key, "worker": worker.address})
    # Dask's workers are marked as processes that may have no children, lest these outlive them.
    # Ours do not: they end with their parent, however it ends.
    multiprocessing.current_process().daemon = False
    try:
        _check(order)
        kept = _kept(order.owner)
        return _here(order.neural).measure(
            order.launch,
            _source(order.dataset, order.folder),
            order.limits,
            [kept.workspace(cell) for cell in order.launch],
            lambda: None,
            _Unwanted(worker, key),
        )
    except UserError as error:
        return Refused(worker.address, str(error))
    except OSError as error:  # its disk is full, say: nothing that the cell has done
        return Refused(worker.address, f"{type(error).__name__}: {error}")


def forget(owner: str, launch: Launch) -> None:
    """Remove what this machine keeps of a launch that has finished, now that it is saved."""
    for cell in launch:
        _kept(owner).discard_workspace(cell)


def _kept(owner: str) -> Store:
    """Where resumable cells keep what they go on from, on this machine."""
    return Store(_cache() / "cluster" / owner)


def _check(order: Order) -> None:
    """Raise UserError unless every cell means here what it means where it was sent from."""
    for cell, there in zip(order.launch, order.definitions, strict=True):
        here = _as_defined_here(cell)
        if key_of(here) != key_of(there):
            why = difference(here, there)
            raise UserError(f"it would measure another cell ({why}): install the same there")


def _as_defined_here(cell: Cell) -> Definition:
    # A runner of the package came as its name and is this package's own. A plug-in came as what
    # identified its code there: it is compared with the code that would run here.
    factory = cell.runner.factory
    if isinstance(factory, Plugin):
        cell = replace(cell, runner=replace(cell.runner, source=factory.code.source_here))
    return cell.definition()


_fetching = threading.Lock()


def _source(dataset: str, folder: Path) -> Source:
    with _fetching:  # one thread of the worker does, the others find it done
        return _checked_source(dataset, folder)


@cache
def _checked_source(dataset: str, folder: Path) -> Source:
    spec = SPECS[dataset]
    source = locate(spec, folder if is_complete(folder) else None, fetch)
    verify(spec, source.folder)
    return source


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("fmbench")


@cache
def _here(neural: bool) -> Here:
    return Here(neural=neural)


class _Unwanted:
    """Set once the scheduler has let go of a task: Ctrl-C, or the coordinator is gone.

    Dask cannot end a thread; it marks the task that runs in it as cancelled, or forgets it.
    """

    def __init__(self, worker: Any, key: str) -> None:
        self._worker, self._key = worker, key

    def is_set(self) -> bool:
        """Whether nobody waits for the result any more."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"
