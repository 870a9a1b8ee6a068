"""What anybody may have put into a results folder stops no reader and changes nothing elsewhere."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from fmbench.audit.prune import list_removable, remove_record
from fmbench.audit.verify import State, Verifier
from fmbench.errors import UserError
from fmbench.execution.cell_locks import CellLocks
from fmbench.records import locks
from fmbench.records.record import (
    MAX_RECORD_BYTES,
    RecordName,
    clean_details,
    clean_warnings,
    decode_record,
    encode_record,
    is_storable,
)
from fmbench.records.store import Store
from fmbench.utils.files import read_regular_file
from tests.helpers.raw_records import write_record

ARRAYS = {"y_pred": np.zeros(10_000, np.uint8)}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # it has holes and takes no room


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


ODD_FILES = [make_pipe, make_endless, make_huge, make_folder, make_link_to_nothing, make_loop]


@pytest.mark.parametrize("make", ODD_FILES)
@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_an_odd_file_is_one_broken_record_and_the_others_are_read(
    store, toy_cell, record_of, make, suffix
):
    good = store.save(record_of(toy_cell(seed=1)), ARRAYS)
    path = store.path(store.save(record_of(toy_cell(seed=0)), ARRAYS))
    path.with_suffix(suffix).unlink()
    make(path.with_suffix(suffix))
    contents = Store(store.folder).read_contents()
    assert contents.finished == {good.key: good}
    [broken] = contents.broken
    assert broken.path == path and broken.why and "\n" not in broken.why


@pytest.mark.parametrize("make", [make_pipe, make_endless, make_huge])
def test_only_regular_files_of_a_limited_size_are_read(tmp_path, make):
    make(tmp_path / "file")
    with pytest.raises(ValueError, match=r"not a regular file|larger than 1000 bytes"):
        read_regular_file(tmp_path / "file", 1000)


def test_a_broken_record_of_any_kind_can_be_pruned_or_is_kept_with_a_reason(
    store, toy_cell, record_of
):
    for seed, make in enumerate(ODD_FILES):
        path = store.path(store.save(record_of(toy_cell(seed=seed)), ARRAYS))
        path.unlink()
        make(path)
    checks = Verifier(store, {}).check_records(store.read_contents())
    listed = list(list_removable(store, checks, {State.BROKEN}))
    assert len(listed) == len(ODD_FILES)
    kept = [why for one in listed if (why := remove_record(store, one))]
    assert kept == ["it cannot be removed (Is a directory)"]
    assert Path("/dev/zero").exists()


@pytest.mark.parametrize("make", ODD_FILES)
def test_a_run_cleans_up_odd_temporary_files_and_measures_the_cell(
    store, toy_cell, record_of, make
):
    path = store.path(store.save(record_of(toy_cell()), ARRAYS))
    make(path.with_name(f".{path.name}.x.tmp"))
    make(path.with_suffix(".new.npz"))
    lock = store.lock_path(RecordName.from_cell(toy_cell()))
    lock.parent.mkdir(parents=True)
    lock.touch()
    store.prepare()
    again = store.save(record_of(toy_cell(), fit_seconds=9.0), ARRAYS) if make is not make_folder \
        else None  # fmt: skip
    if again is not None:
        assert store.read_contents().finished == {again.key: again}
        assert len(list(path.parent.iterdir())) == 2


# ---------------------------------------------------------------- nothing outside is touched


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """A folder with files whose names a run might remove."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("a.lock", "full-seed0-0123456789abcdef.lock", "full-seed0-0123456789abcdef.json",
                 "full-seed0-0123456789abcdef.npz", ".full-seed0-0123456789abcdef.json.x.tmp",
                 "x.json.broken1"):  # fmt: skip
        (folder / name).write_text("precious")
    return folder


def is_untouched(folder: Path) -> bool:
    return [p.read_text() for p in folder.rglob("*") if p.is_file()] == ["precious"] * 6


@pytest.mark.parametrize(
    "link", ["records", "locks", "unfinished", "records/toy", "locks/toy", "unfinished/toy"]
)
def test_a_run_refuses_a_folder_that_is_a_link_in_one_line(store, elsewhere, link):
    path = store.folder / link
    if path.is_dir():
        path.rmdir()
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    with pytest.raises(UserError) as caught:
        store.prepare()
    assert str(caught.value).startswith(f"{path} is a symbolic link, and a run changes nothing")
    assert is_untouched(elsewhere)


@pytest.mark.parametrize("link", ["locks", "locks/toy"])
def test_a_cell_whose_lock_would_be_elsewhere_is_not_measured(store, toy_cell, elsewhere, link):
    path = store.folder / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    with CellLocks(store, store.read_contents()).lock([toy_cell()]) as cells:
        [(_, why)] = cells.not_lockable
    assert why == f"it cannot be locked: {path} is a symbolic link, which is not followed"
    assert is_untouched(elsewhere)


