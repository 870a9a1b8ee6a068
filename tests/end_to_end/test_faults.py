"""Accidents during a run make only the cells fail that they happen to.

Kills, a full disk, a clock that is set back, files that are half written. The faults of runners are
tested in ``tests/execution/test_process.py``, two runs on one folder in
``tests/execution/test_cell_locks.py``, and Ctrl-C in ``test_interruptions.py``.
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

from fmbench.execution import backend, schedule
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.record import RecordName
from fmbench.records.store import Store, StoreContents
from tests.end_to_end.test_cli import assert_one_line_error, fmbench
from tests.helpers import faulty
from tests.helpers.runs import (
    end_after_block,
    is_alive,
    list_cell_processes,
    list_descendants,
    list_files,
    list_fork_servers,
    wait_until,
    wait_until_dead,
)
from tests.helpers.seeded import (
    FIRST_HANGING_SEED,
    LIMITS,
    N_CELLS,
    make_cells,
    run_unfinished,
)

pytestmark = pytest.mark.slow

N_KILLED_RUNS, N_KILLED_CELLS = 3, 40
KILLED = "killed by signal 9 (SIGKILL)"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, source):
    """The predictions of each seed, as a run without any accident leaves them."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    return predictions_by_seed(run_unfinished(make_cells(N_CELLS), store, source))


def predictions_by_seed(records):
    assert all(record.finished for record in records)
    return {record.cell["seed"]: record.predictions_sha256 for record in records}


def assert_next_run_completes(store, source, undisturbed):
    """Run the cells again; then each cell has one record, and there is no other file."""
    run_unfinished(make_cells(N_CELLS), store, source)
    contents = store.read_contents()
    assert predictions_by_seed(contents.finished.values()) == undisturbed
    assert not contents.failed and not contents.broken
    files = list_files(store.folder)
    assert len(files) == 2 * N_CELLS, sorted(files)


def start_seeded_run(store, source, *options):
    command = [sys.executable, "-m", "tests.helpers.seeded", store.folder, source.folder, *options]
    return end_after_block(subprocess.Popen(command))


def read_file_states(store):
    """The identity and the time of each file among the records."""
    states = {}
    for path in store.records.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # it was temporary
            status = path.stat()
            states[path] = (status.st_ino, status.st_mtime_ns)
    return states


def test_kill_9_of_a_run_at_any_moment_loses_no_result_and_leaves_no_process(
    store, source, undisturbed
):
    moments = random.Random(0)
    n_finished = 0
    for round_ in range(N_KILLED_RUNS):
        # Every second run replaces the records that are there. So does a run that would have
        # nothing to do: on a slow machine, the runs before it may have finished every cell.
        options = ["force"] if round_ % 2 or n_finished == N_CELLS else []
        before = read_file_states(store)
        with start_seeded_run(store, source, *options) as process:
            # The first file may be a half-written one. The last run leaves a result.
            wait_until(
                lambda b=before, n=round_: (
                    read_file_states(store) != b and (n < N_KILLED_RUNS - 1 or store.list_names())
                ),
                process=process,
            )
            time.sleep(moments.uniform(0, 0.3))  # kill it at a random moment
            started = list_descendants(process.pid)
            process.kill()
            process.wait()
            wait_until_dead(started)
        contents = store.read_contents()
        assert not contents.broken and not contents.failed
        found = predictions_by_seed(contents.finished.values())
        assert found.items() <= undisturbed.items()
        assert len(found) >= n_finished, "a result was lost"
        n_finished = len(found)
    assert n_finished > 0
    assert_next_run_completes(store, source, undisturbed)


def test_kill_9_of_a_run_ends_its_running_cells(store, source):
    with start_seeded_run(store, source, "hang") as process:
        wait_until(lambda: len(list_cell_processes(process.pid)) == LIMITS.jobs, process=process)
        started = list_descendants(process.pid)
        process.kill()
        process.wait()
        wait_until_dead(started)
    assert store.list_names() == []


