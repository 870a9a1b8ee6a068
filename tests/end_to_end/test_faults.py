"""What may happen to a run, and what is lost: never more than the cells that it happened to.

A runner's own faults (it raises, segfaults, hangs, eats memory, predicts nonsense) are tried in
``test_execution``, two runs on one folder in ``test_turns``.
"""

import contextlib
import errno
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil
import pytest

from fmbench.execution import backend, fork_server, preload, schedule
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.record import Name
from fmbench.records.store import Contents, Store
from tests.end_to_end.test_cli import assert_one_line_error, fmbench
from tests.execution.test_schedule import descendants, wait_until
from tests.helpers import faulty, seeded

N_CELLS = 30
COORDINATORS, WORKERS = 6, 44  # so many of each are killed
KILLED = ("killed by signal 9 (SIGKILL)", "killed as it started, or ended with status 255")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, source):
    """Predictions by seed, as a run without any fault leaves them."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    store.prepare()
    return by_seed(seeded.resume(store, source, N_CELLS))


def by_seed(records):
    assert all(record.finished for record in records)
    return {record.cell["seed"]: record.predictions_sha256 for record in records}


def assert_whole(store, source, undisturbed):
    """A resume finishes, with every record once, and nothing is left beside them."""
    seeded.resume(store, source, N_CELLS)
    contents = store.read()
    assert by_seed(contents.finished.values()) == undisturbed
    assert not contents.failed and not contents.broken
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(files) == 2 * N_CELLS, sorted(files)


def times(store):
    found = {}
    for path in store.records.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # it was temporary
            found[path] = path.stat().st_mtime_ns
    return found


def test_kill_9_of_a_run_at_any_moment_loses_no_result_and_leaves_no_process(
    store, source, undisturbed
):
    moments = random.Random(0)
    n_finished = 0
    for round_ in range(COORDINATORS):
        # Every second one writes over what is there: that must outlive it, too.
        force = ["force"] if round_ % 2 else []
        command = [sys.executable, "-m", "tests.seeded", store.folder, source.folder, *force]
        before, process = times(store), subprocess.Popen(command)
        wait_until(lambda b=before: times(store) != b)
        time.sleep(moments.uniform(0, 0.3))
        started = descendants(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda s=started: not any(map(psutil.pid_exists, s)), 20)
        contents = store.read()
        assert not contents.broken and not contents.failed
        found = by_seed(contents.finished.values())
        assert found.items() <= undisturbed.items()
        assert len(found) >= n_finished, "a result was lost"
        n_finished = len(found)
    assert n_finished > 0
    assert_whole(store, source, undisturbed)


def test_kill_9_of_a_run_ends_cells_that_would_go_on_for_long(store, source):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.seeded", store.folder, source.folder, "hang"]
    )
    children = psutil.Process(process.pid).children
    wait_until(lambda: len(children(recursive=True)) - len(children()) == seeded.LIMITS.jobs)
    started = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(psutil.pid_exists, started)), 20)
    assert store.names() == []


def test_kill_9_of_workers_at_random_moments_fails_their_cells_alone(store, source, undisturbed):
    moments, over, killed = random.Random(1), threading.Event(), []

    def kill():
        while len(killed) < WORKERS and not over.wait(moments.uniform(0, 0.15)):
            with contextlib.suppress(psutil.NoSuchProcess):
                for server in psutil.Process().children():
                    for worker in server.children()[:1]:
                        worker.kill()
                        killed.append(worker.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        while killer.is_alive():
            records = seeded.resume(store, source, N_CELLS, force=True)
            assert len(records) == N_CELLS
            for record in records:
                assert record.finished or record.why in KILLED
            assert not store.read().broken
    finally:
        over.set()
        killer.join()
    assert len(killed) == WORKERS
    assert_whole(store, source, undisturbed)


def test_kill_9_of_the_fork_server_fails_what_runs_and_the_others_go_on(store, source, undisturbed):
    killed = []

    def kill():
        wait_until(lambda: len(store.names()) >= 5)
        for child in psutil.Process().children():
            if "forkserver" in " ".join(child.cmdline()):
                child.kill()
                killed.append(child.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    records = seeded.resume(store, source, N_CELLS)
    killer.join()
    failed = [record.why for record in records if not record.finished]
    assert len(records) == N_CELLS
    assert killed
    assert len(failed) <= 4, failed
    assert_whole(store, source, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small tmpfs can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_costs_the_cells_that_end_meanwhile_and_no_earlier_result(small_disk, source):
    store = Store(small_disk / "results")
    store.prepare()
    cell = seeded.cells(1)[0]
    [earlier] = schedule.run([cell], store, source, seeded.LIMITS, schedule.Observer())
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    records = schedule.run(seeded.cells(3), store, source, seeded.LIMITS, schedule.Observer())
    why = "its result could not be written: No space left on device"
    assert [record.why for record in records] == [why] * 3
    assert store.read().finished == {cell.key: earlier} and not store.read().broken
    filler.unlink()
    seeded.resume(store, source, 3)
    contents = store.read()
    assert len(contents.finished) == 3 and not contents.failed and not contents.broken
    assert contents.finished[cell.key] == earlier
    assert len([path for path in small_disk.rglob("*") if path.is_file()]) == 6


def test_results_that_are_read_only_can_be_read_and_a_run_says_so(small_disk, source):
    store = Store(small_disk / "results")
    store.prepare()
    seeded.resume(store, source, 1)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    where = ("--results", store.folder, "--data", source.folder)
    assert_one_line_error(fmbench("run", "gaussian-nb", "--quick", *where), "cannot be written to")
    pruned = fmbench("results", "prune", "--stale", "--yes", *where[:2])
    assert pruned.returncode == 2 and pruned.stderr.count("\n") == 1
    assert "Read-only file system" in pruned.stderr
    assert fmbench("table", "--quick", *where).returncode == 0
    assert len(store.read().finished) == 1


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_file_that_is_cut_off_anywhere_is_broken_and_never_a_result(
    store, toy_cell, record_of, suffix
):
    good = store.save(record_of(toy_cell(seed=1)), {"y_pred": np.zeros(10, np.uint8)})
    bad = store.save(record_of(toy_cell(seed=2)), {"y_pred": np.ones(10, np.uint8)})
    path = store.path(bad).with_suffix(suffix)
    whole = path.read_bytes()
    assert len(whole) > 200
    # Without the line's end at the end, the JSON is as whole as with it.
    for length in range(len(whole) - (suffix == ".json")):
        path.write_bytes(whole[:length])
        contents = store.read()
        assert contents.finished == {good.key: good}, length
        assert len(contents.broken) == 1 and contents.broken[0].why
    path.write_bytes(whole)
    assert store.read().finished == {good.key: good, bad.key: bad}


def test_a_clock_that_goes_backwards_changes_no_time_limit_and_no_result(
    store, source, monkeypatch
):
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Backwards(datetime):
        @classmethod
        def now(cls, zone):
            clock[0] -= timedelta(days=1)
            return clock[0]

    monkeypatch.setattr(backend, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: Backwards.now(UTC).timestamp())
    [first] = seeded.resume(store, source, 1)
    [second] = seeded.resume(store, source, 1, force=True)
    assert second.started < first.started
    assert store.read().finished == {second.key: second}  # the one written last
    for record in (first, second):
        assert 0 <= record.fit_seconds <= record.total_seconds < 60
    hanging = Cell(faulty.runner("never returns"), QUICK, 0)
    limits = replace(seeded.LIMITS, timeout=1)
    [record] = schedule.run([hanging], store, source, limits, schedule.Observer())
    assert record.why == "timed out after 1 s" and 1 <= record.total_seconds < 20


def test_what_a_killed_run_had_half_written_goes_when_the_cell_is_measured(store, source):
    cell = seeded.cells(1)[0]
    [record] = seeded.resume(store, source, 1)
    path = store.path(record)
    half = path.with_name(f".{path.name}.abcd.tmp")
    others = path.with_name(".quick-seed7-0123456789abcdef.json.abcd.tmp")
    for file in (half, others):
        file.write_text("{")
    assert store.read().finished == {cell.key: record}
    seeded.resume(store, source, 1, force=True)
    assert not half.exists() and others.exists()  # another run may be writing that


def test_a_run_killed_between_its_two_renamings_leaves_a_result(store, source):
    [record] = seeded.resume(store, source, 1)
    path, lock = store.path(record), store.lock(Name.of(record))
    earlier = path.read_bytes().replace(record.predictions_sha256.encode(), b"of others")
    path.rename(path.with_name(f".{path.name}.abcd.tmp"))
    path.write_bytes(earlier)
    with locks.holding(lock):
        store.prepare()
        assert len(store.read().broken) == 1  # its run may still be at it
    lock.parent.mkdir(parents=True)
    lock.touch()
    store.prepare()
    assert store.read() == Contents({record.key: record}, {}, [])


def test_a_cell_that_cannot_be_locked_fails_alone(store, source, monkeypatch):
    free = locks.holding

    @contextlib.contextmanager
    def full(path):
        if "seed1" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        with free(path) as mine:
            yield mine

    monkeypatch.setattr(locks, "holding", full)
    records = seeded.resume(store, source, 3)
    whys = {record.cell["seed"]: record.why for record in records}
    assert whys == {0: None, 1: "it cannot be locked: No space left on device", 2: None}


def test_the_fork_server_never_has_the_test_labels(source):
    code = (
        "import os, json; from fmbench import warm, datasets;"
        "print(sorted(name for _, _, name in datasets._kept))"
        ";print({a.flags.writeable for a in datasets._kept.values()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, **preload.order(source, neural=False)},
    )  # fmt: skip
    kept = "['t10k-images-idx3-ubyte', 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte']"
    assert done.stdout.splitlines() == [kept, "{False}"]


def test_the_fork_server_has_no_thread_and_leaves_a_fit_nothing_to_load(source):
    code = (
        "import sys, psutil; from fmbench import launching, warm;"
        "print(psutil.Process().num_threads());"
        "import torch; from torch import nn; vector = nn.Parameter(torch.zeros(3));"
        "vector.grad = torch.ones(3); loaded = set(sys.modules);"
        "torch.optim.Adam([vector]).step(); print(len(set(sys.modules) - loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, **dict.fromkeys(fork_server.THREAD_VARIABLES, "1"),
             **preload.order(source, neural=True)},
    )  # fmt: skip
    n_threads, n_loaded = map(int, done.stdout.split())
    assert n_threads == 1
    assert n_loaded < 10, "modules that are imported inside the clock of every fit"
