"""What `fmbench run` prints and measures. No cell is measured: a simulated backend answers."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex

import pytest

from fmbench.api.results import load_results
from fmbench.datasets import loading, locate
from fmbench.errors import UserError
from fmbench.execution import schedule
from fmbench.execution.backend import LaunchResult
from fmbench.records.record import RecordName
from fmbench.records.store import Store
from tests.helpers.commands import call_fmbench
from tests.helpers.simulated import SimulatedBackend

SUITE = """
title = "Mine"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 1"
label = "Mine"
runner = "gaussian-nb"
claimed = "57.0"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Tree"
runner = "extra-tree"
claimed = "77.5"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Network"
runner = "lenet5"
claimed = "91.2"
recipe = "stated"
"""

OWN_MODEL = """
from sklearn.naive_bayes import GaussianNB
def make(*, var_smoothing=0.2):
    return GaussianNB(var_smoothing=var_smoothing)
"""


@pytest.fixture
def backend(monkeypatch):
    simulated = SimulatedBackend(0.5, 0.7)
    monkeypatch.setattr(schedule, "LocalBackend", lambda *, neural: simulated)
    return simulated


@pytest.fixture
def suite(tmp_path):
    """A suite of three rows."""
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def run(backend, tmp_path, source, suite, monkeypatch):
    """Calls `fmbench run` for a suite on an empty results folder."""
    monkeypatch.setattr(loading, "verify_files", lambda *args: None)  # it takes long

    def call(*arguments):
        common = ("--results", tmp_path / "results", "--data", source.folder)
        return call_fmbench("run", "--suite", suite, *arguments, *common)

    return call


def list_seeds(tmp_path):
    names = Store(tmp_path / "results").list_names()
    return sorted((name.runner, name.seed) for name in names)


def test_a_run_of_named_runners_prints_their_rows_and_notes_only(run, tmp_path):
    done = run("gaussian-nb", "--suite", "kayed2020", "--format", "csv")
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["runner"], row["mean"], row["measured_by"]) == ("gaussian-nb", "50.00", "here")
    text = run("gaussian-nb", "--suite", "kayed2020").stdout
    assert text.count("| gaussian-nb ") == 1 and "lenet5" not in text
    assert "- GaussianNB: The source says 0.511." in text and "\n- CNN-LeNet-5" not in text
    written = (tmp_path / "results" / "kayed2020" / "accuracies.md").read_text()
    assert "| lenet5 " in written, "the file has every row"


def test_the_line_of_a_finished_cell_says_its_accuracy(run):
    done = run("extra-tree", "--seeds", 2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert [re.sub(r"; .*", "", line) for line in lines] == [
        "[1/2] extra-tree seed 0: accuracy 50.00 %, fit 2.0 s",
        "[2/2] extra-tree seed 1: accuracy 70.00 %, fit 2.0 s",
    ]


def test_before_the_first_cell_a_line_says_what_is_known_already(run):
    done = run("gaussian-nb", "extra-tree", "--seeds", 1)
    [line] = [line for line in done.stderr.splitlines() if "known already" in line]
    assert ": 2 of 2 rows by fmbench's own measurements; `fmbench table gaussian-nb " in line
    assert done.stderr.index(line) < done.stderr.index("[1/2]")
    assert "known already" not in done.stdout
    command = shlex.split(line.split("`")[1])[1:]
    assert call_fmbench(*command).returncode == 0
    again = run("gaussian-nb", "extra-tree", "--seeds", 2)
    assert "known already: 2 of 2 rows by records in " in again.stderr
    assert "known already" not in run("extra-tree", "--quick").stderr, "nobody did that"


def test_a_suite_of_ones_own_is_told_what_fmbench_has_measured(run, backend):
    done = run("gaussian-nb")
    assert "known already: 1 of 1 row by fmbench's own measurements" in done.stderr
    assert [cell.runner.name for cell in backend.cells] == ["gaussian-nb"]


@pytest.mark.parametrize("format_", ["text", "md", "csv", "tex", "json", "html"])
def test_a_quick_run_has_no_gap_and_no_interval_and_says_that_it_is_quick(run, format_):
    done = run("extra-tree", "--quick", "--seeds", 2, "--format", format_)
    assert done.returncode == 0, done.stderr
    assert "60.00" in done.stdout or "60.0" in done.stdout, "the mean of 50 and 70 percent"
    if format_ not in ("csv", "json"):
        assert "quick run" in " ".join(done.stdout.split())
    for text in ("-17.50", "to 100", "100.00", "0.00 to"):
        assert text not in done.stdout
    if format_ == "json":
        [row] = json.loads(done.stdout)
        assert (row["gap"], row["low"], row["high"], row["verdict"]) == (None,) * 4


def test_a_quick_result_has_no_gap_in_python_either(run, tmp_path, source, suite):
    run("extra-tree", "--quick")
    found = load_results(tmp_path / "results", suite, quick=True, data=source.folder)
    [row] = found.to_frame().query("runner == 'extra-tree'").to_dict("records")
    assert row["n"] == 2 and row["mean"] == pytest.approx(0.6)
    assert all(row[name] is None or row[name] != row[name] for name in ("gap", "low", "high"))


def test_a_dry_run_prints_the_plan_and_measures_writes_and_fetches_nothing(
    backend, tmp_path, monkeypatch
):
    monkeypatch.setattr(locate, "find_user_cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("FMBENCH_DATA", raising=False)
    arguments = ("gaussian-nb", "extra-tree", "--dry-run", "--results", tmp_path / "none")
    done = call_fmbench("run", *arguments, "-j", 1, "--format", "json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [(row["row"], row["cells"], row["to_do"]) for row in plan["rows"]] == [
        ("gaussian-nb", 1, 1), ("extra-tree", 5, 5),
    ]  # fmt: skip
    assert (plan["cells"], plan["to_do"], plan["jobs"]) == (6, 6, 1)
    assert 0 < plan["core_seconds"] == pytest.approx(plan["seconds"])
    text = " ".join(call_fmbench("run", *arguments, "--format", "text").stdout.split())
    assert "6 of 6 cells must be measured: about " in text and "Nothing was measured" in text
    assert not backend.cells and not list(tmp_path.iterdir())


def test_a_dry_run_says_which_data_the_run_would_fetch(tmp_path, monkeypatch):
    def find_nothing(spec, folder=None, *, fetch=False):
        assert not fetch
        raise UserError("it is not here")

    monkeypatch.setattr(locate, "locate_dataset", find_nothing)
    done = call_fmbench("run", "gaussian-nb", "--dry-run", "--results", tmp_path / "none")
    assert done.returncode == 0
    assert "Fashion-MNIST is not on this machine: the run fetches it" in done.stderr


def test_a_dry_run_of_one_cell_counts_in_the_singular(run):
    assert "1 of 1 cell must be measured" in run("gaussian-nb", "--dry-run").stdout


def test_a_run_that_has_nothing_to_do_counts_its_cells(run):
    run("gaussian-nb", "extra-tree", "--seeds", 1)
    one, two = run("gaussian-nb"), run("gaussian-nb", "extra-tree", "--seeds", 1)
    assert "nothing to do: 1 cell is measured already (--force measures again)" in one.stderr
    assert "nothing to do: 2 cells are measured already" in two.stderr


def test_a_dry_run_counts_what_is_done(run):
    run("extra-tree", "--seeds", 2)
    [row] = json.loads(run("extra-tree", "--dry-run", "--format", "json").stdout)["rows"]
    assert (row["cells"], row["to_do"]) == (5, 3)


def test_a_seed_that_is_named_is_the_only_one(run, tmp_path):
    assert run("extra-tree", "--seed", 3).returncode == 0
    assert list_seeds(tmp_path) == [("extra-tree", 3)]
    assert run("extra-tree", "--seed", 7, "--seed", 3).returncode == 0
    assert list_seeds(tmp_path) == [("extra-tree", 3), ("extra-tree", 7)]


def test_a_model_without_chance_is_measured_once_whatever_seed_is_named(run, tmp_path):
    done = run("gaussian-nb", "--seed", 3)
    assert list_seeds(tmp_path) == [("gaussian-nb", 0)]
    assert "the seed makes no difference for gaussian-nb" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "1", "--seeds", "2"], "not both"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**32)], "--seed"),
        (["-q", "-v"], "not both"),
        (["--dry-run", "--data", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_options_that_contradict_each_other_cost_one_line(arguments, message):
    done = call_fmbench("run", "gaussian-nb", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and message in done.stderr


def test_quiet_prints_the_table_and_nothing_else(run):
    done = run("gaussian-nb", "-q", "--format", "csv")
    assert done.stderr == "" and "gaussian-nb" in done.stdout
    assert "known already" in run("extra-tree", "--seeds", 1).stderr, "the next command is as usual"


def test_quiet_names_the_cells_that_failed(run, backend):
    def fail(launch, source, limits, workspaces, on_start, stop):
        on_start()
        return LaunchResult(limits.threads, len(launch), "killed by a test")

    backend.run_launch = fail
    done = run("gaussian-nb", "-q")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "gaussian-nb seed 0: failed: killed by a test" in line


@pytest.mark.slow
def test_a_file_of_the_users_own_that_fails_is_named_with_what_finds_the_line(
    run, backend, tmp_path, monkeypatch
):
    def fail(launch, source, limits, workspaces, on_start, stop):
        on_start()
        return LaunchResult(limits.threads, len(launch), "ValueError: a test")

    backend.run_launch = fail
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN_MODEL)
    told = run("own.py:make", "-p", "var_smoothing=0.1").stderr
    assert "`fmbench check-runner './own.py:make var_smoothing=0.1'` checks the model" in told
    assert "check-runner" not in run("own.py:make", "-q").stderr
    assert "check-runner" not in run("gaussian-nb").stderr


@pytest.mark.slow
def test_a_comparison_names_what_was_measured_with_other_parameters(run, tmp_path, suite):
    tree = "sklearn.tree:ExtraTreeClassifier"
    assert run(tree, "-p", "max_depth=4", "--seeds", 1).returncode == 0
    where = ("--suite", suite, "--results", tmp_path / "results")
    done = call_fmbench("compare", tree, "gaussian-nb", *where)
    assert done.returncode == 2
    assert f"measured with other parameters: {tree} max_depth=4\n" in done.stderr


def test_verbose_says_the_starts_the_versions_and_where_records_are_written(run, tmp_path):
    done = run("gaussian-nb", "-v")
    assert "gaussian-nb seed 0: started" in done.stderr
    assert f"records are written into {tmp_path}/results/records" in done.stderr
    assert re.search(r"versions: python \d.*scikit-learn \d", done.stderr)


def test_ctrl_c_says_in_one_line_what_is_finished_and_writes_of_no_tables(run, backend):
    def interrupt_second(launch):
        if backend.cells:
            raise KeyboardInterrupt

    backend.before_launch = interrupt_second
    done = run("extra-tree", "--seeds", 3, "-j", 1)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == (
        "fmbench: interrupted: 1 of 3 cells are finished; the same command goes on with the others"
    )
    assert "written" not in done.stderr and "Traceback" not in done.stderr
    assert "| extra-tree " in done.stdout
    backend.before_launch = lambda launch: None
    assert run("extra-tree", "--seeds", 3).returncode == 0
    assert [cell.seed for cell in backend.cells] == [0, 1, 2], "the same command goes on"


def test_ctrl_c_before_any_cell_prints_no_table_and_is_said_to_a_quiet_user_too(run, backend):
    def interrupt(launch):
        raise KeyboardInterrupt

    backend.before_launch = interrupt
    done = run("extra-tree", "--seeds", 3, "-q")
    assert (done.returncode, done.stdout) == (130, "")
    assert "interrupted: 0 of 3 cells are finished" in done.stderr
    forced = run("extra-tree", "--seeds", 3, "--force")
    assert forced.stderr.splitlines()[-1].endswith("the same command begins again with all")


def test_the_hint_about_records_made_elsewhere_can_be_typed(run, backend, tmp_path, suite):
    run("extra-tree", "--seeds", 1)
    store = Store(tmp_path / "results")
    [record] = store.read_contents().finished.values()
    path = RecordName.from_record(record).path(store.records)
    path.write_text(path.read_text().replace(json.dumps(record.versions["numpy"]), '"0.1"'))
    table = ("table", "--results", tmp_path / "results", "--suite", suite)
    done = call_fmbench(*table)
    [line] = [line for line in done.stderr.splitlines() if "made elsewhere" in line]
    assert "1 of 1 records were made elsewhere (" in line and "numpy 0.1, here" in line
    assert call_fmbench(*shlex.split(line.split("`")[1])[1:]).returncode == 0
    assert [cell.seed for cell in backend.cells] == [0, 0], "what was there, and no more"
    assert "made elsewhere" not in call_fmbench(*table).stderr


def test_the_hint_about_a_broken_record_can_be_typed(run, backend, tmp_path, suite):
    run("extra-tree", "--quick", "--seed", 4)
    [path] = (tmp_path / "results").glob("records/*/*.json")
    path.write_text("{")
    table = ("table", "--quick", "--results", tmp_path / "results", "--suite", suite)
    done = call_fmbench(*table)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if "left out" in line]
    assert call_fmbench(*shlex.split(line.split("`")[1])[1:]).returncode == 0
    assert [cell.seed for cell in backend.cells] == [4, 4]
    assert call_fmbench(*table).returncode == 0


def test_the_hint_of_an_empty_folder_can_be_typed(tmp_path):
    (tmp_path / "my suite.toml").write_text(SUITE)
    folder = tmp_path / "my results"
    done = call_fmbench("table", "--results", folder, "--suite", tmp_path / "my suite.toml")
    [line] = [line for line in done.stderr.splitlines() if "no results in" in line]
    command = shlex.split(line.split("`")[1])[1:]
    planned = call_fmbench(*command, "--dry-run", "--device", "cpu", "--format", "json")
    assert planned.returncode == 0, planned.stderr
    names = [row["row"] for row in json.loads(planned.stdout)["rows"]]
    assert names == ["gaussian-nb", "extra-tree", "lenet5"]
