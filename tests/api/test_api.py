"""The Python API: data frames and arrays of the committed records, and a small run."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

import fmbench
from fmbench.api import writing
from fmbench.utils.environment import CHECKOUT

REFERENCE = CHECKOUT / "results" / "reference"


@pytest.fixture(scope="module")
def results(source):
    return fmbench.load_results(REFERENCE, data=source.folder)


def test_every_exported_name_exists_and_the_version_is_that_of_the_package():
    import importlib.metadata

    for name in fmbench.__all__:
        assert getattr(fmbench, name) is not None, name
    assert fmbench.__version__ == importlib.metadata.version("fmbench")
    assert set(fmbench.__all__) == {n for n in dir(fmbench) if n[:2] != "__"} | {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fmbench.nonsense


def test_the_frame_has_one_row_for_each_claim_and_numbers_are_floats(results):
    frame = results.to_frame()
    suite = results.suite
    assert list(frame["label"][: len(suite.rows)]) == [row.label for row in suite.rows]
    for name in ("claimed", "mean", "sd", "low", "high", "gap"):
        assert frame[name].dtype == float, name
        assert frame[name].dropna().between(-1, 1).all(), name
    lenet = frame[(frame["runner"] == "lenet5") & (frame["where"] == "Table 3")].iloc[0]
    assert lenet["claimed"] == pytest.approx(0.988)
    assert 0.90 < lenet["mean"] < 0.92 and lenet["n"] == 5
    assert lenet["gap"] == pytest.approx(lenet["mean"] - lenet["claimed"])
    assert lenet["low"] < lenet["mean"] < lenet["high"]
    assert lenet["verdict"] == "not reproduced, claim higher"


def test_the_frame_has_the_values_of_the_table(results):
    frame, table = results.to_frame(), results.table()
    assert len(frame) == len(table.rows)
    for (_, row), line in zip(frame.iterrows(), table.rows, strict=True):
        assert line["runner"] == row["runner"]
        # The table shows the claim as the paper prints it.
        for name in ("mean", "sd", "low", "high", "gap", "delta_star", "p_within", "p_beyond",
                     "p_holm", "claim_low", "claim_high", "source_protocol_mean",
                     "source_protocol_verdict", "flatters", "control_mean", "to_the_digit",
                     "seeds_needed", "images"):  # fmt: skip
            assert pd.isna(row[name]) if line[name] is None else line[name] == row[name], name


def test_the_records_frame_has_one_row_for_each_run(results, dataset):
    frame = results.records_frame()
    lenet = frame[frame["runner"] == "lenet5"].sort_values("seed")
    assert list(lenet["seed"]) == [0, 1, 2, 3, 4]
    predictions = results.predictions("lenet5")
    assert [accuracy_score(dataset.y_test, y_pred) for y_pred in predictions] == pytest.approx(
        list(lenet["accuracy"])
    )
    assert (lenet["fit_seconds"] > 0).all() and lenet["version_torch"].notna().all()
    assert lenet["accuracy"].mean() == pytest.approx(
        results.to_frame().set_index("runner").loc["lenet5", "mean"]
    )


def test_predictions_and_confusion_matrix_of_a_runner(results, dataset):
    predictions = results.predictions("lenet5")
    assert predictions.shape == (5, 10_000) and predictions.dtype == np.uint8
    expected = sum(confusion_matrix(dataset.y_test, y_pred) for y_pred in predictions)
    assert np.array_equal(results.confusion_matrix("lenet5"), expected)


def test_results_are_found_by_the_names_that_people_use(results):
    assert np.array_equal(results.predictions("GNB"), results.predictions("gaussian-nb"))


def test_a_runner_without_a_result_is_an_error_with_the_nearest_names(results):
    with pytest.raises(fmbench.UserError, match=r"unknown runner .lenett.*did you mean lenet5"):
        results.predictions("lenett")
    with pytest.raises(fmbench.UserError, match="no result of 'gradient-boosting'"):
        results.confusion_matrix("gradient-boosting")


def test_a_wrong_table_or_folder_is_one_line(results):
    with pytest.raises(fmbench.UserError, match="choose one of accuracies, by-class, overall"):
        results.table("accuracy")
    with pytest.raises(fmbench.UserError, match=r"README\.md is a file: name a results folder"):
        fmbench.load_results(CHECKOUT / "README.md")


def test_results_are_printed_in_one_short_line(results):
    frame = results.to_frame()
    n_here = (frame["measured_by"] == "here").sum()
    assert repr(results) == (
        f"<Results of kayed2020 in {REFERENCE}: {len(frame)} rows, {n_here} measured here; "
        "to_frame() has them>"
    )


def test_what_the_functions_return_prints_as_one_short_line(results):
    judged = fmbench.judge("LeNet-5 98.80 %\nFooNet 93.1 %")
    assert repr(judged) == (
        "<Judgement of the pasted text: 2 claims; something speaks against the claims; "
        "to_frame() has the claims>"
    )
    assert repr(fmbench.load_suite("kayed2020")) == "<Suite kayed2020: 29 rows, 38 other figures>"
    checked = fmbench.check("Accuracy: 91.0 %\nWeighted recall: 85.0 %")
    assert repr(checked) == "<Check of the pasted text: contradictory; 2 figures>"
    table = results.table("by-class")
    assert repr(table) == (
        f"<Table {table.title!r}, rows: {len(table.rows)}, columns: {len(table.columns)}>"
    )


def test_a_judgement_is_a_data_frame_and_a_table_in_a_notebook():
    judged = fmbench.judge("LeNet-5 98.80 %\nFooNet 93.1 %")
    frame = judged.to_frame()
    assert list(frame["label"]) == ["LeNet-5", "FooNet"]
    assert list(frame["claimed"]) == [0.988, 0.931]
    assert list(frame["speaks_against"]) == [True, False]
    assert frame["mean"][0] == pytest.approx(0.9083, abs=1e-4)
    assert np.isnan(frame["mean"][1])
    page = judged._repr_html_()
    assert "FooNet" in page
    assert "not reproduced, claim higher" in page


def test_one_name_and_a_dictionary_of_parameters_are_understood(tmp_path):
    plan = fmbench.plan_run("lenet5", parameters={"epochs": 3, "optimizer": "sgd"},
                            results=tmp_path)  # fmt: skip
    assert [row.name for row in plan.rows] == ["lenet5 epochs=3 optimizer=sgd"]
    assert plan.n_cells == 5
    judged = fmbench.judge("My net 91.0 %", mapping={"My net": "lenet5"})
    assert [row.runner for row in judged.suite.rows] == ["lenet5"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seeds": 0}, "from 1 on, not 0"),
        ({"seeds": "2"}, "from 1 on, not '2'"),
        ({"seed_numbers": [-7]}, "from 0 to 4294967295, not -7"),
        ({"options": fmbench.RunOptions(device="gpu")}, "one of auto, cpu, cuda, not 'gpu'"),
        ({"options": fmbench.RunOptions(order="first")}, "one of auto, table, finish, not 'first'"),
        ({"options": fmbench.RunOptions(jobs=0)}, "jobs must be a whole number from 1 on, not 0"),
        ({"options": fmbench.RunOptions(threads=None)}, "threads must be a whole number from 1"),
        ({"options": fmbench.RunOptions(retries=0.5)}, "retries must be a whole number from 0"),
        ({"options": fmbench.RunOptions(timeout="x")}, "timeout must be a number above 0, not 'x'"),
    ],
)
def test_options_without_a_meaning_are_refused_before_anything_runs(given, says, tmp_path, source):
    for measure in (fmbench.plan_run, fmbench.run):
        with pytest.raises(fmbench.UserError, match=says):
            measure("extra-tree", results=tmp_path, data=source.folder, **given)
    for judge in (fmbench.judge, fmbench.check):
        with pytest.raises(fmbench.UserError, match="nearest, truncated, either, not 'up'"):
            judge("LeNet-5 91 %", rounding="up")


def test_a_suite_is_read_by_name_and_by_path():
    assert fmbench.load_suite().name == "kayed2020"
    by_name = fmbench.load_suite("xiao2017")
    assert fmbench.load_suite(by_name.path) == by_name
    with pytest.raises(fmbench.UserError, match="no suite 'nosuch'"):
        fmbench.load_suite("nosuch")


@pytest.mark.slow
def test_check_finds_the_contradictions_of_the_paper():
    result = fmbench.check("kayed2020")
    assert result.contradictory and len(result.conflicts) > 0


@pytest.mark.slow
def test_a_run_measures_writes_the_table_and_returns_the_results(tmp_path, source):
    made = fmbench.run(
        ["gaussian-nb"], quick=True, results=tmp_path, data=source.folder,
        options=fmbench.RunOptions(jobs=1),
    )  # fmt: skip
    assert [record.cell["runner"] for record in made.new_records] == ["gaussian-nb"]
    assert not made.interrupted
    assert (tmp_path / "kayed2020" / "accuracies-quick.csv").is_file()
    again = fmbench.run(["gaussian-nb"], quick=True, results=tmp_path, data=source.folder)
    assert again.new_records == ()
    read = fmbench.load_results(tmp_path, quick=True, data=source.folder)
    assert np.array_equal(read.predictions("gaussian-nb"), made.predictions("gaussian-nb"))


def test_importing_fmbench_loads_nothing_heavy():
    code = (
        "import sys, fmbench\n"
        "heavy = {'numpy', 'torch', 'sklearn', 'pandas', 'scipy', 'click', 'rich', 'joblib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_commands_on_a_page_name_the_suite_only_if_it_is_not_the_default(tmp_path):
    own = tmp_path / "claims.toml"
    own.write_text(
        "[test_set]\nn_per_class = [1000, 1000]\n"
        '[[row]]\nwhere = "Table 1"\nlabel = "Bayes"\nrunner = "gaussian-nb"\nclaimed = "57.0"\n'
    )
    for given, is_named in (("kayed2020", False), (own, True)):
        suite = fmbench.load_suite(given)
        path = writing.write_report(fmbench.load_results(tmp_path, suite), tmp_path / "page.html")
        assert (f"--suite {suite.path}" in path.read_text(encoding="utf-8")) is is_named


@pytest.mark.slow
def test_forensics_counts_every_measured_seed_as_the_table_does():
    found = fmbench.forensics("extra-tree", seeds=1, results=REFERENCE)
    [row] = [r for r in fmbench.load_results(REFERENCE).evaluation.rows
             if r.runner == "extra-tree"]  # fmt: skip
    assert found.findings.honest.n == row.n == 5
    assert repr(found).startswith(f"<Forensics of extra-tree in {REFERENCE}: ")
