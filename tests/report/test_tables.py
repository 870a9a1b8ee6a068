"""The tables of claimed and measured figures, made from records on disk in every format."""

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
from fmbench.analysis.evaluation import SuiteResults, judge_suite, read_results
from fmbench.analysis.reference import SUMMARY_FILE
from fmbench.analysis.summary import FlaggedFigure, Status, Summary
from fmbench.analysis.verdicts import Claim, VerdictKind, judge_claim
from fmbench.api import writing
from fmbench.api.results import load_results
from fmbench.errors import UserError
from fmbench.metrics.compute import compute_metrics
from fmbench.metrics.registry import METRICS
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, load_labels
from fmbench.records.store import Store
from fmbench.report.tables import (
    ACCURACIES_COLUMNS,
    AccuracyTable,
    build_accuracies,
    build_by_class,
    build_overall,
    build_overview,
    build_table,
    write_tables,
)
from fmbench.report.terminal import render_table
from fmbench.suites import claims, reader
from fmbench.utils.document import render_to_text
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.table import FORMATS, Table, format_csv, format_json, format_markdown
from tests.helpers.commands import call_fmbench

SUITE = reader.read_suite()
MEASURED = {
    "lenet5": Summary("lenet5", Status.MEASURED, 5, 0.90123, 0.00251, 0.8935, 0.909, 61.25,
                      "a GPU", (0.9,) * 5),
    "gaussian-nb": Summary("gaussian-nb", Status.MEASURED, 1, 0.5703, 0.0, 0.5703, 0.5703, 0.71,
                           "cpu", (0.5703,)),
    "decision-tree": Summary("decision-tree", Status.MEASURED, 1, 0.798, fit_seconds=9.0,
                             device="cpu"),
    "mlp": Summary("mlp", Status.FAILED, reason="ran out of memory"),
    "sgd": Summary("sgd", Status.NOT_RUN),
    "cnn": Summary("cnn", Status.STALE, reason="revision 1 -> 2"),
}  # fmt: skip
REFERENCE = {"lenet5": Summary("lenet5", Status.MEASURED, 5, 0.9)}
NAMES = tuple(column.name for column in ACCURACIES_COLUMNS)


def accuracies(summaries: dict[str, Summary]) -> AccuracyTable:
    return build_accuracies(SUITE, judge_suite(SUITE, summaries, REFERENCE))


def by_runner(table: Table) -> dict[str, dict[str, str]]:
    return {row["runner"]: row for row in table.text_rows()}


@pytest.fixture(scope="module")
def table() -> AccuracyTable:
    return accuracies(MEASURED)


# ---------------------------------------------------------------- accuracies


def test_the_columns_are_the_published_ones(table):
    assert table.names == (
        "label", "runner", "parameters", "claimed", "source", "reference", "mean", "sd", "n", "gap",
        "low", "high", "fit_seconds", "device", "status", "verdict", "delta_star", "to_the_digit",
        "source_protocol_mean", "flatters", "source_protocol_verdict", "control_claimed",
        "control_mean", "control_agrees", "source_protocol", "images", "claim_low", "claim_high",
        "p_within", "p_beyond", "p_holm", "seeds_needed",
    )  # fmt: skip
    assert all(tuple(row) == table.names for row in table.rows)


def test_every_row_of_the_suite_is_there_in_order(table):
    assert [row["label"] for row in table.rows] == [row.label for row in SUITE.rows]
    labels = [row["label"] for row in table.rows[:19]]
    assert (labels[0], labels[9], labels[17], labels[18]) == (
        "Three-layer Neural Network", "GaussianNB", "CNN-LeNet-5", "Multilayer perceptron",
    )  # fmt: skip


def test_claimed_figures_are_as_printed_in_the_paper(table):
    claimed = [row["claimed"] for row in table.text_rows()]
    assert claimed == [row.claimed or "" for row in SUITE.rows]
    assert claimed[:3] == ["87.23", "89.70", "90.60"]


