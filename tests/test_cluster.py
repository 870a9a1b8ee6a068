"""A real scheduler and two real workers on loopback, started as a person starts them."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import platformdirs
import psutil
import pytest
import sklearn

from fmbench import entries, environment, registry
from fmbench.cells import QUICK, Cell
from fmbench.cluster import connected
from fmbench.execution import run
from fmbench.store import Store
from tests import faulty
from tests.test_execution import LIMITS, Log, fmbench, wait_until

ROOT = Path(__file__).parent.parent

# Says in the folder $SEEN where it runs, so that a test knows without asking the worker.
MODEL = """
import multiprocessing, os, signal, time
from pathlib import Path
from sklearn.tree import DecisionTreeClassifier

class Model:
    def __init__(self, seconds, seed, kills=False):
        self.seconds, self.seed, self.kills = seconds, seed, kills
        note = Path({seen!r}) / f"{{os.getpid()}}-{{time.monotonic_ns()}}"
        note.write_text(f"{{seed}} {{os.environ['WORKER']}}")
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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The scheduler's address and the workers' processes, the second of which has a GPU."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"

    def dask(*arguments, name=""):
        with (folder / f"log-{name}").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
                cwd=folder, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), "WORKER": name},
            )  # fmt: skip

    processes = [dask("scheduler", "--port", "0", "--scheduler-file", str(file))]
    wait_until(file.exists)
    address = json.loads(file.read_text())["address"]
    for name, more in (("plain", ()), ("gpu", ("--resources", "GPU=1"))):
        processes.append(dask("worker", address, "--nthreads", "1", *more, name=name))
    yield address, processes[1:]
    for process in reversed(processes):  # a worker closes at once while its scheduler answers
        process.terminate()
        process.wait(20)


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


def n_records(tmp_path):
    return len(list((tmp_path / "results").glob("records/*/*.json")))


def test_a_worker_killed_in_mid_run_costs_nothing_but_time(
    tmp_path, cluster, model, fmbench_run, source
):
    path, seen = model
    process = fmbench_run(f"{path}:make", "--seeds", "6")
    wait_until(lambda: n_records(tmp_path) >= 2)
    wait_until(lambda: len(noted(seen)) > n_records(tmp_path))
    nanny = cluster[1][0]
    [worker] = [p for p in psutil.Process(nanny.pid).children() if "spawn_main" in str(p.cmdline())]
    worker.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert {worker for _, _, worker in noted(seen)} == {"plain", "gpu"}
    store = Store(tmp_path / "results")
    contents = store.read()
    assert not contents.broken and not contents.failed
    cells = entries.named(f"{path}:make").cells(QUICK, 6)
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
    contents = Store(tmp_path / "results").read()
    assert len(contents.finished) == 5 and not contents.broken and not contents.failed


def test_a_cell_whose_worker_is_lost_again_and_again_fails_and_says_so(
    tmp_path, model, fmbench_run
):
    path, seen = model
    process = fmbench_run(f"{path}:killer", "--seeds", "1", "--retries", "1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    [failed] = Store(tmp_path / "results").read().failed.values()
    assert failed.why == "its worker was lost, 2 times in all, and --retries is 1"
    assert len(noted(seen)) == 2


def test_gpu_cells_go_to_workers_that_have_one_and_others_anywhere(tmp_path, model, fmbench_run):
    path, seen = model
    process = fmbench_run(f"{path}:on_gpu", f"{path}:make", "--seeds", "2", "--device", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    contents = Store(tmp_path / "results").read()
    # No test machine has a GPU: the cells were sent to where one was said to be, and found none.
    assert {"CUDA" in record.why for record in contents.failed.values()} == {True}
    assert {r.cell["runner"] for r in contents.failed.values()} == {"model.py-on_gpu"}
    assert len(contents.failed) == len(contents.finished) == 2
    assert [worker for _, seed, worker in noted(seen) if seed >= 100] == ["gpu", "gpu"]


def of_another_revision(monkeypatch):
    runner = replace(registry.get("gaussian-nb"), revision=99)
    monkeypatch.setitem(registry._REGISTRY, "gaussian-nb", runner)
    return runner


def of_another_package(monkeypatch):
    runner = entries.named("sklearn.naive_bayes:GaussianNB").runner
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
        f"from fmbench.cli import main; main({arguments!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