def test_kill_9_of_cells_at_random_moments_fails_only_those_cells(store, source, undisturbed):
    moments, over, killed = random.Random(1), threading.Event(), []

    def kill_cells():
        while len(killed) < N_KILLED_CELLS and not over.wait(moments.uniform(0, 0.15)):
            for cell in list_cell_processes(os.getpid())[:1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    cell.kill()
                    killed.append(cell.pid)

    killer = threading.Thread(target=kill_cells)
    killer.start()
    try:
        while killer.is_alive():
            records = run_unfinished(make_cells(N_CELLS), store, source, force=True)
            assert len(records) == N_CELLS
            for record in records:
                assert record.finished or record.why == KILLED
            assert not store.read_contents().broken
    finally:
        over.set()
        killer.join()
    assert len(killed) == N_KILLED_CELLS
    assert_next_run_completes(store, source, undisturbed)


def test_kill_9_of_the_fork_server_ends_no_cell_and_the_others_finish(store, source):
    hanging, others = make_cells(LIMITS.jobs, FIRST_HANGING_SEED), make_cells(5)
    records = []

    def run_all():
        records.extend(run_unfinished([*hanging, *others], store, source))

    run = threading.Thread(target=run_all)
    run.start()
    try:
        wait_until(lambda: len(list_cell_processes(os.getpid())) == LIMITS.jobs)
    finally:
        running = list_cell_processes(os.getpid())
        for server in list_fork_servers(os.getpid()):
            server.kill()
            server.wait()
        are_alive = [is_alive(cell) for cell in running]
        for cell in running:
            cell.kill()
        run.join()
    assert are_alive == [True] * LIMITS.jobs
    failed = {record.key: record.why for record in records if not record.finished}
    assert failed == {cell.key: KILLED for cell in hanging}
    assert {record.key for record in records if record.finished} == {cell.key for cell in others}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 pages: 256 kB where a page has 4 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={64 * os.sysconf('SC_PAGESIZE')}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_on_a_full_disk_the_running_cells_fail_and_earlier_results_are_kept(small_disk, source):
    store = Store(small_disk / "results")
    store.prepare()
    cell = make_cells(1)[0]
    [earlier] = schedule.run_cells([cell], store, source, LIMITS, schedule.Observer())
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    records = schedule.run_cells(make_cells(3), store, source, LIMITS, schedule.Observer())
    why = "its result could not be written: No space left on device"
    assert [record.why for record in records] == [why] * 3
    assert (
        store.read_contents().finished == {cell.key: earlier} and not store.read_contents().broken
    )
    filler.unlink()
    run_unfinished(make_cells(3), store, source)
    contents = store.read_contents()
    assert len(contents.finished) == 3 and not contents.failed and not contents.broken
    assert contents.finished[cell.key] == earlier
    assert len(list_files(small_disk)) == 6


def test_a_read_only_results_folder_can_be_read_and_a_run_refuses_it_in_one_line(
    small_disk, source
):
    store = Store(small_disk / "results")
    run_unfinished(make_cells(1), store, source)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    where = ("--results", store.folder, "--data", source.folder)
    assert_one_line_error(fmbench("run", "gaussian-nb", "--quick", *where), "cannot be written to")
    pruned = fmbench("results", "prune", "--stale", "--yes", *where[:2])
    assert pruned.returncode == 2 and pruned.stderr.count("\n") == 1
    assert "Read-only file system" in pruned.stderr
    assert fmbench("table", "--quick", *where).returncode == 0
    assert len(store.read_contents().finished) == 1


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_file_that_is_cut_off_anywhere_is_broken_and_never_a_result(
    store, toy_cell, record_of, suffix
):
    good = store.save(record_of(toy_cell(seed=1)), {"y_pred": np.zeros(10_000, np.uint8)})
    bad = store.save(record_of(toy_cell(seed=2)), {"y_pred": np.ones(10_000, np.uint8)})
    path = store.path(bad).with_suffix(suffix)
    whole = path.read_bytes()
    assert len(whole) > 200
    # The JSON is complete without the newline at its end.
    for length in range(len(whole) - (suffix == ".json")):
        path.write_bytes(whole[:length])
        contents = store.read_contents()
        assert contents.finished == {good.key: good}, length
        assert len(contents.broken) == 1 and contents.broken[0].why
    path.write_bytes(whole)
    assert store.read_contents().finished == {good.key: good, bad.key: bad}


def test_a_clock_that_is_set_back_changes_no_time_limit_and_no_result(store, source, monkeypatch):
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Backwards(datetime):
        @classmethod
        def now(cls, zone):
            clock[0] -= timedelta(days=1)
            return clock[0]

    monkeypatch.setattr(backend, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: Backwards.now(UTC).timestamp())
    [first] = run_unfinished(make_cells(1), store, source)
    [second] = run_unfinished(make_cells(1), store, source, force=True)
    assert second.started < first.started
    assert store.read_contents().finished == {second.key: second}  # the one written last
    for record in (first, second):
        assert 0 <= record.fit_seconds <= record.total_seconds
    hanging = Cell(faulty.make_runner("never returns"), QUICK, 0)
    limits = replace(LIMITS, timeout=1)
    [record] = schedule.run_cells([hanging], store, source, limits, schedule.Observer())
    assert record.why == "timed out after 1 s" and record.total_seconds >= 1


def test_the_half_written_file_of_a_killed_run_is_removed_when_its_cell_is_measured(store, source):
    cell = make_cells(1)[0]
    [record] = run_unfinished(make_cells(1), store, source)
    path = store.path(record)
    half = path.with_name(f".{path.name}.abcd.tmp")
    others = path.with_name(".quick-seed7-0123456789abcdef.json.abcd.tmp")
    for file in (half, others):
        file.write_text("{")
    assert store.read_contents().finished == {cell.key: record}
    run_unfinished(make_cells(1), store, source, force=True)
    assert not half.exists() and others.exists()  # another run may be writing it


def test_a_run_that_is_killed_between_its_two_renames_leaves_a_result(store, source):
    [record] = run_unfinished(make_cells(1), store, source)
    path, lock = store.path(record), store.lock_path(RecordName.from_record(record))
    earlier = path.read_bytes().replace(record.predictions_sha256.encode(), b"of others")
    path.rename(path.with_name(f".{path.name}.abcd.tmp"))
    path.write_bytes(earlier)
    with locks.try_lock(lock):
        store.prepare()
        assert len(store.read_contents().broken) == 1  # that run may still be writing
    lock.parent.mkdir(parents=True)
    lock.touch()
    store.prepare()
    assert store.read_contents() == StoreContents({record.key: record}, {}, [])


def test_a_cell_that_cannot_be_locked_fails_and_the_others_finish(store, source, monkeypatch):
    try_lock = locks.try_lock

    @contextlib.contextmanager
    def fail_for_seed_1(path):
        if "seed1" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        with try_lock(path) as is_ours:
            yield is_ours

    monkeypatch.setattr(locks, "try_lock", fail_for_seed_1)
    records = run_unfinished(make_cells(3), store, source)
    whys = {record.cell["seed"]: record.why for record in records}
    assert whys == {0: None, 1: "it cannot be locked: No space left on device", 2: None}
