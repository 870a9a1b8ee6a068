"""Runs launches on the workers of a Dask cluster, and sends a launch again if its worker is lost.

joblib's threads distribute the launches as they do on one machine; here each thread waits for the
answer of a worker. joblib's own Dask back end is not used, for two reasons. It waits for ever when
Dask gives up a task because its workers died. And if the whole cluster has only one thread, it runs
the calls in the client.

Nothing here listens on a port: the client connects to a scheduler that the user has started.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import UserError
from fmbench.execution.backend import (
    POLL_SECONDS,
    Launch,
    LaunchQueue,
    LaunchResult,
    Limits,
    StopSignal,
)
from fmbench.execution.cluster import worker
from fmbench.execution.cluster.worker import LaunchRequest, Refusal, WorkerVersions
from fmbench.utils import environment

CONNECT_SECONDS = 5
WORKER_CHECK_SECONDS = 10  # between two checks whether there are any workers
GPU = "GPU"  # the Dask resource of a worker with a GPU: dask worker ADDRESS --resources GPU=1
UNKNOWN_DEVICE = "a worker"  # the device in the record of a launch whose worker is unknown


@contextmanager
def connect_to_cluster(
    address: str, results: Path, retries: int, warn: Callable[[str], None]
) -> Iterator[DaskBackend]:
    """Yield the backend of the scheduler at ``address``; ``warn`` gets each line for the user.

    A launch whose worker is lost is sent again, up to ``retries`` times. ``results`` is the folder
    of the records; workers keep the progress of unfinished cells separately for each such folder.

    Raises:
        UserError: Dask is not installed, no scheduler answers, or a worker lacks fmbench.
    """
    with _open_client(address) as client:
        yield DaskBackend(client, address, results, retries, warn)


def _open_client(address: str) -> Any:
    """Return a ``distributed.Client`` of the scheduler at ``address``.

    Raises:
        UserError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--backend dask needs Dask: pip install 'fmbench[dask]'") from None
    # Dask would log lost connections. DaskBackend reports them itself, with the names of the cells.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(_try_connection(address))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # Dask's TimeoutError is an OSError
        reason = " ".join(str(error).split())[:200]
        remedy = "start one with `dask scheduler`"
        if address.startswith(("tls:", "wss:")):
            remedy = "configure Dask's TLS (distributed.comm.tls) here as on the scheduler"
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({reason}); {remedy}"
        ) from None


async def _try_connection(address: str) -> None:
    """Connect and disconnect; raises what Dask raises.

    A Client that cannot connect takes seconds longer, and prints a traceback when the process ends.
    """
    import dask
    from distributed import Security
    from distributed.comm import connect

    if dask.config.get("distributed.client.security-loader", None) is None:
        security = Security().get_connection_args("client")
        await (await connect(address, timeout=CONNECT_SECONDS, **security)).close()


@dataclass(frozen=True)
class WorkerLoss:
    """A request has no result, because its workers were lost or because none could start it.

    ``times`` counts the losses of this request, and ``why`` is the error of a worker, if any.
    """

    times: int
    why: str = ""

    def describe(self, n_lost: int, retries: int) -> str:
        """Say why the launch failed after ``n_lost`` losses, this one included."""
        last = f" (the last time: {self.why})" if self.why else ""
        times = "once" if n_lost == 1 else f"{n_lost} times"
        return f"its worker was lost {times}, and --retries allows {retries}{last}"


def interpret_error(
    error: BaseException, request: LaunchRequest, starts: Sequence[str]
) -> LaunchResult | WorkerLoss:
    """Decide whether an error of Dask or of a worker is a loss or a failure of the launch.

    ``starts`` are the addresses of the workers that started the request. If there are none, the
    error is about a worker, which for instance lacks fmbench, and not about the cells.
    """
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):  # lost more often than the scheduler allows
        return WorkerLoss(max(1, len(starts)))
    message = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if not starts:
        return WorkerLoss(1, message)
    why = f"the worker {starts[-1]} could not run it: {message}"
    return _make_failure(request.launch, request.limits, why)


def _make_failure(launch: Launch, limits: Limits, why: str) -> LaunchResult:
    return LaunchResult(limits.threads, len(launch), why, device=UNKNOWN_DEVICE)


