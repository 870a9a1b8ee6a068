"""Tests of `fmbench show`."""

import csv
import io
import json

import pytest

from tests.helpers.commands import call_fmbench


def test_it_says_the_deciding_parameters_also_changed_ones_and_the_other_names():
    done = call_fmbench("show", "SVC", "-p", "C=1")
    assert done.stdout.startswith("svc-rbf C=1, a variant of svc-rbf: ")
    assert "- parameters: RBF kernel, C=1\n- also called: SVC, SVM, " in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["C", "1", "our", "choice", "given", "in", "the", "command"] in rows


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["svc-rbf", "hog-svm", "gradient-boosting"])
def test_the_recipe_fits_a_terminal(view, width, name):
    lines = view(width, "show", name)
    assert lines[0].startswith(f"{name}: ")
    assert any(line.split()[:2] == ["hyperparameter", "value"] for line in lines)


def test_a_row_of_a_suite_says_that_the_suite_states_its_values(own_suite):
    told = json.loads(call_fmbench("show", "k-NN", "--suite", own_suite, "--format", "json").stdout)
    assert (told["name"], told["aliases"][1]) == ("k-neighbors n_neighbors=3", "k-NN")
    assert told["parameters"] == "k=3, Manhattan distance, weighted by distance"
    [neighbours, *_] = told["hyperparameters"]
    assert neighbours == {
        "name": "n_neighbors", "value": 3, "origin": "stated", "why": "Table 1 of claims",
    }  # fmt: skip
    text = call_fmbench("show", "Random forest", "--suite", own_suite, "--format", "csv").stdout
    rows = {row["hyperparameter"]: row for row in csv.DictReader(io.StringIO(text))}
    assert (rows["max_depth"]["value"], rows["max_depth"]["origin"]) == ("50", "stated")
    assert (rows["class_weight"]["value"], rows["criterion"]["origin"]) == ("None", "our choice")


def test_values_keep_their_types_for_a_program():
    told = json.loads(call_fmbench("show", "svc-rbf", "--format", "json").stdout)
    values = {entry["name"]: entry["value"] for entry in told["hyperparameters"]}
    assert values == {"C": 10, "kernel": "rbf", "gamma": 1 / 784}
    assert (told["revision"], told["device"], told["parameter_counts"]) == (1, "cpu", {})
