"""Loading the libraries is no part of a cell's time: of its record, its limit, or its progress."""

import json
from types import SimpleNamespace

import pytest

from fmbench.execution import local, process
from fmbench.execution.backend import LaunchResult, Limits
from fmbench.execution.cluster import worker

LOADING_SECONDS = 1000.0


class Clock:
    """A clock that only ``pass_seconds`` moves."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def pass_seconds(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def never():
    return SimpleNamespace(is_set=lambda: False)


def test_a_cell_starts_when_the_fork_server_has_loaded_the_libraries(
    monkeypatch, clock, toy_cell, source
):
    cell, limits, started = toy_cell(), Limits(timeout=10, memory=2**30), []
    server = SimpleNamespace(wait_until_ready=lambda stop: clock.pass_seconds(LOADING_SECONDS))
    monkeypatch.setattr(local, "time", clock)
    monkeypatch.setattr(local, "start_fork_server", lambda *args, **options: server)
    monkeypatch.setattr(local, "_add_predictions", lambda launch, source, folder, result: result)

    def run_child_process(*args):
        clock.pass_seconds(3.0)
        return LaunchResult(1, 1)

    monkeypatch.setattr(local, "run_child_process", run_child_process)
    backend = local.LocalBackend(neural=True)
    result = backend.run_launch(
        [cell], source, limits, [], lambda: started.append(clock.now), never()
    )
    assert started == [LOADING_SECONDS]
    assert result.total_seconds == 3.0


def test_the_time_limit_begins_when_the_process_of_the_cell_has_started(
    monkeypatch, clock, toy_cell, source, tmp_path
):
    class Kept:
        keeper, status, waits = 0, 0, iter([False, True])

        def wait(self, seconds):
            return next(self.waits)

        def end(self):
            pass

    def start_in_server(*args):
        clock.pass_seconds(LOADING_SECONDS)
        message = {"measurements": [], "failure": None, "peak_memory_bytes": 1}
        (tmp_path / process.RESULT).write_text(json.dumps(message))
        return Kept()

    monkeypatch.setattr(process, "time", clock)
    monkeypatch.setattr(process, "start_in_server", start_in_server)
    limits = Limits(timeout=10, memory=2**40)
    result = process.run_child_process(
        [toy_cell()], source, limits, tmp_path, [], lambda: None, never()
    )
    assert result.failure is None


def test_a_worker_of_a_cluster_says_when_it_has_loaded_the_libraries(monkeypatch, source):
    events = []
    dask = SimpleNamespace(
        address="tcp://a", get_current_task=lambda: "key", log_event=lambda _, e: events.append(e)
    )

    class Backend:
        def run_launch(self, launch, source, limits, workspaces, on_start, stop):
            assert [event["measures"] for event in events] == [False]
            on_start()
            return LaunchResult(1, 1)

    monkeypatch.setattr("distributed.get_worker", lambda: dask)
    monkeypatch.setattr(worker, "_get_local_backend", lambda neural: Backend())
    monkeypatch.setattr(worker, "_check_code_is_unchanged", lambda: None)
    request = worker.LaunchRequest(
        [], [], source.spec.name, source.folder, Limits(10, 1), "x", "topic", True
    )
    worker.run_launch_on_worker(request)
    assert [(e["key"], e["worker"], e["measures"]) for e in events] == [
        ("key", "tcp://a", False), ("key", "tcp://a", True),
    ]  # fmt: skip
