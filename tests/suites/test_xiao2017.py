"""The suite of Xiao et al. 2017 needs no code of its own; a suite may name no foreign code."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from fmbench.errors import UserError
from fmbench.records.protocols import FULL
from fmbench.report.tables import build_table, write_tables
from fmbench.suites import bundled, configurations, reader
from fmbench.suites.claims import Control
from fmbench.suites.rounding import parse_figure

pytestmark = pytest.mark.slow

ROWS = {
    "DecisionTreeClassifier": 12, "ExtraTreeClassifier": 12, "GaussianNB": 1,
    "GradientBoostingClassifier": 7, "KNeighborsClassifier": 12, "LinearSVC": 18,
    "LogisticRegression": 5, "MLPClassifier": 8, "PassiveAggressiveClassifier": 3, "Perceptron": 3,
    "RandomForestClassifier": 18, "SGDClassifier": 15, "SVC": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def suite():
    return reader.read_suite(bundled.find_suite("xiao2017"))


def test_there_are_126_configurations_on_two_data_sets(suite):
    for name in ("fashion-mnist", "mnist"):
        labels = [row.label for row in suite.rows if row.dataset == name]
        assert len(labels) == len(set(labels)) == 126
        assert Counter(label.split()[0] for label in labels) == ROWS
    assert len(suite.rows) == 252


def test_the_best_figure_of_each_classifier_is_the_one_that_kayed2020_quotes(suite):
    """Both suites were transcribed independently from the same table."""
    best: dict[str, float] = {}
    for row in suite.rows:
        if row.dataset == "fashion-mnist":
            name = row.label.split()[0]
            best[name] = max(best.get(name, 0), float(parse_figure(row.claimed, "accuracy")))
    quoted = {"SVC": "svc-rbf", "DecisionTreeClassifier": "decision-tree",
              "ExtraTreeClassifier": "extra-tree", "GaussianNB": "gaussian-nb",
              "KNeighborsClassifier": "k-neighbors", "LinearSVC": "linear-svc",
              "LogisticRegression": "logistic-regression", "SGDClassifier": "sgd",
              "RandomForestClassifier": "random-forest", "Perceptron": "perceptron",
              "GradientBoostingClassifier": "gradient-boosting"}  # fmt: skip
    sources = {row.runner: row.source for row in reader.read_suite().rows}
    for name, runner in quoted.items():
        assert best[name] == float(parse_figure(sources[runner], "accuracy")), name


def test_every_row_can_be_built_and_has_its_own_cell(suite):
    found, missing = configurations.build_suite_configurations(suite)
    assert not missing and len(found) == 252
    assert len({entry.cell(FULL, 0).key for entry in found.values()}) == 252
    assert all(not entry.runner.requested_as for entry in found.values())


def test_each_row_of_fashion_mnist_has_the_digits_figure_of_its_configuration_as_control(suite):
    digits = {row.label: row for row in suite.rows if row.dataset == "mnist"}
    for row in suite.rows:
        if row.dataset == "mnist":
            assert (row.images, row.control) == ("today", None)
        else:
            other = digits[row.label]
            assert row.images == "first release" and row.control is not None
            assert row.control == Control("mnist", other.claimed, other.mean_of)


def test_a_row_says_what_was_renamed_or_removed_in_scikit_learn(suite):
    for row in suite.rows:
        name, given = row.label.split()[0], row.label
        same_class = row.estimator.endswith(f":{name}")
        same_values = all(f"{k}={v}" in given for k, v in row.parameters.items()
                          if not isinstance(v, list))  # fmt: skip
        assert row.remark or (same_class and same_values), row.label
        assert row.mean_of == 5 and row.recipe == "partly stated"


SUITE = """
[test_set]
n_per_class = [10, 10]
[[row]]
where = "here"
label = "A"
estimator = "sklearn.tree:DecisionTreeClassifier"
parameters = { max_depth = 3 }
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sklearn.tree:DecisionTreeClassifier", "os:system", "not a class of scikit-learn"),
        ("sklearn.tree:DecisionTreeClassifier", "./evil.py:f", "not a class of scikit-learn"),
        ("sklearn.tree:DecisionTreeClassifier", "sklearn._x:Y", "not a class of scikit-learn"),
        ("max_depth = 3", "max_depth = 'os:system'", "not a class of scikit-learn"),
        ("max_depth = 3", "'a b' = 3", "not the name of a parameter"),
        ("max_depth = 3", "max_depth = nan", "must be a finite number"),
        ("max_depth = 3", "max_depth = 2020-01-01", "must be a finite number"),
        ("parameters =", "dataset = 'cifar'\nparameters =", "not one of: fashion-mnist, mnist"),
        ("parameters =", "runner = 'a'\nparameters =", "give one of the keys 'runner'"),
        ("estimator = \"sklearn.tree:DecisionTreeClassifier\"", "", "needs the key"),
    ],
)  # fmt: skip
def test_a_suite_can_name_only_classes_of_scikit_learn(tmp_path, old, new, message):
    assert old in SUITE
    (tmp_path / "suite.toml").write_text(SUITE.replace(old, new))
    with pytest.raises(UserError, match=message):
        reader.read_suite(tmp_path / "suite.toml")


@pytest.mark.parametrize(
    "estimator", ["sklearn.utils:Bunch", "sklearn.tree:NoSuchTree", "sklearn.svm:SVR"]
)
def test_a_row_that_cannot_be_built_stays_and_says_why(tmp_path, estimator):
    from fmbench.analysis import evaluation

    text = SUITE.replace("sklearn.tree:DecisionTreeClassifier", estimator)
    (tmp_path / "suite.toml").write_text(text.replace("max_depth = 3", ""))
    suite = reader.read_suite(tmp_path / "suite.toml")
    [line] = build_table(evaluation.read_results(tmp_path / "results", suite), "accuracies").rows
    assert line["status"].startswith("cannot be built: ") and line["verdict"].startswith("not run")


def test_its_table_has_every_row_before_any_is_measured(tmp_path, suite):
    from fmbench.analysis import evaluation

    table = build_table(evaluation.read_results(tmp_path / "results", suite), "accuracies")
    assert [row["claimed"] for row in table.rows] == [row.claimed for row in suite.rows]
    who = {(row["status"], row["measured_by"]) for row in table.rows}
    assert who == {("not run", None), ("measured", "fmbench")}


def test_a_bundled_suite_is_found_by_its_name():
    assert bundled.find_suite("kayed2020") == bundled.find_bundled_suite()
    with pytest.raises(UserError, match="no suite 'xiao': use kayed2020 or xiao2017"):
        bundled.find_suite("xiao")


def test_the_committed_records_give_the_committed_table_again(tmp_path, suite, source, monkeypatch):
    from fmbench.analysis import evaluation

    reference = bundled.CHECKOUT / "results" / "reference"
    shutil.copytree(reference / "records", tmp_path / "records")
    outcome = evaluation.read_results(tmp_path, suite, data=source.folder)
    monkeypatch.setattr(evaluation.SuiteResults, "is_reference", True)
    written = write_tables(outcome)
    assert len(written) == 2 and not outcome.broken
    measured = (tmp_path / "xiao2017" / name for name in ("summary.json", "confusion.json"))
    for path in (*written, *measured):
        assert path.read_bytes() == (reference / "xiao2017" / path.name).read_bytes(), path.name
