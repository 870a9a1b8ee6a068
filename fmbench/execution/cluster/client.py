"""A Dask cluster as the place where launches run: sends each to a worker, and survives its loss.

joblib's threads hand out the launches as on one machine, each thread waiting here for a worker's
answer. joblib's own Dask back end is not used: it waits for ever where Dask gives a task up
because the workers that ran it died, and where the cluster has one thread in all it runs the
calls in the coordinator.

Nothing here listens: the coordinator connects to a scheduler that the user has started.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from fmbench.datasets.specs import Source
from fmbench.errors import UserError
from fmbench.execution.backend import POLL_SECONDS, Launch, Limits, Measured, Stop, not_started
from fmbench.execution.cluster import worker
from fmbench.execution.cluster.connect import CONNECT_SECONDS, client_of
from fmbench.execution.cluster.failures import A_WORKER, Lost, what_happened
from fmbench.execution.cluster.worker import Order, Refused
from fmbench.utils import environment

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
    with client_of(address) as client:
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
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
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
        refusals: dict[str, str] = {}  # by the worker's address
        while True:
            able = self._able(order) if refusals else set()
            allowed = able - set(refusals)
            if able and not allowed:
                why = f"refused by every worker: {next(reversed(refusals.values()))}"
                return not_started(launch, limits, why, A_WORKER)
            answer = self._answer(order, allowed, n_lost, told, stop)
            told()  # what has ended had started, even where no word of that came through
            match answer:
                case Refused():
                    self._say(f"worker {answer.worker} refused {launch[0].name}: {answer.why}")
                    refusals[answer.worker] = answer.why
                case Measured():
                    if answer.failure is None:
                        self._compare("a worker", answer.where)
                    return answer
                case None if stop.is_set():
                    return None
                case _:  # None: the worker took it that nobody waits any more
                    lost = answer or Lost(1)
                    n_lost += lost.times
                    if n_lost > self._retries:
                        why = lost.in_words(n_lost, self._retries)
                        return not_started(launch, limits, why, A_WORKER)

    def saved(self, launch: Launch) -> None:
        """Have the workers remove what they kept of a launch whose records are written."""
        if launch[0].runner.resumable:
            try:
                self._client.run(worker.forget, self._owner, launch, on_error="ignore")
            except OSError as error:
                self._say(f"what workers kept of {launch[0].name} could not be removed: {error}")

    def _answer(
        self, order: Order, allowed: set[str], n_lost: int, told: _Once, stop: Stop
    ) -> Measured | Refused | Lost | None:
        """What came of sending an order out once, to workers that are ``allowed``: any, if empty.

        None if it was stopped, or if the worker thought that it was.
        """
        key = f"fmbench-{order.launch[0].runner.name}-{uuid4().hex}"
        future = self._client.submit(
            worker.measure, order, key=key, pure=False,
            workers=sorted(allowed) or None,
            resources={GPU: 1} if _on_gpu(order) else None,
        )  # fmt: skip
        starts = self._starts[key]
        # Ctrl-C is looked for while the result is on its way, too.
        coming = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        look = time.monotonic() + LOOK_SECONDS
        while not wait([coming], POLL_SECONDS).done:
            if starts:
                told()
            # Dask itself sends it out again when its worker is lost: one start more each time.
            n_lost_here, astray = max(0, len(starts) - 1), False
            if time.monotonic() > look:
                look += LOOK_SECONDS
                there = set(self._workers())
                if not there:
                    self._say("no worker is left; waiting for one to come (Ctrl-C ends the run)")
                elif allowed and not allowed & there:
                    n_lost_here, astray = len(starts), True
            if stop.is_set() or astray or n_lost + n_lost_here > self._retries:
                coming.cancel()
                future.cancel()
                return None if stop.is_set() else Lost(n_lost_here)
        if future.status == "finished":
            return coming.result()
        if future.status == "error":
            return what_happened(future.exception(), order, starts)
        if stop.is_set():
            return None
        raise UserError(
            f"the scheduler at {self._address} is gone: what is finished is kept, and the same "
            "command goes on from here once it is back"
        )

    def _noted(self, event: tuple[float, Any]) -> None:
        """A worker starts on an order."""
        _, said = event
        self._starts[said["key"]].append(said["worker"])

    def _workers(self) -> dict[str, int]:
        """The threads of each worker, by its address."""
        return self._client.nthreads()

    def _gpus(self) -> dict[str, float]:
        """How many GPUs each worker that has one says it has, by its address."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        of_each = {name: worker["resources"].get(GPU, 0) for name, worker in workers.items()}
        return {name: n for name, n in of_each.items() if n}

    def _n_gpus(self) -> int:
        return int(sum(self._gpus().values()))

    def _able(self, order: Order) -> set[str]:
        """The workers that have what an order needs."""
        return set(self._gpus() if _on_gpu(order) else self._workers())

    def _greet(self) -> None:
        """Say which workers differ from here; raises UserError if one has no fmbench."""
        for address, answer in self._client.run(worker.facts, on_error="return").items():
            if isinstance(answer, BaseException):
                raise UserError(
                    f"the worker {address} cannot run fmbench ({type(answer).__name__}: {answer}): "
                    "install there what is installed here"
                )
            self._compare(f"worker {address}", answer)

    def _compare(self, who: str, facts: dict[str, Any]) -> None:
        """Say, once, in what a worker's results are made otherwise than they would be here."""
        here = worker.facts()
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


class _Once:
    """Calls a function the first time that it is called itself."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


def _on_gpu(order: Order) -> bool:
    return order.limits.device_of(order.launch[0]) == "cuda"


def _package_in_words(package: dict[str, Any]) -> str:
    commit = f" of commit {package['commit'][:12]}" if "commit" in package else ""
    return f"fmbench {package['version']}{commit}{' (changed)' if package.get('dirty') else ''}"
