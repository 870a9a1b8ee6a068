"""A Dask cluster as the place where launches run: sends each to a worker, and survives its loss.

joblib's threads hand out the launches as on one machine, each thread waiting here for a worker's
answer. joblib's own Dask back end is not used: it waits for ever where Dask gives a task up
because the workers that ran it died, and where the cluster has one thread in all it runs the
calls in the coordinator.

Nothing here listens: the coordinator connects to a scheduler that the user has started.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from fmbench import environment, remote
from fmbench.datasets import Source
from fmbench.errors import UserError
from fmbench.launching import Measured
from fmbench.remote import Order, Refused
from fmbench.supervision import POLL_SECONDS, Launch, Limits, Stop

CONNECT_SECONDS = 5
LOOK_SECONDS = 10  # between two looks at whether there are workers at all
GPU = "GPU"  # the resource that a worker says it has: dask worker ADDRESS --resources GPU=1


@contextmanager
def connected(
    address: str, results: Path, retries: int, warn: Callable[[str], None]
) -> Iterator[Cluster]:
    """The cluster behind the scheduler at ``address``; ``warn`` gets lines for the person.

    A launch whose worker is lost is sent out again, ``retries`` times. ``results`` is the folder
    that the records go to: it tells apart what workers keep of unfinished cells.

    Raises:
        UserError: Dask is not installed, no scheduler answers there, or a worker lacks fmbench.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--backend dask needs Dask: pip install 'fmbench[dask]'") from None
    # What it would say of lost connections is said below, in words that name cells.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({said}); start one with "
            "`dask scheduler`"
        ) from None
    with client:
        yield Cluster(client, address, results, retries, warn)


