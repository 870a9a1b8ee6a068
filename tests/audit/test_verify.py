"""`fmbench verify` finds every fault of a record and reports none for an intact record."""

import csv
import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.evaluation import read_results
from fmbench.audit.verify import TableVerifier, Verifier
from fmbench.datasets.specs import MNIST_DIGITS
from fmbench.records.cells import Cell, compute_key
from fmbench.records.protocols import FULL, PROTOCOLS, QUICK
from fmbench.records.record import RecordName
from fmbench.records.store import Store
from fmbench.report.tables import table_path, write_tables
from fmbench.suites.bundled import CHECKOUT
from fmbench.suites.reader import read_suite
from tests.end_to_end.test_cli import assert_one_line_error
from tests.helpers.raw_records import pack_arrays, write_predictions

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("name", ["lenet5", "cnn-bn", "gaussian-nb"])
def test_an_intact_record_of_every_protocol_is_fine(save, check, protocol, name):
    save(Cell(runners.get_runner(name), protocol, 0))
    assert check() == ("fine", "")


def test_intact_records_of_digits_and_of_other_readings_are_fine(save, store, source, lenet5_cell):
    save(Cell(runners.get_runner("lenet5"), PROTOCOLS["digits"], 0, MNIST_DIGITS))
    save(lenet5_cell(overrides={"optimizer": "adam", "momentum": 0.0, "activation": "relu"}))
    verifier = Verifier(store, {source.spec.name: source})
    checks = verifier.check_records(store.read_contents())
    assert [check.state for check in checks] == ["fine", "fine"]


def test_a_record_of_an_older_recipe_is_stale_and_the_change_is_named(save, check, lenet5_cell):
    cell = lenet5_cell()
    revision = cell.runner.revision
    save(replace(cell, runner=replace(cell.runner, revision=revision + 3)))
    assert check() == ("stale", f"revision {revision + 3} -> {revision}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data_sha256": "0" * 64}, "data 00000000... -> "),
        ({"runner": "no-such"}, "there is no runner no-such any more"),
        ({"variant": "magic=1"}, "its variant 'magic=1' does not fit its hyperparameters"),
        ({"protocol": {"name": "nosuch"}}, "there is no protocol nosuch any more"),
        ({"hyperparameters": {"epochs": 3}}, "epochs 3 -> "),
    ],
)
def test_a_record_of_something_that_does_not_exist_any_more_is_stale(
    save, check, lenet5_cell, change, why
):
    cell = lenet5_cell()
    definition = {**cell.to_definition(), **change}
    changes = {"cell": definition, "key": compute_key(definition), "overrides": None}
    save(cell, changes=changes)
    state, reason = check()
    assert state == "stale" and why in reason


ZEROS = np.zeros(10_000, np.uint8)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        (
            {"epoch_y_pred": np.stack([ZEROS, ZEROS])},
            "the accuracy of epoch 1 is stored as 0.5000, but its predictions give",
        ),
        ({"flagged_best_epoch": ZEROS}, "is not what its best epoch predicted"),
    ],
)
def test_predictions_that_contradict_the_labels_or_the_history_are_wrong(save, check, arrays, why):
    save(Cell(runners.get_runner("cnn-bn"), FULL, 0), **arrays)
    state, reason = check()
    assert state == "wrong" and why in reason


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"y_pred": ZEROS[:-1]}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": ZEROS + np.uint8(10)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": ZEROS.astype(np.int64)}, "y_pred is <i8, not uint8 or float16"),
        ({"scores": np.zeros((10_000, 9), np.float16)}, "scores are float16 (10000, 9)"),
        ({"flagged_best_epoch": ZEROS[:-1]}, "flagged_best_epoch is not 10000 classes"),
        ({"epoch_y_pred": np.stack([ZEROS])}, "epoch_y_pred is not classes (2, 10000)"),
    ],
)
def test_predictions_of_other_images_or_classes_are_broken_even_if_their_checksum_fits(
    save, check, arrays, why
):
    save(Cell(runners.get_runner("cnn-bn"), FULL, 0), **arrays)
    state, reason = check()
    assert state == "broken" and why in reason


@pytest.mark.parametrize("missing", ["epoch_y_pred", "flagged_best_epoch"])
def test_a_record_without_the_predictions_after_each_epoch_is_wrong(store, save, check, missing):
    record = save(Cell(runners.get_runner("cnn-bn"), FULL, 0))
    arrays = dict(store.load_arrays(store.find_record(RecordName.from_record(record))))
    del arrays[missing]
    write_predictions(store.path(record), pack_arrays(arrays))
    assert check() == ("wrong", f"it has no {missing}")


def test_labels_that_are_not_those_of_the_data_set_are_wrong(save, check, lenet5_cell):
    save(lenet5_cell(), y_true=ZEROS)
    assert check() == ("wrong", "its labels are not those of the data set")


def test_predictions_with_a_changed_byte_are_broken(save, check, store, lenet5_cell):
    path = store.path(save(lenet5_cell())).with_suffix(".npz")
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    state, why = check()
    assert state == "broken" and "damaged" in why


def test_predictions_that_are_not_an_archive_are_broken_even_if_their_checksum_fits(
    save, check, store, lenet5_cell
):
    path = store.path(save(lenet5_cell()))
    path.with_suffix(".npz").write_bytes(b"not a zip")
    fields = json.loads(path.read_text())
    fields["predictions_sha256"] = hashlib.sha256(b"not a zip").hexdigest()
    path.write_text(json.dumps(fields))
    state, why = check()
    assert state == "broken" and "it is not an archive of arrays" in why


