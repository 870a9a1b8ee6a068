"""A new data set is one declaration: everything else works with no other edit."""

import csv

import pytest

from fmbench.cli.main import main
from fmbench.datasets import loading, locate
from fmbench.datasets.specs import DATASETS, DatasetSpec
from fmbench.records.store import Store
from tests.helpers.small_datasets import compute_checksums, make_files, write_packed

FILES = make_files(3, n_train=90, n_test=30, n_classes=3)

# This is all that a new data set needs.
SHAPES = DatasetSpec(
    name="shapes",
    title="the shapes",
    classes=("circle", "square", "triangle"),
    n_per_class=(10, 10, 10),
    n_train=90,
    sha256=compute_checksums(FILES),
)

SUITE = """
title = "A suite on a new data set"
[test_set]
n_per_class = [10, 10, 10]
[[row]]
where = "Table 1"
label = "naive Bayes"
estimator = "sklearn.naive_bayes:GaussianNB"
dataset = "shapes"
claimed = "99.0"
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setitem(DATASETS, SHAPES.name, SHAPES)
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return write_packed(FILES, tmp_path / "shapes files")


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code


def test_a_new_data_set_is_located_loaded_and_verified(folder):
    source = locate.locate_dataset(SHAPES, folder)
    loading.verify_files(SHAPES, source.folder)
    dataset = loading.load_dataset(source)
    assert dataset.X_train.shape == (SHAPES.n_train, 28, 28)
    assert dataset.y_test.shape == (SHAPES.n_test,)


def test_the_data_command_describes_a_new_data_set(folder, capsys):
    assert run("data", "--data", f"shapes={folder}") == 0
    assert "\ntriangle     30    10\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_row_of_a_suite_measures_a_runner_on_a_new_data_set(
    folder, source, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the tests keep their own handlers
    suite, results = tmp_path / "suite.toml", tmp_path / "results"
    suite.write_text(SUITE)
    common = ("--suite", suite, "--results", results, "--data", source.folder)
    status = run("run", "--all", "--jobs", 1, *common, "--data", f"shapes={folder}")
    assert status == 0, capfd.readouterr().err
    [row] = csv.DictReader((results / "suite" / "accuracies.csv").read_text().splitlines())
    assert row["runner"] == "sklearn.naive_bayes:GaussianNB on shapes"
    assert (row["status"], row["n"]) == ("measured", "1")
    assert float(row["mean"]) > 90

    [record] = Store(results).read_contents().finished.values()
    assert record.cell["dataset"] == "shapes"
    assert record.cell["data_sha256"] == SHAPES.fingerprint

    # The record holds the labels, so that tables need none of its files.
    capfd.readouterr()
    for path in folder.iterdir():
        path.unlink()
    assert run("table", *common, "--format", "csv") == 0
    assert capfd.readouterr().out == (results / "suite" / "accuracies.csv").read_text()
    assert run("verify", *common) == 0
    assert "the records' own labels are used for the shapes" in capfd.readouterr().err
