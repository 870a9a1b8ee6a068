"""A real scheduler and two real workers on loopback, started as a person starts them."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy
import platformdirs
import psutil
import pytest
import sklearn

from fmbench import runners
from fmbench.execution.cluster.client import connected
from fmbench.execution.cluster.failures import Lost, what_happened
from fmbench.execution.schedule import run
from fmbench.models import registry
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from fmbench.suites import configurations
from fmbench.utils import environment
from tests.execution.test_schedule import LIMITS, Log, fmbench, wait_until
from tests.helpers import faulty

ROOT = Path(__file__).parents[3]

# Says in the folder $SCORED_ON_TRAINING where it runs, so that a test knows without asking the worker.
MODEL = """
import multiprocessing, os, signal, time
from pathlib import Path
from sklearn.tree import DecisionTreeClassifier

class Model:
    def __init__(self, seconds, seed, kills=False):
        self.seconds, self.seed, self.kills = seconds, seed, kills
        note = Path({seen!r}) / f"{{os.getpid()}}-{{time.monotonic_ns()}}"
        note.write_text(f"{{seed}} {{os.environ.get('WORKER', 'here')}}")
        self.tree = DecisionTreeClassifier(max_depth=4, max_features=9, random_state=seed)

    def fit(self, X, y):
        if self.kills:
            os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
        stuck = self.seed in (2, 3) and Path({seen!r}).with_name("stuck").exists()
        time.sleep(600 if stuck else self.seconds)
        self.tree.fit(X.reshape(len(X), -1), y)
        return self

    def predict(self, X):
        return self.tree.predict(X.reshape(len(X), -1))

def make(seconds=0.3, *, seed):
    return Model(seconds, seed)

def killer(*, seed):
    return Model(0.0, seed, kills=True)

def on_gpu(*, seed, device):
    return Model(0.0, 100 + seed)