def test_a_measured_row_as_text(table):
    row = by_runner(table)["lenet5"]
    assert {name: row[name] for name in NAMES[:17]} == {
        "label": "CNN-LeNet-5", "runner": "lenet5", "parameters": "ReLU, Adamax, 10 epochs",
        "claimed": "98.80", "source": "", "reference": "90.00", "mean": "90.12", "sd": "0.25",
        "n": "5", "gap": "-8.68", "low": "89.35", "high": "90.90", "fit_seconds": "61.2",
        "device": "a GPU",
        "status": "measured", "verdict": "not reproduced, claim higher", "delta_star": "8.79",
    }  # fmt: skip


def test_a_measured_row_as_numbers(table):
    [row] = [row for row in table.rows if row["runner"] == "lenet5"]
    assert (row["mean"], row["n"], row["source"], row["low"]) == (0.90123, 5, None, 0.8935)
    assert row["gap"] == pytest.approx(0.90123 - 0.988)
    [row] = [row for row in json.loads(format_json(table)) if row["runner"] == "lenet5"]
    assert (row["claimed"], row["mean"], row["gap"], row["n"]) == (98.8, 90.12, -8.68, 5)
    assert row["source"] is None and row["verdict"] == "not reproduced, claim higher"


def test_a_verdict_comes_with_its_p_values_and_the_interval_of_what_is_claimed(table):
    accuracies_by_seed = (0.90, 0.901, 0.902, 0.903, 0.904)
    summary = Summary("lenet5", Status.MEASURED, 5, 0.902, 0.0015811, 0.8972, 0.9068,
                      accuracies=accuracies_by_seed)  # fmt: skip
    [row] = [r for r in json.loads(format_json(accuracies({"lenet5": summary})))
             if r["runner"] == "lenet5"]  # fmt: skip
    judged = judge_claim(Claim(0.988, 0.00005), accuracies_by_seed, deterministic=False)
    low, high = judged.interval
    assert (row["claim_low"], row["claim_high"]) == (round(100 * low, 2), round(100 * high, 2))
    assert row["p_within"] == pytest.approx(judged.p_within, rel=0.05)
    assert row["p_beyond"] == row["p_holm"] == pytest.approx(judged.p_beyond, rel=0.05)
    assert (row["to_the_digit"], row["seeds_needed"]) == (None, None)
    header = format_markdown(table).splitlines()[2]
    assert "delta_star" in header and "p_holm" not in header and "claim_low" not in header


def test_one_run_without_spread_leaves_sd_and_interval_empty(table):
    row = by_runner(table)["decision-tree"]
    assert (row["mean"], row["sd"], row["low"], row["high"]) == ("79.80", "", "", "")


def test_the_figure_of_the_source_has_two_decimals(table):
    rows = by_runner(table)
    found = [rows[name]["source"] for name in ("cnn-svm", "gaussian-nb", "decision-tree")]
    assert found == ["90.72", "51.10", "79.80"]


@pytest.mark.parametrize(
    ("mean", "gap"),
    [(0.798, "+0.00"), (0.798 - 1e-12, "+0.00"), (0.79796, "+0.00"), (0.79794, "-0.01"),
     (0.8115, "+1.35")],
)  # fmt: skip
def test_the_gap_is_measured_minus_claimed_in_points(mean, gap):
    summaries = {"decision-tree": Summary("decision-tree", Status.MEASURED, 1, mean)}
    assert by_runner(accuracies(summaries))["decision-tree"]["gap"] == gap


def test_a_row_without_a_claim_has_no_gap():
    summaries = {"perceptron": Summary("perceptron", Status.MEASURED, 1, 0.79)}
    row = by_runner(accuracies(summaries))["perceptron"]
    assert (row["claimed"], row["mean"], row["gap"]) == ("", "79.00", "")


def test_a_row_that_is_not_measured_says_why_and_has_no_figures(table):
    rows = by_runner(table)
    for name, status in [("mlp", "failed: ran out of memory"), ("sgd", "not run"),
                         ("cnn", "stale: revision 1 -> 2"), ("eden", "no runner")]:  # fmt: skip
        assert rows[name]["status"] == status
        assert {rows[name][column] for column in NAMES[5:14]} == {""}
        assert rows[name]["verdict"].endswith(status) and not rows[name]["delta_star"]
        assert rows[name]["claimed"]


