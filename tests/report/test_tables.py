"""The tables: claimed beside measured, the same in every format, and made again from records."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis import evaluation
from fmbench.analysis.summary import Summary
from fmbench.metrics.compute import compute_metrics
from fmbench.metrics.registry import METRICS
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.store import Store
from fmbench.report import tables
from fmbench.report.tables import ACCURACIES_COLUMNS, build_table, write_tables
from fmbench.suites import bundled, reader
from fmbench.utils import table
from fmbench.utils.table import as_csv, as_json, as_markdown

SUITE = reader.read_suite()
MEASURED = {
    "lenet5": Summary("lenet5", "measured", 5, 0.90123, 0.00251, 0.8935, 0.909, 61.25, "a GPU",
                      (0.9,) * 5),
    "gaussian-nb": Summary("gaussian-nb", "measured", 1, 0.5703, 0.0, 0.5703, 0.5703, 0.71, "cpu",
                           (0.5703,)),
    "decision-tree": Summary("decision-tree", "measured", 1, 0.798, fit_seconds=9.0, device="cpu"),
    "mlp": Summary("mlp", "failed: ran out of memory"),
    "sgd": Summary("sgd", "not run"),
    "cnn": Summary("cnn", "stale: revision 1 -> 2"),
}  # fmt: skip
REFERENCE = {"lenet5": Summary("lenet5", "measured", 5, 0.9)}


def by_runner(table: table.Table) -> dict[str, dict[str, str]]:
    return {row["runner"]: row for row in table.rows}


@pytest.fixture(scope="module")
def table3() -> table.Table:
    return tables.table3(SUITE, MEASURED, REFERENCE)


# ---------------------------------------------------------------- Table 3


def test_columns_are_the_published_ones(table3):
    assert table3.columns == ACCURACIES_COLUMNS == (
        "label", "runner", "claimed", "source", "reference", "mean", "sd", "n", "gap", "low",
        "high", "fit_seconds", "device", "status", "verdict", "delta_star",
    )  # fmt: skip
    assert all(tuple(row) == ACCURACIES_COLUMNS for row in table3.rows)


def test_every_row_of_the_suite_is_there_in_order(table3):
    assert [row["label"] for row in table3.rows] == [row.label for row in SUITE.rows]
    labels = [row["label"] for row in table3.rows[:19]]
    assert (labels[0], labels[9], labels[17], labels[18]) == (
        "Three-layer Neural Network", "GaussianNB", "CNN-LeNet-5", "Multilayer perceptron",
    )  # fmt: skip


def test_claimed_figures_are_as_printed(table3):
    claimed = [row["claimed"] for row in table3.rows]
    assert claimed == [row.claimed or "" for row in SUITE.rows]
    assert claimed[:3] == ["87.23", "89.70", "90.60"]


def test_a_measured_row_in_figures(table3):
    assert by_runner(table3)["lenet5"] == {
        "label": "CNN-LeNet-5", "runner": "lenet5", "claimed": "98.80", "source": "",
        "reference": "90.00", "mean": "90.12", "sd": "0.25", "n": "5", "gap": "-8.68",
        "low": "89.35", "high": "90.90", "fit_seconds": "61.2", "device": "a GPU",
        "status": "measured", "verdict": "not reproduced, claim higher", "delta_star": "8.79",
    }  # fmt: skip


def test_one_run_without_spread_leaves_sd_and_interval_empty(table3):
    row = by_runner(table3)["decision-tree"]
    assert (row["mean"], row["sd"], row["low"], row["high"]) == ("79.80", "", "", "")


def test_the_sources_figure_has_two_decimals(table3):
    rows = by_runner(table3)
    found = [rows[name]["source"] for name in ("cnn-svm", "gaussian-nb", "decision-tree")]
    assert found == ["90.72", "51.10", "79.80"]


@pytest.mark.parametrize(
    ("mean", "gap"),
    [(0.798, "+0.00"), (0.798 - 1e-12, "+0.00"), (0.79796, "+0.00"), (0.79794, "-0.01"),
     (0.8115, "+1.35")],
)  # fmt: skip
def test_the_gap_is_measured_minus_claimed_in_points(mean, gap):
    summaries = {"decision-tree": Summary("decision-tree", "measured", 1, mean)}
    assert by_runner(tables.table3(SUITE, summaries, {}))["decision-tree"]["gap"] == gap


def test_a_row_without_a_claim_has_no_gap():
    summaries = {"perceptron": Summary("perceptron", "measured", 1, 0.79)}
    row = by_runner(tables.table3(SUITE, summaries, {}))["perceptron"]
    assert (row["claimed"], row["mean"], row["gap"]) == ("", "79.00", "")


def test_a_row_that_is_not_measured_says_why_and_has_no_figures(table3):
    rows = by_runner(table3)
    for name, status in [("mlp", "failed: ran out of memory"), ("sgd", "not run"),
                         ("cnn", "stale: revision 1 -> 2"), ("eden", "no runner yet")]:  # fmt: skip
        assert rows[name]["status"] == status
        assert {rows[name][column] for column in ACCURACIES_COLUMNS[4:13]} == {""}
        assert rows[name]["verdict"].endswith(status) and not rows[name]["delta_star"]
        assert rows[name]["claimed"]


def test_rows_of_one_runner_show_the_same_measurement():
    summaries = {"svc-rbf": Summary("svc-rbf", "measured", 1, 0.8986)}
    rows = [r for r in tables.table3(SUITE, summaries, {}).rows if r["runner"] == "svc-rbf"]
    assert [row["label"] for row in rows] == ["Support Vector Classifier with rbf kernel", "SVC"]
    assert [row["mean"] for row in rows] == ["89.86", "89.86"]


def test_every_remark_is_a_note_under_its_row(table3):
    for row in SUITE.rows:
        assert not row.remark or any(
            note.startswith(f"{row.label}: {row.remark}") for note in table3.notes
        )


BEST = "best epoch picked on the test set, as the source did"


def test_a_flagged_figure_is_a_note_and_changes_no_row():
    plain = Summary("cnn-bn", "measured", 3, 0.91, accuracies=(0.91,) * 3)
    flagged = replace(plain, flagged={BEST: (0.92, 0.923, 0.929)})
    one = Summary("cnn-svm", "measured", 1, 0.9, flagged={"scored by signs": (0.88,)})
    without = tables.table3(SUITE, {"cnn-bn": plain, "cnn-svm": replace(one, flagged={})}, {})
    table = tables.table3(SUITE, {"cnn-bn": flagged, "cnn-svm": one}, {})
    assert table.rows == without.rows
    assert table.notes[: len(without.notes)] == without.notes
    assert table.notes[len(without.notes) :] == (
        "cnn-svm: scored by signs: 88.00 % (n=1)",
        f"cnn-bn: {BEST}: 92.40 ± 0.46 % (n=3)",
    )


# ---------------------------------------------------------------- Tables 1 and 2


def some_metrics(*n_right: int):
    y_true = np.arange(10).repeat(10)
    return [compute_metrics(y_true, np.where(np.arange(100) < n, y_true, (y_true + 1) % 10), 10)
            for n in n_right]  # fmt: skip


def test_table_1_has_each_class_and_the_averages_that_the_paper_prints():
    table = tables.table1(SUITE, some_metrics(100))
    assert [row["class"] for row in table.rows] == [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot", "macro average",
    ]  # fmt: skip
    for name in ("precision", "recall", "f1"):
        assert table.rows[-1][f"{name} claimed"] == "99%"
        assert [row[f"{name} measured"] for row in table.rows] == ["1.000"] * 11


def test_table_2_has_each_metric_with_every_figure_that_the_paper_prints():
    table = tables.table2(SUITE, some_metrics(90))
    assert [row["metric"] for row in table.rows] == list(METRICS)
    claimed = {row["metric"]: row["claimed"] for row in table.rows if row["claimed"]}
    assert claimed == {
        "accuracy": "98.80%, 98.9%", "kappa": "0.75", "informedness": "0.77", "mse": "0.66",
        "precision": "99%", "recall": "99%", "f1": "99%",
    }  # fmt: skip
    assert table.rows[0]["measured"] == "0.9000"


def test_several_seeds_are_a_mean_and_a_standard_deviation():
    table = tables.table2(SUITE, some_metrics(80, 90))
    assert table.rows[0]["measured"] == "0.8500 ± 0.0707"
    assert "Measured: mean ± standard deviation over 2 seeds." in table.notes


def test_without_a_measurement_tables_1_and_2_say_how_to_make_one():
    for shown in (tables.table1(SUITE, []), tables.table2(SUITE, [])):
        assert all(
            row[column] == "" for row in shown.rows for column in row if "measured" in column
        )
        assert "Not measured: run `fmbench run lenet5`." in shown.notes


def test_what_the_suite_does_not_hold_is_named_below():
    for shown in (tables.table1(SUITE, []), tables.table2(SUITE, [])):
        assert any(note.startswith("Not transcribed: Table 1, precision") for note in shown.notes)


# ---------------------------------------------------------------- formats


def parse_markdown(text: str) -> tuple[str, list[dict[str, str]], list[str]]:
    lines = text.splitlines()
    grid = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("|")
    ]
    header, ruler, *body = grid
    assert all(re.fullmatch(":?-+:?", cell) for cell in ruler)
    notes = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return lines[0], [dict(zip(header, row, strict=True)) for row in body], notes


@pytest.fixture(scope="module", params=[1, 2, 3])
def any_table(request, table3) -> table.Table:
    if request.param == 3:
        return table3
    return (tables.table1 if request.param == 1 else tables.table2)(SUITE, some_metrics(80, 90))


def test_markdown_csv_and_json_say_the_same(any_table):
    title, rows, notes = parse_markdown(as_markdown(any_table))
    assert title == f"# {any_table.title}"
    assert notes == list(any_table.notes)
    assert rows == any_table.rows
    reader = csv.DictReader(io.StringIO(as_csv(any_table)))
    assert tuple(reader.fieldnames) == any_table.columns
    assert list(reader) == any_table.rows
    assert json.loads(as_json(any_table)) == any_table.rows


def test_figures_are_aligned_to_the_right_and_words_to_the_left(table3):
    ruler = next(line for line in as_markdown(table3).splitlines() if line.startswith("|:-"))
    right = [cell.endswith(":") for cell in ruler.strip("|").split("|")]
    figures = {"claimed", "source", "reference", "mean", "sd", "n", "gap", "low", "high",
               "fit_seconds", "delta_star"}  # fmt: skip
    assert {
        name for name, is_right in zip(ACCURACIES_COLUMNS, right, strict=True) if is_right
    } == figures


def test_a_status_with_separators_stays_in_its_cell():
    status = 'failed: ValueError: a|b, "c"'
    table = tables.table3(SUITE, {"mlp": Summary("mlp", status)}, {})
    rows = parse_markdown(as_markdown(table))[1]
    assert {row["runner"]: row for row in rows}["mlp"]["status"] == status
    read = csv.DictReader(io.StringIO(as_csv(table)))
    assert {row["runner"]: row for row in read}["mlp"]["status"] == status


# ---------------------------------------------------------------- from a results folder


@pytest.fixture
def folder(tmp_path, record_of, source) -> Path:
    """Records of a deterministic runner and of two seeds of the suite's subject, and quick ones."""
    from fmbench.records.protocols import load_labels

    known = runners.load_runners()
    store = Store(tmp_path / "results")
    for name, protocol, seed, share in [
        ("gaussian-nb", FULL, 0, 0.5), ("lenet5", FULL, 0, 0.9), ("lenet5", FULL, 1, 0.8),
        ("lenet5", QUICK, 0, 0.6),
    ]:  # fmt: skip
        y_true = load_labels(protocol, source)
        y_pred = np.where(np.arange(len(y_true)) < share * len(y_true), y_true, (y_true + 1) % 10)
        cell = Cell(known[name], protocol, seed)
        store.save(record_of(cell, fit_seconds=1.0 + seed), {"y_pred": y_pred.astype(np.uint8)})
    return store.folder


