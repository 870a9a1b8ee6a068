"""A record on disk is complete or absent, and a broken one is listed with its reason."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmbench
from fmbench.errors import UserError
from fmbench.records import store as records_store
from fmbench.records.record import decode_record, describe_changes, encode_record
from fmbench.records.store import BrokenRecord, Store
from fmbench.suites.bundled import CHECKOUT
from tests.helpers.raw_records import (
    make_npy,
    pack_arrays,
    write_predictions,
    write_record,
    zip_member,
)

Y_PRED = np.resize(np.arange(10, dtype=np.uint8), 10_000)
ARRAYS = {"y_pred": Y_PRED, "scores": np.ones((10_000, 10), np.float16)}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def files(store: Store) -> list[str]:
    """Every file below the records folder, hidden ones too, without the long key."""
    return sorted(path.name for path in store.records.rglob("*") if path.is_file())


# ---------------------------------------------------------------- written and read


def test_a_saved_record_is_read_unchanged(store, toy_cell, record_of):
    cell = toy_cell(seed=3)
    history = [{"epoch": 1, "train_loss": 0.5, "heldout_accuracy": 0.8}]
    saved = store.save(record_of(cell, history=history, warnings=["w"]), ARRAYS)
    contents = store.read_contents()
    assert contents.finished == {cell.key: saved}
    assert (contents.failed, contents.broken) == ({}, [])
    assert contents.find_finished(cell) == saved
    assert contents.explain_stale(cell) is None
    assert [(n.key, n.finished) for n in store.list_names()] == [(cell.key, True)]


def test_arrays_are_read_unchanged(store, toy_cell, record_of):
    saved = store.save(record_of(toy_cell()), ARRAYS)
    found = store.load_arrays(saved)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert list(store.load_arrays(saved, "scores")) == ["scores"]
    assert np.array_equal(store.load_y_pred(saved), Y_PRED)


def test_a_record_is_stored_in_its_runners_folder(store, toy_cell, record_of):
    cell = toy_cell(seed=1)
    store.save(record_of(cell), ARRAYS)
    assert files(store) == [f"full-seed1-{cell.key}.json", f"full-seed1-{cell.key}.npz"]
    assert (store.records / "toy" / f"full-seed1-{cell.key}.json").is_file()


def test_a_folder_that_does_not_exist_has_no_records(store):
    contents = store.read_contents()
    assert (contents.finished, contents.failed, contents.broken) == ({}, {}, [])


def test_saving_a_cell_again_replaces_its_record(store, toy_cell, record_of):
    cell = toy_cell()
    store.save(record_of(cell), ARRAYS)
    again = store.save(record_of(cell, fit_seconds=9.0), {"y_pred": Y_PRED[::-1]})
    assert store.read_contents().finished == {cell.key: again}
    assert np.array_equal(store.load_y_pred(again), Y_PRED[::-1])
    assert len(files(store)) == 2


# ---------------------------------------------------------------- each file is read once


@pytest.fixture
def count_reads(monkeypatch):
    """Counts the calls of the functions that decode a record and that check its arrays."""
    counts = {"decode_record": 0, "check_arrays": 0}

    def count_calls(name):
        function = getattr(records_store, name)

        def count(*arguments):
            counts[name] += 1
            return function(*arguments)

        monkeypatch.setattr(records_store, name, count)

    for name in counts:
        count_calls(name)
    return counts


def test_a_store_reads_and_checks_each_record_once(store, toy_cell, record_of, count_reads):
    saved = [store.save(record_of(toy_cell(seed=seed)), ARRAYS) for seed in range(3)]
    count_reads.update(decode_record=0, check_arrays=0)
    contents = store.read_contents()
    assert store.read_contents() == contents
    for record in saved:
        store.load_arrays(record)
        assert store.load_y_pred(record) is store.load_y_pred(record)
    assert count_reads == {"decode_record": 3, "check_arrays": 3}


def test_a_record_that_another_run_replaced_is_read_again(store, toy_cell, record_of):
    cell = toy_cell()
    first = store.save(record_of(cell), ARRAYS)
    assert store.read_contents().finished == {cell.key: first}
    second = Store(store.folder).save(record_of(cell, fit_seconds=99.0), {"y_pred": Y_PRED[::-1]})
    assert store.read_contents().finished == {cell.key: second}
    assert np.array_equal(store.load_y_pred(second), Y_PRED[::-1])


def test_predictions_that_a_store_keeps_cannot_be_changed(store, toy_cell, record_of):
    y_pred = store.load_y_pred(store.save(record_of(toy_cell()), ARRAYS))
    with pytest.raises(ValueError, match="read-only"):
        y_pred[0] = 1


# ---------------------------------------------------------------- the JSON of a record


def test_every_committed_record_is_written_again_as_the_same_bytes():
    paths = sorted((CHECKOUT / "results" / "reference" / "records").glob("*/*.json"))
    assert len(paths) > 400
    added_later = {"asked", "details", "peak_gpu_memory_bytes", "together"}
    for path in paths:
        content = path.read_bytes()
        written = encode_record(decode_record(content))
        fields, before = json.loads(written), json.loads(content)
        missing = fields.keys() - before.keys()
        assert missing <= added_later, path
        for name in missing:
            del fields[name]
        assert (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode() == content, path
        assert missing or written == content, path


def test_the_hyperparameters_that_replace_the_recipes_are_stored_as_json(toy_cell, record_of):
    cell = replace(toy_cell(), overrides={"epochs": 7})
    record = decode_record(encode_record(record_of(cell)))
    assert record.overrides == {"epochs": 7}
    older = encode_record(record_of(cell, overrides=None))
    assert b"overrides" not in older
    assert decode_record(older).overrides is None


def test_a_file_name_that_is_not_utf8_is_stored_and_read(toy_cell, record_of):
    request = {"runner": "./\udcff.py:make", "parameters": {}, "deterministic": True}
    record = record_of(toy_cell(), asked=request)
    assert decode_record(encode_record(record)) == record


# ---------------------------------------------------------------- stale


@pytest.mark.parametrize(
    ("change", "words"),
    [({"revision": 3}, "revision 2 -> 3"), ({"epochs": 12}, "epochs 10 -> 12"),
     ({"revision": 3, "epochs": 12}, "revision 2 -> 3, epochs 10 -> 12")],
)  # fmt: skip
def test_a_record_of_another_recipe_is_stale_and_the_changes_are_named(
    store, toy_cell, record_of, change, words
):
    store.save(record_of(toy_cell()), ARRAYS)
    contents, cell = store.read_contents(), toy_cell(**change)
    assert contents.find_finished(cell) is None
    assert contents.explain_stale(cell) == words


def test_another_seed_makes_nothing_stale(store, toy_cell, record_of):
    store.save(record_of(toy_cell(seed=0)), ARRAYS)
    assert store.read_contents().explain_stale(toy_cell(seed=1)) is None


def test_the_newest_record_decides_why_a_cell_is_stale(store, toy_cell, record_of):
    for revision, started in ((4, "2026-03-01"), (2, "2026-01-01"), (3, "2026-02-01")):
        store.save(record_of(toy_cell(revision=revision), started=started), ARRAYS)
    assert store.read_contents().explain_stale(toy_cell(revision=5)) == "revision 4 -> 5"


def test_other_data_and_other_hyperparameters_are_named(toy_cell):
    old, new = toy_cell().to_definition(), toy_cell().to_definition()
    new["data_sha256"] = "0" * 64
    new["hyperparameters"] = {"rounds": 5}
    assert describe_changes(old, new) == (
        f"data {old['data_sha256'][:8]}... -> 00000000..., epochs 10 -> none, rounds none -> 5"
    )


# ---------------------------------------------------------------- failures


def test_a_failed_cell_is_not_counted_as_finished(store, toy_cell, record_of):
    cell = toy_cell()
    failure = store.save(record_of(cell, status="failed", why="ran out of memory"))
    contents = store.read_contents()
    assert (contents.finished, contents.failed) == ({}, {cell.key: failure})
    assert contents.find_finished(cell) is None
    assert [n.finished for n in store.list_names()] == [False]
    assert files(store) == [f"full-seed0-{cell.key}.failed.json"]


def test_a_failure_after_a_result_is_stored_beside_it(store, toy_cell, record_of):
    cell = toy_cell()
    result = store.save(record_of(cell), ARRAYS)
    failure = store.save(record_of(cell, status="failed", why="killed"))
    contents = store.read_contents()
    assert contents.finished == {cell.key: result}
    assert contents.failed == {cell.key: failure}
    assert np.array_equal(store.load_y_pred(result), Y_PRED)


def test_a_result_removes_the_failure_before_it(store, toy_cell, record_of):
    cell = toy_cell()
    store.save(record_of(cell, status="failed", why="killed"))
    store.save(record_of(cell), ARRAYS)
    assert store.read_contents().failed == {}


# ---------------------------------------------------------------- broken records


@pytest.fixture
def damaged(store, toy_cell, record_of):
    """A store of two records, and the path of the JSON file of one that is to be damaged."""
    good = store.save(record_of(toy_cell(seed=1)), ARRAYS)
    bad = store.save(record_of(toy_cell(seed=0)), ARRAYS)
    return store, good, store.path(bad)


def why_broken(damaged) -> str:
    """Check that only the damaged record is broken; return the reason."""
    store, good, path = damaged
    contents = store.read_contents()
    assert contents.finished == {good.key: good}
    assert contents.failed == {}
    assert [broken.path for broken in contents.broken] == [path]
    return contents.broken[0].why


def test_a_record_that_is_cut_off_anywhere_is_broken(damaged):
    path = damaged[2]
    whole = path.read_bytes()
    assert len(whole) > 500
    for length in range(0, len(whole) - 1, 7):  # the line break at the end may be missing
        path.write_bytes(whole[:length])
        why_broken(damaged)


def changed(**fields):
    def change(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **fields}).encode()

    return change


DAMAGE = {
    "unknown version": (changed(schema=2), "schema version 2, but this fmbench reads version 1"),
    "no version": (lambda c: c.replace(b'"schema"', b'"shema"'), "not a record of fmbench"),
    "not JSON": (lambda c: b"hello", "it is not valid JSON: Expecting value"),
    "not text": (lambda c: b"\xff" + c, "utf-8"),
    "empty": (lambda c: b"", "Expecting value"),
    "zeros": (lambda c: bytes(len(c)), "Expecting value"),
    "endless brackets": (lambda c: b"[" * 100_000, ""),
    "a list": (lambda c: b"[1, 2]", "not a record of fmbench"),
    "a number": (lambda c: b"7", "not a record of fmbench"),
    "an unknown field": (changed(colour="red"), "unknown field 'colour'"),
    "an unknown field of the cell": (
        lambda c: c.replace(b'"cell": {', b'"cell": {"colour": "red",'),
        "unknown field 'colour'",
    ),
    "a missing field": (lambda c: c.replace(b'"device"', b'"devise"'), "`device`"),
    "unknown status": (
        changed(status="half done"),
        "Invalid enum value 'half done' - at `$.status`",
    ),
    "no cell": (changed(cell=None), "got `null` - at `$.cell`"),
    "an empty cell": (changed(cell={}), "required field `runner` - at `$.cell`"),
    "another key": (changed(key="0" * 16), "its file name does not match its content"),
    "another seed": (lambda c: c.replace(b'"seed": 0', b'"seed": 1'), "file name"),
    "another recipe": (lambda c: c.replace(b'"epochs": 10', b'"epochs": 11'), "file name"),
    "a runner elsewhere": (lambda c: c.replace(b'"toy"', b'"../../toy"'), "cannot be a file name"),
    "other predictions": (changed(predictions_sha256="0" * 64), "npz is damaged"),
    "no checksum": (changed(predictions_sha256=None), "npz is damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_listed_with_the_reason_and_the_others_are_read(damaged, name):
    damage, reason = DAMAGE[name]
    path = damaged[2]
    path.write_bytes(damage(path.read_bytes()))
    assert reason in why_broken(damaged)


def test_a_record_under_the_file_name_of_another_cell_is_broken(damaged):
    store, good, path = damaged
    path.write_bytes(store.path(good).read_bytes())
    assert why_broken(damaged) == "its file name does not match its content"


def test_a_folder_with_the_file_name_of_a_record_is_a_broken_record(damaged):
    damaged[2].unlink()
    damaged[2].mkdir()
    why_broken(damaged)


def test_a_record_without_its_predictions_is_broken(damaged):
    damaged[2].with_suffix(".npz").unlink()
    assert "cannot be read" in why_broken(damaged)


@pytest.mark.parametrize("position", [0, 100, -1])
def test_damaged_predictions_are_broken_and_never_returned(store, toy_cell, record_of, position):
    record = store.save(record_of(toy_cell()), ARRAYS)
    path = store.path(record).with_suffix(".npz")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    contents = store.read_contents()
    assert (contents.finished, len(contents.broken)) == ({}, 1)
    with pytest.raises(UserError, match=r"npz is damaged"):
        store.load_y_pred(record)


def patched(content: bytes, change: dict[int, int]) -> bytes:
    """With bytes after the archive's two signatures changed, at the same distance from each."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        for position, value in change.items():
            changed[content.index(signature) + offset + position] = value
    return bytes(changed)


