"""Talks to a Dask scheduler: every wait has a limit, says for whom it waits, and ends at Ctrl-C.

Dask's client runs on an event loop in a thread of its own. The caller's thread only waits for what
that thread answers, in short steps, so a scheduler or a worker that is silent never blocks it. A
task on the same loop watches the cluster: it asks the scheduler for its workers again and again,
and notices who has become silent.

Nothing here listens on a port: the client connects to a scheduler that the user has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import pickle
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future, TimeoutError
from hashlib import sha256
from typing import Any, TypeVar

from fmbench.errors import UserError
from fmbench.execution.backend import POLL_SECONDS, StopSignal
from fmbench.execution.cluster import entry

T = TypeVar("T")

# Limits on waits, in seconds.
CONNECT_SECONDS = 5.0  # until something accepts the connection
HANDSHAKE_SECONDS = 30.0  # until it has answered as a scheduler does
ANSWER_SECONDS = 120.0  # until a worker has imported fmbench and answered
GIVE_UP_SECONDS = 600.0  # until a silent scheduler ends the run
WORKER_LOST_SECONDS = 600.0  # until a silent worker counts as lost
MARGIN_SECONDS = 5.0  # the caller of a coroutine with a limit of its own waits so much longer
CLOSE_SECONDS = 3.0  # until the scheduler knows that this client leaves

REPORT_SECONDS = 10.0  # after this long a wait is reported
# A worker reports itself to the scheduler every 0.5 s, in a cluster of 5,000 every 26 s.
WORKER_REPORT_SECONDS = 30.0
WATCH_SECONDS = 1.0  # between two questions to the scheduler

# Longer gaps between two looks at the clock do not count: then this process itself was stopped.
LONGEST_GAP = 5.0

KEPT = "finished cells are kept: when it is back, run the same command again to continue"
HOW_TO_NAME = "name the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786"

# Runs the text of `entry` on a worker, once for each version of it.
_LOAD_ENTRY = """
import sys, types
module = types.ModuleType(name)
exec(compile(text, name, "exec"), vars(module))
module = sys.modules.setdefault(name, module)
"""


class StoppedError(Exception):
    """A wait ended because the run was stopped."""


class Silence:
    """The seconds since something was last heard, as far as this process ran meanwhile."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last_look = time.monotonic()

    def tick(self) -> float:
        """Add the time since the last call, and return the seconds in all."""
        now = time.monotonic()
        self.seconds += min(now - self._last_look, LONGEST_GAP)
        self._last_look = now
        return self.seconds

    def end(self) -> None:
        """Start again from 0: something was heard."""
        self.tick()
        self.seconds = 0.0


