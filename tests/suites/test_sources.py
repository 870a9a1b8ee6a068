"""One rule says which figures belong to one source, and which claims of rows are figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench.suites import reader
from fmbench.suites.claims import Matrix, ReportedFigure
from fmbench.suites.sources import (
    RunKind,
    collect_figures,
    find_run_kind,
    is_part_of,
    list_sources,
    name_source,
    name_table,
)


@pytest.mark.parametrize(
    ("where", "source", "table"),
    [("Table 1, class 3", "Table 1", "Table 1"), ("Table 1,class  12 ", "Table 1", "Table 1"),
     ("Table 1, classes", "Table 1, classes", "Table 1"), ("text", "text", "text"),
     ("Table 2, kappa", "Table 2, kappa", "Table 2")],
)  # fmt: skip
def test_a_source_is_the_place_without_the_class(where, source, table):
    assert (name_source(where), name_table(where)) == (source, table)


def test_a_place_is_a_part_of_the_table_whose_name_it_begins_with():
    assert is_part_of("Table 1, overall line", "Table 1")
    assert not is_part_of("Table 10", "Table 1") and not is_part_of("Table 1", "Table 1")


def test_figures_of_another_model_or_kind_of_run_are_another_source():
    figures = [
        ReportedFigure("Table 1, class 0", "recall", "0.9", of="a", class_=0),
        ReportedFigure("Table 1, class 1", "recall", "0.9", of="a", class_=1),
        ReportedFigure("Table 1", "accuracy", "0.9", of="b"),
        ReportedFigure("Table 1", "accuracy", "0.9", of="a", mean_of=5),
        ReportedFigure("Table 1", "accuracy", "0.9", of="a", folds=5),
    ]
    assert list_sources(figures) == {
        ("Table 1", RunKind("a")): [0, 1], ("Table 1", RunKind("b")): [2],
        ("Table 1", RunKind("a", mean_of=5)): [3], ("Table 1", RunKind("a", folds=5)): [4],
    }  # fmt: skip
    assert find_run_kind(Matrix("Figure 7", (), of="a", mean_of=5)) == RunKind("a", mean_of=5)


# ------------------------------------------------------------------ claims of rows


def row(label, runner="", claimed="90.00", **keys):
    runners = {"runner": runner} if runner else {}
    return {"where": "Table 3", "label": label, "claimed": claimed, **runners, **keys}


def figures_of(rows, reported=(), matrices=()):
    content = {
        "test_set": {"n_per_class": [1000] * 10}, "row": list(rows), "reported": list(reported),
        "matrix": list(matrices),
    }  # fmt: skip
    return collect_figures(reader.build_suite(content, Path("s.toml")))


def test_a_claim_is_a_figure_of_its_runner_or_of_its_label_if_that_is_not_clear():
    found = figures_of([
        row("LeNet-5", "lenet5"), row("SVC", "svc-rbf", "89.7"),
        row("SVC (RBF)", "svc-rbf", "89.8"), row("Unknown", claimed="91.0"),
    ])  # fmt: skip
    assert [(f.of, f.value) for f in found.figures] == [
        ("lenet5", "90.00"), ("SVC", "89.7"), ("SVC (RBF)", "89.8"), ("Unknown", "91.0")
    ]  # fmt: skip
    assert found.rows == (0, 1, 2, 3)


def test_a_claim_is_a_figure_of_its_label_if_the_other_figures_name_the_model_so():
    named = {"where": "Table 2", "metric": "kappa", "value": "0.8", "of": "LeNet-5"}
    assert [f.of for f in figures_of([row("LeNet-5", "lenet5")], [named]).figures] == [
        "LeNet-5"
    ] * 2
    by_runner = {**named, "of": "lenet5"}
    found = figures_of([row("LeNet-5", "lenet5")], [named, by_runner])
    assert [f.of for f in found.figures] == ["LeNet-5", "lenet5", "lenet5"]


def test_a_claim_keeps_its_kind_and_rounding():
    rows = [row("A", mean_of=5, sd="0.2"), row("B", best_of=3, half_unit="0.05%"),
            row("C", bound="at least")]  # fmt: skip
    a, b, c = figures_of(rows).figures
    assert (a.metric, a.where, a.mean_of, a.sd) == ("accuracy", "Table 3", 5, "0.2")
    assert (b.best_of, b.half_unit, c.bound) == (3, "0.05%", "at least")


def test_claims_stand_behind_the_reported_figures_and_none_is_repeated():
    reported = [
        {"where": "text", "metric": "accuracy", "value": "90.00%", "of": "lenet5"},
        {"where": "text", "metric": "accuracy", "value": "0.9", "of": "mlp"},  # rounded more
        {"where": "text", "metric": "accuracy", "value": "90.00", "of": "cnn", "mean_of": 10},
    ]
    rows = [row("LeNet-5", "lenet5"), row("MLP", "mlp"), row("CNN", "cnn")]
    found = figures_of(rows, reported)
    assert [(f.of, f.where) for f in found.figures] == [
        ("lenet5", "text"), ("mlp", "text"), ("cnn", "text"), ("mlp", "Table 3"), ("cnn", "Table 3")
    ]  # fmt: skip
    assert found.rows == (None, None, None, 1, 2)


def test_claims_about_other_images_are_no_figures_of_the_test_set():
    rows = [
        row("A", "lenet5", images="first release"), row("B", "mlp"),
        row("C", estimator="sklearn.svm:SVC", dataset="mnist"),
        {"where": "text", "label": "D", "runner": "cnn"},
    ]  # fmt: skip
    assert figures_of(rows).rows == (1,)


def test_the_papers_claims_of_models_without_other_figures_are_figures_too():
    suite = reader.read_suite()
    figures, rows = collect_figures(suite)
    assert figures[: len(suite.reported)] == suite.reported
    claims = [suite.rows[i].runner for i in rows if i is not None]
    assert "lenet5" not in claims and "svc-rbf" not in claims  # reported; the first release
    assert {"lenet5-section3", "cnn-svm", "mlp"} <= set(claims)
