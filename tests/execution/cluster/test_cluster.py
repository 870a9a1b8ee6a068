"""Runs on a real scheduler and two real workers on loopback, started as a user starts them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy
import pytest
import sklearn

from fmbench import runners
from fmbench.execution.cluster import connection
from fmbench.execution.cluster.client import WorkerLoss, connect_to_cluster, interpret_error
from fmbench.execution.schedule import run_cells
from fmbench.models import registry
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from fmbench.suites.configurations import resolve_configuration
from fmbench.utils import environment
from tests.execution.cluster.dask_processes import ROOT, run_scheduler, start_worker
from tests.helpers import faulty
from tests.helpers.runs import (
    LIMITS,
    WAIT_SECONDS,
    EventLog,
    end_after_block,
    environment_with,
    is_dead,
    list_children,
    list_records,
    read_command,
    start_fmbench,
    wait_for_output,
    wait_until,
)

pytestmark = pytest.mark.slow

# Each model writes a note with the name of its worker. A fit waits for as long as there is a file
# `wait-SEED` next to the folder of notes. `killer` kills its worker and leaves a file `kill-TIME`;
# its third attempt only waits.
MODEL = """
import os, time
from pathlib import Path
import psutil
from sklearn.tree import DecisionTreeClassifier

NOTES = Path({notes!r})

class Model:
    def __init__(self, seed, kills=False):
        self.seed, self.kills = seed, kills
        note = NOTES / f"{{os.getpid()}}-{{time.monotonic_ns()}}"
        hidden = note.with_name("." + note.name)
        hidden.write_text(f"{{seed}} {{os.environ.get('WORKER', 'none')}}")
        hidden.rename(note)
        self.tree = DecisionTreeClassifier(max_depth=4, max_features=9, random_state=seed)

    def fit(self, X, y):
        if self.kills:
            if len(list(NOTES.parent.glob("kill-*"))) == 2:
                time.sleep(3600)
            NOTES.with_name(f"kill-{{time.monotonic_ns()}}").touch()
            keeper, server, worker = psutil.Process().parents()[:3]
            worker.kill()
        while NOTES.with_name(f"wait-{{self.seed}}").exists():
            time.sleep(0.02)
        self.tree.fit(X.reshape(len(X), -1), y)
        return self

    def predict(self, X):
        return self.tree.predict(X.reshape(len(X), -1))

def make(*, seed):
    return Model(seed)

def killer(*, seed):
    return Model(seed, kills=True)

def on_gpu(*, seed, device):
    return Model(seed)
