"""While a cell is measured again, readers get its old record whole until the new one is whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fmbench.errors import UserError
from fmbench.records import locks
from fmbench.records.record import RecordName
from fmbench.records.store import Store
from fmbench.utils import files

OLD = {"y_pred": np.zeros(10_000, np.uint8)}
NEW = {"y_pred": np.ones(10_000, np.uint8)}


@pytest.fixture
def steps(monkeypatch):
    """Calls a function before and after each step that changes a name in a results folder."""
    watchers = []

    def watch(method):
        original = getattr(Path, method)

        def call(self, *arguments, **keywords):
            for watcher in watchers:
                watcher()
            try:
                return original(self, *arguments, **keywords)
            finally:
                for watcher in watchers:
                    watcher()

        monkeypatch.setattr(Path, method, call)

    for method in ("replace", "rename", "unlink"):
        watch(method)
    return watchers


def describe_contents(store: Store) -> list[tuple[float | None, int]]:
    """The seconds and the first prediction of each finished record; nothing may be broken."""
    contents = store.read_contents()
    assert contents.broken == []
    return [(r.fit_seconds, int(store.load_y_pred(r)[0])) for r in contents.finished.values()]


@pytest.mark.parametrize("same_store", [False, True])
def test_a_reader_sees_the_old_or_the_new_record_at_every_step(
    store, toy_cell, record_of, steps, same_store
):
    store.save(record_of(toy_cell(), fit_seconds=1.0), OLD)
    reader, seen = Store(store.folder), []
    describe_contents(reader)
    watcher = reader if same_store else None
    steps.append(lambda: seen.append(describe_contents(watcher or Store(store.folder))))
    store.save(record_of(toy_cell(), fit_seconds=2.0), NEW)
    assert len(seen) >= 6
    assert all(found in ([(1.0, 0)], [(2.0, 1)]) for found in seen)
    assert seen == sorted(seen)  # never the old record after the new one
    assert seen[0] == [(1.0, 0)] and describe_contents(store) == [(2.0, 1)]


@pytest.mark.parametrize("n_before", [0, 1])
def test_a_run_that_was_killed_at_any_step_leaves_a_whole_record(
    store, toy_cell, record_of, steps, tmp_path, n_before
):
    if n_before:
        store.save(record_of(toy_cell(), fit_seconds=1.0), OLD)
    copies = []

    def copy_folder():
        target = tmp_path / f"copy{len(copies)}"
        shutil.copytree(store.folder, target)
        copies.append(target)

    with locks.try_lock(store.lock_path(RecordName.from_cell(toy_cell()))):
        steps.append(copy_folder)
        store.save(record_of(toy_cell(), fit_seconds=2.0), NEW)
        steps.clear()
    results = []
    for copy in copies:
        later = Store(copy)
        results.append(describe_contents(later))  # a reader, before the next run cleans up
        later.prepare()
        results.append(describe_contents(later))
        left = {path.name for path in copy.rglob("*") if path.is_file()}
        assert not [name for name in left if ".tmp" in name or ".new." in name or ".lock" in name]
        assert len(left) in (0, 2)
    assert all(found in ([(1.0, 0)][:n_before], [(2.0, 1)]) for found in results)
    assert results[0] == [(1.0, 0)][:n_before] and results[-1] == [(2.0, 1)]


def test_a_failure_between_the_renamings_leaves_the_earlier_record(
    store, toy_cell, record_of, monkeypatch
):
    store.save(record_of(toy_cell(), fit_seconds=1.0), OLD)
    before = sorted(path.name for path in store.records.rglob("*"))
    replace = Path.replace

    def fail_on_json(self, target):
        if Path(target).suffix == ".json":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_json)
    with pytest.raises(OSError, match="Input/output"):
        store.save(record_of(toy_cell(), fit_seconds=2.0), NEW)
    assert describe_contents(store) == [(1.0, 0)]
    assert sorted(path.name for path in store.records.rglob("*")) == before


def test_a_command_says_so_if_a_record_was_measured_again_while_it_read(store, toy_cell, record_of):
    store.save(record_of(toy_cell(), fit_seconds=1.0), OLD)
    reader = Store(store.folder)
    [record] = reader.read_contents().finished.values()
    store.save(record_of(toy_cell(), fit_seconds=2.0), NEW)
    assert reader.load_y_pred(record)[0] == 0  # the store keeps these
    with pytest.raises(UserError, match="measured again while it was read: run the same command"):
        reader.load_arrays(record)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    store, toy_cell, record_of, monkeypatch
):
    store.save(record_of(toy_cell(), fit_seconds=1.0), OLD)
    reader, read = Store(store.folder), files.read_file_and_state
    writes = [lambda: store.save(record_of(toy_cell(), fit_seconds=2.0), NEW)]

    def read_and_write(path, max_bytes):
        found = read(path, max_bytes)
        if path.suffix == ".json" and writes:
            writes.pop()()
        return found

    monkeypatch.setattr("fmbench.records.store.read_file_and_state", read_and_write)
    assert describe_contents(reader) == [(2.0, 1)]
