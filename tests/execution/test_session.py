"""A session measures all its cells at once, on every device and data set, and says how many."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fmbench import runners
from fmbench.datasets.specs import DEFAULT_DATASET, MNIST_DIGITS
from fmbench.execution import schedule
from fmbench.execution.backend import LaunchQueue, LaunchResult
from fmbench.execution.session import MeasuringSession
from fmbench.records.cells import Cell
from fmbench.records.protocols import DIGITS, QUICK
from fmbench.records.store import StoreContents
from tests.helpers.runs import LIMITS, WAIT_SECONDS

EMPTY = StoreContents({}, {}, [])
ESTIMATE = SimpleNamespace(expected_seconds=lambda cell: 10.0, learn=lambda record: None)
SOURCES = {spec.name: SimpleNamespace(spec=spec) for spec in (DEFAULT_DATASET, MNIST_DIGITS)}
ON_GPU = replace(LIMITS, device="cuda", together=5, gpu_jobs=3)


def make_cells(name, n, **changes):
    return [Cell(runners.get_runner(name), QUICK, seed, **changes) for seed in range(n)]


class Backend:
    """Each launch fails in no time, as ``end`` says; ``seen`` are the cells that were started."""

    shares_jobs = True

    def __init__(self, end, n_jobs=1):
        self.end, self.n_jobs, self.seen = end, n_jobs, []

    def split_into_queues(self, launches, limits):
        return [LaunchQueue(launches, self.n_jobs)]

    def run_launch(self, launch, source, limits, workspaces, on_start, stop):
        assert source.spec == launch[0].dataset
        on_start()
        self.seen += launch
        return replace(self.end(launch), together=len(launch))


def make_session(store, backend, limits=LIMITS):
    return MeasuringSession(store, SOURCES, limits, ESTIMATE, backend)


def test_cells_on_one_data_set_do_not_wait_for_those_on_another(store):
    digits = Cell(runners.get_runner("extra-tree"), DIGITS, 0, MNIST_DIGITS)
    cells = [*make_cells("extra-tree", 1), digits]
    both_run = threading.Barrier(2, timeout=WAIT_SECONDS)

    def end(launch):
        both_run.wait()
        return LaunchResult(1, 1, "for a test")

    session = make_session(store, Backend(end, n_jobs=2))
    session.measure(cells, EMPTY, n_planned=2)
    assert [record.cell["dataset"] for record in session.records] == ["fashion-mnist", "mnist"]


@pytest.fixture
def errors(monkeypatch):
    """The errors that are logged for the user."""
    lines = []
    monkeypatch.setattr(schedule.logger, "error", lambda text, *values: lines.append(text % values))
    return lines


def lose_gpu(launch):
    return LaunchResult(1, 1, "No CUDA GPUs are available", gpu_started=False)


def test_a_lost_gpu_gets_no_more_cells_in_the_whole_session_and_one_line_says_so(store, errors):
    networks, trees = make_cells("lenet5", 20), make_cells("extra-tree", 3)
    backend = Backend(lambda launch: lose_gpu(launch))
    session = make_session(store, backend, ON_GPU)
    session.measure([*networks, *trees], EMPTY, n_planned=23)
    assert backend.seen == [*networks[:10], *trees], "two launches on the GPU, and all on the CPU"
    assert len(session.records) == len(store.read_contents().failed) == 13
    assert errors == [
        "2 launches in a row could not use the GPU, so the other cells for it are not measured: "
        "No CUDA GPUs are available"
    ]
    session.measure(make_cells("lstm", 3), EMPTY, n_planned=3)
    assert len(session.records) == 13 and len(errors) == 1
    again = make_session(store, backend, ON_GPU)
    again.measure(make_cells("lstm", 3), EMPTY, n_planned=3)
    assert len(again.records) == 3, "the next command tries the GPU again"


def test_launches_that_fail_now_and_then_do_not_lose_the_gpu(store, errors):
    ends = iter([False, True, False, True])
    backend = Backend(lambda launch: LaunchResult(1, 1, "failed", gpu_started=next(ends)))
    session = make_session(store, backend, ON_GPU)
    session.measure(make_cells("lenet5", 20), EMPTY, n_planned=20)
    assert len(session.records) == 20 and not errors


def test_on_a_cluster_another_launch_may_get_another_gpu(store, errors):
    backend = Backend(lose_gpu)
    backend.shares_jobs = False
    session = make_session(store, backend, ON_GPU)
    session.measure(make_cells("lenet5", 20), EMPTY, n_planned=20)
    assert len(session.records) == 20 and not errors


def test_how_many_cells_run_at_a_time_is_said_of_the_cpu_and_the_gpu(store):
    networks, trees = make_cells("lenet5", 2), make_cells("extra-tree", 2)
    session = make_session(store, None, ON_GPU)
    assert session.describe_jobs(trees) == "2 at a time"
    gpu = "3 launches of up to 5 networks at a time on the GPU"
    assert session.describe_jobs(networks) == gpu
    assert session.describe_jobs([*networks, *trees]) == f"2 at a time on the CPU and {gpu}"
    alone = make_session(store, None, replace(ON_GPU, together=1, gpu_jobs=1))
    assert alone.describe_jobs(networks) == "1 launch at a time on the GPU"
    assert make_session(store, None).describe_jobs(networks) == "2 at a time"


def test_the_time_of_a_run_counts_the_cpu_and_the_gpu_apart(store):
    networks, trees = make_cells("lenet5", 20), make_cells("extra-tree", 10)
    session = make_session(store, None, ON_GPU)
    # Four launches of five seeds, three at a time; ten cells, two at a time.
    assert session.estimate_seconds(networks) == 2 * 50
    assert session.estimate_seconds(trees) == 50
    assert session.estimate_seconds([*networks, *trees]) == 100
    assert make_session(store, None).estimate_seconds([*networks, *trees]) == 300 / 2