def test_a_folders_table_holds_what_its_records_say(folder, source):
    outcome = evaluation.read_results(folder, SUITE, FULL, source.folder)
    rows = by_runner(build_table(outcome, "accuracies"))
    assert (rows["gaussian-nb"]["mean"], rows["gaussian-nb"]["n"]) == ("50.00", "1")
    assert (rows["lenet5"]["mean"], rows["lenet5"]["n"]) == ("85.00", "2")
    assert rows["lenet5"]["gap"] == "-13.80"
    assert rows["mlp"]["status"] == "not run"
    assert build_table(outcome, "overall").rows[0]["measured"] == "0.8500 ± 0.0707"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_quick_table_says_so_in_its_title_and_mixes_with_no_other(folder, source, number):
    full, quick = (evaluation.read_results(folder, SUITE, p, source.folder) for p in (FULL, QUICK))
    assert "not comparable with the claims" not in build_table(full, number).title
    assert f"({QUICK.title}: not comparable with the claims)" in build_table(quick, number).title
    assert as_markdown(build_table(quick, number)).startswith(
        f"# {build_table(quick, number).title}\n"
    )
    assert by_runner(build_table(quick, "accuracies"))["lenet5"]["mean"] == "60.00"
    assert build_table(quick, "overall").rows[0]["measured"] == "0.6000"


