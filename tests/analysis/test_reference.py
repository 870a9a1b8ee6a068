"""The summary file, the committed reference, and the state of a folder without reading records."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis import reference as references
from fmbench.analysis.reference import (
    CONFUSION_FILE,
    SUMMARY_FILE,
    find_reference_folder,
    load_reference_fit_seconds,
    load_reference_summaries,
    read_confusion_matrices,
    read_summary,
    summarise_by_file_names,
    write_confusion_matrices,
    write_summary,
)
from fmbench.analysis.summary import FlaggedFigure, Status, Summary
from fmbench.errors import UserError
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.suites import reader
from fmbench.suites.bundled import find_bundled_suite, list_suites

MEASURED = Summary("a", Status.MEASURED, 2, 0.85, 0.05, 0.1, 1.0, 2.5, "cpu", (0.8, 0.9))


# ---------------------------------------------------------------- the summary file


def test_a_summary_file_is_read_as_it_was_written(tmp_path):
    failed = Summary(
        "b", Status.FAILED, n=1, mean=0.5, accuracies=(0.5,), fit_seconds=4.0,
        reason="ValueError: too few: 3",
    )  # fmt: skip
    flagged = replace(
        MEASURED,
        runner="d",
        flagged={"sign": FlaggedFigure("scored by signs", (0.7, 0.75))},
        controls={"mnist": (0.9,)},
    )
    not_run = Summary("c", Status.NOT_RUN)
    path = tmp_path / SUMMARY_FILE
    write_summary(path, [MEASURED, failed, not_run, flagged], [{"python": "3.11.7"}])
    assert read_summary(path) == {"a": MEASURED, "b": failed, "d": flagged}
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert rows["b"]["status"] == "failed: ValueError: too few: 3"
    for optional in ("flagged", "controls"):
        assert [name for name, row in rows.items() if optional in row] == ["d"]


def test_a_summary_file_does_not_depend_on_the_last_bits_of_a_number(tmp_path):
    contents = []
    for mean in (0.1 + 0.2, 0.3):
        path = tmp_path / SUMMARY_FILE
        write_summary(path, [Summary("a", Status.MEASURED, 1, mean, accuracies=(mean,))], [])
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"rows": {"a": 1}}', '{"rows": {"a": {"status": "fine"}}}']
)
def test_a_damaged_summary_file_is_an_error_that_says_what_to_do(tmp_path, content):
    path = tmp_path / "suite" / SUMMARY_FILE
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"is damaged: `fmbench table --suite .* --write --results .*` writes"
    ):
        read_summary(path)


# ---------------------------------------------------------------- the confusion matrices


def test_confusion_matrices_are_read_as_they_were_written_whatever_the_order(tmp_path):
    matrices = {
        "b": np.array([[[3, 1], [0, 4]], [[4, 0], [2, 2]]]),
        "./mine.py:make": np.array([[[4, 0], [0, 4]]]),
    }
    path, again = tmp_path / CONFUSION_FILE, tmp_path / "again"
    write_confusion_matrices(path, matrices)
    write_confusion_matrices(again, dict(reversed(matrices.items())))
    assert path.read_bytes() == again.read_bytes()
    found = read_confusion_matrices(path)
    assert {name: np.array(of_seeds).tolist() for name, of_seeds in found.items()} == {
        name: of_seeds.tolist() for name, of_seeds in matrices.items()
    }
    assert "   [[3,1],[0,4]],\n   [[4,0],[2,2]]\n" in path.read_text(encoding="utf-8")


def test_a_file_without_any_matrix_can_be_read(tmp_path):
    write_confusion_matrices(tmp_path / CONFUSION_FILE, {})
    assert read_confusion_matrices(tmp_path / CONFUSION_FILE) == {}


@pytest.mark.parametrize(
    "rows",
    [
        "",
        '"a": 1',
        '"a": []',
        '"a": [[]]',
        '"a": [[[1, 2], [3]]]',
        '"a": [[[1, 2]]]',
        '"a": [[[1.5, 2], [3, 4]]]',
        '"a": [[[-1, 2], [3, 4]]]',
        '"a": [[[1, 2], [3, 4]], [[1]]]',
        '"a": [[[1, 2], [3, 4]], [[2, 2], [3, 4]]]',  # other images in the second seed
        '"a": [[[true, 2], [3, 4]]]',
    ],
)
def test_a_file_with_anything_else_than_confusion_matrices_is_damaged(tmp_path, rows):
    path = tmp_path / "suite" / CONFUSION_FILE
    path.parent.mkdir()
    path.write_text(f'{{"protocol": "all", "rows": {{{rows}}}' + "}" * bool(rows))
    with pytest.raises(UserError, match=r"confusion.json is damaged: `fmbench table --suite suite"):
        read_confusion_matrices(path)


# ---------------------------------------------------------------- the committed run


@pytest.mark.parametrize("name", list_suites())
def test_every_suite_of_fmbench_has_a_committed_summary_of_its_rows(name):
    suite = reader.read_suite(find_bundled_suite(name))
    found = load_reference_summaries(suite)
    assert set(found) <= {row.runner for row in suite.rows} and len(found) > 10
    assert all(summary.status is Status.MEASURED for summary in found.values())


def test_the_installed_package_has_the_summary_where_there_is_no_checkout(tmp_path, monkeypatch):
    packaged = tmp_path / "packaged"
    write = packaged / "kayed2020" / SUMMARY_FILE
    write.parent.mkdir(parents=True)
    write_summary(write, [MEASURED], [])
    monkeypatch.setattr(references, "REFERENCE_RESULTS", tmp_path / "no checkout")
    monkeypatch.setattr(references, "PACKAGED_REFERENCE", packaged)
    assert load_reference_summaries(reader.read_suite()) == {"a": MEASURED}
    assert load_reference_fit_seconds() == {"a": 2.5}
    write.unlink()
    with pytest.raises(UserError, match="install it again"):
        load_reference_summaries(reader.read_suite())


@pytest.mark.parametrize("name", list_suites())
def test_the_committed_matrices_give_the_committed_accuracies(name):
    folder = find_reference_folder(name)
    summaries = read_summary(folder / SUMMARY_FILE)
    matrices = read_confusion_matrices(folder / CONFUSION_FILE)
    assert set(matrices) == {runner for runner in summaries if not runner.endswith(" on mnist")}
    for runner, of_seeds in matrices.items():
        counts = np.array(of_seeds)
        assert (counts.sum(axis=2) == 1000).all()
        accuracies = np.trace(counts, axis1=1, axis2=2) / 10_000
        assert accuracies.tolist() == list(summaries[runner].accuracies)


def test_a_users_own_suite_has_no_reference(tmp_path):
    suite = replace(reader.read_suite(), path=tmp_path / "kayed2020.toml")
    assert load_reference_summaries(suite) == {}


def test_the_times_of_all_suites_are_known_for_estimates():
    seconds = load_reference_fit_seconds()
    assert seconds["lenet5"] > 1
    assert any(name.startswith("sklearn.") for name in seconds)


# ---------------------------------------------------------------- without reading a record


@pytest.fixture
def folder(tmp_path, record_of):
    """Records of three runners, and a summary with one of them and one without records."""
    known = runners.load_runners()
    store = Store(tmp_path / "results")
    arrays = {"y_pred": np.zeros(10_000, np.uint8)}
    for name in ("gaussian-nb", "hog-svm"):
        store.save(record_of(Cell(known[name], FULL, 0)), arrays)
    store.save(record_of(Cell(known["sgd"], FULL, 0), status="failed", why="killed"))
    path = reader.read_suite().folder_in(store.folder) / SUMMARY_FILE
    path.parent.mkdir(parents=True)
    one = replace(MEASURED, runner="gaussian-nb", n=1, accuracies=(0.57,))
    others = [replace(one, runner="lenet5"), replace(one, runner="./mine.py:make")]
    write_summary(path, [one, *others], [])
    return store.folder


def test_the_state_of_each_runner_is_known_from_file_names_and_the_summary(folder):
    found = summarise_by_file_names(folder, reader.read_suite(), runners.load_runners())
    assert found["gaussian-nb"].accuracies == (0.57,)
    assert found["hog-svm"] == Summary("hog-svm", Status.MEASURED, 1)
    assert found["sgd"] == Summary("sgd", Status.FAILED)
    assert found["./mine.py:make"].accuracies == (0.57,)
    assert "lenet5" not in found and "mlp" not in found


def test_a_runner_whose_records_are_of_another_revision_is_stale(folder):
    known = dict(runners.load_runners())
    known["gaussian-nb"] = replace(known["gaussian-nb"], revision=99)
    found = summarise_by_file_names(folder, reader.read_suite(), known)
    assert found["gaussian-nb"] == Summary("gaussian-nb", Status.STALE)