"""


@dataclass(frozen=True)
class RunningCluster:
    """Two workers of one thread: ``plain``, and ``gpu``, which says that it has a GPU."""

    address: str
    nannies: list[subprocess.Popen]  # the process that watches a worker, for each of them
    cache: Path  # the user's cache, as the workers see it


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    cache = folder / "cache"
    with ExitStack() as stack:
        _, address = stack.enter_context(run_scheduler(folder))
        nannies = []
        for name, more in (("plain", ()), ("gpu", ("--resources", "GPU=1"))):
            # Without a GPU: the tests must see the same on a machine that has one.
            variables = {"WORKER": name, "XDG_CACHE_HOME": cache, "CUDA_VISIBLE_DEVICES": ""}
            nanny = start_worker(folder, address, *more, **variables)
            nannies.append(stack.enter_context(end_after_block(nanny)))
        yield RunningCluster(address, nannies, cache)
        for nanny in nannies:  # workers close at once while their scheduler answers
            nanny.terminate()
        for nanny in nannies:
            nanny.wait(WAIT_SECONDS)


def find_worker(nanny):
    """The worker that a nanny watches; None while there is none."""
    children = list_children(nanny.pid)
    return next((child for child in children if "spawn_main" in read_command(child)), None)


@pytest.fixture
def connect(tmp_path, cluster):
    """Connects to the cluster once both workers are there; the results are in ``tmp_path``."""
    with ExitStack() as stack:

        def connect_now(retries=2, warn=print):
            backend = stack.enter_context(
                connect_to_cluster(cluster.address, tmp_path / "results", retries, warn)
            )
            wait_for_workers(backend, 2)
            return backend

        yield connect_now


@pytest.fixture
def model(tmp_path):
    """A file with models, and the folder of their notes."""
    notes = tmp_path / "notes"
    notes.mkdir()
    path = tmp_path / "model.py"
    path.write_text(MODEL.format(notes=str(notes)))
    return path, notes


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


@pytest.fixture
def start_cluster_run(store, source, cluster):
    """Starts `fmbench run` on the cluster."""

    def has_its_workers():  # a nanny replaces a worker that an earlier test killed
        with distributed.Client(cluster.address, timeout=WAIT_SECONDS) as dask_client:
            pids = set(dask_client.run(os.getpid, on_error="return").values())
        workers = [worker.pid for worker in map(find_worker, cluster.nannies) if worker]
        return len(workers) == len(cluster.nannies) and pids == set(workers)

    wait_until(has_its_workers)

    def start(*arguments):
        return end_after_block(
            start_fmbench(
                "run", *arguments, "--quick", "--backend", "dask", "--scheduler", cluster.address,
                "--results", store.folder, "--data", source.folder, cwd=ROOT,
                env=environment_with(WORKER="none"),
            )
        )  # fmt: skip

    return start


def read_notes(notes):
    """The process, seed and worker of each model that was made on a worker, in their order."""
    found = []
    files = [path for path in notes.iterdir() if not path.name.startswith(".")]
    for path in sorted(files, key=lambda path: int(path.name.split("-")[1])):
        seed, worker = path.read_text().split()
        if worker != "none":
            found.append((int(path.name.split("-")[0]), int(seed), worker))
    return found


def wait_until_no_cell_runs(notes):
    wait_until(lambda: all(is_dead(pid) for pid, _, _ in read_notes(notes)))


def wait_for_workers(backend, n):
    wait_until(lambda: len(backend.count_worker_threads()) == n)


def run_all(cells, store, source, backend, limits=LIMITS):
    return run_cells(cells, store, source, limits, EventLog(), cluster=backend)


def test_a_worker_that_is_killed_changes_no_result(
    tmp_path, cluster, model, start_cluster_run, store, source
):
    path, notes = model
    waits = [tmp_path / f"wait-{seed}" for seed in range(6)]
    for wait in waits:
        wait.touch()
    with start_cluster_run(f"{path}:make", "--seeds", "6") as process:
        wait_until(
            lambda: {worker for _, _, worker in read_notes(notes)} == {"plain", "gpu"},
            process=process,
        )
        find_worker(cluster.nannies[0]).kill()
        for wait in waits:
            wait.unlink()
        _, err = wait_for_output(process)
        assert process.returncode == 0, err
    assert err.count(" %, fit ") == 6
    contents = store.read_contents()
    assert not contents.broken and not contents.failed
    cells = resolve_configuration(f"{path}:make").cells(QUICK, 6)
    assert set(contents.finished) == {cell.key for cell in cells}
    wait_until_no_cell_runs(notes)
    alone = Store(tmp_path / "alone")
    alone.prepare()
    for record in run_cells(cells, alone, source, LIMITS, EventLog()):
        assert record.predictions_sha256 == contents.finished[record.key].predictions_sha256


def test_if_the_client_ends_its_cells_end_and_the_next_run_continues(
    tmp_path, model, start_cluster_run, store
):
    path, notes = model
    command = (f"{path}:make", "--seeds", "4")
    waits = [tmp_path / f"wait-{seed}" for seed in (2, 3)]
    for wait in waits:
        wait.touch()
    for end, status in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        n_before = len(read_notes(notes))
        with start_cluster_run(*command) as process:
            wait_until(
                lambda n=n_before: {seed for _, seed, _ in read_notes(notes)[n:]} >= {2, 3},
                process=process,
            )
            process.send_signal(end)
            _, err = wait_for_output(process)
            assert process.returncode == status, err
            wait_until_no_cell_runs(notes)
    for wait in waits:
        wait.unlink()
    assert len(list_records(store.folder)) == 2
    with start_cluster_run(*command) as process:
        _, err = wait_for_output(process)
        assert process.returncode == 0, err
    assert err.count(" %, fit ") == 2
    contents = store.read_contents()
    assert len(contents.finished) == 4 and not contents.broken and not contents.failed


def test_a_cell_whose_worker_is_lost_more_often_than_retries_allows_fails_with_that_reason(
    tmp_path, model, start_cluster_run, store
):
    path, notes = model
    with start_cluster_run(f"{path}:killer", "--seeds", "1", "--retries", "1") as process:
        _, err = wait_for_output(process)
        assert process.returncode == 1, err
    [failed] = store.read_contents().failed.values()
    assert failed.why == "its worker was lost 2 times, and --retries allows 1"
    assert len(list(tmp_path.glob("kill-*"))) == 2
    wait_until_no_cell_runs(notes)


def test_gpu_cells_run_only_on_workers_with_a_gpu_and_other_cells_on_any_worker(
    model, connect, store, source
):
    path, _ = model
    rows = [resolve_configuration(f"{path}:{name}") for name in ("on_gpu", "make")]
    backend = connect()
    assert backend.resolve_device("auto") == "cuda"
    limits = replace(LIMITS, device="cuda")
    run_all([cell for row in rows for cell in row.cells(QUICK, 2)], store, source, backend, limits)
    contents = store.read_contents()
    # The worker only says that it has a GPU: its cells fail there because they find none.
    assert {"CUDA" in record.why for record in contents.failed.values()} == {True}
    [failed] = {r.cell["runner"] for r in contents.failed.values()}
    assert failed.startswith("model.py-on_gpu-")  # then a hash of the file's folder
    assert len(contents.failed) == len(contents.finished) == 2

    def list_starts():
        starts = backend._starts.items()
        return [worker for key, workers in starts if "on_gpu" in key for worker in workers]

    wait_until(lambda: len(list_starts()) == 2)  # the scheduler tells them apart from the results
    assert list_starts() == 2 * list(backend._count_gpus_by_worker())


def make_other_revision(monkeypatch):
    runner = replace(runners.get_runner("gaussian-nb"), revision=99)
    monkeypatch.setitem(registry._REGISTRY, "gaussian-nb", runner)
    return runner


def make_other_package(monkeypatch):
    runner = resolve_configuration("sklearn.naive_bayes:GaussianNB").runner
    return replace(runner, source="scikit-learn 0.1")


@pytest.mark.parametrize(
    "make_ours, why",
    [
        (make_other_revision, "revision 1 -> 99"),
        (make_other_package, f"source scikit-learn {sklearn.__version__} -> scikit-learn 0.1"),
    ],
)
def test_a_worker_with_other_code_refuses_the_cell(
    make_ours, why, connect, store, source, monkeypatch
):
    warnings = []
    cell = Cell(make_ours(monkeypatch), QUICK, 0)
    [record] = run_all([cell], store, source, connect(warn=warnings.append))
    reason = (
        f"it would measure a different cell ({why}): install the same fmbench and plug-ins on that "
        "worker"
    )
    assert record.why == f"refused by every worker: {reason}"
    refusals = [line.partition(" refused ")[2] for line in warnings if " refused " in line]
    assert [line.partition(": ")[2] for line in refusals] == [reason] * 2


def test_a_refused_gpu_cell_is_not_sent_to_a_worker_without_a_gpu(
    connect, store, source, monkeypatch
):
    runner = replace(runners.get_runner("lenet5"), revision=99)
    monkeypatch.setitem(registry._REGISTRY, runner.name, runner)
    warnings = []
    backend = connect(warn=warnings.append)
    limits = replace(LIMITS, device="cuda")
    [record] = run_all([Cell(runner, QUICK, 0)], store, source, backend, limits)
    assert record.why.startswith("refused by every worker: ")
    assert len([line for line in warnings if " refused " in line]) == 1


def send_first_to(backend, worker, monkeypatch):
    """Send the first request to one worker only; return the allowed workers of each try."""
    send, tries = backend._send, []

    def send_there(request, allowed, *more):
        tries.append(allowed if tries else {worker})
        return send(request, tries[-1], *more)

    monkeypatch.setattr(backend, "_send", send_there)
    return tries


def test_a_request_for_workers_that_have_left_is_sent_to_the_remaining_workers(
    connect, store, source, monkeypatch
):
    backend = connect()
    tries = send_first_to(backend, "tcp://127.0.0.1:9", monkeypatch)
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    [record] = run_all([cell], store, source, backend)
    assert record.finished and len(tries) == 2


@pytest.fixture
def start_late_worker(tmp_path, cluster):
    """Starts a third worker during a test, and ends it at the end of the test.

    The next test begins when the scheduler has noticed that, and names the worker no more.
    """

    def start(backend, *options, **variables):
        there = set(backend.count_worker_threads())
        variables = {"WORKER": "late", "XDG_CACHE_HOME": cluster.cache, **variables}
        late = start_worker(tmp_path, cluster.address, *options, **variables)
        stack.enter_context(end_after_block(late))
        wait_until(lambda: len(backend.count_worker_threads()) == 3, process=late)
        [address] = set(backend.count_worker_threads()) - there
        return late, address

    def count_workers(dask_scheduler):
        return len(dask_scheduler.workers)

    with ExitStack() as stack:
        yield start
    with distributed.Client(cluster.address, timeout=WAIT_SECONDS) as client:
        wait_until(lambda: client.run_on_scheduler(count_workers) <= 2)


@pytest.mark.parametrize("fault", ["no fmbench", "no temporary folder"])
def test_a_broken_worker_that_joins_during_a_run_fails_no_cell(
    fault, tmp_path, cluster, connect, start_late_worker, store, source, monkeypatch
):
    warnings = []
    backend = connect(retries=0, warn=warnings.append)
    (temporary := tmp_path / "temporary").mkdir()
    (package := tmp_path / "without" / "fmbench").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not installed')")
    without = {"PYTHONPATH": package.parent} if fault == "no fmbench" else {}
    _, address = start_late_worker(backend, TMPDIR=temporary, **without)
    with distributed.Client(cluster.address, timeout=WAIT_SECONDS) as dask_client:
        assert str(temporary) in dask_client.run(tempfile.gettempdir).values()
    shutil.rmtree(temporary)
    tries = send_first_to(backend, address, monkeypatch)
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    [record] = run_all([cell], store, source, backend)
    assert record.finished and len(tries) == 2
    reason = "not installed" if fault == "no fmbench" else str(temporary)
    refusals = [line for line in warnings if "refused" in line and reason in line]
    assert len(refusals) == 1


def test_what_lies_in_the_folder_in_which_a_worker_was_started_is_not_run(
    tmp_path, connect, start_late_worker, store, source, monkeypatch
):
    (folder := tmp_path / "folder").mkdir()
    (folder / "fmbench").mkdir()
    (ran := tmp_path / "ran").mkdir()
    # Modules that a cell or fmbench imports, but Dask does not.
    for name in ("fmbench/__init__", "threadpoolctl", "sklearn", "skimage", "tomllib"):
        code = f"from pathlib import Path; Path({str(ran)!r}, __name__).touch()"
        (folder / f"{name}.py").write_text(code)
    warnings = []
    backend = connect(warn=warnings.append)
    # Without a nanny the worker is the process that Python starts with `-m`.
    _, address = start_late_worker(backend, "--no-nanny", folder=folder)
    tries = send_first_to(backend, address, monkeypatch)
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    [record] = run_all([cell], store, source, backend)
    assert record.finished and len(tries) == 1 and not warnings
    assert record.package == environment.describe_package()
    assert not list(ran.iterdir())


def test_the_cells_of_a_frozen_worker_go_to_another_worker(
    tmp_path, model, connect, start_late_worker, store, source, monkeypatch
):
    path, notes = model
    (wait := tmp_path / "wait-0").touch()
    warnings = []
    backend = connect(retries=1, warn=warnings.append)
    late, address = start_late_worker(backend, "--no-nanny")
    tries = send_first_to(backend, address, monkeypatch)
    [cell] = resolve_configuration(f"{path}:make").cells(QUICK, 1)
    records = []
    thread = threading.Thread(
        target=lambda: records.extend(run_all([cell], store, source, backend)), daemon=True
    )
    thread.start()
    try:
        wait_until(lambda: "late" in {worker for _, _, worker in read_notes(notes)})
        late.send_signal(signal.SIGSTOP)

        def is_lost():  # as if it had been silent for long; if it is not frozen yet, it is heard
            backend._cluster._heard[address][1].seconds = connection.WORKER_LOST_SECONDS
            return address in backend._cluster.lost

        wait_until(is_lost)
        wait.unlink()
        thread.join(WAIT_SECONDS)
    finally:
        wait.unlink(missing_ok=True)
    assert records[0].finished and len(tries) >= 2
    assert any(f"nothing is heard of the worker {address} " in line for line in warnings)


def test_an_error_before_the_worker_starts_the_cell_counts_as_a_lost_worker():
    request = SimpleNamespace(launch=(), limits=LIMITS)
    error = ModuleNotFoundError("No module named 'fmbench'")
    loss = interpret_error(error, request, [])
    assert loss == WorkerLoss(1, "ModuleNotFoundError: No module named 'fmbench'")
    assert "and --retries allows 0 (the last time: ModuleNotFoundError" in loss.describe(1, 0)
    failure = interpret_error(error, request, ["a"]).failure
    assert failure.startswith("the worker a could not run it: ")


def test_a_worker_that_returns_no_result_counts_as_a_lost_worker(
    connect, store, source, monkeypatch
):
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    backend = connect(retries=1)
    send, answers = backend._send, [None, None, None]
    monkeypatch.setattr(backend, "_send", lambda *all: answers.pop() if answers else send(*all))
    for status in ("failed", "finished"):
        [record] = run_all([cell], store, source, backend)
        assert record.status == status
    assert not answers


def test_ctrl_c_ends_the_wait_for_a_result_that_is_being_transferred(connect, source, monkeypatch):
    cell, stop, transferring = (
        Cell(runners.get_runner("gaussian-nb"), QUICK, 0), threading.Event(), threading.Event(),
    )  # fmt: skip
    backend = connect(retries=1)

    async def never_end(*_, **__):
        transferring.set()
        await asyncio.sleep(600)

    monkeypatch.setattr(backend._cluster.client, "gather", never_end)
    thread = threading.Thread(
        target=backend.run_launch,
        args=((cell,), source, LIMITS, [], lambda: None, stop),
        daemon=True,
    )
    thread.start()
    assert transferring.wait(WAIT_SECONDS)
    stop.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_worker_keeps_the_progress_of_a_cell_until_its_record_is_saved(
    cluster, connect, store, source
):
    cell = Cell(faulty.make_runner("raises", factory=faulty.make_resumable), QUICK, 0)
    backend = connect()
    backend.split_into_queues([[cell]], LIMITS)
    failures = []
    while None not in failures:  # as if the client were killed before it saved a record
        result = backend.run_launch([cell], source, LIMITS, [], lambda: None, threading.Event())
        failures.append(result.failure)
    [record] = run_all([cell], store, source, backend)
    assert record.details == {"earlier_attempts": len(failures)} == {"earlier_attempts": 3}
    assert not list(cluster.cache.rglob("attempts"))


def test_a_failed_cell_continues_from_its_progress_on_the_worker(cluster, connect, store, source):
    cell = Cell(faulty.make_runner("raises", factory=faulty.make_resumable), QUICK, 0)
    backend = connect()
    records = [run_all([cell], store, source, backend)[0] for _ in range(3)]
    assert [record.status for record in records] == ["failed", "failed", "finished"]
    assert records[-1].details == {"earlier_attempts": 2}
    assert not list(cluster.cache.rglob("attempts"))


def test_workers_with_other_versions_are_reported_once(connect, monkeypatch):
    here = {**environment.collect_versions(), "numpy": "1.0"}
    monkeypatch.setattr(environment, "collect_versions", lambda: here)
    warnings = []
    connect(warn=warnings.append)
    [line] = warnings
    assert f" has numpy {numpy.__version__}, here 1.0; " in line
    assert line.endswith("; each record names the versions that it was made with")


@pytest.mark.parametrize(
    "options, message",
    [
        (("--backend", "dask"), "--backend dask needs --scheduler"),
        (("--scheduler", "127.0.0.1:1"), "--scheduler needs --backend dask"),
        (("--backend", "dask", "--scheduler", "x"), "needs Dask: pip install 'fmbench[dask]'"),
    ],
)
def test_options_that_contradict_each_other_are_refused_in_one_line(tmp_path, options, message):
    arguments = ["run", "gaussian-nb", *options, "--results", str(tmp_path)]
    code = (
        "import sys; sys.modules['distributed'] = None  # as if the extra were not installed\n"
        f"from fmbench.cli.main import main; main({arguments!r})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
