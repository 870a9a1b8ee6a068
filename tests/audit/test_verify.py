"""Whatever is wrong with a record is found and said, and nothing is said of one that holds."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.audit.lookup import Counterparts, code_of
from fmbench.audit.rerun import Repetition
from fmbench.audit.verify import Verifier
from fmbench.cli.main import cli
from fmbench.datasets.specs import FASHION_MNIST, MNIST_DIGITS
from fmbench.errors import UserError
from fmbench.records.cells import Cell, key_of
from fmbench.records.protocols import FULL, PROTOCOLS, labels
from fmbench.records.store import Store
from fmbench.suites.bundled import CHECKOUT, find
from fmbench.suites.entries import of_suite
from fmbench.suites.reader import read
from fmbench.utils.environment import cpu_name, versions
from tests.end_to_end.test_cli import assert_one_line_error, fmbench
from tests.execution.test_schedule import wait_until


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


@pytest.fixture
def save(store, source, record_of):
    """Saves a record as a run would leave it: by default half of its predictions are right."""

    def save(cell, *, changes=None, **arrays):
        y_true = labels(cell.protocol, source)
        wrong = ((y_true + 1) % 10).astype(np.uint8)
        half = np.where(np.arange(len(y_true)) % 2, y_true, wrong)
        own = {"y_pred": half}
        facts = {"device": cpu_name(), "versions": versions(), "threads": 1}
        if cell.runner.uses_gpu and cell.protocol.detailed:
            own["epoch_y_pred"] = np.stack([half, wrong])
            accuracies = [float((half == y_true).mean()), 0.0]
            facts["history"] = [
                {"epoch": epoch, "train_accuracy": 0.5, "heldout_accuracy": accuracy}
                for epoch, accuracy in enumerate(accuracies, 1)
            ]
            if "best_epoch" in cell.runner.flagged:
                own["flagged_best_epoch"] = half
        if cell.dataset == MNIST_DIGITS:
            own["y_true"] = y_true
        record = replace(record_of(cell), **{**facts, **(changes or {})})
        return store.save(record, {**own, **arrays})

    return save


@pytest.fixture
def found(store, source):
    """What is found of the one record there is: its state and why."""

    def found():
        [finding] = Verifier(store, {source.spec.name: source}).findings(store.read())
        return finding.state, finding.why

    return found


def lenet(**changes):
    return Cell(runners.get("lenet5"), FULL, 0, **changes)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("name", ["lenet5", "cnn-bn", "gaussian-nb"])
def test_a_record_of_every_protocol_holds(save, found, protocol, name):
    save(Cell(runners.get(name), protocol, 0))
    assert found() == ("fine", "")


def test_records_of_digits_and_of_other_readings_hold(save, found, store, source):
    save(Cell(runners.get("lenet5"), PROTOCOLS["digits"], 0, MNIST_DIGITS))
    save(lenet(overrides={"optimizer": "adam", "momentum": 0.0, "activation": "relu"}))
    findings = Verifier(store, {source.spec.name: source}).findings(store.read())
    assert [finding.state for finding in findings] == ["fine", "fine"]


def test_a_row_of_a_bundled_suite_has_its_counterpart(record_of):
    rows, _ = of_suite(read(find("xiao2017")))
    for entry in list(rows.values())[::25]:
        cell = entry.cell(FULL, 0)
        assert Counterparts().of(record_of(cell)).key == cell.key


def test_a_row_of_another_suite_is_unknown_until_that_is_named(save, found, record_of, tmp_path):
    text = find("xiao2017").read_text(encoding="utf-8").replace("max_depth = 10", "max_depth = 7")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    mine = read(tmp_path / "mine.toml")
    cells = [entry.cell(FULL, 0) for entry in of_suite(mine)[0].values()]
    cell = next(cell for cell in cells if "max_depth=7" in cell.variant)
    save(replace(cell, dataset=FASHION_MNIST))
    assert found() == ("unknown", "of a row of another suite: --suite names its file")
    assert Counterparts(mine).of(record_of(cell)).key == cell.key


def test_what_today_would_be_made_otherwise_is_stale_and_says_how(save, found):
    cell = lenet()
    save(replace(cell, runner=replace(cell.runner, revision=cell.runner.revision + 3)))
    revision = cell.runner.revision
    assert found() == ("stale", f"revision {revision + 3} -> {revision}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data_sha256": "0" * 64}, "data 00000000... -> "),
        ({"runner": "no-such"}, "no runner no-such any more"),
        ({"variant": "magic=1"}, "its variant 'magic=1' cannot be read"),
        ({"protocol": {"name": "nosuch"}}, "no protocol nosuch any more"),
        ({"hyperparameters": {"epochs": 3}}, "epochs 3 -> "),
    ],
)
def test_what_is_no_more_is_stale_too(save, found, change, why):
    cell = lenet()
    definition = {**cell.definition(), **change}
    save(cell, changes={"cell": definition, "key": key_of(definition)})
    state, said = found()
    assert state == "stale" and why in said


ZEROS = np.zeros(10_000, np.uint8)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"y_pred": ZEROS[:-1]}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": ZEROS + np.uint8(10)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"y_pred": ZEROS.astype(np.int64)}, "y_pred is not 10000 classes from 0 to 9"),
        ({"scores": np.zeros((10_000, 9), np.float16)}, "scores have shape (10000, 9)"),
        ({"epoch_y_pred": np.stack([ZEROS])}, "epoch_y_pred is not classes (2, 10000)"),
        ({"epoch_y_pred": np.stack([ZEROS, ZEROS])}, "epoch 1 says 0.5000, its predictions give"),
        ({"flagged_best_epoch": ZEROS}, "is not what its best epoch predicted"),
    ],
)
def test_predictions_that_contradict_the_labels_or_the_curve_are_wrong(save, found, arrays, why):
    save(Cell(runners.get("cnn-bn"), FULL, 0), **arrays)
    state, said = found()
    assert state == "wrong" and why in said


def test_labels_that_are_not_the_data_sets_are_wrong(save, found):
    save(lenet(), y_true=ZEROS)
    assert found() == ("wrong", "its labels are not those of the data set")


def test_a_changed_byte_of_the_predictions_is_broken(save, found, store):
    path = store.path(save(lenet())).with_suffix(".npz")
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    state, why = found()
    assert state == "broken" and "damaged" in why


def test_predictions_that_cannot_be_unpacked_are_broken_though_their_checksum_fits(
    save, found, store
):
    path = store.path(save(lenet()))
    path.with_suffix(".npz").write_bytes(b"not a zip")
    fields = json.loads(path.read_text())
    fields["predictions_sha256"] = hashlib.sha256(b"not a zip").hexdigest()
    path.write_text(json.dumps(fields))
    state, why = found()
    assert state == "broken" and "cannot be read" in why


def test_a_plug_in_that_is_gone_is_unknown(save, found, record_of, tmp_path):
    runner = replace(runners.get("gaussian-nb"), name="gone", source="sha256:0")
    gone = {"runner": f"{tmp_path}/gone.py:make", "parameters": {}, "deterministic": True}
    save(Cell(runner, FULL, 0), changes={"asked": gone})
    state, why = found()
    assert state == "unknown" and "gone.py" in why


@pytest.mark.parametrize("runner", ["gaussian-nb", "mine-make"])
def test_a_record_that_names_the_code_of_another_runner_is_unknown(save, found, runner):
    other = replace(runners.get("gaussian-nb"), name=runner, source="sha256:0")
    asked = {"runner": "subprocess:Popen", "parameters": {}, "deterministic": True}
    save(Cell(other, FULL, 0), changes={"asked": asked})
    state, why = found()
    assert state == "unknown" and "subprocess:Popen is the code of " in why


def test_a_record_of_another_version_is_unknown(save, found):
    save(lenet(), changes={"schema": 2})
    assert found() == ("unknown", "version 2, this fmbench reads version 1")


def test_the_committed_run_holds():
    done = fmbench("verify", "--results", CHECKOUT / "results" / "reference")
    n = len(Store(CHECKOUT / "results" / "reference").names())
    assert (done.returncode, done.stdout) == (0, f"{n} records: {n} fine\n"), done


@pytest.fixture(scope="module")
def measured(tmp_path_factory, source):
    folder = tmp_path_factory.mktemp("measured")
    done = fmbench("run", "gaussian-nb", "--quick", "--results", folder, "--data", source.folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def quick(measured, store):
    """A folder with one record of a real run, and its table."""
    shutil.copytree(measured, store.folder, dirs_exist_ok=True)
    [record] = store.read().finished.values()
    return record


def test_a_line_a_fault_a_summary_and_status_1(quick, store, save, source):
    cell = lenet()
    stale = save(replace(cell, runner=replace(cell.runner, revision=99)))
    broken = store.records / "sgd" / "full-seed0-0123456789abcdef.json"
    broken.parent.mkdir()
    broken.write_text("{")
    common = ("verify", "--results", store.folder, "--data", source.folder)
    done = fmbench(*common)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"broken  {broken}: ")
    assert lines[1].startswith(f"stale   {store.path(stale)}: revision 99 -> ")
    assert lines[2] == "3 records: 1 broken, 1 fine, 1 stale"
    content = json.loads(fmbench(*common, "--json").stdout)
    assert [record["state"] for record in content["records"]] == ["broken", "fine", "stale"]
    assert fmbench(*common, "gaussian-nb").returncode == 0
    assert_one_line_error(fmbench(*common, "sgdd"), "holds no record of sgdd")
    assert_one_line_error(fmbench("verify", "--results", store.folder / "no"), "no results folder")


def test_a_table_that_says_otherwise_is_named(quick, store, source):
    table = store.folder / "table3-quick.csv"
    [mean] = [row.split(",")[5] for row in table.read_text().splitlines() if "gaussian-nb" in row]
    table.write_text(table.read_text().replace(mean, "98.80"))
    done = fmbench("verify", "--results", store.folder, "--data", source.folder)
    assert done.returncode == 1
    assert f"table3-quick.csv: GaussianNB: mean is 98.80, its records give {mean}" in done.stdout
    assert done.stdout.endswith("1 records: 1 fine; 1 tables say otherwise\n")


def test_a_table_that_is_none_or_says_more_is_named(quick, store, source):
    table = store.folder / "table3-quick.csv"
    content, common = table.read_bytes(), ("--results", store.folder, "--data", source.folder)
    [row] = [line for line in content.splitlines() if b"gaussian-nb" in line]
    for bad, why in (
        (b"\xff\xfe" + content, "table3-quick.csv: cannot be read: "),
        (b"one\n1,2,3\n", "is nothing, its records give "),
        (content + row.replace(b"gaussian-nb", b"dream") + b"\n", "records give no such row"),
        (content + row + b"\n", "GaussianNB: its records give no such row"),
    ):
        table.write_bytes(bad)
        done = fmbench("verify", *common)
        assert (done.returncode, done.stderr) == (1, ""), done
        assert why in done.stdout


def test_bad_predictions_are_a_line_though_a_table_is_made_of_them(quick, store, source):
    path = store.path(quick)
    path.with_suffix(".npz").write_bytes(b"not a zip")
    digest = hashlib.sha256(b"not a zip").hexdigest()
    path.write_text(path.read_text().replace(quick.predictions_sha256, digest))
    where = ("--results", store.folder, "--data", source.folder)
    done = fmbench("verify", *where)
    assert (done.returncode, done.stderr) == (1, ""), done
    assert done.stdout.startswith(f"broken  {path}: ") and "npz is damaged: " in done.stdout
    assert_one_line_error(fmbench("table", "--quick", *where), "npz is damaged: ")


def test_flags_of_measuring_are_refused_where_nothing_is_measured(store):
    common = ("verify", "--results", store.folder)
    for flag, value in (
        ("--jobs", 1), ("--timeout", 9), ("--device", "cpu"), ("--scheduler", "tcp://a:1"),
    ):  # fmt: skip
        assert_one_line_error(fmbench(*common, flag, value), f"{flag} without --rerun")
    assert_one_line_error(fmbench(*common, "--rerun", "--threads", 1), "no option --threads")
    assert "--threads" not in fmbench("verify", "--help").stdout


def test_a_rerun_says_how_many_predictions_differ_and_whether_they_may(quick, store, source):
    common = ("verify", "--rerun", "--results", store.folder, "--data", source.folder)
    done = fmbench(*common)
    assert done.returncode == 0, done
    assert "0 of 2000 predictions differ (same versions, same device)" in done.stdout
    assert "1 measured again, 1 with the same predictions" in done.stdout
    y_pred = store.y_pred(quick)
    y_pred[:7] = (y_pred[:7] + 1) % 10
    store.save(quick, {"y_pred": y_pred})
    (store.folder / "table3-quick.csv").unlink()
    done = fmbench(*common)
    assert done.returncode == 1
    assert done.stdout.startswith("differs ")
    assert "7 of 2000 predictions differ (same versions, same device)" in done.stdout
    store.save(replace(quick, versions={**quick.versions, "numpy": "1.0"}), {"y_pred": y_pred})
    done = fmbench(*common, "--json")
    assert done.returncode == 0
    [record] = json.loads(done.stdout)["records"]
    assert (record["again"]["differing"], record["again"]["bad"]) == (7, False)
    assert record["again"]["made_elsewhere"][0].startswith("numpy 1.0, here ")
    said = "0 with the same predictions; 1 differ and are excused: made elsewhere, or on a GPU\n"
    assert fmbench(*common).stdout.endswith(said)
    assert len(store.names()) == 1


def test_what_counts_is_where_the_second_was_made_not_where_they_are_compared(record_of):
    made = {"device": "a worker's", "versions": {**versions(), "numpy": "1.0"}}
    old = record_of(lenet(), **made)
    assert Repetition(old, old, 10, 1).bad
    new = record_of(lenet(), device=cpu_name(), versions=versions())
    assert Repetition(old, new, 10, 1).elsewhere == [
        f"numpy 1.0, here {versions()['numpy']}", f"device a worker's, here {cpu_name()}",
    ]  # fmt: skip
    assert Repetition(new, old, 10, 1).excused and not Repetition(new, new, 10, 1).excused
    later = replace(new, package={**new.package, "version": "0.2.0"})
    assert Repetition(new, later, 10, 1).bad  # not trained: nothing of fmbench's is in it
    trained = replace(later, history=[{"epoch": 1, "train_loss": 0.5}])
    assert Repetition(new, trained, 10, 1).elsewhere == ["fmbench 0.1.0, here 0.2.0"]


MINE = """
import pathlib, time
from sklearn.dummy import DummyClassifier