def test_csv_and_json_have_the_deciding_parameters_and_markdown_has_not(table):
    [knn] = [r for r in json.loads(format_json(table)) if r["runner"] == "k-neighbors"]
    assert knn["parameters"] == "k=5, Manhattan distance, weighted by distance"
    rows = list(csv.DictReader(io.StringIO(format_csv(table))))
    assert next(r for r in rows if r["runner"] == "svc-rbf")["parameters"] == "RBF kernel, C=10"
    assert "| parameters" not in format_markdown(table)


def test_parameters_of_a_suite_are_in_words_or_as_its_row_says(tmp_path):
    rows = [
        'runner = "svc-rbf"\nparameters = { C = 1.0 }',
        'runner = "k-neighbors"\nparameters = { p = 2, weights = "uniform" }',
        'estimator = "sklearn.tree:DecisionTreeClassifier"\nparameters = { min_samples_leaf = 3 }',
        'runner = "no such runner x=nan"',
    ]
    path = tmp_path / "own.toml"
    head = f"[test_set]\nn_per_class = {[1000] * 10}\n"
    path.write_text(
        head
        + "".join(
            f'[[row]]\nwhere = "Table 1"\nlabel = "{i}"\nclaimed = "80"\n{row}\n'
            for i, row in enumerate(rows)
        ),
        encoding="utf-8",
    )
    suite = reader.read_suite(path)
    printed = build_accuracies(suite, judge_suite(suite, {}, {})).text_rows()
    assert [row["parameters"] for row in printed] == [
        "RBF kernel, C=1", "k=5, Euclidean distance, not weighted", "min_samples_leaf=3", "",
    ]  # fmt: skip
    assert [row["runner"] for row in printed][:2] == [
        "svc-rbf C=1.0", "k-neighbors p=2 weights=uniform",
    ]  # fmt: skip


def test_rows_of_one_runner_show_the_same_measurement():
    summaries = {"svc-rbf": Summary("svc-rbf", Status.MEASURED, 1, 0.8986)}
    rows = [r for r in accuracies(summaries).text_rows() if r["runner"] == "svc-rbf"]
    assert [row["label"] for row in rows] == ["Support Vector Classifier with rbf kernel", "SVC"]
    assert [row["mean"] for row in rows] == ["89.86", "89.86"]


def test_every_remark_is_a_note_below_the_table(table):
    for row in SUITE.rows:
        assert not row.remark or any(
            note.startswith(f"{row.label}: {row.remark}") for note in table.notes
        )


BEST = "best epoch picked on the test set, as the source did"


def test_a_figure_by_the_sources_protocol_stands_beside_the_honest_one_and_in_a_note():
    plain = Summary("cnn-bn", Status.MEASURED, 3, 0.91, accuracies=(0.91,) * 3)
    flagged = replace(plain, flagged={"best_epoch": FlaggedFigure(BEST, (0.92, 0.923, 0.929))})
    without = by_runner(accuracies({"cnn-bn": plain}))["cnn-bn"]
    table = accuracies({"cnn-bn": flagged})
    row = by_runner(table)["cnn-bn"]
    honest = NAMES[: NAMES.index("to_the_digit")]
    assert {name: row[name] for name in honest} == {name: without[name] for name in honest}
    assert (row["source_protocol_mean"], row["flatters"]) == ("92.40", "+1.40")
    assert (without["source_protocol_mean"], without["source_protocol_verdict"]) == ("", "")
    assert row["source_protocol_verdict"] == VerdictKind.WITHIN_SPREAD.word
    assert f"CNN with Batch Normalization: {BEST}: 92.40 ± 0.46 % (n=3)" in table.notes


SIGNS = {"sign": FlaggedFigure("scored by signs", (0.7, 0.72, 0.74))}