DEFLATED = zip_member("y_pred.npy", make_npy("(20,)"), zipfile.ZIP_DEFLATED)
NO_ARRAYS = {
    "no archive": b"hello",
    "nothing": b"",
    "no array in it": zip_member("y_pred.npy", b"hello"),
    "no array with a name of ours": zip_member("x.npy", make_npy("(20,)")),
    "an array cut off": zip_member("y_pred.npy", make_npy("(21,)")),
    "more than any memory": zip_member("y_pred.npy", make_npy(f"({10**15},)")),
    "more than any number": zip_member("y_pred.npy", make_npy(f"({10**30},)")),
    "a negative shape": zip_member("y_pred.npy", make_npy("(-4, -5)")),
    "objects": zip_member("y_pred.npy", make_npy("(2,)", "|O")),
    "big-endian numbers": zip_member("y_pred.npy", make_npy("(10,)", ">f2")),
    "a zip bomb, which says 512 MiB": patched(DEFLATED, {25: 0x20}),
    "many members": pack_arrays({f"flagged_{n}": Y_PRED[:1] for n in range(200)}),
    "deflated wrongly": DEFLATED[:45] + b"\xff" * 20 + DEFLATED[65:],
    "encrypted": patched(zip_member("y_pred.npy", make_npy("(20,)")), {6: 1}),
    "compressed in no known way": patched(zip_member("y_pred.npy", make_npy("(20,)")), {8: 77}),
    "another checksum": zip_member("y_pred.npy", make_npy("(20,)")).replace(
        bytes(20), b"\x01" * 20
    ),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_a_file_without_arrays_is_damaged_even_if_its_checksum_fits(
    store, toy_cell, record_of, name
):
    record = store.save(record_of(toy_cell()), ARRAYS)
    write_predictions(store.path(record), NO_ARRAYS[name])
    contents = store.read_contents()
    assert contents.finished == {}
    [broken] = contents.broken
    assert "npz is damaged: " in broken.why and "\n" not in broken.why


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({}, "it has no y_pred"),
        ({"y_pred": Y_PRED[:-1]}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": Y_PRED + np.uint8(1)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": Y_PRED.reshape(100, 100)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": Y_PRED.astype(np.int64)}, "y_pred is <i8, not uint8 or float16"),
        ({"y_pred": Y_PRED.astype(np.float16)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": Y_PRED[:0]}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": np.uint8(3)}, "y_pred is not 10000 classes from 0 to 9"),
        ({**ARRAYS, "scores": ARRAYS["scores"][:, :9]}, "scores are float16 (10000, 9), not"),
        ({**ARRAYS, "scores": ARRAYS["scores"] * np.float16("nan")}, "some scores are not numbers"),
        ({**ARRAYS, "epoch_y_pred": Y_PRED}, "epoch_y_pred is not classes (10000, 10000)"),
        ({**ARRAYS, "epoch_y_pred": np.uint8(3)}, "epoch_y_pred is not classes (0, 10000)"),
        ({**ARRAYS, "flagged_a": Y_PRED[:-1]}, "flagged_a is not 10000 classes from 0 to 9"),
        ({**ARRAYS, "secret": Y_PRED}, "it has an unknown array 'secret'"),
    ],
)
def test_arrays_that_do_not_fit_the_record_are_neither_written_nor_read(
    store, toy_cell, record_of, arrays, why
):
    with pytest.raises(ValueError, match=re.escape(why)):
        store.save(record_of(toy_cell()), arrays)
    assert files(store) == []
    write_record(store, record_of(toy_cell()), arrays)
    [broken] = store.read_contents().broken
    assert why in broken.why