HERE = pathlib.Path({here!r})
(HERE / "ran").touch()

class Model(DummyClassifier):
    def fit(self, X, y):
        if (HERE / "slow").exists():
            (HERE / f"fits{{self.constant}}").touch()
            time.sleep(60)
        return super().fit(X, y)

def make(constant=1):
    return Model(strategy="constant", constant=constant)
"""


@pytest.fixture
def mine(store, source, tmp_path, monkeypatch):
    """A folder with ``mine.py``, of which there is a record; and the flags that say where."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(here=str(tmp_path)))
    where = ("--results", store.folder, "--data", source.folder)
    done = fmbench("run", "./mine.py:make", "--quick", *where)
    assert done.returncode == 0, done
    (tmp_path / "ran").unlink()
    return tmp_path, where


def test_a_rerun_runs_a_plug_in_only_if_it_is_named_and_says_so(mine, store):
    folder, where = mine
    for names in ((), [name.runner for name in store.names()]):
        done = fmbench("verify", *names, "--rerun", *where)
        assert (done.returncode, "measured again" in done.stdout) == (0, False), done
        assert "1 records of ./mine.py:make" in done.stderr
        assert "name it to run its code again" in done.stderr
        assert not (folder / "ran").exists()
    done = fmbench("verify", "./mine.py:make", "--rerun", *where)
    assert done.returncode == 0, done
    assert "runs the code of ./mine.py" in done.stderr
    assert "0 of 2000 predictions differ" in done.stdout
    (folder / "mine.py").write_text("make = None\n")
    done = fmbench("verify", "./mine.py:make", "--rerun", *where)
    assert done.returncode == 1
    assert "source sha256:" in done.stdout and "runs the code" not in done.stderr


