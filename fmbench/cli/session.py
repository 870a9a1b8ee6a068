"""What the verbs that measure share: the flags of what a cell may use, and a run from end to end.

Such a verb says which cells it wants, and what it prints afterwards.
"""

from __future__ import annotations

import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli.options import Finite
from fmbench.cli.output import FAILED, INTERRUPTED, say
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.datasets.specs import Source
    from fmbench.execution.backend import Limits
    from fmbench.execution.cluster.client import Cluster
    from fmbench.execution.estimate import Estimate
    from fmbench.records.cells import Cell
    from fmbench.records.record import Record
    from fmbench.records.store import Contents, Store

# A small network alone leaves a GPU idle most of the time; on the CPU a process each is faster.
TOGETHER_ON_GPU = 10

_OPTIONS = (
    click.option(
        "-j", "--jobs", type=click.IntRange(1, 1024), help="Cells at a time.  [default: cores]"
    ),
    click.option(
        "--threads", type=click.IntRange(1, 1024), default=1, show_default=True,
        help="Threads of each cell.",
    ),
    click.option(
        "--timeout", type=Finite(0, min_open=True), default=6 * 3600, show_default=True,
        help="Seconds after which a cell is ended.",
    ),
    click.option(
        "--memory", type=Finite(0, min_open=True), default=8.0, show_default=True,
        help="GB of resident memory above which a cell is ended.",
    ),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
        help="Where the neural rows run.",
    ),
    click.option(
        "--together", type=click.IntRange(1, 1000),
        help="Seeds of a neural row that are trained as one.  [default: 10 on a GPU, else 1]",
    ),
    click.option(
        "--backend", type=click.Choice(["local", "dask"]), default="local", show_default=True,
        help="Run the cells on this machine, or on the workers of a Dask cluster.",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="The Dask cluster's scheduler, such as tcp://10.0.0.1:8786.",
    ),
    click.option(
        "--retries", type=click.IntRange(0, 100), default=2, show_default=True,
        help="How often a cell is sent out again when its worker is lost.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Allowed:
    """What a cell may use, as the flags say it; ``memory`` is in GB, ``timeout`` in seconds."""

    jobs: int | None
    threads: int
    timeout: float
    memory: float
    device: str
    together: int | None
    backend: str
    scheduler: str | None
    retries: int

    def cluster(self, results: Path) -> Cluster | None:
        """The cluster that was asked for, connected until the command ends.

        Raises:
            UserError: it cannot be connected to, or the flags contradict each other.
        """
        if self.backend == "local":
            if self.scheduler is not None:
                raise UserError("--scheduler goes with --backend dask")
            return None
        if not self.scheduler:
            raise UserError("--backend dask needs --scheduler, the address that `dask scheduler` "
                            "names")  # fmt: skip
        from fmbench.execution.cluster.client import connected

        return click.get_current_context().with_resource(
            connected(self.scheduler, results, self.retries, say)
        )

    def limits(self, cells: Sequence[Cell], cluster: Cluster | None = None) -> Limits:
        """The limits of these cells. A device is looked for only where one of them can use it.

        Raises:
            UserError: the device that was asked for is not there.
        """
        from fmbench.execution.backend import Limits
        from fmbench.utils import environment

        wanted = self.device == "cuda" or any(cell.runner.uses_gpu for cell in cells)
        resolve = cluster.device if cluster else environment.resolve_device
        device = resolve(self.device) if wanted else "cpu"
        jobs = self.jobs
        if jobs is None and cluster:
            jobs = cluster.jobs(self.threads)
        return Limits(
            timeout=self.timeout,
            memory=int(self.memory * 2**30),
            threads=self.threads,
            jobs=jobs or max(1, environment.n_cores() // self.threads),
            device=device,
            together=self.together or (TOGETHER_ON_GPU if device == "cuda" else 1),
        )


def limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of what a cell may use; the command gets them as ``allowed``."""

    @functools.wraps(command)
    def gathered(**options: Any) -> Any:
        allowed = Allowed(**{f.name: options.pop(f.name) for f in dataclasses.fields(Allowed)})
        return command(allowed=allowed, **options)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


class Run:
    """The measurements of one call of a verb. ``records`` are the new ones."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        limits: Limits,
        estimate: Estimate,
        cluster: Cluster | None = None,
    ) -> None:
        self.records: list[Record] = []
        self._store, self._sources = store, sources
        self._limits, self._estimate = limits, estimate
        self._cluster = cluster
        self._interrupted = False

    @contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """Ctrl-C, or a scheduler's, ends the block and nothing else."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield
        except KeyboardInterrupt:
            self._interrupted = True
            say("interrupted: what is finished is kept, the same command goes on from here")

    @property
    def status(self) -> int:
        """The exit status, as far as the measurements decide it."""
        if self._interrupted:
            return INTERRUPTED
        return FAILED if any(not record.finished for record in self.records) else 0

    def measure(self, todo: Sequence[Cell], contents: Contents, *, n_planned: int) -> None:
        """Run the cells in their order, of ``n_planned`` that would be run in an empty folder.

        ``contents`` is what the folder holds. A broken record in a cell's way is set aside, and a
        cell whose record is stale is named.
        """
        from fmbench.cli.progress import watching
        from fmbench.execution import schedule

        if not todo:
            return
        for broken, kept in self._store.make_way(contents.broken, todo):
            say(f"set aside {kept}: {broken.why}")
        for cell in todo:
            if why := contents.stale(cell):
                say(f"{cell.name} is stale ({why}) and is measured again")
        jobs = self._limits.jobs
        with watching(todo, jobs, self._estimate, n_planned=n_planned) as observer:
            for dataset, batch in groupby(todo, key=lambda cell: cell.dataset.name):
                source = self._sources[dataset]
                self.records += schedule.run(
                    list(batch), self._store, source, self._limits, observer,
                    known=contents, cluster=self._cluster,
                )  # fmt: skip
