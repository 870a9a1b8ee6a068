"""A rerun compares a record with a second measurement, and explains a difference if it can."""

import json
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fmbench.audit.rerun import RerunComparison
from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.records.protocols import QUICK
from fmbench.report.tables import table_path
from fmbench.suites.reader import read_suite
from fmbench.utils.environment import collect_versions, cpu_name
from tests.end_to_end.test_cli import assert_one_line_error
from tests.helpers.runs import end_after_block, start_fmbench, wait_for_output, wait_until

pytestmark = pytest.mark.slow


def join_lines(done):
    """What a command printed, on one line."""
    return " ".join(done.stdout.split())


def test_options_of_measuring_are_refused_without_a_rerun(store, run_command):
    common = ("verify", "--results", store.folder)
    for flag, value in (
        ("--jobs", 1), ("--timeout", 9), ("--device", "cpu"), ("--scheduler", "tcp://a:1"),
    ):  # fmt: skip
        assert_one_line_error(run_command(*common, flag, value), f"{flag} needs --rerun")
    assert_one_line_error(
        run_command(*common, "--rerun", "--threads", 1), "--threads has no effect here"
    )
    assert "--threads INTEGER" not in run_command("verify", "--help").stdout


def test_a_rerun_prints_how_many_predictions_differ_and_whether_that_is_explained(
    quick_record, store, source, run_command
):
    common = ("verify", "--rerun", "--results", store.folder, "--data", source.folder)
    done = run_command(*common)
    assert done.returncode == 0, done
    assert "0 of 2000 predictions differ (same versions, same device)" in join_lines(done)
    assert "1 measured again, 1 with the same predictions" in join_lines(done)
    y_pred = store.load_y_pred(quick_record).copy()
    y_pred[:7] = (y_pred[:7] + 1) % 10
    store.save(quick_record, {"y_pred": y_pred})
    table_path(store.folder, read_suite(), "accuracies", QUICK, "csv").unlink()
    done = run_command(*common)
    assert done.returncode == 1
    assert "\n- differs records/gaussian-nb/" in done.stdout
    assert "7 of 2000 predictions differ (same versions, same device)" in join_lines(done)
    older = replace(quick_record, versions={**quick_record.versions, "numpy": "1.0"})
    store.save(older, {"y_pred": y_pred})
    done = run_command(*common, "--json")
    assert done.returncode == 0
    [record] = json.loads(done.stdout)["records"]
    assert (record["again"]["differing"], record["again"]["bad"]) == (7, False)
    assert record["again"]["made_elsewhere"][0].startswith("numpy 1.0, here ")
    done = run_command(*common)
    assert done.returncode == 0
    assert "0 with the same predictions; 1 differ" in join_lines(done)
    assert len(store.list_names()) == 1


def test_the_two_measurements_are_compared_with_each_other_and_not_with_this_machine(
    record_of, lenet5_cell
):
    elsewhere = {"device": "a worker's", "versions": {**collect_versions(), "numpy": "1.0"}}
    old = record_of(lenet5_cell(), **elsewhere)
    assert RerunComparison(old, old, 10, 1).is_bad
    new = record_of(lenet5_cell(), device=cpu_name(), versions=collect_versions())
    assert RerunComparison(old, new, 10, 1).environment_changes == [
        f"numpy 1.0, here {collect_versions()['numpy']}", f"device a worker's, here {cpu_name()}",
    ]  # fmt: skip
    assert RerunComparison(new, old, 10, 1).is_explained_difference
    assert not RerunComparison(new, new, 10, 1).is_explained_difference


def test_the_version_of_fmbench_explains_a_difference_only_for_a_trained_model(
    record_of, lenet5_cell
):
    old = record_of(lenet5_cell(), device=cpu_name(), versions=collect_versions())
    new = replace(old, package={**old.package, "version": "0.2.0"})
    assert RerunComparison(old, new, 10, 1).is_bad
    trained = replace(new, history=[{"epoch": 1, "train_loss": 0.5}])
    assert RerunComparison(old, trained, 10, 1).environment_changes == ["fmbench 0.1.0, here 0.2.0"]


