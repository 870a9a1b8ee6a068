"""What is removed is what was listed, and nobody is surprised."""

import os
import pty
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.audit.prune import removable, remove
from fmbench.audit.verify import Verifier
from fmbench.records import locks
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import Name
from fmbench.records.store import Store
from tests.end_to_end.test_cli import assert_one_line_error, fmbench

ARRAYS = {"y_pred": np.zeros(10_000, np.uint8)}


@pytest.fixture
def store(tmp_path, record_of):
    """A fine record, and one of each kind that may go."""
    store = Store(tmp_path / "results")
    runner = runners.get("lenet5")
    store.save(record_of(Cell(runner, FULL, 0)), ARRAYS)
    store.save(record_of(Cell(replace(runner, revision=99), FULL, 1)), ARRAYS)
    store.save(record_of(Cell(runner, FULL, 2), status="failed", why="it was hot"))
    broken = store.path(store.save(record_of(Cell(runner, FULL, 3)), ARRAYS))
    broken.write_text("{")
    (broken.parent / f"{broken.name}.broken1").write_text("[")
    return store


def seeds(store):
    return sorted(path.name.split("-")[1] for path in (store.records / "lenet5").iterdir())


ALL = ["seed0"] * 2 + ["seed1"] * 2 + ["seed2"] + ["seed3"] * 3


def prune(store, *flags, **options):
    return fmbench("results", "prune", *flags, "--results", store.folder, **options)


@pytest.mark.parametrize(
    ("flag", "goes", "n_files"), [("stale", "seed1", 2), ("failed", "seed2", 1),
                                  ("broken", "seed3", 3)],
)  # fmt: skip
def test_each_flag_removes_what_it_lists_and_nothing_else(store, flag, goes, n_files):
    done = prune(store, f"--{flag}", "--yes")
    assert done.returncode == 0, done
    listed = done.stdout.splitlines()
    assert len(listed) == n_files
    assert all(line.startswith(f"{flag:7} ") and goes in line for line in listed)
    assert seeds(store) == [seed for seed in ALL if seed != goes]


def test_in_a_pipe_nothing_is_removed_without_yes(store):
    done = prune(store, "--stale", "--failed", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--yes" in done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert seeds(store) == ALL


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ALL), (b"y\n", [*ALL[:2], *ALL[4:]])])
def test_in_a_terminal_it_asks(store, answer, left):
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "fmbench", "results", "prune", "--stale", "--results",
               str(store.folder)]  # fmt: skip
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:  # fmt: skip
        os.write(controller, answer)
        _, err = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    assert "remove these 2 files?" in err
    assert seeds(store) == left


def test_what_another_version_wrote_is_left(store, record_of):
    cell = Cell(runners.get("lenet5"), FULL, 4)
    store.save(record_of(cell, schema=2), ARRAYS)
    assert prune(store, "--broken", "--yes").returncode == 0
    assert seeds(store) == [*(seed for seed in ALL if seed != "seed3"), "seed4", "seed4"]


def test_what_failed_goes_as_failed_though_it_is_stale_too(store, record_of):
    old = replace(runners.get("lenet5"), revision=99)
    store.save(record_of(Cell(old, FULL, 4), status="failed", why="it was cold"))
    done = prune(store, "--failed", "--yes")
    assert sorted(line.rpartition(": ")[2] for line in done.stdout.splitlines()) == [
        "it was cold", "it was hot",
    ]  # fmt: skip
    assert seeds(store) == [seed for seed in ALL if seed != "seed2"]


def test_what_to_remove_has_to_be_said(store):
    assert_one_line_error(prune(store, "--yes"), "--stale, --failed or --broken")


def test_with_nothing_to_remove_it_says_so(tmp_path):
    Store(tmp_path).prepare()
    done = prune(Store(tmp_path), "--stale")
    assert (done.returncode, done.stderr) == (0, "fmbench: nothing to remove\n")


def test_what_a_run_holds_or_has_replaced_since_it_was_listed_stays(store, record_of):
    [one] = removable(store, Verifier(store, {}).findings(store.read()), {"failed"})
    with locks.holding(store.lock(Name.parse(one.files[0]))):
        assert not remove(store, one)
    cell = Cell(runners.get("lenet5"), FULL, 2)
    store.save(record_of(cell, status="failed", why="it was much hotter"))
    assert not remove(store, one)
    assert seeds(store) == ALL