def test_a_record_of_another_version_is_unknown(save, check, lenet5_cell):
    save(lenet5_cell(), changes={"schema": 2})
    assert check() == ("unknown", "schema version 2, but this fmbench reads version 1")


@pytest.mark.parametrize("name", ["reference", "gpu", "until-decided"])
def test_every_committed_record_and_table_is_fine(run_command, name):
    folder = CHECKOUT / "results" / name
    done = run_command("verify", "--results", folder)
    n = len(Store(folder).list_names())
    printed = f"Records of {folder}\n\n{n} records: {n} fine\n"
    assert (done.returncode, done.stdout) == (0, printed), done


def test_the_command_prints_a_line_for_each_fault_and_a_summary(
    quick_record, store, save, source, lenet5_cell, run_command
):
    cell = lenet5_cell()
    stale = save(replace(cell, runner=replace(cell.runner, revision=99)))
    broken = store.records / "sgd" / "full-seed0-0123456789abcdef.json"
    broken.parent.mkdir()
    broken.write_text("{")
    common = ("verify", "--results", store.folder, "--data", source.folder)
    done = run_command(*common, "--format", "csv")
    assert done.returncode == 1
    first, second = list(csv.DictReader(io.StringIO(done.stdout)))
    assert (first["state"], first["file"]) == ("broken", str(broken))
    assert (second["state"], second["file"]) == ("stale", str(store.path(stale)))
    assert second["why"].startswith("revision 99 -> ")
    text = run_command(*common).stdout
    assert f"\n- broken {broken.relative_to(store.folder)}: " in text
    assert text.endswith("\n\n3 records: 1 broken, 1 fine, 1 stale\n")
    content = json.loads(run_command(*common, "--json").stdout)
    assert [record["state"] for record in content["records"]] == ["broken", "fine", "stale"]
    assert run_command(*common, "gaussian-nb").returncode == 0
    assert_one_line_error(run_command(*common, "sgdd"), "unknown runner 'sgdd'")
    assert_one_line_error(
        run_command("verify", "--results", store.folder / "no"), "no results folder"
    )


# ---------------------------------------------------------------- tables


@pytest.fixture
def table(quick_record, store):
    """The file of a quick run's table of accuracies."""
    return table_path(store.folder, read_suite(), "accuracies", QUICK, "csv")


def test_a_table_with_another_figure_than_its_records_is_named(table, store, source, run_command):
    rows = csv.DictReader(io.StringIO(table.read_text()))
    [mean] = [row["mean"] for row in rows if row["runner"] == "gaussian-nb"]
    table.write_text(table.read_text().replace(mean, "98.80"))
    done = run_command("verify", "--results", store.folder, "--data", source.folder)
    assert done.returncode == 1
    why = f"GaussianNB: mean is 98.80 in the file, but its records give {mean}"
    text = " ".join(done.stdout.split())
    assert f"- wrong {table.relative_to(store.folder)}: {why}: `fmbench table --quick" in text
    assert done.stdout.endswith("1 record: 1 fine; 1 table differs from its records\n")


def test_a_table_that_cannot_be_read_or_has_other_rows_is_named(table, store, source, run_command):
    content, common = table.read_bytes(), ("--results", store.folder, "--data", source.folder)
    [row] = [line for line in content.splitlines() if b"gaussian-nb" in line]
    for bad, why in (
        (b"\xff\xfe" + content, f"{table.relative_to(store.folder)}: cannot be read: "),
        (b"one\n1,2,3\n", "is missing in the file, but its records give "),
        (content + row.replace(b"gaussian-nb", b"dream") + b"\n", "records give no such row"),
        (content + row + b"\n", "GaussianNB: its records give no such row"),
    ):
        table.write_bytes(bad)
        done = run_command("verify", *common)
        assert (done.returncode, done.stderr) == (1, ""), done
        assert why in " ".join(done.stdout.split())


def test_a_row_of_fmbenchs_own_is_no_difference_but_a_figure_without_a_record_is_one(tmp_path):
    suite, folder = read_suite(), tmp_path / "results"
    results = read_results(folder, suite)
    write_tables(results)
    path = table_path(folder, suite, "accuracies", FULL, "csv")
    tables = TableVerifier(folder, suite, lambda protocol: read_results(folder, suite, protocol))
    content = path.read_text()
    assert tables.differences == []
    path.write_text(content.replace("90.83", "90.84"))  # of another version of fmbench
    assert replace(tables).differences == []
    path.write_text(content.replace(",fmbench,", ",here,"))
    [(found, why)] = replace(tables).differences
    assert found == path and "in the file, but its records give none" in why


def test_unreadable_predictions_print_one_line_even_if_a_table_needs_them(
    quick_record, store, source, run_command
):
    path = store.path(quick_record)
    path.with_suffix(".npz").write_bytes(b"not a zip")
    digest = hashlib.sha256(b"not a zip").hexdigest()
    path.write_text(path.read_text().replace(quick_record.predictions_sha256, digest))
    where = ("--results", store.folder, "--data", source.folder)
    done = run_command("verify", *where)
    assert (done.returncode, done.stderr) == (1, ""), done
    text = " ".join(done.stdout.split())
    assert f"- broken {path.relative_to(store.folder)}: " in text and "npz is damaged: " in text
    done = run_command("table", "--quick", *where)
    assert done.returncode == 2 and "| GaussianNB " in done.stdout
    assert done.stderr.startswith(f"fmbench: left out {path}: ")
    assert "npz is damaged: it is not an archive of arrays" in done.stderr
