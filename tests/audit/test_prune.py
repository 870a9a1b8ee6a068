"""Pruning removes exactly the records that it listed."""

import csv
import io
import json
import os
import pty
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.audit.prune import list_removable, remove_record
from fmbench.audit.verify import Verifier
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import RecordName
from fmbench.records.store import Store
from tests.end_to_end.test_cli import assert_one_line_error
from tests.helpers.raw_records import write_record
from tests.helpers.runs import end_after_block, start_fmbench, wait_for_output

pytestmark = pytest.mark.slow

ARRAYS = {"y_pred": np.zeros(10_000, np.uint8)}


@pytest.fixture
def store(tmp_path, record_of):
    """A valid record, and one record of each kind that can be removed."""
    store = Store(tmp_path / "results")
    runner = runners.get_runner("lenet5")
    store.save(record_of(Cell(runner, FULL, 0)), ARRAYS)
    store.save(record_of(Cell(replace(runner, revision=99), FULL, 1)), ARRAYS)
    store.save(record_of(Cell(runner, FULL, 2), status="failed", why="it was hot"))
    broken = store.path(store.save(record_of(Cell(runner, FULL, 3)), ARRAYS))
    broken.write_text("{")
    (broken.parent / f"{broken.name}.broken1").write_text("[")
    return store


@pytest.fixture
def prune(store, run_command):
    def prune(*flags):
        return run_command("results", "prune", *flags, "--results", store.folder)

    return prune


def list_seeds(store):
    return sorted(path.name.split("-")[1] for path in (store.records / "lenet5").iterdir())


ALL = ["seed0"] * 2 + ["seed1"] * 2 + ["seed2"] + ["seed3"] * 3


@pytest.mark.parametrize(
    ("state", "removed", "n_files"),
    [("stale", "seed1", 2), ("failed", "seed2", 1), ("broken", "seed3", 3)],
)
def test_each_option_removes_the_files_that_it_lists(store, prune, state, removed, n_files):
    done = prune(f"--{state}", "--yes", "--format", "csv")
    assert done.returncode == 0, done
    listed = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(listed) == n_files
    assert all(row["state"] == state and removed in row["file"] for row in listed)
    assert list_seeds(store) == [seed for seed in ALL if seed != removed]


def test_without_a_terminal_nothing_is_removed_unless_yes_is_given(store, prune):
    done = prune("--stale", "--failed")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--yes" in done.stderr
    assert done.stdout.count("\n- stale records/lenet5/") == 2
    assert done.stdout.count("\n- failed records/lenet5/") == 1
    assert done.stdout.endswith("\n2 records, 3 files\n")
    assert list_seeds(store) == ALL


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ALL), (b"y\n", [*ALL[:2], *ALL[4:]])])
def test_in_a_terminal_the_user_is_asked(store, answer, left):
    controller, terminal = pty.openpty()
    try:
        command = ("results", "prune", "--stale", "--results", store.folder)
        with end_after_block(start_fmbench(*command, stdin=terminal)) as process:
            os.write(controller, answer)
            _, err = wait_for_output(process)
    finally:
        os.close(controller)
        os.close(terminal)
    assert "remove these 2 files?" in err
    assert list_seeds(store) == left


def test_records_of_another_version_stay(store, prune, record_of):
    cell = Cell(runners.get_runner("lenet5"), FULL, 4)
    write_record(store, record_of(cell, schema=2), ARRAYS)
    assert prune("--broken", "--yes").returncode == 0
    assert list_seeds(store) == [*(seed for seed in ALL if seed != "seed3"), "seed4", "seed4"]


def test_a_failed_record_is_removed_as_failed_even_if_it_is_stale(store, prune, record_of):
    old = replace(runners.get_runner("lenet5"), revision=99)
    store.save(record_of(Cell(old, FULL, 4), status="failed", why="it was cold"))
    done = prune("--failed", "--yes", "--format", "json")
    assert sorted(row["why"] for row in json.loads(done.stdout)) == ["it was cold", "it was hot"]
    assert list_seeds(store) == [seed for seed in ALL if seed != "seed2"]


def test_the_user_must_say_what_to_remove(prune):
    assert_one_line_error(prune("--yes"), "--stale, --failed or --broken")


def test_prune_says_when_there_is_nothing_to_remove(tmp_path, run_command):
    Store(tmp_path).prepare()
    done = run_command("results", "prune", "--stale", "--results", tmp_path)
    assert (done.returncode, done.stderr) == (0, "fmbench: nothing to remove\n")


def test_a_record_that_a_run_locks_or_has_replaced_stays(store, record_of):
    checks = Verifier(store, {}).check_records(store.read_contents())
    [removable] = list_removable(store, checks, {"failed"})
    with locks.try_lock(store.lock_path(RecordName.from_path(removable.files[0]))):
        assert remove_record(store, removable) == "a run is using it"
    cell = Cell(runners.get_runner("lenet5"), FULL, 2)
    store.save(record_of(cell, status="failed", why="it was much hotter"))
    assert remove_record(store, removable) == "a run is using it"
    assert list_seeds(store) == ALL