@pytest.mark.parametrize("link", ["records", "records/toy"])
def test_no_record_is_written_read_or_pruned_through_a_link(
    store, toy_cell, record_of, elsewhere, link
):
    other = Store(elsewhere.parent / "other")
    record = other.save(record_of(toy_cell()), ARRAYS)
    for file in (other.records / "toy").iterdir():
        file.rename(elsewhere / file.name)
    path = store.folder / link
    if path.is_dir():
        path.rmdir()
    path.symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a symbolic link, which is not followed"):
        store.save(record, ARRAYS)
    contents = store.read_contents()
    assert (contents.finished, contents.failed) == ({}, {})
    [broken] = contents.broken
    assert (broken.path, broken.remedy) == (path, "put the folder itself in its place")
    assert store.list_names() == [] and store.find_record(RecordName.from_record(record)) is None
    checks = Verifier(store, {}).check_records(contents)
    for one in list_removable(store, checks, {State.BROKEN, State.STALE, State.FAILED}):
        assert remove_record(store, one) == ""
    assert not path.is_symlink() and len(list(elsewhere.iterdir())) == 8


def test_the_progress_of_a_cell_is_not_removed_through_a_link(store, toy_cell, elsewhere):
    workspace = store.workspace_path(toy_cell())
    (elsewhere / workspace.name).mkdir()
    store.unfinished.mkdir()
    (store.unfinished / "toy").symlink_to(elsewhere)
    store.remove_workspace(toy_cell())
    assert (elsewhere / workspace.name).is_dir() and is_untouched(elsewhere)


ODD_LOCKS = ["[.lock", "**.lock", "*.lock", "a b\n.lock", "full-seed0-x.lock", "\udcff.lock",
             "full-seed*-0123456789abcdef.lock"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_LOCKS)
def test_a_lock_with_an_odd_name_is_left_alone(store, toy_cell, record_of, name):
    record = store.save(record_of(toy_cell()), ARRAYS)
    temporary = store.path(record).with_name(".full-seed7-0123456789abcdef.json.x.tmp")
    temporary.write_text("of another run")
    for folder in ("toy", "a[b", "*"):
        (store.locks / folder).mkdir(parents=True)
        (store.locks / folder / name).touch()
    store.prepare()
    assert temporary.exists()
    assert len(list(store.locks.rglob("*.lock"))) == 3
    assert store.read_contents().finished == {record.key: record}


@pytest.mark.parametrize("make", [make_pipe, make_endless, make_folder, make_link_to_nothing])
def test_a_lock_that_is_no_file_makes_its_cell_fail_in_one_line(
    store, toy_cell, record_of, tmp_path, make
):
    path = store.lock_path(RecordName.from_cell(toy_cell()))
    path.parent.mkdir(parents=True)
    make(path)
    store.prepare()
    with CellLocks(store, store.read_contents()).lock([toy_cell(), toy_cell(1)]) as cells:
        assert [cell.seed for cell in cells.to_measure] == [1]
        [(_, why)] = cells.not_lockable
    assert why == f"it cannot be locked: {path} is not a regular file: remove it"
    assert locks.describe_holder(path) == "another run"
    # A broken record of the cell stays as well, since nothing overwrites it.
    record = store.path(store.save(record_of(toy_cell()), ARRAYS))
    record.write_text("{")
    assert store.set_aside_broken(store.read_contents().broken, [toy_cell()]) == []


def test_a_lock_file_with_other_content_is_named_in_one_short_line(store, toy_cell):
    path = store.lock_path(RecordName.from_cell(toy_cell()))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"process\n7 \xff" + b"x" * 100)
    assert locks.describe_holder(path).startswith("process 7 \ufffdxxx")
    path.write_bytes(b"x" * 10_000)
    assert locks.describe_holder(path) == "another run"


# ---------------------------------------------------------------- what fmbench writes, it can read


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"a": float("nan"), "b": [float("inf"), 1]}, {"a": "nan", "b": ["inf", 1]}),
        ({"a": np.float32(0.5), "b": np.arange(2), "c": np.bool_(True)},
         {"a": 0.5, "b": [0, 1], "c": True}),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        ({"a": 10**400}, {"a": "a number with too many digits"}),
        ([1, 2], {"details": [1, 2]}),
        (None, {"details": None}),
        ({"\udcff": "\udcff"}, {"\\udcff": "\\udcff"}),
        ({"a": len}, {"a": "<built-in function len>"}),
        ({"a": ["x" * 300] * 10_000}, {"details": "left out: larger than 1 MiB"}),
    ],
)  # fmt: skip
def test_what_a_plug_in_says_of_its_fit_becomes_json(toy_cell, record_of, given, stored):
    details = clean_details(given)
    assert details == stored
    assert decode_record(encode_record(record_of(toy_cell(), details=details))).details == stored


def test_details_that_contain_themselves_are_left_out(toy_cell, record_of):
    endless: list = []
    endless += [endless, endless]
    details = clean_details({"a": endless})
    assert details == {"details": "left out: larger than 1 MiB"}
    deep: list = []
    for _ in range(1000):
        deep = [deep]
    record = record_of(toy_cell(), details=clean_details({"a": deep}))
    assert decode_record(encode_record(record)).details.keys() == {"a"}