@pytest.mark.parametrize(
    ("options", "flagged", "note"),
    [
        ({"scored_as": "sign"}, SIGNS, "A model: scored by signs: 72.00 ± 2.00 % (n=3)"),
        ({"scored_as": "sign"}, {"sign": FlaggedFigure("scored by signs", (0.7,))},
         "A model: scored by signs: 70.00 % (n=1)"),
        ({"scored_as": "sing"}, SIGNS, 'A model: cnn-svm has no flagged figure "sing" '
         "(it has: sign), so the claim is judged by the honest protocol alone"),
        ({"scored_as": "sign"}, {}, 'A model: cnn-svm has no flagged figure "sign" '
         "(it has: none), so the claim is judged by the honest protocol alone"),
        ({"scored_as": "sign"}, {"sign": FlaggedFigure("scored by signs")},
         'A model: the records lack the flagged figure "sign", so the claim is judged by the '
         "honest protocol alone"),
        ({"best_of": 5}, {},
         "A model: the claim is the best of 5 runs, and is compared with the best of as many"),
        ({}, SIGNS, None),
        ({"picked": "best epoch"}, SIGNS, "A model: cnn-svm has no epochs of which the source "
         "could have picked the best, so the claim is judged by the honest protocol alone"),
        ({"picked": "best epoch"}, {"best_epoch": FlaggedFigure(BEST, (0.92, 0.923, 0.929))},
         f"A model: {BEST}: 92.40 ± 0.46 % (n=3)"),
        ({"source": "90.0", "certainty": "recalled"}, {},
         "A model: The source's figure, 90.0, is not compared with the claim, because its "
         'certainty is "recalled" and not "verified".'),
        ({"source": "90.0", "certainty": "second hand"}, {},
         "A model: We know the source's figure only from papers that quote it, so it is not "
         "compared with the claim."),
        ({"source": "91.0", "certainty": "verified"}, {}, None),
        ({"certainty": "recalled"}, {}, None),
    ],
)  # fmt: skip
def test_the_notes_say_what_a_source_did_only_where_its_row_says_so(options, flagged, note):
    summary = Summary("cnn-svm", Status.MEASURED, 3, 0.91, 0.01, accuracies=(0.9, 0.91, 0.92),
                      flagged=flagged)  # fmt: skip
    row = claims.Row("Table 1", "A model", "cnn-svm", "91.0", recipe="stated", **options)
    suite = replace(SUITE, rows=(row,))
    table = build_accuracies(suite, judge_suite(suite, {"cnn-svm": summary}, {}))
    assert [n for n in table.notes if n.startswith("A model: ")] == ([note] if note else [])


def test_the_notes_count_the_verdicts_and_explain_each_that_occurs_once(table):
    counts = next(note for note in table.notes if note.startswith(f"{len(table.rows)} rows: "))
    assert "1 misquotes its source" in counts and "1 failed" in counts
    for kind in VerdictKind:
        occurs = any(row.verdict.kind is kind for row in table.judged)
        begins = f"{kind.style.group or kind.word}: {kind.style.meaning[:20]}"
        found = [note for note in table.notes if note.startswith(begins)]
        assert len(found) <= 1
        if kind.style.in_legend and not kind.style.group:
            assert bool(found) is occurs, kind


def test_the_digits_of_a_row_that_is_claimed_of_other_images_are_a_control():
    controls = {"mnist": (0.8731, 0.8735, 0.8738)}
    summary = Summary("decision-tree", Status.MEASURED, 3, 0.81, 0.001, accuracies=(0.81,) * 3,
                      controls=controls)  # fmt: skip
    table = accuracies({"decision-tree": summary})
    row = by_runner(table)["decision-tree"]
    assert row["verdict"].startswith(VerdictKind.OTHER_IMAGES.word)
    assert (row["control_claimed"], row["control_mean"], row["control_agrees"]) == (
        "87.3", "87.35", "yes",
    )  # fmt: skip
    assert row["images"] == "first release"
    [short] = [r for r in build_overview(table).text_rows() if r["row"] == row["label"]]
    assert (short["verdict"], short["control"]) == ("claimed of other images", "87.3 / 87.35")