# ---------------------------------------------------------------- plug-ins

PLUG_IN = """
import pathlib, time
from sklearn.dummy import DummyClassifier

FOLDER = pathlib.Path({folder!r})
(FOLDER / "ran").touch()

class Model(DummyClassifier):
    def fit(self, X, y):
        if (FOLDER / "slow").exists():
            (FOLDER / f"fits{{self.constant}}").touch()
            time.sleep(3600)
        return super().fit(X, y)

def make(constant=1):
    return Model(strategy="constant", constant=constant)
"""


@pytest.fixture
def plug_in(store, source, tmp_path, monkeypatch, run_command):
    """A folder with the plug-in ``mine.py``, which has a record, and the options to find it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PLUG_IN.format(folder=str(tmp_path)))
    where = ("--results", store.folder, "--data", source.folder)
    done = run_command("run", "./mine.py:make", "--quick", *where)
    assert done.returncode == 0, done
    (tmp_path / "ran").unlink()
    return tmp_path, where


def test_a_rerun_runs_a_plug_in_only_if_the_user_names_it(plug_in, store, run_command):
    folder, where = plug_in
    for names in ((), [name.runner for name in store.list_names()]):
        done = run_command("verify", *names, "--rerun", *where)
        assert (done.returncode, "measured again" in done.stdout) == (0, False), done
        assert "1 records of ./mine.py:make" in done.stderr
        assert "name it to run its code" in done.stderr
        assert not (folder / "ran").exists()
    done = run_command("verify", "./mine.py:make", "--rerun", *where)
    assert done.returncode == 0, done
    assert "runs the code of ./mine.py" in done.stderr
    assert "0 of 2000 predictions differ" in join_lines(done)
    (folder / "mine.py").write_text("make = None\n")
    done = run_command("verify", "./mine.py:make", "--rerun", *where)
    assert done.returncode == 1
    assert "source sha256:" in join_lines(done) and "runs the code" not in done.stderr


def test_ctrl_c_ends_a_rerun_and_keeps_nothing_of_it(plug_in, run_command):
    folder, where = plug_in
    common = ("./mine.py:make", "--quick", *where, "-p", "constant=2", "--threads", 2)
    assert run_command("run", *common).returncode == 0
    (folder / "slow").touch()
    with end_after_block(start_fmbench("verify", "./mine.py:make", "--rerun", *where)) as process:
        wait_until((folder / "fits1").exists, process=process)
        process.send_signal(signal.SIGINT)
        _, err = wait_for_output(process)
    assert process.returncode == 130
    assert "are compared, and then discarded" in err and "run the same command again" not in err
    assert not (folder / "fits2").exists()


def test_a_later_run_removes_what_a_killed_rerun_has_left(
    plug_in, tmp_path_factory, run_command, monkeypatch
):
    folder, where = plug_in
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (folder / "slow").touch()
    with end_after_block(start_fmbench("verify", "./mine.py:make", "--rerun", *where)) as process:
        wait_until((folder / "fits1").exists, process=process)
        process.kill()
        process.wait()
    assert any((left / "records").exists() for left in temporary.iterdir())
    (folder / "slow").unlink()

    def is_removed():
        assert run_command("run", "./mine.py:make", "--quick", "--force", *where).returncode == 0
        return not list(temporary.glob("fmbench-*"))

    wait_until(is_removed)  # the killed run's own processes hold their folder until they end


# ---------------------------------------------------------------- clusters


def test_a_cluster_gets_the_temporary_folder_and_not_the_results_folder(
    quick_record, store, source, monkeypatch
):
    folders = []

    @contextmanager
    def connect(address, results, retries, warn):
        folders.append(results)
        raise UserError("no cluster in this test")
        yield

    monkeypatch.setattr("fmbench.execution.cluster.client.connect_to_cluster", connect)
    flags = ("--rerun", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1")
    where = ("--results", store.folder, "--data", source.folder)
    with pytest.raises(UserError, match="no cluster in this test"):
        cli.main(["verify", *flags, *map(str, where)], standalone_mode=False)
    assert folders and folders[0] != store.folder