class DaskBackend:
    """Runs launches on the workers of the scheduler to which ``client`` is connected."""

    shares_jobs = False  # a free job may be a core of another machine

    def __init__(
        self, client: Any, address: str, results: Path, retries: int, warn: Callable[[str], None]
    ) -> None:
        self._client, self._address = client, address
        self._retries, self._warn = retries, warn
        self._results_id = hashlib.sha256(
            f"{socket.gethostname()}:{results.resolve()}".encode()
        ).hexdigest()[:16]
        self._neural = False
        self._warnings: set[str] = set()
        self._reported_versions: set[str] = set()
        # By a task's key: the address of the worker at each of its starts.
        self._starts: defaultdict[str, list[str]] = defaultdict(list)
        self._topic = f"fmbench-{uuid4().hex}"
        client.subscribe_topic(self._topic, self._note_start)
        self._check_workers()

    def resolve_device(self, wanted: str) -> str:
        """Turn ``auto``, ``cpu`` or ``cuda`` into the device of the neural runners.

        Raises:
            UserError: ``cuda`` is wanted, and no worker has the resource GPU.
        """
        if wanted == "cpu":
            return "cpu"
        if self._count_gpus():
            return "cuda"
        if wanted == "cuda":
            raise UserError(
                "--device cuda: no worker has declared a GPU: start the workers that have one with "
                f"`dask worker {self._address} --resources {GPU}=1`"
            )
        return "cpu"

    def count_jobs(self, threads: int) -> int:
        """Return how many launches of ``threads`` threads the workers can run at the same time.

        Raises:
            UserError: there is no worker.
        """
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise UserError(
                f"the scheduler at {self._address} has no workers: start some with `dask worker "
                f"{self._address}`; if they start later, set the number of cells with --jobs"
            ) from None
        return max(1, sum(self.count_worker_threads().values()) // threads)

    def count_worker_threads(self) -> dict[str, int]:
        """Return the number of threads of each worker, by its address."""
        return self._client.nthreads()

    def split_into_queues(self, launches: Sequence[Launch], limits: Limits) -> list[LaunchQueue]:
        """Put the launches for a CPU and those for a GPU into two queues.

        So neither kind waits for the other.
        """
        self._neural = any(launch[0].runner.uses_gpu for launch in launches)
        gpu = [launch for launch in launches if limits.get_device(launch[0]) == "cuda"]
        cpu = [launch for launch in launches if limits.get_device(launch[0]) != "cuda"]
        queues = [LaunchQueue(cpu, limits.jobs)]
        if gpu:
            queues.append(LaunchQueue(gpu, min(limits.jobs, max(1, self._count_gpus()))))
        return queues

    def run_launch(
        self,
        launch: Launch,
        source: LocatedDataset,
        limits: Limits,
        workspaces: Sequence[Path],
        on_start: Callable[[], None],
        stop: StopSignal,
    ) -> LaunchResult | None:
        """Let a worker run a launch; None if it was stopped.

        ``workspaces`` stay empty: a worker keeps the progress of resumable cells in its own cache.

        Raises:
            UserError: the connection to the scheduler is lost.
        """
        definitions = [cell.to_definition() for cell in launch]
        request = LaunchRequest(
            launch, definitions, source.spec.name, source.folder, limits, self._results_id,
            self._topic, self._neural,
        )  # fmt: skip
        report_start = _CallOnce(on_start)
        n_lost = 0
        refusals: dict[str, str] = {}  # by the worker's address
        while True:
            capable = self._find_capable_workers(request) if refusals else set()
            allowed = capable - set(refusals)
            if capable and not allowed:
                why = f"refused by every worker: {next(reversed(refusals.values()))}"
                return _make_failure(launch, limits, why)
            answer = self._send(request, allowed, n_lost, report_start, stop)
            report_start()  # the event of its start may have been lost
            match answer:
                case Refusal():
                    self._warn_once(
                        f"worker {answer.worker} refused {launch[0].name}: {answer.why}"
                    )
                    refusals[answer.worker] = answer.why
                case LaunchResult():
                    if answer.failure is None:
                        versions = WorkerVersions(answer.versions, answer.package)
                        self._compare_versions("a worker", versions)
                    return answer
                case None if stop.is_set():
                    return None
                case _:  # None: the worker treated the launch as cancelled, but nobody stopped it
                    loss = answer or WorkerLoss(1)
                    n_lost += loss.times
                    if n_lost > self._retries:
                        return _make_failure(launch, limits, loss.describe(n_lost, self._retries))

    def discard_progress(self, launch: Launch) -> None:
        """Delete, on all workers, the progress of a launch whose records are saved."""
        if launch[0].runner.resumable:
            try:
                self._client.run(
                    worker.discard_progress, self._results_id, launch, on_error="ignore"
                )
            except OSError as error:
                self._warn_once(
                    f"the progress of {launch[0].name} could not be deleted on the workers: {error}"
                )

    def _send(
        self,
        request: LaunchRequest,
        allowed: set[str],
        n_lost: int,
        report_start: _CallOnce,
        stop: StopSignal,
    ) -> LaunchResult | Refusal | WorkerLoss | None:
        """Send a request once and wait for the answer.

        It goes to one of the ``allowed`` workers, or to any worker if there are none. ``n_lost``
        workers were lost before. Returns None if the run was stopped, or if the worker treated the
        launch as cancelled.
        """
        key = f"fmbench-{request.launch[0].runner.name}-{uuid4().hex}"
        future = self._client.submit(
            worker.run_launch_on_worker, request, key=key, pure=False,
            workers=sorted(allowed) or None,
            resources={GPU: 1} if request.needs_gpu else None,
        )  # fmt: skip
        starts = self._starts[key]
        # future.result() would not notice Ctrl-C while the result is transferred.
        transfer = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        next_check = time.monotonic() + WORKER_CHECK_SECONDS
        while not wait([transfer], POLL_SECONDS).done:
            if starts:
                report_start()
            # When a worker is lost, Dask sends the task to another worker, which starts it again.
            n_lost_here, allowed_are_gone = max(0, len(starts) - 1), False
            if time.monotonic() > next_check:
                next_check += WORKER_CHECK_SECONDS
                present = set(self.count_worker_threads())
                if not present:
                    self._warn_once(
                        "no worker is left; waiting for a new one (Ctrl-C ends the run)"
                    )
                elif allowed and not allowed & present:
                    n_lost_here, allowed_are_gone = len(starts), True
            if stop.is_set() or allowed_are_gone or n_lost + n_lost_here > self._retries:
                transfer.cancel()
                future.cancel()
                return None if stop.is_set() else WorkerLoss(n_lost_here)
        if future.status == "finished":
            return transfer.result()
        if future.status == "error":
            return interpret_error(future.exception(), request, starts)
        if stop.is_set():
            return None
        raise UserError(
            f"the connection to the scheduler at {self._address} is lost: finished cells are kept; "
            "when it is back, run the same command again to continue"
        )

    def _note_start(self, event: tuple[float, Any]) -> None:
        """Note that a worker has started a request."""
        _, message = event
        self._starts[message["key"]].append(message["worker"])

    def _count_gpus_by_worker(self) -> dict[str, float]:
        """Return the number of GPUs of each worker that has any, by its address."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        gpus = {address: info["resources"].get(GPU, 0) for address, info in workers.items()}
        return {address: n for address, n in gpus.items() if n}

    def _count_gpus(self) -> int:
        return int(sum(self._count_gpus_by_worker().values()))

    def _find_capable_workers(self, request: LaunchRequest) -> set[str]:
        """Return the addresses of the workers that have the device that a request needs."""
        return set(
            self._count_gpus_by_worker() if request.needs_gpu else self.count_worker_threads()
        )

    def _check_workers(self) -> None:
        """Warn if a worker has other versions; raise UserError if one lacks fmbench."""
        answers = self._client.run(worker.collect_worker_versions, on_error="return")
        for address, answer in answers.items():
            if isinstance(answer, BaseException):
                raise UserError(
                    f"the worker {address} cannot run fmbench ({type(answer).__name__}: {answer}): "
                    "install the same packages on the worker"
                )
            self._compare_versions(f"worker {address}", answer)

    def _compare_versions(self, who: str, there: WorkerVersions) -> None:
        """Warn if a worker has other versions than this machine; each set of differences once."""
        here = worker.collect_worker_versions()
        differences = environment.describe_differences(there.libraries, environment.cpu_name())
        if there.package != here.package:
            theirs, ours = _format_package(there.package), _format_package(here.package)
            differences.append(f"{theirs}, here {ours}")
        versions = "; ".join(differences)
        if versions and versions not in self._reported_versions:
            self._reported_versions.add(versions)
            self._warn_once(
                f"{who} has {versions}; each record names the versions that it was made with"
            )

    def _warn_once(self, line: str) -> None:
        if line not in self._warnings:
            self._warnings.add(line)
            self._warn(line)


class _CallOnce:
    """Calls a function at the first call, and does nothing at later calls."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


def _format_package(package: dict[str, Any]) -> str:
    commit = f" of commit {package['commit'][:12]}" if "commit" in package else ""
    return f"fmbench {package['version']}{commit}{' (changed)' if package.get('dirty') else ''}"
