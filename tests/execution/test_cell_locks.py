"""Two runs on one results folder: each cell once, and neither harms the other."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fmbench.execution.backend import Limits
from fmbench.execution.cell_locks import Turns
from fmbench.execution.schedule import run
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.record import Name
from fmbench.records.store import Contents, Store
from tests.execution.test_schedule import Log, wait_until
from tests.helpers import faulty

# Says in a file beside itself when a fit begins; a fit goes on while there is a file `slow`.
MODEL = """
import os, time
from pathlib import Path
import numpy as np

HERE = Path({folder!r})

class Slow:
    def __init__(self, seed):
        self.seed = seed
    def fit(self, X, y):
        with (HERE / "fits").open("a") as log:
            log.write(f"{{self.seed}} {{os.getppid()}}\\n")
        time.sleep(0.3)
        while self.seed == 1 and (HERE / "slow").exists():
            time.sleep(0.05)
        return self
    def predict(self, X):
        return np.full(len(X), self.seed % 10)

def make(seed=0):
    return Slow(seed)
"""


@pytest.fixture
def start(tmp_path, source):
    """Starts a run of eight cells of one model in one results folder, and ends it at the end."""
    model = tmp_path / "model.py"
    model.write_text(MODEL.format(folder=str(tmp_path)))
    started = []

    def begin(*options):
        command = [
            sys.executable, "-m", "fmbench", "run", f"{model}:make", "--quick", "--seeds", "8",
            "-j", "2", "--results", str(tmp_path / "results"), "--data", str(source.folder),
            *options,
        ]  # fmt: skip
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def fits(tmp_path):
    """The seeds whose fit has begun, in their order."""
    log = tmp_path / "fits"
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def test_two_runs_measure_each_cell_once_and_both_print_the_whole_table(tmp_path, start):
    runs = [start(), start()]
    said = [process.communicate(timeout=120) for process in runs]
    assert [process.returncode for process in runs] == [0, 0], said
    assert sorted(fits(tmp_path)) == list(range(8))
    lines = [[line for line in out.splitlines() if "model.py" in line] for out, _ in said]
    assert lines[0] == lines[1] and len(lines[0]) == 1
    assert "| 8 |" in " ".join(lines[0][0].split())
    assert all(err.count("]") >= 8 and "[8/8]" in err for _, err in said)
    assert "by another run meanwhile" in "".join(err for _, err in said)
    contents = Store(tmp_path / "results").read()
    assert len(contents.finished) == 8 and not contents.broken and not contents.failed
    assert not (tmp_path / "results" / "locks").exists()


def test_a_run_that_waits_says_for_whom_and_takes_over_when_that_one_is_killed(tmp_path, start):
    (tmp_path / "slow").touch()  # seed 1 does not end
    first = start()
    wait_until(lambda: 1 in fits(tmp_path))
    second = start()
    wait_until(lambda: len(Store(tmp_path / "results").names()) == 7)
    lines = iter(second.stderr.readline, "")
    waiting = next(line for line in lines if line.startswith("waiting for"))
    assert f"seed 1, which process {first.pid} on" in waiting
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: fits(tmp_path).count(1) == 2, 30)
    (tmp_path / "slow").unlink()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "waiting" not in err  # said once
    assert sorted(fits(tmp_path)) == [0, 1, *range(1, 8)]
    assert len(Store(tmp_path / "results").read().finished) == 8
    assert not (tmp_path / "results" / "locks").exists()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


LIMITS = Limits(timeout=60, memory=4 * 2**30)
NOTHING = Contents({}, {}, [])


class Told(Log):
    def measured_elsewhere(self, cell, record):
        self.events.append(("elsewhere", cell.name))


@pytest.mark.parametrize("fault", ["none", "raises"])
def test_what_another_run_measured_since_the_plan_is_this_runs_result_too(store, source, fault):
    cell = Cell(faulty.runner(fault), QUICK, 0)
    [theirs] = run([cell], store, source, LIMITS, Log(), known=NOTHING)
    told = Told()
    assert run([cell], store, source, LIMITS, told, known=NOTHING) == [theirs]
    assert told.events == [("elsewhere", cell.name)]
    assert run([cell], store, source, LIMITS, Log(), known=store.read()) != [theirs]


def test_of_a_launch_only_the_cells_that_are_free_are_taken(store):
    cells = [Cell(faulty.runner(factory=faulty.stochastic), QUICK, seed) for seed in range(3)]
    with locks.holding(store.lock(Name.of_cell(cells[1]))) as mine:
        assert mine
        with Turns(store, NOTHING).of(cells) as turn:
            assert (turn.mine, turn.taken, turn.measured) == ([cells[0], cells[2]], [cells[1]], [])
    assert not store.locks.exists()


def test_a_lock_is_held_by_one_at_a_time_though_its_file_comes_and_goes(tmp_path):
    path, held, most, entered = tmp_path / "locks" / "a" / "cell.lock", [], [], []

    def contend():
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            with locks.holding(path) as mine:
                if mine:
                    held.append(1)
                    most.append(len(held))
                    time.sleep(0.0005)
                    entered.append(1)
                    held.pop()

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) > 100 and max(most) == 1


def test_a_broken_record_is_set_aside_only_by_a_run_that_holds_its_cell(store, source):
    cell = Cell(faulty.runner(), QUICK, 0)
    [record] = run([cell], store, source, LIMITS, Log())
    path = store.path(record)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    contents = store.read()
    with locks.holding(store.lock(Name.of_cell(cell))):
        assert store.make_way(contents.broken, [cell]) == []
    path.write_bytes(whole)  # another run has measured it anew
    assert store.make_way(contents.broken, [cell]) == []
    assert store.read().finished == {cell.key: record}
    path.write_bytes(whole[:50])
    assert len(store.make_way(contents.broken, [cell])) == 1