def test_the_code_that_a_record_names_is_what_would_be_run_however_it_is_written(record_of):
    def code(target, **parameters):
        asked = {"runner": target, "parameters": parameters, "deterministic": True}
        return code_of(record_of(lenet(), asked=asked))

    assert code_of(record_of(lenet())) is None
    assert code("lenet5", momentum=0.0) is None
    assert code("subprocess:Popen", args="x") == "subprocess:Popen"
    assert code("lenet5", **{"/../evil.py:make": 1}) not in (None, "lenet5")


def test_ctrl_c_ends_a_rerun_and_says_what_is_left_of_it(mine):
    folder, where = mine
    common = ("./mine.py:make", "--quick", *where, "-p", "constant=2", "--threads", 2)
    assert fmbench("run", *common).returncode == 0
    (folder / "slow").touch()
    command = ["verify", "./mine.py:make", "--rerun", *map(str, where)]
    with subprocess.Popen([sys.executable, "-m", "fmbench", *command], stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, text=True) as process:  # fmt: skip
        wait_until((folder / "fits1").exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "nothing of it is kept" in err and "goes on from here" not in err
    assert not (folder / "fits2").exists()


def test_a_cluster_is_told_of_the_temporary_folder(quick, store, source, monkeypatch):
    told = []

    @contextmanager
    def connected(address, results, retries, warn):
        told.append(results)
        raise UserError("no cluster in this test")
        yield

    monkeypatch.setattr("fmbench.execution.cluster.client.connected", connected)
    flags = ("--rerun", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1")
    where = ("--results", store.folder, "--data", source.folder)
    with pytest.raises(UserError, match="no cluster in this test"):
        cli.main(["verify", *flags, *map(str, where)], standalone_mode=False)
    assert told and told[0] != store.folder