def test_the_overview_has_the_rows_with_a_claim(table):
    rows = {row["row"]: row for row in build_overview(table).text_rows()}
    assert rows.keys() == {row.label for row in SUITE.rows if row.claimed}
    lenet, naive = rows["CNN-LeNet-5"], rows["GaussianNB"]
    assert (lenet["measured"], lenet["one new run"]) == ("90.12 ± 0.25", "89.35 to 90.90")
    assert (naive["measured"], naive["one new run"]) == ("57.03", "57.03")
    assert rows["SGDClassifier"]["measured"] == "no record"


# ---------------------------------------------------------------- by class, and overall


def some_metrics(*n_right: int):
    y_true = np.arange(10).repeat(10)
    return [compute_metrics(y_true, np.where(np.arange(100) < n, y_true, (y_true + 1) % 10), 10)
            for n in n_right]  # fmt: skip


def test_the_table_by_class_has_each_class_and_the_averages_that_the_paper_prints():
    table = build_by_class(SUITE, some_metrics(100))
    assert [row["class"] for row in table.text_rows()] == [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot", "macro average",
    ]  # fmt: skip
    for name in ("precision", "recall", "f1"):
        assert table.text_rows()[-1][f"{name} claimed"] == "0.99"
        assert [row[f"{name} measured"] for row in table.text_rows()] == ["1.000"] * 11
    claimed = {
        name: " ".join(row[f"{name} claimed"] for row in table.text_rows()[:10])
        for name in ("precision", "recall", "f1")
    }
    assert claimed == {
        "precision": "1.00 1.00 0.99 0.99 0.99 1.00 0.99 0.99 1.00 0.99",
        "recall": "1.00 1.00 0.99 1.00 0.99 0.99 0.99 0.99 0.99 0.99",
        "f1": "1.00 1.00 0.99 0.99 0.99 0.99 0.99 0.99 0.99 0.99",
    }


def test_the_overall_table_has_each_metric_with_every_figure_that_the_paper_prints():
    table = build_overall(SUITE, some_metrics(90))
    assert [row["metric"] for row in table.text_rows()] == [
        name for name, metric in METRICS.items() if metric.in_overall_table
    ]
    claimed = {row["metric"]: row["claimed"] for row in table.text_rows() if row["claimed"]}
    assert claimed == {
        "accuracy": "98.80%, 98.9% (mean of 10)", "kappa": "0.75", "informedness": "0.77",
        "mse": "0.66", "mae": "0.66 (printed as MSE)", "precision": "0.99", "recall": "0.99",
        "f1": "0.99",
    }  # fmt: skip
    assert any(note.startswith("MSE 0.66: Section 3.2 names the metric") for note in table.notes)
    assert table.text_rows()[0]["measured"] == "0.9000"


def test_several_seeds_are_a_mean_and_a_standard_deviation():
    table = build_overall(SUITE, some_metrics(80, 90))
    assert table.text_rows()[0]["measured"] == "0.8500 ± 0.0707"
    assert "Measured: mean ± standard deviation over 2 seeds." in table.notes


def test_without_a_measurement_both_tables_say_how_to_make_one():
    for shown in (build_by_class(SUITE, []), build_overall(SUITE, [])):
        assert all(
            row[column] == "" for row in shown.text_rows() for column in row if "measured" in column
        )
        assert "Not measured: run `fmbench run lenet5`." in shown.notes


def test_figures_that_are_not_transcribed_are_named_below():
    left_out = (claims.NotTranscribed("Table 4", "precision", "the scan cannot be read"),)
    suite = replace(SUITE, not_transcribed=left_out)
    for shown in (build_by_class(suite, []), build_overall(suite, [])):
        assert "Not transcribed: Table 4, precision: the scan cannot be read." in shown.notes


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


@pytest.fixture(scope="module", params=["accuracies", "by-class", "overall"])
def any_table(request, table) -> Table:
    if request.param == "accuracies":
        return table
    build = build_by_class if request.param == "by-class" else build_overall
    return build(SUITE, some_metrics(80, 90))


