"""What has been measured is loaded from the package or from a folder, and checked."""

from __future__ import annotations

import csv
from dataclasses import replace
from statistics import median_high

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.reference import (
    CONFUSION_FILE,
    SUMMARY_FILE,
    write_confusion_matrices,
    write_summary,
)
from fmbench.analysis.summary import Status, Summary
from fmbench.errors import UserError
from fmbench.judging import measurements
from fmbench.judging.measurements import (
    Measurements,
    ReadingRange,
    load_measurements,
)
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.utils.environment import CHECKOUT

RIGHT = np.array([[[9, 1], [2, 8]], [[8, 2], [2, 8]]])  # accuracies 0.85 and 0.8


def summarise(runner: str, *accuracies: float) -> Summary:
    return Summary(
        runner, Status.MEASURED, len(accuracies), sum(accuracies) / len(accuracies),
        accuracies=accuracies,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A results folder with one suite of the user's."""
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    summaries = [summarise("./net.py:make", 0.85, 0.8), summarise("a on mnist", 0.99)]
    write_summary(folder / SUMMARY_FILE, summaries, [])
    write_confusion_matrices(folder / CONFUSION_FILE, {"./net.py:make": RIGHT})
    return folder


def test_the_range_of_readings_is_that_of_the_committed_table():
    table = CHECKOUT / "results" / "reference" / "kayed2020" / "forensics-lenet5-readings.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "measured"]
    accuracies = [round(float(row["test"]) / 100, 4) for row in rows]
    found = ReadingRange(len(accuracies), median_high(accuracies), max(accuracies))
    assert load_measurements().readings == {"lenet5": found}
    assert found.n > 50
    assert 0.85 < found.median < found.highest < 0.93


def test_only_fmbenchs_own_measurements_have_readings(folder):
    (folder / "forensics-lenet5-readings.csv").write_text("test\n90.0\n")
    assert load_measurements(folder.parent).readings == {}


@pytest.mark.parametrize("text", ["runner\nlenet5\n", "test\nmuch\n"])
def test_a_damaged_table_of_readings_is_one_line(folder, monkeypatch, text):
    monkeypatch.setattr(measurements, "list_suites", lambda: ["mine"])
    monkeypatch.setattr(measurements, "find_reference_folder", lambda suite: folder)
    table = folder / "forensics-lenet5-readings.csv"
    table.write_text("test,status\n90.0,measured\n,not run\n89.0,measured\n")
    assert load_measurements().readings == {"lenet5": ReadingRange(2, 0.9, 0.9)}
    table.write_text(text)
    with pytest.raises(UserError, match=r"forensics-lenet5-readings\.csv is damaged"):
        load_measurements()


def test_the_package_brings_the_accuracies_and_matrices_of_all_its_suites():
    own = load_measurements()
    lenet5 = own.find("lenet5")
    assert lenet5 is not None and len(lenet5.accuracies) == lenet5.n >= 5
    euclidean = "sklearn.neighbors:KNeighborsClassifier weights=distance n_neighbors=5 p=2"
    assert own.find(euclidean) is not None and own.find("nothing") is None
    assert not any(name.endswith("on mnist") for name in own.summaries) and not own.notes
    matrices = own.confusion_matrices("lenet5")
    assert matrices is not None and matrices.shape == (lenet5.n, 10, 10)
    accuracies = np.trace(matrices, axis1=1, axis2=2) / 10_000
    assert accuracies.tolist() == list(lenet5.accuracies)
    assert set(own.matrices) == set(own.summaries)


def test_the_nearest_row_is_the_one_with_the_nearest_mean_and_the_shorter_name_of_two():
    measured = Measurements(
        "x",
        {name: summarise(name, mean) for name, mean in
         [("sklearn.svm:SVC C=1", 0.9), ("svc", 0.9), ("far", 0.5), ("near", 0.88)]},
    )  # fmt: skip
    assert [s.runner for s in measured.find_nearest(0.91, 3)] == [
        "svc", "sklearn.svm:SVC C=1", "near",
    ]  # fmt: skip
    assert [s.runner for s in measured.find_nearest(0.6)] == ["far"]
    assert load_measurements().find_nearest(0.9083)[0].runner == "lenet5"


def test_a_folder_of_the_users_takes_the_place_of_the_package(folder):
    measured = load_measurements(folder.parent)
    assert list(measured.summaries) == ["./net.py:make"]
    assert measured.origin == str(folder.parent)
    assert np.array_equal(measured.confusion_matrices("./net.py:make"), RIGHT)


def test_a_folder_of_an_older_version_has_no_matrices(folder):
    (folder / CONFUSION_FILE).unlink()
    measured = load_measurements(folder.parent)
    assert measured.find("./net.py:make") is not None
    assert measured.confusion_matrices("./net.py:make") is None


def test_records_that_are_out_of_date_or_newer_than_the_summary_are_named(tmp_path, record_of):
    known = runners.load_runners()
    store = Store(tmp_path / "results")
    arrays = {"y_pred": np.zeros(10_000, np.uint8)}
    for name in ("gaussian-nb", "hog-svm"):
        store.save(record_of(Cell(known[name], FULL, 0)), arrays)
    path = tmp_path / "results" / "kayed2020" / SUMMARY_FILE
    path.parent.mkdir()
    old = replace(known["svc-rbf"], revision=99)
    store.save(record_of(Cell(old, FULL, 0)), arrays)
    write_summary(path, [summarise("gaussian-nb", 0.57), summarise("svc-rbf", 0.9)], [])
    measured = load_measurements(tmp_path / "results")
    assert list(measured.summaries) == ["gaussian-nb"]
    assert [note.partition(":")[0] for note in measured.notes] == ["hog-svm", "svc-rbf"]
    assert "stale" in measured.notes[1] and "table --write" in measured.notes[0]


@pytest.mark.parametrize("matrices", [RIGHT[:1], RIGHT[::-1], np.array([[[9, 1], [1, 9]]] * 2)])
def test_matrices_that_contradict_the_accuracies_are_refused(folder, matrices):
    write_confusion_matrices(folder / CONFUSION_FILE, {"./net.py:make": matrices})
    with pytest.raises(UserError, match=r"contradict summary.json beside it: `fmbench table"):
        load_measurements(folder.parent)


def test_a_folder_without_measurements_says_how_to_make_them(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        load_measurements(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"has no measurements .* `fmbench run --all --results"):
        load_measurements(tmp_path)
