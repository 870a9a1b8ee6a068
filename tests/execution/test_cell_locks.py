"""Two runs on one results folder: each cell is measured once, and neither run harms the other."""

import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench.execution.cell_locks import CellLocks, describe_local_locks
from fmbench.execution.schedule import run_cells
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.record import RecordName
from fmbench.records.store import Store, StoreContents
from tests.helpers import faulty
from tests.helpers.runs import (
    LIMITS,
    WAIT_SECONDS,
    EventLog,
    end_after_block,
    start_fmbench,
    wait_until,
)

# Each fit first adds its seed and its parent process to the file `fits`. Then it waits until there
# is no file `wait-SEED`.
MODEL = """
import time, psutil
from pathlib import Path
import numpy as np

FOLDER = Path({folder!r})

class Waiting:
    def __init__(self, seed):
        self.seed = seed
    def fit(self, X, y):
        with (FOLDER / "fits").open("a") as log:
            log.write(f"{{self.seed}} {{psutil.Process().parents()[1].pid}}\\n")
        while (FOLDER / f"wait-{{self.seed}}").exists():
            time.sleep(0.02)
        return self
    def predict(self, X):
        return np.full(len(X), self.seed % 10)

def make(seed=0):
    return Waiting(seed)
"""
N_SEEDS = 4


@pytest.fixture
def start_run(tmp_path, source):
    """Starts a run of the cells of one model, in one results folder; ends it after the test.

    What the run prints goes to the file ``stdout`` and ``stderr`` of its number.
    """
    model = tmp_path / "model.py"
    model.write_text(MODEL.format(folder=str(tmp_path)))
    with ExitStack() as stack:
        n_started = 0

        def start():
            nonlocal n_started
            n_started += 1
            out, err = (tmp_path / f"{name}-{n_started}" for name in ("stdout", "stderr"))
            process = start_fmbench(
                "run", f"{model}:make", "--quick", "--seeds", N_SEEDS, "-j", 2,
                "--results", tmp_path / "results", "--data", source.folder,
                stdout=stack.enter_context(out.open("w")),
                stderr=stack.enter_context(err.open("w")),
            )  # fmt: skip
            return stack.enter_context(end_after_block(process)), out, err

        yield start


def read_fits(folder):
    """The seed and the fork server of each fit that has begun, in their order."""
    log = folder / "fits"
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def list_fitted_seeds(folder):
    return [seed for seed, _ in read_fits(folder)]


@pytest.mark.slow
def test_two_runs_measure_each_cell_once_and_both_print_the_whole_table(tmp_path, start_run):
    waits = [tmp_path / f"wait-{seed}" for seed in range(N_SEEDS)]
    for wait in waits:
        wait.touch()
    runs = []
    for n_begun in (2, 4):  # each run is busy with two of the cells
        runs.append(start_run())
        wait_until(lambda n=n_begun: len(read_fits(tmp_path)) == n, process=runs[-1][0])
    assert len({server for _, server in read_fits(tmp_path)}) == 2
    for wait in waits:
        wait.unlink()
    for process, _, err in runs:
        assert process.wait(WAIT_SECONDS) == 0, err.read_text()
    said = [err.read_text() for _, _, err in runs]
    assert sorted(list_fitted_seeds(tmp_path)) == list(range(N_SEEDS)), said
    for text, (_, out, _) in zip(said, runs, strict=True):
        assert f"[{N_SEEDS}/{N_SEEDS}]" in text, said
        assert text.count("by another run") == 2, (read_fits(tmp_path), said)
        [row] = [line for line in out.read_text().splitlines() if "model.py" in line]
        assert f"| {N_SEEDS} |" in " ".join(row.split())
    assert runs[0][1].read_text() == runs[1][1].read_text()
    assert sorted(list_fitted_seeds(tmp_path)) == list(range(N_SEEDS))
    contents = Store(tmp_path / "results").read_contents()
    assert len(contents.finished) == N_SEEDS and not contents.broken and not contents.failed
    assert not (tmp_path / "results" / "locks").exists()


@pytest.mark.slow
def test_a_waiting_run_names_the_other_run_and_measures_the_cell_if_that_run_is_killed(
    tmp_path, start_run
):
    (wait := tmp_path / "wait-1").touch()
    first, _, _ = start_run()
    store = Store(tmp_path / "results")
    wait_until(lambda: len(store.list_names()) == N_SEEDS - 1, process=first)
    wait_until(lambda: 1 in list_fitted_seeds(tmp_path), process=first)
    second, _, err = start_run()
    wait_until(lambda: "waiting for" in err.read_text(), process=second)
    assert f"seed 1, which process {first.pid} on" in err.read_text()
    first.kill()
    wait_until(lambda: list_fitted_seeds(tmp_path).count(1) == 2, process=second)
    wait.unlink()
    assert second.wait(WAIT_SECONDS) == 0, err.read_text()
    assert err.read_text().count("waiting for") == 1
    assert sorted(list_fitted_seeds(tmp_path)) == [0, 1, 1, 2, 3]
    assert len(store.read_contents().finished) == N_SEEDS
    assert not (tmp_path / "results" / "locks").exists()