def test_written_tables_are_those_printed_and_the_same_when_written_again(folder, source):
    def written() -> dict[str, bytes]:
        outcome = evaluation.read_results(folder, SUITE, FULL, source.folder)
        write_tables(outcome)
        for number in ("by-class", "overall", "accuracies"):
            printed = as_markdown(build_table(outcome, number))
            assert (folder / f"table{number}.md").read_text(encoding="utf-8") == printed
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    first = written()
    assert sorted(first) == ["summary.json", "table1.csv", "table1.md", "table2.csv", "table2.md",
                             "table3.csv", "table3.md"]  # fmt: skip
    for name in first:
        (folder / name).unlink()
    assert written() == first


def test_quick_tables_are_written_under_their_own_names(folder, source):
    written = write_tables(evaluation.read_results(folder, SUITE, QUICK, source.folder))
    assert sorted(path.name for path in written) == sorted(
        f"table{number}-quick.{ending}"
        for number in ("by-class", "overall", "accuracies")
        for ending in ("md", "csv")
    )
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted(
        path.name for path in written
    )


def test_a_damaged_record_is_reported_beside_a_table_without_it(folder, source):
    store = Store(folder)
    record = next(r for r in store.read_contents().finished.values() if r.cell["seed"] == 1)
    store.path(record).with_suffix(".npz").write_bytes(b"PK")
    outcome = evaluation.read_results(folder, SUITE, FULL, source.folder)
    assert [broken.path for broken in outcome.broken] == [store.path(record)]
    assert by_runner(build_table(outcome, "accuracies"))["lenet5"]["mean"] == "90.00"
    assert build_table(outcome, "overall").rows[0]["measured"] == "0.9000"


def test_a_suite_without_detailed_figures_has_table_3_alone(folder, source):
    suite = replace(SUITE, reported=())
    written = write_tables(evaluation.read_results(folder, suite, FULL, source.folder))
    assert sorted(path.name for path in written) == ["table3.csv", "table3.md"]


# ---------------------------------------------------------------- the committed run

COMMITTED = bundled.CHECKOUT / "results" / "reference"


@pytest.mark.skipif(
    not (COMMITTED / "table3.md").exists(), reason="there is no committed table 3 yet"
)
def test_the_committed_tables_are_made_again_from_the_committed_records(
    tmp_path, source, monkeypatch
):
    made = [COMMITTED / f"table{n}.{ending}" for n in (1, 2, 3) for ending in ("md", "csv")]
    made.append(COMMITTED / "summary.json")
    copy = tmp_path / "reference"
    shutil.copytree(COMMITTED, copy)
    for path in made:
        (copy / path.name).unlink()
    outcome = evaluation.read_results(copy, SUITE, FULL, source.folder)
    monkeypatch.setattr(evaluation.SuiteResults, "is_reference", True)
    write_tables(outcome)
    assert outcome.broken == []
    for path in made:
        assert (copy / path.name).read_bytes() == path.read_bytes(), path.name
