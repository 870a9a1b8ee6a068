"""Runs launches on the workers of a Dask cluster, and sends a launch again if its worker is lost.

joblib's threads distribute the launches as they do on one machine; here each thread waits for the
answer of a worker. joblib's own Dask back end is not used, for two reasons. It waits for ever when
Dask gives up a task because its workers died. And if the whole cluster has only one thread, it runs
the calls in the client.

Nothing here listens on a port: the client connects to a scheduler that the user has started.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
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
from fmbench.execution.cluster import connection, worker
from fmbench.execution.cluster.connection import (
    CannotStart,
    Connection,
    Silence,
    StoppedError,
    make_call,
    unpack_answer,
)
from fmbench.execution.cluster.worker import LaunchRequest, Refusal, WorkerVersions
from fmbench.utils import environment
from fmbench.utils.formatting import format_duration

# Limits on waits, in seconds; those on silence are in `connection`.
NO_WORKER_SECONDS = 5.0  # at the start, until there is a worker
WORKER_WAIT_SECONDS = 6 * 3600.0  # in a run, until a worker comes or has time
OVERTIME_SECONDS = 600.0  # after the time limit of a launch, until its worker says how it ended

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
        UserError: Dask is not installed, no scheduler or no worker answers, or a worker lacks
            fmbench.
    """
    cluster = Connection(address, warn)
    with cluster.open():
        yield DaskBackend(cluster, results, retries, warn)


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
    """Runs launches on the workers of the scheduler to which ``cluster`` is connected."""

    shares_jobs = False  # a free job may be a core of another machine

    def __init__(
        self, cluster: Connection, results: Path, retries: int, warn: Callable[[str], None]
    ) -> None:
        self._cluster, self._address = cluster, cluster.address
        self._retries, self._warn = retries, warn
        self._results_id = hashlib.sha256(
            f"{socket.gethostname()}:{results.resolve()}".encode()
        ).hexdigest()[:16]
        self._neural = False
        self._warnings: set[str] = set()
        self._reported_versions: set[str] = set()
        # By a task's key: the address of the worker at each of its starts.
        self._starts: defaultdict[str, list[str]] = defaultdict(list)
        self._running: set[str] = set()  # the keys of the requests that a worker has started
        self._measuring: set[str] = set()  # those of which a worker has loaded what it needs
        self._stop: StopSignal = threading.Event()  # that of the last run
        self._topic = f"fmbench-{uuid4().hex}"
        cluster.wait(self._subscribe(), "Dask", connection.GIVE_UP_SECONDS)
        self._check_workers()

    async def _subscribe(self) -> None:
        self._cluster.client.subscribe_topic(self._topic, self._note_start)

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
        waited = Silence()
        while not (n_threads := self.count_worker_threads()):
            if waited.tick() > NO_WORKER_SECONDS:
                raise UserError(
                    f"the scheduler at {self._address} has no workers: start some with `dask "
                    f"worker {self._address}`; if they start later, set the number of cells with "
                    "--jobs"
                )
            time.sleep(POLL_SECONDS)
        return max(1, sum(n_threads.values()) // threads)

    def count_worker_threads(self) -> dict[str, int]:
        """Ask the scheduler for the number of threads of each worker, by its address."""
        self._cluster.refresh()
        return {address: facts["nthreads"] for address, facts in self._cluster.workers.items()}

    def split_into_queues(self, launches: Sequence[Launch], limits: Limits) -> list[LaunchQueue]:
        """Put the launches for a CPU and those for a GPU into two queues.

        So neither kind waits for the other.
        """
        self._neural = any(launch[0].runner.uses_gpu for launch in launches)
        gpu = [launch for launch in launches if limits.get_device(launch[0]) == "cuda"]
        cpu = [launch for launch in launches if limits.get_device(launch[0]) != "cuda"]
        queues = [LaunchQueue(cpu, limits.jobs)]
        if gpu:
            queues.append(LaunchQueue(gpu, min(limits.jobs, self.count_gpu_jobs())))
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
        self._stop = stop
        definitions = [cell.to_definition() for cell in launch]
        request = LaunchRequest(
            launch, definitions, source.spec.name, source.folder, limits, self._results_id,
            self._topic, self._neural,
        )  # fmt: skip
        with contextlib.suppress(StoppedError):
            return self._run_request(request, _CallOnce(on_start), stop)
        return None

    def _run_request(
        self, request: LaunchRequest, report_start: _CallOnce, stop: StopSignal
    ) -> LaunchResult:
        """Send a request until it has an answer or was sent often enough.

        Raises:
            StoppedError: the run was stopped.
            UserError: the connection to the scheduler is lost, or there was no worker for too long.
        """
        launch, limits = request.launch, request.limits
        n_lost = 0
        refusals: dict[str, str] = {}  # by the worker's address
        while True:
            allowed: set[str] = set()
            if refusals or self._cluster.silent:
                self._cluster.refresh(stop)
                able = find_able_workers(self._cluster, request)
                willing = able - set(refusals)
                if able and not willing:
                    why = f"refused by every worker: {next(reversed(refusals.values()))}"
                    return _make_failure(launch, limits, why)
                # If only silent workers are left, one of them may answer again.
                allowed = willing - self._cluster.silent or willing - self._cluster.lost or willing
            answer = self._send(request, allowed, set(refusals), n_lost, report_start, stop)
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
                case _:  # None: the worker treated the launch as cancelled, but nobody stopped it
                    loss = answer or WorkerLoss(1)
                    n_lost += loss.times
                    if n_lost > self._retries:
                        return _make_failure(launch, limits, loss.describe(n_lost, self._retries))

    def discard_progress(self, launch: Launch) -> None:
        """Delete, on all workers, the progress of a launch whose records are saved."""
        if not launch[0].runner.resumable:
            return
        with contextlib.suppress(StoppedError):
            answers = self._cluster.run_on_workers(
                worker.discard_progress, self._results_id, launch, stop=self._stop
            )
            for address, answer in answers.items():
                if isinstance(answer, BaseException):
                    self._warn_once(
                        f"the progress of {launch[0].name} could not be deleted on the worker "
                        f"{address}: {answer}"
                    )

    def _send(
        self,
        request: LaunchRequest,
        allowed: set[str],
        refused: set[str],
        n_lost: int,
        report_start: _CallOnce,
        stop: StopSignal,
    ) -> LaunchResult | Refusal | WorkerLoss | None:
        """Send a request once and wait for the answer.

        It goes to one of the ``allowed`` workers, or to any worker if there are none. Those in
        ``refused`` have refused it, and ``n_lost`` workers were lost before. Returns None if the
        worker treated the launch as cancelled.

        Raises:
            StoppedError: the run was stopped.
            UserError: the connection to the scheduler is lost, or there was no worker for too long.
        """
        key = f"fmbench-{request.launch[0].runner.name}-{uuid4().hex}"
        starts = self._starts[key]
        answer = self._cluster.start(self._run_task(key, request, allowed))
        watch = _RequestWatch(
            key, request, allowed, refused, self._cluster, starts, self._running, self._warn_once
        )
        try:
            while not wait([answer], POLL_SECONDS).done:
                if stop.is_set():
                    raise StoppedError
                if self._cluster.broken:
                    raise UserError(self._cluster.broken)
                if key in self._measuring:
                    report_start()
                # When a worker is lost, Dask sends the task to another worker, which starts it.
                n_lost_here = max(0, len(starts) - 1)
                if n_lost + n_lost_here > self._retries:
                    return WorkerLoss(n_lost_here)
                if loss := watch.find_loss():
                    return loss
            return self._interpret_answer(answer, request, starts, stop)
        finally:
            answer.cancel()
            self._running.discard(key)
            self._measuring.discard(key)

    async def _run_task(self, key: str, request: LaunchRequest, allowed: set[str]) -> Any:
        """Let a worker run a request; return what it returned or raised."""
        client = self._cluster.client
        future = client.submit(
            eval, *make_call(worker.run_launch_on_worker, request), key=key, pure=False,
            workers=sorted(allowed) or None,
            resources={GPU: 1} if request.needs_gpu else None,
        )  # fmt: skip
        try:
            return unpack_answer(await client.gather(future))
        except Exception as error:
            if future.status != "error":
                raise
            return error
        finally:
            future.release()  # if nobody waits for its result, the scheduler ends the task

    def _interpret_answer(
        self, answer: Future[Any], request: LaunchRequest, starts: Sequence[str], stop: StopSignal
    ) -> LaunchResult | Refusal | WorkerLoss | None:
        try:
            result = answer.result()
        except (CancelledError, OSError):
            if stop.is_set():
                raise StoppedError from None
            raise UserError(self._cluster.describe_lost()) from None
        if isinstance(result, CannotStart) and result.worker:
            return Refusal(result.worker, f"it cannot run fmbench: {result}")
        if isinstance(result, BaseException):
            return interpret_error(result, request, starts)
        return result

    def _note_start(self, event: tuple[float, Any]) -> None:
        """Note that a worker has started a request, or measures its cells now."""
        _, message = event
        if message["measures"]:
            self._measuring.add(message["key"])
        else:
            self._starts[message["key"]].append(message["worker"])

    def _count_gpus_by_worker(self) -> dict[str, float]:
        """Return the number of GPUs of each worker that has any, by its address."""
        self._cluster.refresh()
        return find_gpus(self._cluster)

    def count_gpu_jobs(self) -> int:
        """Return how many launches can run on GPUs at the same time: one on each, at least one."""
        return max(1, self._count_gpus())

    def _count_gpus(self) -> int:
        return int(sum(self._count_gpus_by_worker().values()))

    def _check_workers(self) -> None:
        """Warn if a worker has other versions; raise UserError if one lacks fmbench."""
        answers = self._cluster.run_on_workers(worker.collect_worker_versions)
        silent = [a for a, answer in answers.items() if isinstance(answer, TimeoutError)]
        if silent and len(silent) == len(self._cluster.workers):
            raise UserError(
                f"{connection.describe_workers(silent)} of the scheduler at {self._address}: no "
                "answer; start or continue a worker, then run the same command again"
            )
        for address, answer in answers.items():
            if isinstance(answer, OSError):  # it is silent, or has left
                self._warn_once(f"the worker {address} could not be asked for versions: {answer}")
            elif isinstance(answer, BaseException):
                raise UserError(
                    f"the worker {address} cannot run fmbench ({answer}): install the same "
                    "packages on the worker"
                )
            else:
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


class _RequestWatch:
    """Watches a request that was sent for the reasons why it may never be answered.

    It was sent to one of the ``allowed`` workers, or to any if there are none; those in ``refused``
    have refused it, and those in ``starts`` have started it. ``running`` are the keys of all
    requests of the run that a worker is running.
    """

    def __init__(
        self,
        key: str,
        request: LaunchRequest,
        allowed: set[str],
        refused: set[str],
        cluster: Connection,
        starts: Sequence[str],
        running: set[str],
        warn_once: Callable[[str], None],
    ) -> None:
        self._key, self._request = key, request
        self._allowed, self._refused = allowed, refused
        self._cluster, self._starts, self._running = cluster, starts, running
        self._warn_once = warn_once
        self._n_starts = 0
        self._no_worker, self._busy, self._overtime = Silence(), Silence(), Silence()

    def find_loss(self) -> WorkerLoss | None:
        """Return a loss if the request has to be sent again; None as long as it can wait.

        Raises:
            UserError: for too long there was no worker for it, or all were busy.
        """
        starts, lost = self._starts, self._cluster.lost
        last = starts[-1] if starts else None
        if last in lost:
            why = f"nothing is heard of {last} for {connection.WORKER_LOST_SECONDS:g} s"
            return WorkerLoss(len(starts), why)
        able = find_able_workers(self._cluster, self._request)
        good = able - self._refused - lost
        if good and self._allowed and not self._allowed & good:
            return WorkerLoss(len(starts))
        if good and not starts and (self._allowed or able) & lost:
            return WorkerLoss(0)  # it may have gone to a lost worker: send it to another
        if last in self._cluster.workers:
            self._running.add(self._key)
            return self._check_time_limit(last)
        self._running.discard(self._key)
        self._wait_for_worker(good)
        return None

    def _check_time_limit(self, address: str | None) -> WorkerLoss | None:
        """The worker ends the launch at its time limit; is it late with its answer?"""
        if len(self._starts) > self._n_starts:
            self._n_starts = len(self._starts)
            self._overtime.end()
        limit = self._request.limits.timeout * len(self._request.launch)
        if self._overtime.tick() < limit + OVERTIME_SECONDS:
            return None
        why = f"no answer of {address} {OVERTIME_SECONDS:g} s after the time limit"
        return WorkerLoss(len(self._starts), why)

    def _wait_for_worker(self, good: set[str]) -> None:
        """Report a wait for a worker that can start the request; raise UserError at its limit."""
        kind = "worker with a GPU" if self._request.needs_gpu else "worker"
        if not good:
            self._busy.end()
            self._check_wait(self._no_worker, f"the scheduler has no {kind} that answers")
        elif not self._running:
            self._no_worker.end()
            self._check_wait(self._busy, f"no {kind} starts a cell; they may be busy with others")
        else:
            self._no_worker.end()
            self._busy.end()

    def _check_wait(self, wait: Silence, what: str) -> None:
        limit = format_duration(WORKER_WAIT_SECONDS)
        if wait.tick() > WORKER_WAIT_SECONDS:
            raise UserError(
                f"{what}, for {limit} now; finished cells are kept: start workers with `dask "
                f"worker {self._cluster.address}` and run the same command again to continue"
            )
        if wait.seconds > connection.WORKER_REPORT_SECONDS:
            self._warn_once(f"{what}; waiting for at most {limit} (Ctrl-C ends the run)")


def find_able_workers(cluster: Connection, request: LaunchRequest) -> set[str]:
    """Return the addresses of the workers that have the device that a request needs."""
    return set(find_gpus(cluster) if request.needs_gpu else cluster.workers)


def find_gpus(cluster: Connection) -> dict[str, float]:
    """Return the number of GPUs of each worker that has any, by its address."""
    gpus = {a: facts["resources"].get(GPU, 0) for a, facts in cluster.workers.items()}
    return {address: n for address, n in gpus.items() if n}


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