"""


def dask(folder, *arguments, **environ):
    with (folder / f"log-{environ.get('WORKER')}").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
            cwd=folder, stdout=log, stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "WORKER": "", **environ},
        )  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The scheduler's address and the workers' processes, the second of which has a GPU."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    processes = [dask(folder, "scheduler", "--port", "0", "--scheduler-file", str(file))]
    wait_until(file.exists)
    address = json.loads(file.read_text())["address"]
    for name, more in (("plain", ()), ("gpu", ("--resources", "GPU=1"))):
        processes.append(dask(folder, "worker", address, "--nthreads", "1", *more, WORKER=name))
    yield address, processes[1:]
    for process in reversed(processes):  # a worker closes at once while its scheduler answers
        process.terminate()
        process.wait(20)


def worker_of(nanny):
    """The process of the worker that a nanny watches; None while there is none."""
    children = psutil.Process(nanny.pid).children()
    return next((p for p in children if "spawn_main" in str(p.cmdline())), None)


@pytest.fixture
def model(tmp_path):
    """A file with models, and the folder where they say that they were made."""
    seen = tmp_path / "seen"
    seen.mkdir()
    path = tmp_path / "model.py"
    path.write_text(MODEL.format(seen=str(seen)))
    os.environ.setdefault("WORKER", "none")
    return path, seen


@pytest.fixture
def fmbench_run(tmp_path, source, cluster, monkeypatch):
    """Starts `fmbench run` on the cluster; what it writes goes to ``tmp_path / "results"``."""
    monkeypatch.setenv("WORKER", "none")
    address, nannies = cluster

    def as_started():  # the test before may have killed a worker: its nanny starts another
        with distributed.Client(address) as client:
            there = client.run(os.getpid, on_error="return").values()
        return set(there) == {worker.pid for worker in map(worker_of, nannies) if worker}

    wait_until(as_started, 30)

    def start(*arguments):
        return fmbench(
            "run", *arguments, "--quick", "--backend", "dask", "--scheduler", cluster[0],
            "--results", str(tmp_path / "results"), "--data", str(source.folder), cwd=ROOT,
        )  # fmt: skip

    return start


def noted(seen):
    """What the models said: (process, seed, worker) of each that was made on a worker."""
    found = []
    for path in sorted(seen.iterdir(), key=lambda path: path.name.split("-")[1]):
        seed, worker = path.read_text().split()
        if worker != "none":
            found.append((int(path.name.split("-")[0]), int(seed), worker))
    return found


def none_left(seen):
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid, _, _ in noted(seen)), 10)


def joined(place, n):
    wait_until(lambda: len(place._workers()) == n, 20)


def n_records(tmp_path):
    return len(list((tmp_path / "results").glob("records/*/*.json")))


def test_a_worker_killed_in_mid_run_costs_nothing_but_time(
    tmp_path, cluster, model, fmbench_run, source
):
    path, seen = model
    process = fmbench_run(f"{path}:make", "--seeds", "6")
    wait_until(lambda: n_records(tmp_path) >= 2)
    wait_until(lambda: len(noted(seen)) > n_records(tmp_path))
    worker_of(cluster[1][0]).kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert {worker for _, _, worker in noted(seen)} == {"plain", "gpu"}
    store = Store(tmp_path / "results")
    contents = store.read_contents()
    assert not contents.broken and not contents.failed
    cells = configurations.resolve_configuration(f"{path}:make").cells(QUICK, 6)
    assert set(contents.finished) == {cell.key for cell in cells}
    none_left(seen)
    alone = Store(tmp_path / "alone")
    alone.prepare()
    for record in run(cells, alone, source, LIMITS, Log()):
        assert record.predictions_sha256 == contents.finished[record.key].predictions_sha256
    assert err.count(": fit ") == 6


def test_a_coordinator_that_ends_takes_its_cells_with_it_and_the_next_goes_on(
    tmp_path, model, fmbench_run
):
    path, seen = model
    arguments = (f"{path}:make", "--seeds", "5")
    (stuck := seen.with_name("stuck")).touch()  # seeds 2 and 3 will not end by themselves
    for end, status in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process, n_before = fmbench_run(*arguments), len(noted(seen))
        wait_until(lambda n=n_before: {seed for _, seed, _ in noted(seen)[n:]} >= {2, 3})
        process.send_signal(end)
        _, err = process.communicate(timeout=30)
        assert process.returncode == status, err
        none_left(seen)
    stuck.unlink()
    assert n_records(tmp_path) == 2
    _, err = (process := fmbench_run(*arguments)).communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.count(": fit ") == 3
    contents = Store(tmp_path / "results").read_contents()
    assert len(contents.finished) == 5 and not contents.broken and not contents.failed


def test_a_cell_whose_worker_is_lost_again_and_again_fails_and_says_so(
    tmp_path, model, fmbench_run
):
    path, seen = model
    process = fmbench_run(f"{path}:killer", "--seeds", "1", "--retries", "1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    [failed] = Store(tmp_path / "results").read_contents().failed.values()
    assert failed.why == "its worker was lost, 2 times in all, and --retries is 1"
    assert len(noted(seen)) == 2


def test_gpu_cells_go_to_workers_that_have_one_and_others_anywhere(tmp_path, model, fmbench_run):
    path, seen = model
    process = fmbench_run(f"{path}:on_gpu", f"{path}:make", "--seeds", "2", "--device", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    contents = Store(tmp_path / "results").read_contents()
    # No test machine has a GPU: the cells were sent to where one was said to be, and found none.
    assert {"CUDA" in record.why for record in contents.failed.values()} == {True}
    assert {r.cell["runner"] for r in contents.failed.values()} == {"model.py-on_gpu"}
    assert len(contents.failed) == len(contents.finished) == 2
    assert [worker for _, seed, worker in noted(seen) if seed >= 100] == ["gpu", "gpu"]


def of_another_revision(monkeypatch):
    runner = replace(runners.get_runner("gaussian-nb"), revision=99)
    monkeypatch.setitem(registry._REGISTRY, "gaussian-nb", runner)
    return runner


def of_another_package(monkeypatch):
    runner = configurations.resolve_configuration("sklearn.naive_bayes:GaussianNB").runner
    return replace(runner, source="scikit-learn 0.1")


@pytest.mark.parametrize(
    "ours, why",
    [
        (of_another_revision, "revision 1 -> 99"),
        (of_another_package, f"source scikit-learn {sklearn.__version__} -> scikit-learn 0.1"),
    ],
)
def test_a_worker_with_other_code_refuses_the_cell(
    ours, why, tmp_path, cluster, source, monkeypatch
):
    store, said = Store(tmp_path / "results"), []
    with connected(cluster[0], store.folder, 2, said.append) as place:
        [record] = run(
            [Cell(ours(monkeypatch), QUICK, 0)], store, source, LIMITS, Log(), cluster=place
        )
    reason = f"it would measure another cell ({why}): install the same there"
    assert record.why == f"refused by every worker: {reason}"
    assert [line.partition(" refused ")[2].partition(": ")[2] for line in said] == [reason] * 2


def test_a_gpu_cell_that_was_refused_is_not_sent_to_a_worker_without_one(
    tmp_path, cluster, source, monkeypatch
):
    runner = replace(runners.get_runner("lenet5"), revision=99)
    monkeypatch.setitem(registry._REGISTRY, runner.name, runner)
    store, said = Store(tmp_path / "results"), []
    limits = replace(LIMITS, device="cuda")
    with connected(cluster[0], store.folder, 2, said.append) as place:
        joined(place, 2)
        [record] = run([Cell(runner, QUICK, 0)], store, source, limits, Log(), cluster=place)
    assert record.why.startswith("refused by every worker: ")
    assert len([line for line in said if " refused " in line]) == 1


def test_an_order_whose_workers_have_left_is_sent_to_those_that_are_there(
    tmp_path, cluster, source, monkeypatch
):
    monkeypatch.setattr("fmbench.execution.cluster.client.LOOK_SECONDS", 0.5)
    runner, store = runners.get_runner("gaussian-nb"), Store(tmp_path / "results")
    with connected(cluster[0], store.folder, 2, print) as place:
        workers, real, allowed = set(place._workers()), place._answer, []

        def first_to_one_that_left(order, _, *more):
            allowed.append(set() if allowed else {"tcp://127.0.0.1:9"})
            return real(order, allowed[-1], *more)

        monkeypatch.setattr(place, "_answer", first_to_one_that_left)
        [record] = run([Cell(runner, QUICK, 0)], store, source, LIMITS, Log(), cluster=place)
    assert record.finished and workers and len(allowed) == 2


@pytest.mark.parametrize("fault", ["no fmbench", "no temporary folder"])
def test_a_worker_that_comes_late_and_can_run_nothing_fails_no_cell(
    fault, tmp_path, cluster, model, source
):
    cells = configurations.resolve_configuration(f"{model[0]}:make").cells(QUICK, 4)
    store, said = Store(tmp_path / "results"), []
    (temporary := tmp_path / "temporary").mkdir()
    (package := tmp_path / "without" / "fmbench").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not installed')")
    without = {"no fmbench": {"PYTHONPATH": str(package.parent)}}
    with connected(cluster[0], store.folder, 0, said.append) as place:
        joined(place, 2)
        late = dask(
            tmp_path, "worker", cluster[0], "--nthreads", "1", "--local-directory", str(tmp_path),
            TMPDIR=str(temporary), WORKER="late", **without.get(fault, {}),
        )  # fmt: skip
        try:
            joined(place, 3)
            assert str(temporary) in place._client.run(tempfile.gettempdir).values()
            shutil.rmtree(temporary)
            limits = replace(LIMITS, jobs=3, timeout=20)
            records = run(cells, store, source, limits, Log(), cluster=place)
        finally:
            late.terminate()
            late.wait(20)
        joined(place, 2)
    assert [record.why for record in records if not record.finished] == []
    assert any("refused" in line and str(temporary) in line for line in said) == (
        fault == "no temporary folder"
    )


def test_an_error_before_a_worker_has_started_is_not_held_against_the_cell():
    order = SimpleNamespace(launch=(), limits=LIMITS)
    error = ModuleNotFoundError("No module named 'fmbench'")
    lost = what_happened(error, order, [])
    assert lost == Lost(1, "ModuleNotFoundError: No module named 'fmbench'")
    assert "and --retries is 0 (the last time: ModuleNotFoundError" in lost.in_words(1, 0)
    assert what_happened(error, order, ["a"]).failure.startswith("the worker a could not run it: ")


def test_a_worker_that_lets_go_of_a_cell_by_mistake_is_a_loss_and_ctrl_c_is_not(
    tmp_path, cluster, source, monkeypatch
):
    cell, store = Cell(runners.get_runner("gaussian-nb"), QUICK, 0), Store(tmp_path / "results")
    with connected(cluster[0], store.folder, 1, print) as place:
        real, none = place._answer, [None, None, None]
        monkeypatch.setattr(place, "_answer", lambda *all: none.pop() if none else real(*all))
        for status in ("failed", "finished"):
            [record] = run([cell], store, source, LIMITS, Log(), cluster=place)
            assert record.status == status
    assert not none


def test_ctrl_c_ends_the_wait_for_a_result_that_is_on_its_way(
    tmp_path, cluster, source, monkeypatch
):
    cell, stop = Cell(runners.get_runner("gaussian-nb"), QUICK, 0), threading.Event()
    with connected(cluster[0], tmp_path, 1, print) as place:
        never = lambda *_, **__: asyncio.sleep(600)  # noqa: E731
        monkeypatch.setattr(place._client, "_gather", never)
        threading.Timer(3, stop.set).start()
        measuring = threading.Thread(
            target=place.measure,
            args=((cell,), source, LIMITS, [], lambda: None, stop),
            daemon=True,
        )
        measuring.start()
        measuring.join(10)
        assert not measuring.is_alive()


def test_what_a_worker_keeps_of_a_cell_stays_until_its_record_is_saved(tmp_path, cluster, source):
    cell = Cell(faulty.runner("raises", factory=faulty.resumable), QUICK, 0)
    store = Store(tmp_path / "results")
    with connected(cluster[0], store.folder, 2, print) as place:
        place.lanes([[cell]], LIMITS)
        failures = []
        while None not in failures:  # then killed, as it were, before it has saved anything
            measured = place.measure(
                [cell], source, LIMITS, [], lambda: None, threading.Event()
            )  # fmt: skip
            failures.append(measured.failure)
        [record] = run([cell], store, source, LIMITS, Log(), cluster=place)
    assert record.details == {"earlier_attempts": len(failures)} == {"earlier_attempts": 3}
    assert not list((platformdirs.user_cache_path("fmbench") / "cluster").rglob("attempts"))


def test_a_cell_that_failed_goes_on_with_what_it_left_on_the_worker(tmp_path, cluster, source):
    cell = Cell(faulty.runner("raises", factory=faulty.resumable), QUICK, 0)
    store = Store(tmp_path / "results")
    with connected(cluster[0], store.folder, 2, print) as place:
        records = [run([cell], store, source, LIMITS, Log(), cluster=place)[0] for _ in range(3)]
    assert [record.status for record in records] == ["failed", "failed", "finished"]
    assert records[-1].details == {"earlier_attempts": 2}
    assert not list((platformdirs.user_cache_path("fmbench") / "cluster").rglob("attempts"))


def test_workers_with_other_versions_are_named_once(tmp_path, cluster, monkeypatch):
    here = {**environment.versions(), "numpy": "1.0"}
    monkeypatch.setattr(environment, "versions", lambda: here)
    said = []
    with connected(cluster[0], tmp_path, 2, said.append):
        [line] = said
    assert f" has numpy {numpy.__version__}, here 1.0; records name" in line


def test_a_scheduler_that_is_not_there_is_said_in_a_line(tmp_path):
    process = fmbench("run", "gaussian-nb", "--backend", "dask", "--scheduler", "127.0.0.1:1",
                      "--results", str(tmp_path))  # fmt: skip
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("fmbench: error: --scheduler 127.0.0.1:1: no Dask scheduler answers")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "address, said",
    [
        ("tls://127.0.0.1:1", "Dask's TLS has to be configured"),
        ("inproc://x", "no Dask scheduler answers"),
        ("ucx://x", "no Dask scheduler answers"),
        ("there://x", "unknown address scheme 'there'"),
    ],
)
def test_an_address_that_cannot_be_connected_to_is_said_in_a_line(address, said, tmp_path):
    process = fmbench("run", "gaussian-nb", "--backend", "dask", "--scheduler", address,
                      "--results", str(tmp_path))  # fmt: skip
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith(f"fmbench: error: --scheduler {address}: ") and said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "flags, said",
    [
        (("--backend", "dask"), "--backend dask needs --scheduler"),
        (("--scheduler", "127.0.0.1:1"), "--scheduler goes with --backend dask"),
        (("--backend", "dask", "--scheduler", "x"), "needs Dask: pip install 'fmbench[dask]'"),
    ],
)
def test_flags_that_cannot_be_followed_are_said_in_a_line(tmp_path, flags, said):
    arguments = ["run", "gaussian-nb", *flags, "--results", str(tmp_path)]
    code = (
        "import sys; sys.modules['distributed'] = None  # as where the extra is not installed\n"
        f"from fmbench.cli.main import main; main({arguments!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
