"""Waits for schedulers and workers that are silent, gone, or something else."""

import contextlib
import signal
import socket
import struct
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from fmbench import runners
from fmbench.errors import UserError
from fmbench.execution.cluster import client, connection
from fmbench.execution.cluster.client import WorkerLoss, _RequestWatch, connect_to_cluster
from fmbench.execution.cluster.connection import Silence
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from tests.execution.cluster.dask_processes import run_scheduler
from tests.helpers.runs import (
    LIMITS,
    WAIT_SECONDS,
    end_after_block,
    wait_for_output,
    wait_until,
)

# fmbench, which reports every wait at once.
REPORTING = """
from fmbench.execution.cluster import connection
connection.REPORT_SECONDS = connection.WORKER_REPORT_SECONDS = 0
from fmbench.cli.main import main
main()
"""


@contextlib.contextmanager
def listen(greeting, *, closes=False):
    """Accept connections during the block and send each a greeting; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as accepted:

        def accept():
            with contextlib.suppress(OSError):  # the server is closed
                while True:
                    peer, _ = server.accept()
                    peer.sendall(greeting)
                    if closes:
                        peer.close()
                    else:
                        accepted.enter_context(peer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_SECONDS)


def refuse(address, tmp_path):
    """Connect to what is no scheduler; return the error."""
    with pytest.raises(UserError) as refusal, connect_to_cluster(address, tmp_path, 2, print):
        pass
    message = str(refusal.value)
    assert message.startswith(f"--scheduler {address}: no Dask scheduler answers there (")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "address, reason",
    [
        ("tls://127.0.0.1:1", "configure Dask's TLS"),
        ("inproc://x", "name the address that `dask scheduler` prints"),
        ("ucx://x", "name the address that `dask scheduler` prints"),
        ("there://x", "unknown address scheme 'there'"),
        ("http://127.0.0.1:8787", "unknown address scheme 'http'"),
        ("127.0.0.1", "missing port number"),
        ("127.0.0.1:8786/status", "name the address that `dask scheduler` prints"),
    ],
)
def test_what_is_not_an_address_is_refused_in_one_line(address, reason, tmp_path):
    assert reason in refuse(address, tmp_path)


def test_an_address_at_which_nothing_listens_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody else gets this port
        message = refuse(f"127.0.0.1:{unused.getsockname()[1]}", tmp_path)
    assert message.endswith("; start one with `dask scheduler`")


def test_a_silent_port_such_as_the_dashboard_is_refused_after_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.5)
    with listen(b"") as address:
        message = refuse(address, tmp_path)
    assert "there was no answer for 0.5 s" in message and "dashboard" in message


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize(
    "greeting",
    [
        b"220 mail.example ESMTP ready\r\n",  # as a number of bytes: more than any memory
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        struct.pack("<Q", 16) + b"x" * 16,
        struct.pack("<QQQ", 16, 1, 0),
        struct.pack("<QQQ", 17, 1, 1) + b"\x80",
        bytes(64),
    ],
)
def test_a_program_that_speaks_first_is_refused_in_one_line(greeting, closes, tmp_path):
    with listen(greeting, closes=closes) as address:
        message = refuse(address, tmp_path)
    assert "dask scheduler" in message


def start_reporting_run(tmp_path, *options):
    """Start `fmbench run` with its stderr in a file."""
    with (tmp_path / "stderr").open("w") as stderr:
        return subprocess.Popen(
            [
                sys.executable, "-c", REPORTING, "run", "gaussian-nb", "--quick", "--backend",
                "dask", "--results", str(tmp_path / "results"), *options,
            ],
            stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True,
            # A background job of a shell ignores SIGINT, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip


def wait_for_line(tmp_path, process, text):
    wait_until(lambda: text in (tmp_path / "stderr").read_text(), process=process)


def interrupt(tmp_path, process):
    """Press Ctrl-C; the run must end at once."""
    process.send_signal(signal.SIGINT)
    wait_for_output(process)
    assert process.returncode == 130
    printed = (tmp_path / "stderr").read_text()
    assert printed.count("fmbench: interrupted") == 1 and "Traceback" not in printed


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_for_a_silent_port(tmp_path, source):
    with listen(b"") as address:
        options = ("--scheduler", address, "--data", str(source.folder))
        with end_after_block(start_reporting_run(tmp_path, *options)) as run:
            wait_for_line(tmp_path, run, f"waiting for the scheduler at {address}, for at most ")
            interrupt(tmp_path, run)


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_for_a_worker_and_for_a_frozen_scheduler(tmp_path, source):
    with run_scheduler(tmp_path) as (scheduler, address):
        options = ("--scheduler", address, "--data", str(source.folder), "--jobs", "1")
        for freezes in (False, True):
            with end_after_block(start_reporting_run(tmp_path, *options)) as run:
                wait_for_line(tmp_path, run, "the scheduler has no worker that answers; waiting ")
                if freezes:
                    scheduler.send_signal(signal.SIGSTOP)
                    wait_for_line(tmp_path, run, f"the scheduler at {address} has not answered ")
                interrupt(tmp_path, run)


@pytest.mark.slow
def test_a_scheduler_that_freezes_or_dies_in_a_run_ends_it_with_one_line(
    tmp_path, source, monkeypatch
):
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.5)
    cell, warnings = Cell(runners.get_runner("gaussian-nb"), QUICK, 0), []
    for end, why in (
        (signal.SIGSTOP, "has not answered for 2 s; finished cells are kept"),
        (signal.SIGKILL, "is lost; finished cells are kept"),
    ):
        with contextlib.ExitStack() as stack:
            scheduler, address = stack.enter_context(run_scheduler(tmp_path))
            cluster = connect_to_cluster(address, tmp_path, 2, warnings.append)
            backend = stack.enter_context(cluster)
            scheduler.send_signal(end)
            with monkeypatch.context() as limits:
                limits.setattr(connection, "REPORT_SECONDS", 0)
                if end == signal.SIGSTOP:
                    limits.setattr(connection, "GIVE_UP_SECONDS", 2)
                with pytest.raises(UserError, match=f"the scheduler at {address} {why}"):
                    backend.run_launch([cell], source, LIMITS, [], lambda: None, threading.Event())
        (tmp_path / "scheduler.json").unlink()
    assert any("has not answered for 0 s; waiting for at most 2 s" in line for line in warnings)


def test_the_time_in_which_this_process_was_stopped_is_no_silence(monkeypatch):
    now = iter([0.0, 1.0, 3601.0, 3602.0])
    monkeypatch.setattr(connection.time, "monotonic", lambda: next(now))
    silence = Silence()
    assert silence.tick() == 1.0
    assert silence.tick() == 1.0 + connection.LONGEST_GAP
    silence.end()
    assert silence.seconds == 0.0


PLAIN, ON_GPU = {"resources": {}}, {"resources": {"GPU": 1}}


def watch(*, workers, lost=(), allowed=(), refused=(), starts=(), running=(), needs_gpu=False):
    """Look once at a request; return the loss and the lines for the user."""
    lines = []
    watched = _RequestWatch(
        "key",
        SimpleNamespace(needs_gpu=needs_gpu, limits=LIMITS, launch=[None]),
        set(allowed),
        set(refused),
        SimpleNamespace(workers=workers, lost=frozenset(lost), address="tcp://here:8786"),
        list(starts),
        set(running),
        lines.append,
    )
    return watched.find_loss(), lines


@pytest.mark.parametrize(
    "state, times",
    [
        ({"workers": {"a": PLAIN, "b": PLAIN}, "lost": "a", "starts": "a"}, 1),
        ({"workers": {"a": PLAIN}, "lost": "a", "starts": "ba"}, 2),
        ({"workers": {"a": PLAIN, "b": PLAIN}, "lost": "a"}, 0),
        ({"workers": {"b": PLAIN}, "allowed": "a"}, 0),
        ({"workers": {"a": PLAIN, "b": PLAIN}, "lost": "a", "allowed": "a"}, 0),
    ],
)
def test_a_request_that_a_lost_worker_has_is_sent_to_another(state, times):
    loss, _ = watch(**state)
    assert loss is not None and loss.times == times


@pytest.mark.parametrize(
    "state",
    [
        {"workers": {"a": PLAIN}, "starts": "a"},
        {"workers": {"a": PLAIN}},
        {"workers": {"a": PLAIN}, "lost": "a"},
        {"workers": {"a": PLAIN, "b": PLAIN}, "lost": "a", "refused": "b"},
        {"workers": {"a": PLAIN, "b": PLAIN}, "lost": "b", "allowed": "a"},
        {"workers": {}, "allowed": "a"},
    ],
)
def test_a_request_that_can_still_be_answered_is_not_sent_again(state):
    assert watch(**state) == (None, [])


@pytest.mark.parametrize(
    "state, why",
    [
        ({"workers": {}}, "the scheduler has no worker that answers"),
        ({"workers": {"a": PLAIN}, "lost": "a"}, "the scheduler has no worker that answers"),
        ({"workers": {"a": PLAIN}, "needs_gpu": True}, "the scheduler has no worker with a GPU"),
        ({"workers": {"a": ON_GPU}, "needs_gpu": True}, "no worker with a GPU starts a cell"),
        ({"workers": {"a": PLAIN}}, "no worker starts a cell; they may be busy"),
    ],
)
def test_the_wait_for_a_worker_is_reported_and_has_a_limit(state, why, monkeypatch):
    monkeypatch.setattr(connection, "WORKER_REPORT_SECONDS", -1)
    loss, [line] = watch(**state)
    assert loss is None
    assert line.startswith(why) and line.endswith(
        "waiting for at most 6 h 00 min (Ctrl-C ends the run)"
    )
    monkeypatch.setattr(client, "WORKER_WAIT_SECONDS", -1)
    with pytest.raises(UserError, match=f"^{why}.*; finished cells are kept: start workers with "):
        watch(**state)


def test_a_request_that_waits_for_the_cells_of_the_same_run_has_no_limit(monkeypatch):
    monkeypatch.setattr(client, "WORKER_WAIT_SECONDS", -1)
    assert watch(workers={"a": PLAIN}, running=["another"]) == (None, [])


def test_a_worker_that_does_not_end_a_cell_at_its_time_limit_counts_as_lost(monkeypatch):
    monkeypatch.setattr(client, "OVERTIME_SECONDS", -LIMITS.timeout)
    loss, _ = watch(workers={"a": PLAIN}, starts="a")
    assert isinstance(loss, WorkerLoss) and "after the time limit" in loss.why