class Cluster:
    """The workers of a connected scheduler."""

    def __init__(
        self, client: Any, address: str, results: Path, retries: int, warn: Callable[[str], None]
    ) -> None:
        self._client, self._address = client, address
        self._retries, self._warn = retries, warn
        self._owner = hashlib.sha256(
            f"{socket.gethostname()}:{results.resolve()}".encode()
        ).hexdigest()[:16]
        self._neural = False
        self._said: set[str] = set()
        self._differing: set[str] = set()
        # By a task's key, the worker of each of its starts.
        self._starts: defaultdict[str, list[str]] = defaultdict(list)
        self._topic = f"fmbench-{uuid4().hex}"
        client.subscribe_topic(self._topic, self._noted)
        self._greet()

    def device(self, wanted: str) -> str:
        """``auto``, ``cpu`` or ``cuda`` to the device of the neural rows.

        Raises:
            UserError: ``cuda``, and no worker says that it has a GPU.
        """
        if wanted == "cpu":
            return "cpu"
        if self._n_gpus():
            return "cuda"
        if wanted == "cuda":
            raise UserError(
                "--device cuda: no worker says that it has a GPU: start those that have one with "
                f"`dask worker {self._address} --resources {GPU}=1`"
            )
        return "cpu"

    def jobs(self, threads: int) -> int:
        """Cells of so many threads that the workers can run at a time.

        Raises:
            UserError: there is no worker.
        """
        from distributed import TimeoutError as NoneCame

        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except NoneCame:
            raise UserError(
                f"the scheduler at {self._address} has no workers: start some with `dask worker "
                f"{self._address}`, or say with --jobs how many cells to send, if they come later"
            ) from None
        return max(1, sum(self._workers().values()) // threads)

    def lanes(
        self, launches: Sequence[Launch], limits: Limits
    ) -> list[tuple[Sequence[Launch], int]]:
        """The launches for GPUs apart from the others: neither waits for the other's workers."""
        self._neural = any(each[0].runner.uses_gpu for each in launches)
        gpu = [each for each in launches if limits.device_of(each[0]) == "cuda"]
        rest = [each for each in launches if limits.device_of(each[0]) != "cuda"]
        lanes: list[tuple[Sequence[Launch], int]] = [(rest, limits.jobs)]
        return [*lanes, (gpu, min(limits.jobs, max(1, self._n_gpus())))] if gpu else lanes

    def measure(
        self,
        launch: Launch,
        source: Source,
        limits: Limits,
        workspaces: Sequence[Path],
        started: Callable[[], None],
        stop: Stop,
    ) -> Measured | None:
        """Have a worker run a launch; None if it was stopped. ``started`` is called once, before.

        ``workspaces`` stay empty: a worker keeps what its resumable cells leave in its own cache.

        Raises:
            UserError: the scheduler is gone.
        """
        definitions = [cell.definition() for cell in launch]
        order = Order(
            launch, definitions, source.spec.name, source.folder, limits, self._owner, self._topic,
            self._neural,
        )  # fmt: skip
        told = _Once(started)
        n_lost = 0
        refusals: dict[str, str] = {}
        while True:
            answer = self._answer(order, list(refusals), n_lost, told, stop)
            told()  # what has ended had started, even where no word of that came through
            match answer:
                case Refused():
                    self._say(f"worker {answer.worker} refused {launch[0].name}: {answer.why}")
                    refusals[answer.worker] = answer.why
                    if set(self._workers()) <= set(refusals):
                        return _failed(launch, limits, f"refused by every worker: {answer.why}")
                case _Lost():
                    n_lost += answer.times
                    if n_lost > self._retries:
                        why = f"its worker was lost, {n_lost} times in all, and --retries is "
                        return _failed(launch, limits, f"{why}{self._retries}")
                case _:
                    if answer is not None and answer.failure is None:
                        self._compare("a worker", answer.where)
                    return answer

    def _answer(
        self, order: Order, refusing: Sequence[str], n_lost: int, told: _Once, stop: Stop
    ) -> Measured | Refused | _Lost | None:
        """What came of sending an order out once; None if it was stopped."""
        future, starts = self._sent(order, refusing)
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        look = time.monotonic() + LOOK_SECONDS
        while not ended.wait(POLL_SECONDS):
            if starts:
                told()
            if time.monotonic() > look:
                look += LOOK_SECONDS
                if not self._workers():
                    self._say("no worker is left; waiting for one to come (Ctrl-C ends the run)")
            # Dask itself sends it out again when its worker is lost: one start more each time.
            n_lost_here = len(starts) - 1
            if stop.is_set() or n_lost + n_lost_here > self._retries:
                future.cancel()
                return None if stop.is_set() else _Lost(n_lost_here)
        if future.status == "finished":
            return future.result()
        if future.status == "error":
            return _why(future.exception(), order, starts)
        if stop.is_set():
            return None
        raise UserError(
            f"the scheduler at {self._address} is gone: what is finished is kept, and the same "
            "command goes on from here once it is back"
        )

    def _sent(self, order: Order, refusing: Sequence[str]) -> tuple[Any, Sequence[str]]:
        """The future of an order, and the workers that it was started on, as they become known."""
        key = f"fmbench-{order.launch[0].runner.name}-{uuid4().hex}"
        on_gpu = order.limits.device_of(order.launch[0]) == "cuda"
        future = self._client.submit(
            remote.measure, order, key=key, pure=False,
            workers=[w for w in self._workers() if w not in refusing] if refusing else None,
            allow_other_workers=bool(refusing),
            resources={GPU: 1} if on_gpu else None,
        )  # fmt: skip
        return future, self._starts[key]

    def _noted(self, event: tuple[float, Any]) -> None:
        """A worker starts on an order."""
        _, said = event
        self._starts[said["key"]].append(said["worker"])

    def _workers(self) -> dict[str, int]:
        """The threads of each worker, by its address."""
        return self._client.nthreads()

    def _n_gpus(self) -> int:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return int(sum(worker["resources"].get(GPU, 0) for worker in workers))

    def _greet(self) -> None:
        """Say which workers differ from here; raises UserError if one has no fmbench."""
        for worker, answer in self._client.run(remote.facts, on_error="return").items():
            if isinstance(answer, BaseException):
                raise UserError(
                    f"the worker {worker} cannot run fmbench ({type(answer).__name__}: {answer}): "
                    "install there what is installed here"
                )
            self._compare(f"worker {worker}", answer)

    def _compare(self, who: str, facts: dict[str, Any]) -> None:
        """Say, once, in what a worker's results are made otherwise than they would be here."""
        here = remote.facts()
        differing = environment.differences(facts["versions"], environment.cpu_name())
        if facts["package"] != here["package"]:
            there, own = (_package_in_words(each["package"]) for each in (facts, here))
            differing.append(f"{there}, here {own}")
        if differing and (which := "; ".join(differing)) not in self._differing:
            self._differing.add(which)
            self._say(f"{who} has {which}; records name the versions that they were made with")

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._warn(line)


@dataclass(frozen=True)
class _Lost:
    """The workers that an order was sent to are gone."""

    times: int


class _Once:
    """Calls a function the first time that it is called itself."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


def _why(error: BaseException, order: Order, starts: Sequence[str]) -> Measured | _Lost:
    """What is behind an order that ended in an error of Dask's, or of a worker's."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):  # more often than the scheduler allows
        return _Lost(max(1, len(starts)))
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    where = f" {starts[-1]}" if starts else ""
    return _failed(order.launch, order.limits, f"the worker{where} could not run it: {said}")


def _failed(launch: Launch, limits: Limits, why: str) -> Measured:
    """A failure that no worker lives to tell."""
    where = {
        "device": "a worker",
        "threads": limits.threads,
        "jobs": 1,
        "together": len(launch),
        **remote.facts(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "total_seconds": 0.0,
    }
    return Measured(where, failure=why)


def _package_in_words(package: dict[str, Any]) -> str:
    commit = f" of commit {package['commit'][:12]}" if "commit" in package else ""
    return f"fmbench {package['version']}{commit}{' (changed)' if package.get('dirty') else ''}"