def test_decision_values_may_be_infinite(store, toy_cell, record_of):
    scores = np.full((10_000, 10), np.inf, np.float16)
    store.save(record_of(toy_cell()), {**ARRAYS, "scores": scores})
    assert store.read_contents().broken == []


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | (
    st.just([]) | st.just({}) | st.just([1]) | st.just({"a": 1})
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=100)
@given(st.data())
def test_reading_raises_nothing_whatever_a_records_file_contains(
    tmp_path_factory, toy_cell, record_of, data
):
    store = Store(tmp_path_factory.mktemp("results"))
    path = store.path(store.save(record_of(toy_cell()), ARRAYS))
    fields = json.loads(path.read_text())
    place = data.draw(st.sampled_from([fields, fields["cell"], fields["cell"]["protocol"]]))
    place[data.draw(st.sampled_from(sorted(place)) | st.text(max_size=5))] = data.draw(VALUES)
    path.write_text(json.dumps(fields))
    contents = store.read_contents()
    assert len(contents.finished) + len(contents.failed) + len(contents.broken) == 1


def test_renaming_broken_records_overwrites_nothing(damaged):
    store, good, path = damaged
    aside = []
    for text in ("first", "second", "third"):
        path.write_text(text)
        [broken] = store.read_contents().broken
        aside.append(store.rename_broken(broken))
        assert store.read_contents().broken == []
    assert [p.read_text() for p in aside] == ["first", "second", "third"]
    assert [p.name for p in aside] == [f"{path.name}.broken{n}" for n in (1, 2, 3)]
    assert store.read_contents().finished == {good.key: good}