def test_markdown_csv_and_json_show_the_same_values(any_table):
    title, rows, notes = parse_markdown(format_markdown(any_table))
    assert title == f"# {any_table.title}"
    assert notes == list(any_table.notes)
    shown = [column.name for column in any_table.columns if not column.is_detail]
    assert rows == [{name: row[name] for name in shown} for row in any_table.text_rows()]
    reader = csv.DictReader(io.StringIO(format_csv(any_table)))
    assert tuple(reader.fieldnames) == any_table.names
    rows = any_table.text_rows()
    assert list(reader) == rows
    for texts, values in zip(rows, json.loads(format_json(any_table)), strict=True):
        for name, text in texts.items():
            value = values[name]
            if isinstance(value, dict):
                mean, _, sd = text.partition(" ± ")
                assert value == {"mean": float(mean), "sd": float(sd)}
            elif isinstance(value, bool):
                assert value is (text == "yes")
            elif isinstance(value, int | float):
                assert value == float(text)
            else:
                assert value == (text or None)


def test_figures_are_aligned_to_the_right_and_words_to_the_left(table):
    ruler = next(line for line in format_markdown(table).splitlines() if line.startswith("|:-"))
    right = [cell.endswith(":") for cell in ruler.strip("|").split("|")]
    figures = {"claimed", "source", "reference", "mean", "sd", "n", "gap", "low", "high",
               "fit_seconds", "delta_star", "source_protocol_mean", "flatters", "control_claimed",
               "control_mean"}  # fmt: skip
    names = [column.name for column in ACCURACIES_COLUMNS if not column.is_detail]
    assert {name for name, is_right in zip(names, right, strict=True) if is_right} == figures


def test_a_reason_with_separators_stays_in_its_cell():
    table = accuracies({"mlp": Summary("mlp", Status.FAILED, reason='ValueError: a|b, "c"')})
    status = 'failed: ValueError: a|b, "c"'
    rows = parse_markdown(format_markdown(table))[1]
    assert {row["runner"]: row for row in rows}["mlp"]["status"] == status
    read = csv.DictReader(io.StringIO(format_csv(table)))
    assert {row["runner"]: row for row in read}["mlp"]["status"] == status


# ---------------------------------------------------------------- from a results folder


@pytest.fixture
def folder(tmp_path, record_of, source) -> Path:
    """Records of a deterministic runner and of two seeds of the suite's subject, and quick ones."""
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


def test_the_table_of_a_folder_holds_what_its_records_say(folder, source):
    results = read_results(folder, SUITE, FULL, source.folder)
    rows = by_runner(build_table(results, "accuracies"))
    assert (rows["gaussian-nb"]["mean"], rows["gaussian-nb"]["n"]) == ("50.00", "1")
    assert (rows["lenet5"]["mean"], rows["lenet5"]["n"]) == ("85.00", "2")
    assert rows["lenet5"]["gap"] == "-13.80"
    assert rows["lenet5"]["measured_by"] == rows["gaussian-nb"]["measured_by"] == "here"
    assert (rows["mlp"]["measured_by"], rows["mlp"]["mean"]) == ("fmbench", "88.00")
    assert (rows["eden-full"]["measured_by"], rows["eden-full"]["status"]) == ("", "not run")
    assert build_table(results, "overall").text_rows()[0]["measured"] == "0.8500 ± 0.0707"


@pytest.mark.parametrize("name", ["accuracies", "by-class", "overall"])
def test_the_title_of_a_quick_table_says_quick_and_its_rows_contain_only_quick_records(
    folder, source, name
):
    full, quick = (read_results(folder, SUITE, p, source.folder) for p in (FULL, QUICK))
    assert "not comparable with the claims" not in build_table(full, name).title
    says = f"(quick run, {QUICK.title}: not comparable with the claims)"
    assert says in build_table(quick, name).title
    assert format_markdown(build_table(quick, name)).startswith(
        f"# {build_table(quick, name).title}\n"
    )
    assert by_runner(build_table(quick, "accuracies"))["lenet5"]["mean"] == "60.00"
    assert build_table(quick, "overall").text_rows()[0]["measured"] == "0.6000"


