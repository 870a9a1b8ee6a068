"""A metric is declared once, and everything else in fmbench reads that declaration."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis import evaluation
from fmbench.consistency.check import NO_FORMULA, check_consistency
from fmbench.consistency.conflicts import evaluate
from fmbench.consistency.matrices import MatrixModel
from fmbench.metrics.compute import compute_metrics
from fmbench.metrics.metric import Metric
from fmbench.metrics.registry import METRICS, find_metric
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, load_labels
from fmbench.records.store import Store
from fmbench.report.tables import build_table
from fmbench.suites import reader
from fmbench.utils import table

SUITE = """
title = "A suite for tests"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "text"
label = "Bayes"
runner = "gaussian-nb"
[[reported]]
where = "Table 2"
of = "gaussian-nb"
metric = "accuracy"
value = "0.75"
"""

HIT_RATE = Metric(
    name="hit rate",
    title="hit rate",
    overall_value=lambda predictions: float((predictions.y_true == predictions.y_pred).mean()),
    percent=True,
    decimals=1,
)
# TP / (TP + FP + FN): of one class, and not linear in the confusion matrix.
JACCARD = Metric(
    name="jaccard",
    title="Jaccard index",
    class_fraction=lambda c: (c.true_positives, c.predicted + c.actual - c.true_positives),
    in_class_table=True,
)


@pytest.fixture
def results(tmp_path, record_of, source):
    """A results folder with one record: gaussian-nb is right on 75 of 100 images, with scores."""
    y_true = load_labels(FULL, source)
    is_right = np.arange(len(y_true)) < 0.75 * len(y_true)
    y_pred = np.where(is_right, y_true, (y_true + 1) % 10).astype(np.uint8)
    scores = np.eye(10, dtype=np.float16)[y_pred] + 0.5 * np.eye(10, dtype=np.float16)[y_true]
    store = Store(tmp_path / "results")
    cell = Cell(runners.load_runners()["gaussian-nb"], FULL, 0)
    store.save(record_of(cell), {"y_pred": y_pred, "scores": scores.astype(np.float16)})

    def read(text: str = SUITE) -> evaluation.SuiteResults:
        path = tmp_path / "claims.toml"
        path.write_text(text)
        return evaluation.read_results(store.folder, reader.read_suite(path), FULL, source.folder)

    return read


def overall_row(results: evaluation.SuiteResults, metric: str) -> dict[str, Any]:
    built = build_table(results, "overall")
    assert f"| {metric} " in table.format_markdown(built)
    [row] = [row for row in json.loads(table.format_json(built)) if row["metric"] == metric]
    return row


def test_top_2_accuracy_is_in_the_table_and_in_json(results):
    """Every wrong prediction here has the true class in second place."""
    assert overall_row(results(), "top-2 accuracy")["measured"]["mean"] == 1


@pytest.mark.parametrize("metric", [HIT_RATE, JACCARD])
def test_a_new_metric_is_in_the_tables_and_in_json_without_another_edit(
    monkeypatch, results, metric
):
    monkeypatch.setitem(METRICS, metric.name, metric)
    expected = {"hit rate": 75.0, "jaccard": 0.6}[metric.name]
    measured = overall_row(results(), metric.name)["measured"]["mean"]
    assert measured == pytest.approx(expected, abs=0.001)
    columns = table.format_csv(build_table(results(), "by-class")).splitlines()[0]
    assert (f"{metric.name} measured" in columns) == metric.in_class_table


@pytest.mark.slow
def test_a_new_metric_is_on_the_page(monkeypatch, results):
    from fmbench.analysis.predictions import load_predictions
    from fmbench.report.commands import Commands
    from fmbench.report.html.page import render_page

    monkeypatch.setitem(METRICS, HIT_RATE.name, HIT_RATE)
    page = render_page(load_predictions(results()), Commands(None))
    for name in (HIT_RATE.name, "top-2 accuracy"):
        assert f">{name}</" in page


def test_a_metric_that_repeats_another_is_in_the_table_only_if_the_suite_reports_it(results):
    titles = table.format_markdown(build_table(results(), "overall"))
    assert "| error rate " not in titles and "| mcc " in titles and "| cell " not in titles
    text = SUITE.replace('"accuracy"', '"error rate"').replace("0.75", "25%")
    row = overall_row(results(text), "error rate")
    assert (row["claimed"], row["measured"]["mean"]) == ("25%", pytest.approx(0.25))


def test_a_suite_may_report_a_new_metric(monkeypatch, results):
    monkeypatch.setitem(METRICS, HIT_RATE.name, HIT_RATE)
    text = SUITE.replace('"accuracy"', '"hit rate"').replace("0.75", "75%")
    assert overall_row(results(text), "hit rate")["claimed"] == "75%"


def test_a_figure_that_has_no_formula_is_not_checked(results):
    text = SUITE + '[[reported]]\nwhere = "Table 2"\nmetric = "top-2 accuracy"\nvalue = "0.9"\n'
    result = check_consistency(results(text).suite)
    assert result.not_checked == {1: NO_FORMULA} and not result.contradictory


@pytest.mark.parametrize(
    ("place", "value", "is_contradictory"),
    [("class = 3", "0.4", False), ("class = 3", "0.7", True), ('average = "macro"', "0.4", False)],
)
def test_figures_of_a_new_metric_are_checked(monkeypatch, results, place, value, is_contradictory):
    """A recall of 0.5 allows no Jaccard index above 0.5."""
    monkeypatch.setitem(METRICS, JACCARD.name, JACCARD)
    text = SUITE.split("[[reported]]")[0] + "".join(
        f'[[reported]]\nwhere = "a"\nmetric = "{metric}"\nvalue = "{figure}"\n{place}\n'
        for metric, figure in (("recall", "0.50"), ("jaccard", value))
    )
    result = check_consistency(results(text).suite)
    assert not result.not_checked
    assert result.contradictory == is_contradictory


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("sizes", [(4, 4, 4), (3, 4, 6)], ids=["equal classes", "unequal classes"])
def test_the_constraints_of_a_metric_have_the_value_that_is_computed(name, sizes):
    metric = METRICS[name]
    y_true = np.repeat(np.arange(3), sizes)
    y_pred = np.random.default_rng(1).integers(3, size=len(y_true))
    if not metric.can_be_checked:
        with pytest.raises(ValueError, match="not a quotient of counts"):
            MatrixModel(sizes, has_cells=True).expression(name)
        return
    computed = compute_metrics(y_true, y_pred, 3)
    model = MatrixModel(sizes, has_cells=metric.needs_cells)
    point = model.build_point(computed.confusion.tolist())
    if metric.is_of_a_cell:
        for i, j in np.ndindex(3, 3):
            found = evaluate(model.expression(name, int(i), predicted_as=int(j)), point)
            assert found == computed.confusion[i, j]
        return
    found = evaluate(model.expression(name), point)
    assert float(found) == pytest.approx(computed.overall[name])
    for k in range(3 if metric.is_per_class else 0):
        found = evaluate(model.expression(name, k), point)
        assert float(found) == pytest.approx(computed.by_class[name][k])


def test_every_value_is_in_the_range_that_its_metric_declares():
    generator = np.random.default_rng(0)
    for _ in range(50):
        y_true, y_pred = np.arange(4).repeat(2), generator.integers(4, size=8)
        values = compute_metrics(y_true, y_pred, 4, generator.random((8, 4))).overall
        for name, value in values.items():
            highest = METRICS[name].highest
            assert METRICS[name].lowest <= value <= (math.inf if highest is None else highest)


def test_no_two_metrics_share_a_name_or_a_synonym():
    names = [n.lower() for m in METRICS.values() for n in {m.name, *m.synonyms}]
    assert len(names) == len(set(names))
    for name in names:
        assert name in {n.lower() for n in (find_metric(name).name, *find_metric(name).synonyms)}


def test_a_metric_needs_exactly_one_formula():
    with pytest.raises(ValueError, match="'x': give one of"):
        Metric(name="x", title="x")


@pytest.mark.slow
def test_reading_the_registry_does_not_load_numpy():
    import subprocess
    import sys

    code = "import sys, fmbench.metrics.registry; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("sizes", [(6, 6, 6), (3, 6, 9)], ids=["equal classes", "unequal classes"])
def test_a_metric_says_with_which_averages_it_is_the_accuracy(sizes):
    generator = np.random.default_rng(1)
    y_true = np.repeat(np.arange(3), sizes)
    model = MatrixModel(sizes, has_cells=True)
    answers = [np.where(generator.random(18) < 0.6, y_true, 0) for _ in range(5)]
    points = [model.build_point(compute_metrics(y_true, y, 3).confusion.tolist()) for y in answers]
    accuracies = [evaluate(model.expression("accuracy"), point) for point in points]
    for metric in METRICS.values():
        if metric.is_of_a_cell or not metric.can_be_checked:
            continue
        for average in (None, "macro", "weighted", "micro"):
            expression = model.expression(metric.name, average=average)
            is_equal = [evaluate(expression, point) for point in points] == accuracies
            is_balanced = len(set(sizes)) == 1
            assert metric.is_accuracy(average, is_balanced=is_balanced) == is_equal, metric.name