def test_a_file_that_was_set_aside_before_is_kept(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("new")
    (tmp_path / "a.npz").write_text("new predictions")
    (tmp_path / "a.json.broken1").write_text("old")
    Store(tmp_path).rename_broken(BrokenRecord(path, "why"))
    assert (tmp_path / "a.json.broken1").read_text() == "old"
    assert (tmp_path / "a.json.broken2").read_text() == "new"
    assert (tmp_path / "a.npz.broken2").read_text() == "new predictions"


def test_a_record_of_another_version_gets_a_name_that_prune_ignores(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("from the future")
    renamed = Store(tmp_path).rename_broken(BrokenRecord(path, "why", other_version=True))
    assert renamed.name == "a.json.other-version1"


def test_only_broken_records_that_a_planned_cell_would_overwrite_are_set_aside(
    tmp_path, toy_cell, record_of
):
    store = Store(tmp_path)
    paths = [store.path(store.save(record_of(toy_cell(seed=s)), ARRAYS)) for s in (0, 1)]
    for path in paths:
        path.write_text("{")
    [(broken, renamed)] = store.set_aside_broken(store.read_contents().broken, [toy_cell(seed=1)])
    assert broken.path == paths[1] and not paths[1].exists() and renamed.read_text() == "{"
    assert paths[0].read_text() == "{"
    assert [b.path for b in store.read_contents().broken] == [paths[0]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fit_seconds", "soon"), ("fit_seconds", True), ("fit_seconds", float("nan")),
        ("jobs", 1.5), ("versions", []), ("versions", {"numpy": 2}), ("history", [{"epoch": "x"}]),
        ("status", "done"), ("device", None), ("surprise", 1),
        ("threads", True), ("threads", 1.0), ("warnings", [1]), ("asked", {"runner": "a"}),
        ("asked", {"runner": "a", "parameters": {}, "deterministic": True, "surprise": 1}),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_type_makes_a_record_broken(
    tmp_path, toy_cell, record_of, field, value
):
    store = Store(tmp_path)
    path = store.path(store.save(record_of(toy_cell()), ARRAYS))
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    contents = store.read_contents()
    assert not contents.finished
    [broken] = contents.broken
    assert f"$.{field}" in broken.why or f"{field!r}" in broken.why or "NaN" in broken.why


# ---------------------------------------------------------------- failing writes


@contextlib.contextmanager
def failing_sync(monkeypatch, after: int):
    """Make ``os.fsync`` fail after a number of calls, as on a full disk."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > after:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            yield


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_a_failed_write_leaves_no_file(store, toy_cell, record_of, monkeypatch, status):
    with failing_sync(monkeypatch, after=0):
        store.save(record_of(toy_cell(), status=status), ARRAYS)
    assert files(store) == []
    assert store.read_contents().broken == []


@pytest.mark.parametrize("after", [0, 1])
def test_a_failed_write_leaves_the_earlier_record(store, toy_cell, record_of, monkeypatch, after):
    cell = toy_cell()
    earlier = store.save(record_of(cell), ARRAYS)
    before = files(store)
    with failing_sync(monkeypatch, after=after):
        store.save(record_of(cell, fit_seconds=9.0), {"y_pred": Y_PRED[::-1]})
    assert files(store) == before
    assert store.read_contents().finished == {cell.key: earlier}
    assert np.array_equal(store.load_y_pred(earlier), Y_PRED)


@pytest.mark.parametrize("after", range(4))
def test_a_write_that_fails_at_any_step_leaves_no_partial_record(
    store, toy_cell, record_of, monkeypatch, after
):
    with failing_sync(monkeypatch, after=after):
        store.save(record_of(toy_cell()), ARRAYS)
    contents = store.read_contents()
    assert contents.broken == []
    assert all(np.array_equal(store.load_y_pred(r), Y_PRED) for r in contents.finished.values())
    assert not [name for name in files(store) if name.endswith(".tmp")]


def test_saving_syncs_each_file_and_its_folder(store, toy_cell, record_of, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store.save(record_of(toy_cell()), ARRAYS)
    assert len(synced) == 4


def test_a_folder_that_cannot_be_written_to_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        Store(tmp_path / "file" / "results").prepare()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"the results folder {tmp_path / 'file' / 'results'} cannot be")
    assert "--results" in message


def test_a_prepared_folder_is_empty(store):
    store.prepare()
    store.prepare()
    assert files(store) == []


# ---------------------------------------------------------------- unfinished cells


def test_each_unfinished_cell_has_its_own_folder_outside_the_records(store, toy_cell):
    cells = [toy_cell(seed=0), toy_cell(seed=1), toy_cell(revision=3), toy_cell(epochs=7)]
    folders = {store.workspace_path(cell) for cell in cells}
    assert len(folders) == 4
    for folder, cell in zip(map(store.workspace_path, cells), cells, strict=True):
        assert folder.name == f"full-seed{cell.seed}-{cell.key}"
        assert folder.parent == store.folder / "unfinished" / "toy"


def test_removing_a_workspace_leaves_those_of_other_cells(store, toy_cell):
    first, second = toy_cell(seed=0), toy_cell(seed=1)
    for cell in (first, second):
        store.workspace_path(cell).mkdir(parents=True)
        (store.workspace_path(cell) / "file").touch()
    store.remove_workspace(first)
    assert not store.workspace_path(first).exists()
    assert (store.workspace_path(second) / "file").exists()
    store.remove_workspace(second)
    assert not store.unfinished.exists()
    store.remove_workspace(second)  # a runner without a workspace has none


def test_a_record_without_the_fields_that_were_added_later_is_read(store, toy_cell, record_of):
    saved = store.save(record_of(toy_cell(), details={"winner": {"n_parameters": 3}}), ARRAYS)
    assert store.read_contents().finished == {saved.key: saved}
    path = store.path(saved)
    fields = json.loads(path.read_text())
    del fields["details"]
    path.write_text(json.dumps(fields))
    contents = store.read_contents()
    assert contents.broken == []
    assert contents.finished[saved.key].details == {}


# ---------------------------------------------------------------- no pickle

SOURCES = sorted(Path(fmbench.__file__).parent.rglob("*.py"))


def parsed(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


# They pickle a call for a process of the same run, and read it from a socket or a message of Dask.
SENDERS_OF_CALLS = {"fork_server.py", "server_process.py", "connection.py", "entry.py"}


@pytest.mark.slow
def test_no_module_imports_a_reader_of_pickles():
    assert len(SOURCES) > 15
    for path in SOURCES:
        for node in parsed(path):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = {part for name in names for part in name.split(".")}
            readers = parts & {"pickle", "_pickle", "cloudpickle", "dill", "shelve"}
            assert not readers or path.name in SENDERS_OF_CALLS, path
            assert not {"joblib.load", "torch.load", "numpy.load"} & set(names), path


@pytest.mark.slow
def test_arrays_are_never_loaded_with_pickle_allowed():
    n_loads = 0
    for path in SOURCES:
        for node in parsed(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            called = ast.unparse(node.func)
            assert called not in ("torch.load", "joblib.load", "pd.read_pickle"), path
            if called in ("np.load", "numpy.load"):
                n_loads += 1
                assert len(node.args) == 1, path
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert keywords in ({}, {"allow_pickle": "False"}), path
    assert n_loads > 0


def test_an_array_of_objects_is_not_saved(store, toy_cell, record_of):
    with pytest.raises(ValueError, match="pickle"):
        store.save(record_of(toy_cell()), {"y_pred": np.array([{}, []], dtype=object)})
    assert files(store) == []
