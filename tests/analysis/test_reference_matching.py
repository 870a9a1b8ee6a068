"""Fmbench's own measurement of a configuration is found in any suite that names the same one."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench.analysis.evaluation import read_results
from fmbench.analysis.reference_matching import find_reference_summaries, load_reference_matrices
from fmbench.suites.configurations import build_suite_configurations
from fmbench.suites.reader import read_suite

NEIGHBORS = "sklearn.neighbors:KNeighborsClassifier"
HEAD = """title = "Mine"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
"""
RUNNER = (
    HEAD
    + """[[row]]
where = "Table 1"
label = "SVC (RBF, C=10)"
claimed = "89.9"
runner = "svc-rbf"
recipe = "stated"
[[row]]
where = "Table 1"
label = "ResNet-18"
claimed = "93.4"
"""
)


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_suite(path)


def write_row(parameters, estimator=NEIGHBORS, dataset="fashion-mnist"):
    return (
        HEAD
        + f"""[[row]]
where = "Table 1"
label = "k-NN"
claimed = "85.5"
estimator = "{estimator}"
parameters = {parameters}
dataset = "{dataset}"
"""
    )


def find(tmp_path, text):
    suite = read(tmp_path, text)
    configurations, _ = build_suite_configurations(suite)
    return suite, list(find_reference_summaries(suite, configurations).values())


def test_a_row_of_ones_own_suite_is_judged_by_fmbenchs_measurement_of_its_runner(tmp_path):
    suite = read(tmp_path, RUNNER)
    results = read_results(tmp_path / "none", suite)
    svc, network = results.rows
    assert (svc.measured_by, svc.mean, svc.verdict.word) == (
        "fmbench", pytest.approx(0.8986), "reproduced"
    )  # fmt: skip
    assert str(network.verdict).startswith("not run: no runner")
    assert len(results.rows) == 2, "runners that the suite does not name are not listed"


@pytest.mark.parametrize(
    "parameters",
    [
        '{ weights = "distance", n_neighbors = 5, p = 2 }',
        '{ p = 2, weights = "distance", n_neighbors = 5 }',  # in another order
        '{ weights = "distance" }',  # the others are the defaults
    ],
)
def test_an_estimator_is_the_same_if_all_its_parameters_have_the_same_values(tmp_path, parameters):
    suite, [summary] = find(tmp_path, write_row(parameters))
    assert summary.runner == f"{NEIGHBORS} weights=distance n_neighbors=5 p=2"
    [matrix] = load_reference_matrices(suite, summary)
    assert np.trace(np.array(matrix)) / 10_000 == pytest.approx(summary.mean)


@pytest.mark.parametrize(
    "row",
    [
        write_row("{ n_neighbors = 4 }"),
        write_row('{ metric = "cosine" }'),
        write_row("{ n_neighbors = 5 }", dataset="kmnist"),
        write_row("{ C = 10 }", "sklearn.svm:SVC"),  # not a bare estimator in fmbench's suites
        write_row("{ max_depth = 10, random_state = 3 }", "sklearn.tree:DecisionTreeClassifier"),
    ],
)
def test_another_value_data_set_or_seed_is_another_configuration(tmp_path, row):
    assert find(tmp_path, row)[1] == []


@pytest.mark.parametrize(
    ("parameters", "is_the_recipe"), [("epochs = 10", True), ("epochs = 5", False)]
)
def test_a_runner_with_other_parameters_than_its_recipe_is_not_measured(
    tmp_path, parameters, is_the_recipe
):
    text = RUNNER.replace('"svc-rbf"', f'"lenet5"\nparameters = {{ {parameters} }}')
    assert bool(find(tmp_path, text)[1]) is is_the_recipe


def test_an_estimator_on_the_digits_has_the_measurement_on_the_digits(tmp_path):
    _, [summary] = find(tmp_path, write_row("{ n_neighbors = 5 }", dataset="mnist"))
    assert summary.runner == f"{NEIGHBORS} weights=uniform n_neighbors=5 p=2 on mnist"