NOTHING = StoreContents({}, {}, [])


@pytest.mark.parametrize("fault", ["none", "raises"])
@pytest.mark.slow
def test_a_record_that_another_run_wrote_since_the_plan_is_used(store, source, fault):
    cell = Cell(faulty.make_runner(fault), QUICK, 0)
    [theirs] = run_cells([cell], store, source, LIMITS, EventLog(), known=NOTHING)
    log = EventLog()
    assert run_cells([cell], store, source, LIMITS, log, known=NOTHING) == [theirs]
    assert log.events == [("measured elsewhere", cell.name)]
    log = EventLog()
    run_cells([cell], store, source, LIMITS, log, known=store.read_contents())
    assert log.events == [("start", cell.name), ("end", cell.name)]


@pytest.mark.slow
def test_a_new_record_that_differs_only_in_its_measurement_id_is_recognised(store, source):
    cell = Cell(faulty.make_runner("raises"), QUICK, 0)
    [known] = run_cells([cell], store, source, LIMITS, EventLog())
    cell_locks = CellLocks(store, store.read_contents())
    store.save(known)  # written again, but not measured again
    with cell_locks.lock([cell]) as cells:
        assert (cells.to_measure, cells.measured_elsewhere) == ([cell], [])
    new = store.save(replace(known, measurement_id="another"))
    with cell_locks.lock([cell]) as cells:
        assert (cells.to_measure, cells.measured_elsewhere) == ([], [(cell, new)])


@pytest.mark.slow
def test_only_the_free_cells_of_a_launch_are_locked(store):
    runner = faulty.make_runner(factory=faulty.make_stochastic)
    cells = [Cell(runner, QUICK, seed) for seed in range(3)]
    with locks.try_lock(store.lock_path(RecordName.from_cell(cells[1]))) as is_ours:
        assert is_ours
        with CellLocks(store, NOTHING).lock(cells) as locked:
            assert locked.to_measure == [cells[0], cells[2]]
            assert locked.locked_elsewhere == [cells[1]]
            assert locked.measured_elsewhere == []
    assert not store.locks.exists()


def test_only_one_thread_holds_a_lock_even_if_the_lock_file_is_removed_and_created_again(tmp_path):
    path, holders, most, n_times = tmp_path / "locks" / "a" / "cell.lock", [], [], 25

    def take_lock_often():
        n_taken = 0
        while n_taken < n_times:
            with locks.try_lock(path) as is_ours:
                if is_ours:
                    holders.append(1)
                    most.append(len(holders))
                    time.sleep(0)  # let the other threads run
                    holders.pop()
                    n_taken += 1

    threads = [threading.Thread(target=take_lock_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 4 * n_times and max(most) == 1


def test_a_lock_ends_with_the_process_that_held_it(tmp_path):
    path = tmp_path / "locks" / "a" / "cell.lock"
    code = (
        "import sys, time; from pathlib import Path; from fmbench.records import locks\n"
        "with locks.try_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(3600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    with end_after_block(process):
        assert process.stdout.readline() == "held\n"
        with locks.try_lock(path) as is_ours:
            assert not is_ours
        process.kill()
        process.wait()
        with locks.try_lock(path) as is_ours:
            assert is_ours


@pytest.mark.slow
def test_a_broken_record_is_set_aside_only_by_a_run_that_has_locked_its_cell(store, source):
    cell = Cell(faulty.make_runner(), QUICK, 0)
    [record] = run_cells([cell], store, source, LIMITS, EventLog())
    path = store.path(record)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    contents = store.read_contents()
    with locks.try_lock(store.lock_path(RecordName.from_cell(cell))):
        assert store.set_aside_broken(contents.broken, [cell]) == []
    path.write_bytes(whole)  # another run has measured it again
    assert store.set_aside_broken(contents.broken, [cell]) == []
    assert store.read_contents().finished == {cell.key: record}
    path.write_bytes(whole[:50])
    assert len(store.set_aside_broken(contents.broken, [cell])) == 1


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 22 0:50 / /with\\040space rw shared:2 - nfs server:/a rw,vers=3,nolock,local_lock=all
91 22 0:51 / /home rw shared:3 - nfs4 server:/b rw,vers=4.2,local_lock=none
92 91 0:52 / /home/local rw - nfs server:/c rw,vers=3,local_lock=flock
93 22 0:53 / /hidden rw - nfs server:/d rw,nolock
94 22 0:54 / /hidden rw - ext4 /dev/sdb rw
a line of another system
"""


@pytest.mark.parametrize(
    ("folder", "option"),
    [
        ("/with space/results", "nolock"),
        ("/home/local", "local_lock=flock"),
        ("/home/results", None),
        ("/hidden/results", None),
        ("/results", None),
    ],
)
def test_locks_that_other_machines_do_not_see_are_noticed(tmp_path, folder, option):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    line = describe_local_locks(Path(folder), mounts)
    assert (line is None) == (option is None)
    if option:
        assert f"is mounted with {option}, so its locks hold on this machine only" in line


def test_a_system_that_lists_no_mounts_gives_no_warning(tmp_path):
    assert describe_local_locks(tmp_path, tmp_path / "missing") is None