class Connection:
    """A connection to the scheduler at ``address``; it calls ``warn`` with each line for the user.

    ``workers`` is what the scheduler said last about each worker, by its address. A worker is in
    ``silent`` if it has not been heard of for WORKER_REPORT_SECONDS, and in ``lost`` after
    WORKER_LOST_SECONDS. ``broken`` says why the connection cannot be used any more.
    """

    def __init__(self, address: str, warn: Callable[[str], None]) -> None:
        self.address, self._warn = address, warn
        self.client: Any = None
        self.workers: Mapping[str, Mapping[str, Any]] = {}
        self.silent: frozenset[str] = frozenset()
        self.lost: frozenset[str] = frozenset()
        self.broken: str | None = None
        self._heard: dict[str, tuple[float, Silence]] = {}  # of each worker: when Dask last did
        self._loop = asyncio.new_event_loop()
        # Dask reports errors of its own tasks to the loop. This class reports them itself.
        self._loop.set_exception_handler(lambda loop, context: None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Be connected during the block.

        Raises:
            UserError: Dask is not installed, or no scheduler answers.
        """
        self._thread.start()
        try:
            # Not in the caller's thread: Ctrl-C in the middle of an import would break the import.
            self.wait(_import_dask(), "Dask to be imported", GIVE_UP_SECONDS)
            seconds = HANDSHAKE_SECONDS + MARGIN_SECONDS
            self.wait(_try_connection(self.address), self._who, seconds)
            self.wait(self._connect(), self._who, seconds)
            yield
        finally:
            self._close()

    @property
    def _who(self) -> str:
        return f"the scheduler at {self.address}"

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop of the client."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def wait(
        self,
        coroutine: Coroutine[Any, Any, T],
        who: str | Callable[[], str],
        seconds: float,
        stop: StopSignal | None = None,
    ) -> T:
        """Run a coroutine on the loop of the client and wait until it has ended.

        ``who`` is to answer, within ``seconds``.

        Raises:
            StoppedError: ``stop`` was set.
            UserError: there was no answer in time, or the connection is lost.
        """
        future = self.start(coroutine)
        waited, reported = Silence(), False
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    return future.result(POLL_SECONDS)
                if future.done():  # the coroutine itself raised a TimeoutError
                    return future.result()
                if stop is not None and stop.is_set():
                    raise StoppedError
                if self.broken:
                    raise UserError(self.broken)
                waited.tick()
                name = who if isinstance(who, str) else who()
                if waited.seconds > seconds:
                    raise UserError(f"{name}: no answer for {seconds:g} s; {KEPT}")
                if waited.seconds > REPORT_SECONDS and not reported:
                    reported = True
                    self._warn(
                        f"waiting for {name}, for at most {seconds:g} s (Ctrl-C ends the run)"
                    )
        except CancelledError:
            raise UserError(self._describe_lost_connection()) from None
        except OSError as error:
            raise UserError(f"{self._describe_lost_connection()} ({error})") from None
        finally:
            future.cancel()

    def describe_lost(self) -> str:
        """Say why the connection is lost, and what to do."""
        return self.broken or self._describe_lost_connection()

    def _describe_lost_connection(self) -> str:
        return f"the connection to {self._who} is lost; {KEPT}"

    def refresh(self, stop: StopSignal | None = None) -> None:
        """Ask the scheduler which workers there are.

        Raises:
            StoppedError: ``stop`` was set.
            UserError: there was no answer in time, or the connection is lost.
        """
        self.wait(self._ask_for_workers(), self._who, GIVE_UP_SECONDS, stop)

    def run_on_workers(
        self, function: Callable[..., Any], *arguments: Any, stop: StopSignal | None = None
    ) -> dict[str, Any]:
        """Call a function of fmbench on every worker that is not silent.

        Returns what each worker returned, by its address: the result, or the exception. It is a
        TimeoutError for a worker that has not answered for ANSWER_SECONDS.

        Raises:
            StoppedError: ``stop`` was set.
            UserError: the connection is lost.
        """
        self.refresh(stop)
        addresses = [address for address in self.workers if address not in self.silent]
        pending = set(addresses)

        async def ask(address: str) -> Any:
            running = self.client.run(eval, *call, workers=[address], on_error="return")
            answer = asyncio.ensure_future(running)
            waited = Silence()
            try:
                while not answer.done():
                    await asyncio.wait([answer], timeout=POLL_SECONDS)
                    if waited.tick() > ANSWER_SECONDS:
                        return TimeoutError(f"no answer for {waited.seconds:.0f} s")
                return unpack_answer(answer.result()[address])
            except (OSError, KeyError):  # it has left
                return OSError("the worker has left")
            finally:
                answer.cancel()
                pending.discard(address)

        async def ask_all() -> list[Any]:
            return await asyncio.gather(*map(ask, addresses))

        call = make_call(function, *arguments)
        limit = ANSWER_SECONDS + MARGIN_SECONDS
        answers = self.wait(ask_all(), lambda: describe_workers(pending), limit, stop)
        return dict(zip(addresses, answers, strict=True))

    async def _connect(self) -> None:
        """Connect and start to watch the cluster.

        Raises:
            UserError: no scheduler answers.
        """
        from distributed import Client

        self.client = Client(
            self.address, asynchronous=True, set_as_default=False, timeout=HANDSHAKE_SECONDS
        )

        async def begin() -> None:
            await self.client
            await self._ask_for_workers()

        try:
            await asyncio.wait_for(begin(), HANDSHAKE_SECONDS)
        except Exception as error:  # noqa: BLE001
            # Dask raises what it likes on an answer that it does not understand.
            raise _describe_failure(self.address, error) from None
        self._watcher = asyncio.create_task(self._watch())

    async def _ask_for_workers(self) -> None:
        identity = await self.client.scheduler.identity(n_workers=-1)
        self.workers = identity["workers"]

    async def _watch(self) -> None:
        """Ask for the workers again and again; report who is silent, and who answers again."""
        scheduler, reported = Silence(), False
        while True:
            question = asyncio.ensure_future(self._ask_for_workers())
            while not question.done():
                await asyncio.wait([question], timeout=POLL_SECONDS)
                if scheduler.tick() > REPORT_SECONDS and not reported:
                    reported = True
                    self._warn(
                        f"{self._who} has not answered for {REPORT_SECONDS:g} s; waiting for at "
                        f"most {GIVE_UP_SECONDS:g} s (Ctrl-C ends the run)"
                    )
                if scheduler.seconds > GIVE_UP_SECONDS:
                    question.cancel()
                    self.broken = f"{self._who} has not answered for {GIVE_UP_SECONDS:g} s; {KEPT}"
                    return
            if not question.cancelled() and question.exception() is None:
                scheduler.end()
                if reported:
                    reported = False
                    self._warn(f"{self._who} answers again")
                self._watch_workers()
            elif self.client.status == "closed":
                self.broken = self._describe_lost_connection()
                return
            await asyncio.sleep(WATCH_SECONDS)

    def _watch_workers(self) -> None:
        """Note which workers the scheduler has not heard of since it was asked last."""
        heard: dict[str, tuple[float, Silence]] = {}
        for address, facts in self.workers.items():
            last_seen, silence = self._heard.get(address, (None, Silence()))
            if facts["last_seen"] == last_seen:
                silence.tick()
            else:
                silence.end()
            heard[address] = facts["last_seen"], silence
        self._heard = heard
        silent = frozenset(a for a, (_, s) in heard.items() if s.seconds > WORKER_REPORT_SECONDS)
        if new := silent - self.silent:
            self._warn(
                f"nothing is heard of {describe_workers(new)} for {WORKER_REPORT_SECONDS:g} s; "
                f"its cells go to other workers after {WORKER_LOST_SECONDS:g} s (Ctrl-C ends the "
                "run)"
            )
        for address in (self.silent - silent) & heard.keys():
            self._warn(f"the worker {address} is heard of again")
        self.silent = silent
        self.lost = frozenset(a for a, (_, s) in heard.items() if s.seconds > WORKER_LOST_SECONDS)

    def _close(self) -> None:
        """Close the client, but do not wait for a silent scheduler; then end the loop."""
        future = self.start(self._close_client())
        with contextlib.suppress(TimeoutError, CancelledError):
            # Without a client there is nobody to tell, and Dask may still be importing.
            future.result(CLOSE_SECONDS + 1 if self.client is not None else POLL_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        if not self._thread.is_alive():
            self._loop.close()

    async def _close_client(self) -> None:
        if self.client is not None:
            # Whatever it raises, the client is not used any more.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.client.close(), CLOSE_SECONDS)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)


async def _import_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UserError("--backend dask needs Dask: pip install 'fmbench[dask]'") from None
    # Dask would log lost connections. They are reported here and by DaskBackend.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def make_call(function: Callable[..., Any], *arguments: Any) -> tuple[str, dict[str, Any]]:
    """Return the arguments of ``eval`` with which a worker calls a function of fmbench."""
    text = inspect.getsource(entry)
    variables = {
        "start": _LOAD_ENTRY,
        "text": text,
        "name": f"fmbench_entry_{sha256(text.encode()).hexdigest()[:16]}",
        "payload": pickle.dumps((function, arguments)),
    }
    return "(exec(start), module.call(payload))[1]", variables


class CannotStart(Exception):
    """A worker has no usable fmbench; ``worker`` is its address, if it is known."""

    def __init__(self, why: str, worker: str | None) -> None:
        super().__init__(why)
        self.worker = worker


def unpack_answer(answer: Any) -> Any:
    """Return what a call on a worker returned, or raised: a result or an exception."""
    if isinstance(answer, BaseException):
        return answer
    if "cannot_start" in answer:
        return CannotStart(answer["cannot_start"], answer["worker"])
    return answer["result"]


def describe_workers(addresses: Collection[str]) -> str:
    """Name up to three workers."""
    named = sorted(addresses)[:3]
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return f"the worker{'s' * (len(addresses) != 1)} {', '.join(named)}{more}"


async def _try_connection(address: str) -> None:
    """Connect and disconnect. A client that cannot connect would take longer to say so.

    Raises:
        UserError: this is no address, or no scheduler answers there.
    """
    import dask
    from distributed import Security
    from distributed.comm import connect
    from distributed.comm.addressing import get_address_host_port, parse_address
    from distributed.comm.registry import get_backend

    try:
        get_backend(parse_address(address)[0])
        get_address_host_port(address)
    except (ValueError, ImportError, RuntimeError) as error:
        raise _make_error(address, str(error), HOW_TO_NAME) from None
    if dask.config.get("distributed.client.security-loader", None) is not None:
        return
    try:
        security = Security().get_connection_args("client")
        connecting = connect(address, timeout=CONNECT_SECONDS, **security)
        comm = await asyncio.wait_for(connecting, HANDSHAKE_SECONDS)
        await comm.close()
    except Exception as error:  # noqa: BLE001
        raise _describe_failure(address, error) from None


def _describe_failure(address: str, error: Exception) -> UserError:
    """Turn what Dask raises while it connects into an error of one line."""
    if address.startswith(("tls:", "wss:")):
        remedy = "configure Dask's TLS (distributed.comm.tls) here as on the scheduler"
        return _make_error(address, str(error), remedy)
    if isinstance(error, TimeoutError):
        reason = (
            f"the connection is accepted, but there was no answer for {HANDSHAKE_SECONDS:g} s: the "
            "scheduler is stopped, or it is the address of its dashboard or of another program"
        )
        return _make_error(address, reason, HOW_TO_NAME)
    if isinstance(error, OSError):
        return _make_error(address, str(error), "start one with `dask scheduler`")
    # Dask raises many types, MemoryError among them, when it reads what is no message of Dask.
    reason = f"what answers does not speak Dask's language: {type(error).__name__}"
    return _make_error(address, reason, HOW_TO_NAME)


def _make_error(address: str, reason: str, remedy: str) -> UserError:
    reason = " ".join(reason.split())[:250]
    return UserError(f"--scheduler {address}: no Dask scheduler answers there ({reason}); {remedy}")