def test_before_any_run_the_tables_show_fmbenchs_own_measurements_and_say_so(tmp_path):
    results = read_results(tmp_path / "none", SUITE)
    shown = build_table(results, "accuracies")
    [*_, last] = [note for note in shown.notes if note.startswith("measured_by: ")]
    assert last == (
        "measured_by: no row is measured here; fmbench: fmbench's own measurement (AMD EPYC); "
        f"`fmbench run --all --results {tmp_path}/none` measures here."
    )
    assert by_runner(shown)["lenet5"]["verdict"] == "not reproduced, claim higher"
    short = {row["row"]: row for row in build_overview(shown).text_rows()}
    assert short["CNN-LeNet-5"]["measured by"] == "fmbench"
    for name in ("by-class", "overall"):
        detailed = build_table(results, name)
        assert {row["measured_by"] for row in detailed.text_rows()} == {"fmbench"}
        command = f"`fmbench run lenet5 --results {tmp_path}/none`"
        assert f"in fmbench's own run; {command} measures it here." in detailed.notes[0]
        assert "measured_by" not in format_markdown(detailed)
        assert "measured_by" in format_csv(detailed).splitlines()[0]


def test_only_fmbenchs_own_results_do_not_say_who_measured_a_row(folder, source, monkeypatch):
    assert "measured_by" in build_table(read_results(folder, SUITE, FULL, source.folder)).names
    assert "measured_by" not in build_table(read_results(folder, SUITE, QUICK, source.folder)).names
    monkeypatch.setattr(SuiteResults, "is_reference", True)
    assert "measured_by" not in build_table(read_results(folder, SUITE, FULL, source.folder)).names


def test_quick_results_have_no_verdict(folder, source):
    quick = read_results(folder, SUITE, QUICK, source.folder)
    table = build_table(quick, "accuracies")
    assert {row["verdict"] for row in table.text_rows()} == {""}
    assert {row.verdict.word for row in quick.rows if row.n} == {"untestable"}


@pytest.mark.parametrize("format_", [*FORMATS, "text"])
def test_a_quick_table_has_no_gap_no_interval_and_no_verdict_in_any_format(format_):
    summaries = {
        "decision-tree": Summary("decision-tree", Status.MEASURED, 2, 0.73, 0.003, 0.0, 1.0, 4.0,
                                 "cpu", (0.728, 0.732)),
        "gaussian-nb": Summary("gaussian-nb", Status.MEASURED, 1, 0.59, 0.0, 0.59, 0.59, 0.7, "cpu",
                               (0.59,)),
    }  # fmt: skip
    rows = judge_suite(SUITE, summaries, {}, QUICK)
    table = build_accuracies(SUITE, rows, protocol_title=QUICK.title)
    shown: Table = build_overview(table) if format_ in ("tex", "html") else table
    if format_ == "text":
        text = render_to_text(render_table(table, 160), 160)
    else:
        text = FORMATS[format_](shown)
    assert "73.0" in text
    for unwanted in ("100.0", "-6.8", "one new run", "untestable", "misquotes", "reproduced"):
        assert unwanted not in text
    figures = next(row for row in rows if row.runner == "decision-tree").as_dict()
    names = ("gap", "low", "high", "claim_low", "claim_high", "to_the_digit", "delta_star")
    assert [figures[name] for name in names] == [None] * len(names)


@pytest.mark.parametrize("write", [writing.format_review, writing.format_eval_results])
def test_nothing_to_publish_is_made_of_a_quick_run(tmp_path, write):
    with pytest.raises(UserError, match=r"say nothing about the claims.*leave out --quick"):
        write(load_results(tmp_path, quick=True))


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in SUITE.folder_in(folder).iterdir())


def test_written_tables_are_those_printed_and_the_same_when_written_again(folder, source):
    written = SUITE.folder_in(folder)

    def write() -> dict[str, bytes]:
        results = read_results(folder, SUITE, FULL, source.folder)
        write_tables(results)
        for name in ("by-class", "overall", "accuracies"):
            printed = format_markdown(build_table(results, name))
            assert (written / f"{name}.md").read_text(encoding="utf-8") == printed
        return {path.name: path.read_bytes() for path in written.iterdir()}

    first = write()
    assert list_files(folder) == [
        "accuracies.csv", "accuracies.md", "by-class.csv", "by-class.md", "confusion.json",
        "overall.csv", "overall.md", "summary.json",
    ]  # fmt: skip
    for name in first:
        (written / name).unlink()
    assert write() == first