def test_warnings_are_shortened_and_counted(toy_cell, record_of):
    found = clean_warnings(f"Warning: {n}\n{'x' * 1000} \udcff" for n in range(1000))
    assert len(found) == 21 and found[-1] == "980 other warnings"
    assert all(len(line) <= 300 and "\n" not in line for line in found)
    record = record_of(toy_cell(), warnings=found)
    assert decode_record(encode_record(record)) == record


def test_a_reason_that_is_not_utf8_is_stored_readably(store, toy_cell, record_of):
    failed = record_of(toy_cell(), status="failed", why="no file '\udcff\x1b.npy'")
    assert store.save(failed).why == "no file '\\udcff\x1b.npy'"
    [record] = store.read_contents().failed.values()
    assert record.why.encode("utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"fit_seconds": -1.0}, {"total_seconds": float("nan")}, {"predict_seconds": float("inf")},
        {"threads": 0}, {"jobs": -1}, {"together": 0}, {"peak_memory_bytes": -1},
        {"history": [{"epoch": 1, "train_loss": float("nan")}]}, {"history": [{"epoch": 0}]},
        {"history": [{"train_loss": 1.0}]}, {"history": [{"epoch": 1, "train_accuracy": 1.1}]},
        {"history": [{"epoch": 1, "x": 1.0}]}, {"details": {"a": {1, 2}}}, {"warnings": [None]},
        {"details": {"a": "x" * 200_000}}, {"details": {"a": ["x" * 1000] * 20_000}},
    ],
)  # fmt: skip
def test_a_record_that_could_not_be_read_again_is_not_written(store, toy_cell, record_of, changes):
    earlier = store.save(record_of(toy_cell()), ARRAYS)
    with pytest.raises((ValueError, TypeError)):
        store.save(record_of(toy_cell(), **changes), ARRAYS)
    assert store.read_contents().finished == {earlier.key: earlier}
    assert len(list(store.records.rglob("*.*"))) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"total_seconds": 1e999', "1e999 is not a number that a record can hold"),
        (f'"total_seconds": {10**400}', "a whole number of 401 digits"),
        (f'"why": {"[" * 900}{"]" * 900}', "nested deeper than 20 levels"),
        (f'"why": "{"x" * 200_000}"', "a text has more than 100000 characters"),
        (f'"why": "{"x" * MAX_RECORD_BYTES}"', "it is larger than 16 MiB"),
        ('"threads": 0', "`int` >= 1 - at `$.threads`"),
        ('"total_seconds": -1', "`float` >= 0.0 - at `$.total_seconds`"),
        ('"schema": true', "Expected `int`, got `bool` - at `$.schema`"),
        ('"package": {"dirty": "no"}', "a str - at `$.package.dirty`"),
    ],
)
def test_a_value_that_no_reader_could_use_makes_a_record_broken(
    store, toy_cell, record_of, text, why
):
    path = write_record(store, record_of(toy_cell()), ARRAYS)
    path.write_text(f"{json.dumps(json.loads(path.read_text()))[:-1]}, {text}}}")
    [broken] = store.read_contents().broken
    assert why in broken.why and len(broken.why) <= 300


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "Full"}, "the protocol has no name"),
        ({"name": None}, "the protocol has no name"),
        ({"n_test": "many"}, "not a count - at `$.cell.protocol.n_test`"),
        ({"held_out_per_class": -1}, "not a count - at `$.cell.protocol.held_out_per_class`"),
    ],
)
def test_a_protocol_of_another_form_makes_a_record_broken(toy_cell, record_of, changes, why):
    definition = toy_cell().to_definition()
    definition["protocol"] = {**definition["protocol"], **changes}
    content = json.dumps(asdict(replace(record_of(toy_cell()), cell=definition))).encode()
    with pytest.raises(ValueError, match=re.escape(why)):
        decode_record(content)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 10**400, "x" * 200_000, {1: 2}, {"a": {"b": object()}}, (1, 2)],
)
def test_a_hyperparameter_that_no_record_can_hold_is_not_storable(value):
    assert not is_storable(value)
    assert not is_storable([value])


def test_the_deepest_storable_hyperparameter_can_be_stored(toy_cell, record_of):
    value: list = []
    while is_storable([value]):
        value = [value]
    cell = toy_cell()
    definition = {**cell.to_definition(), "hyperparameters": {"epochs": value}}
    record = replace(record_of(cell), cell=definition)
    assert decode_record(encode_record(record)) == record


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end_or_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    before = os.stat_result((stat.S_IFREG, 1, 1, 1, 0, 0, 10, 0, 0, 0))  # it had 10 bytes
    monkeypatch.setattr(os, "fstat", lambda descriptor: before)
    assert read_regular_file(path, 100) == b"x" * 100
    with pytest.raises(ValueError, match="it is larger than 99 bytes"):
        read_regular_file(path, 99)