def test_quick_tables_are_written_under_their_own_names(folder, source):
    write_tables(read_results(folder, SUITE, QUICK, source.folder))
    assert list_files(folder) == sorted(
        f"{name}-quick.{ending}"
        for name in ("by-class", "overall", "accuracies")
        for ending in ("md", "csv")
    )


def test_the_rows_are_judged_once_for_all_tables(folder, source, monkeypatch):
    calls = []
    judge_rows = evaluation.judge_rows
    monkeypatch.setattr(
        evaluation, "judge_rows", lambda *a, **options: calls.append(1) or judge_rows(*a, **options)
    )
    results = read_results(folder, SUITE, FULL, source.folder)
    write_tables(results)
    build_table(results)
    assert len(calls) == 1 and build_table(results).judged == tuple(results.rows)
    build_table(results, margin=0.01)
    assert len(calls) == 2


def test_a_damaged_record_is_reported_and_is_not_in_the_table(folder, source):
    store = Store(folder)
    record = next(r for r in store.read_contents().finished.values() if r.cell["seed"] == 1)
    store.path(record).with_suffix(".npz").write_bytes(b"PK")
    results = read_results(folder, SUITE, FULL, source.folder)
    assert [broken.path for broken in results.broken] == [store.path(record)]
    assert by_runner(build_table(results, "accuracies"))["lenet5"]["mean"] == "90.00"
    assert build_table(results, "overall").text_rows()[0]["measured"] == "0.9000"


def test_a_suite_without_detailed_figures_has_only_the_table_of_accuracies(folder, source):
    suite = replace(SUITE, reported=())
    written = write_tables(read_results(folder, suite, FULL, source.folder))
    assert sorted(path.name for path in written) == ["accuracies.csv", "accuracies.md"]


# ---------------------------------------------------------------- the committed run

COMMITTED = CHECKOUT / "results" / "reference"


def test_the_committed_tables_are_made_again_from_the_committed_records(
    tmp_path, source, monkeypatch
):
    copy = tmp_path / "reference"
    shutil.copytree(COMMITTED / "records", copy / "records")
    monkeypatch.setattr(SuiteResults, "is_reference", True)
    results = read_results(copy, SUITE, FULL, source.folder)
    assert results.broken == []
    written = [*write_tables(results), SUITE.folder_in(copy) / SUMMARY_FILE]
    assert len(written) == 7
    for path in written:
        committed = SUITE.folder_in(COMMITTED) / path.name
        assert path.read_bytes() == committed.read_bytes(), f"{path.name}: run `make reference`"


def test_very_many_warnings_of_a_row_are_counted_and_not_printed():
    warned = replace(MEASURED["lenet5"], warnings=tuple(f"warning {i}" for i in range(100_000)))
    few = replace(MEASURED["lenet5"], warnings=("warning 0",))
    text, short = (format_markdown(accuracies({"lenet5": s})) for s in (warned, few))
    assert len(text) < len(short) + 2000
    assert "- lenet5: 99,990 more warnings, which the records have" in text
    assert "more warnings" not in short and "- lenet5: warning 0" in short


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["table", "--write"], "kayed2020"),
        (["report"], "kayed2020"),
        (["figures"], "kayed2020"),
        (["figures"], "kayed2020/figures"),
        (["run", "lenet5", "--quick"], "kayed2020"),
    ],
)
def test_nothing_is_written_through_a_link_in_the_place_of_a_suites_folder(
    tmp_path, command, folder
):
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = results / folder
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    done = call_fmbench(*command, "--results", results)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"fmbench: error: {link}: it is a symbolic link, and nothing outside of the results folder "
        "is changed: put the folder itself in its place"
    ]
    assert list(elsewhere.iterdir()) == [] and link.is_symlink()
