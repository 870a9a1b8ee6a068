"""A results folder read for a suite: which records count, their accuracies, and the judged rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from fmbench import runners
from fmbench.analysis.evaluation import choose_evidence, judge_suite, read_results
from fmbench.analysis.predictions import load_predictions
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import VerdictKind
from fmbench.datasets import specs
from fmbench.records.cells import Cell
from fmbench.records.protocols import DIGITS, FULL, QUICK, load_labels
from fmbench.records.store import Store
from fmbench.suites import reader
from fmbench.suites.claims import Control
from fmbench.suites.configurations import Configuration

SUITE = reader.read_suite()


def predict(y_true: np.ndarray, share: float) -> dict[str, np.ndarray]:
    """Predictions of which the first ``share`` are right."""
    right = np.arange(len(y_true)) < share * len(y_true)
    return {"y_pred": np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, record_of, source):
    """Records of gaussian-nb, and of two seeds of lenet5; one of another revision, one quick."""
    known = runners.load_runners()
    store = Store(tmp_path_factory.mktemp("evaluation") / "results")
    y_true = load_labels(FULL, source)
    store.save(record_of(Cell(known["gaussian-nb"], FULL, 0)), predict(y_true, 0.5))
    for seed, share in ((0, 0.9), (1, 0.8)):
        record = record_of(Cell(known["lenet5"], FULL, seed), fit_seconds=1.0 + seed)
        store.save(record, predict(y_true, share))
    other_revision = replace(known["sgd"], revision=99)
    store.save(record_of(Cell(other_revision, FULL, 0)), predict(y_true, 0.7))
    quick = Cell(known["lenet5"], QUICK, 0)
    store.save(record_of(quick), predict(load_labels(QUICK, source), 0.6))
    return store.folder


@pytest.fixture(scope="module")
def results(folder, source):
    return read_results(folder, SUITE, FULL, source.folder)


def test_each_judged_row_has_its_figures_as_fractions(results):
    rows = {row.runner: row.as_dict() for row in results.rows}
    lenet = rows["lenet5"]
    assert (lenet["claimed"], lenet["mean"], lenet["n"]) == (0.988, pytest.approx(0.85), 2)
    assert lenet["gap"] == pytest.approx(-0.138)
    assert lenet["fit_seconds"] == 1.5
    assert (lenet["verdict"], lenet["status"], lenet["reason"]) == ("untestable", "measured", "")
    assert lenet["verdict_reason"] == "2 seeds of a stochastic model, 3 needed"
    assert (lenet["where"], lenet["dataset"]) == ("Table 3", specs.FASHION_MNIST.name)
    assert lenet["reference"] == pytest.approx(0.9083, abs=0.01)
    assert rows["eden-full"]["mean"] is None and rows["eden-full"]["status"] == "not run"
    assert rows["sgd"]["status"] == "stale" and "revision 99 ->" in rows["sgd"]["reason"]


def test_only_records_of_the_protocol_and_of_todays_recipes_count(results):
    scored = {(c.name, r.cell["seed"]): accuracy for c, r, accuracy in results.scored_records()}
    assert scored == {("gaussian-nb", 0): 0.5, ("lenet5", 0): 0.9, ("lenet5", 1): 0.8}
    assert len(results.records) == 3


def test_confusion_matrices_are_those_of_the_records_of_one_runner(results):
    lenet = results.configurations["lenet5"]
    matrices = results.confusion_matrices(lenet, results.records_of(lenet))
    assert matrices.shape == (2, 10, 10)
    assert [np.trace(matrix) for matrix in matrices] == [9000, 8000]


def test_stored_predictions_are_read_once_for_figures(results):
    predictions = load_predictions(results)
    assert {name: p.n for name, p in predictions.by_name.items()} == {"gaussian-nb": 1, "lenet5": 2}
    assert predictions.n_records == 3
    assert predictions.subject.runner == "lenet5"
    # Both models get the first half right; the last tenth is wrong in every run.
    assert predictions.n_always_wrong == 1000
    [hardest] = predictions.hardest_images(1)
    assert (hardest.index, hardest.wrong, hardest.agreement) == (9000, 1.0, 1.0)
    assert hardest.predicted == (hardest.label + 1) % 10


def save_configuration(store, record_of, configuration, share, source):
    cell = configuration.cell(FULL, 0)
    y_true = load_labels(FULL, source)
    arrays = predict(y_true, share)
    if specs.records_have_labels(configuration.dataset.name):
        arrays["y_true"] = y_true
    store.save(record_of(cell), arrays)


def test_metrics_of_the_subject_leave_out_its_variants_and_other_data_sets(
    tmp_path, record_of, source
):
    lenet = runners.get_runner("lenet5")
    variant = Configuration(lenet, {"epochs": 5})
    other_dataset = Configuration(lenet, dataset=specs.KMNIST)
    store = Store(tmp_path / "results")
    for configuration, share in ((Configuration(lenet), 0.9), (variant, 0.8), (other_dataset, 0.7)):
        save_configuration(store, record_of, configuration, share, source)
    results = read_results(
        store.folder, SUITE, data=source.folder, asked_for=[variant, other_dataset]
    )
    assert len(results.records) == 3
    assert [m.overall["accuracy"] for m in results.subject_metrics] == [0.9]


def test_metrics_of_a_subject_on_another_data_set_use_the_labels_of_its_records(
    tmp_path, record_of, source
):
    configuration = Configuration(runners.get_runner("lenet5"), dataset=specs.KMNIST)
    [figure, *_] = [figure for figure in SUITE.reported if figure.of]
    suite = replace(SUITE, reported=(structs.replace(figure, of=configuration.name),))
    store = Store(tmp_path / "results")
    save_configuration(store, record_of, configuration, 0.7, source)
    results = read_results(store.folder, suite, asked_for=[configuration])
    assert results.source is None, "no labels of the default data set are needed"
    assert [m.overall["accuracy"] for m in results.subject_metrics] == [0.7]


def test_quick_results_are_no_test_of_a_claim_and_have_no_reference(folder, source):
    quick = read_results(folder, SUITE, QUICK, source.folder)
    assert not quick.has_verdicts and quick.reference == {}
    [measured] = [row for row in quick.rows if row.n]
    assert str(measured.verdict) == "untestable: measured on a part of the data"
    # A misquotation is known without a run.
    kinds = {row.verdict.kind for row in quick.rows if not row.n}
    assert kinds == {VerdictKind.NOT_RUN, VerdictKind.MISQUOTED}


def test_claims_about_another_test_set_are_not_tested():
    suite = replace(SUITE, n_per_class=(500,) * 10)
    summaries = {"k-neighbors": Summary("k-neighbors", Status.MEASURED, 1, 0.86, 0.0)}
    rows = judge_suite(suite, summaries, {})
    [row] = [row for row in rows if row.runner == "k-neighbors"]
    assert str(row.verdict) == "untestable: claimed of another test set"


def test_a_runner_beside_the_suite_has_a_row_without_a_claim_and_an_unknown_runner_says_so():
    summaries = {"mine": Summary("mine", Status.MEASURED, 1, 0.9, 0.0, accuracies=(0.9,))}
    rows = judge_suite(SUITE, summaries, {})
    assert (rows[-1].label, rows[-1].where, rows[-1].claimed) == ("mine", "", None)
    assert str(rows[0].verdict) == "not run: no runner"
    assert rows[0].status is Status.NO_RUNNER


def test_an_estimate_for_a_claim_stands_beside_that_for_one_run(source, tmp_path, record_of):
    lenet = Configuration(runners.get_runner("lenet5"))
    store = Store(tmp_path / "results")
    y_true = load_labels(FULL, source)
    for seed, share in enumerate((0.9, 0.901, 0.902)):
        store.save(record_of(lenet.cell(FULL, seed)), predict(y_true, share))
    [row] = [r for r in SUITE.rows if r.runner == "lenet5" and r.claimed]
    suite = replace(SUITE, rows=(structs.replace(row, mean_of=10),))
    [judged, *_] = read_results(store.folder, suite, data=source.folder).rows
    figures = judged.as_dict()
    assert figures["low"] < figures["claim_low"] < figures["mean"] < figures["claim_high"]
    assert figures["verdict"] == "not reproduced, claim higher"
    assert figures["p_beyond"] == figures["p_holm"] < 0.001 < figures["p_within"]
    assert (figures["images"], figures["seeds_needed"], figures["to_the_digit"]) == (
        "today", None, None
    )  # fmt: skip
    assert figures["source_protocol"] is figures["flatters"] is figures["control_mean"] is None


def test_the_best_epoch_is_computed_where_a_source_picked_it(source, tmp_path, record_of):
    lenet = Configuration(runners.get_runner("lenet5"))
    store = Store(tmp_path / "results")
    y_true = load_labels(FULL, source)
    for seed in range(3):
        epochs = [predict(y_true, share)["y_pred"] for share in (0.8, 0.9 + seed / 1000, 0.85)]
        arrays = {"y_pred": epochs[-1], "epoch_y_pred": np.array(epochs)}
        store.save(record_of(lenet.cell(FULL, seed)), arrays)
    [row] = [r for r in SUITE.rows if r.runner == "lenet5" and r.claimed]
    rows = (structs.replace(row, claimed="90.1", picked="best epoch"),)
    [judged, *_] = read_results(
        store.folder, replace(SUITE, rows=rows), data=source.folder
    ).rows  # fmt: skip
    protocol = judged.source_protocol
    assert protocol.description == "best epoch picked on the test set"
    assert protocol.accuracies == pytest.approx((0.9, 0.901, 0.902))
    assert protocol.flatters == pytest.approx(0.051)
    assert protocol.verdict.kind is VerdictKind.REPRODUCED
    assert judged.verdict.kind is VerdictKind.CLAIM_HIGHER
    figures = judged.as_dict()
    assert figures["source_protocol_verdict"] == "reproduced"
    assert figures["source_protocol_mean"] == pytest.approx(0.901)


@pytest.mark.parametrize("protocol", [FULL, DIGITS])
def test_a_control_is_measured_by_the_full_protocol_or_by_that_of_forensics(
    protocol, source, tmp_path, record_of
):
    bayes = Configuration(runners.get_runner("gaussian-nb"))
    digits = replace(bayes, dataset=specs.MNIST_DIGITS)
    store = Store(tmp_path / "results")
    y_true = load_labels(FULL, source)
    store.save(record_of(bayes.cell(FULL, 0)), predict(y_true, 0.57))
    store.save(record_of(digits.cell(protocol, 0)), {**predict(y_true, 0.524), "y_true": y_true})
    stale = replace(digits, runner=replace(bayes.runner, revision=99))
    store.save(record_of(stale.cell(FULL, 0)), {**predict(y_true, 0.1), "y_true": y_true})
    if protocol is FULL:  # it comes before the other one
        other = {**predict(y_true, 0.3), "y_true": y_true}
        store.save(record_of(digits.cell(DIGITS, 0)), other)
    [row] = [r for r in SUITE.rows if r.runner == "gaussian-nb"]
    row = structs.replace(
        row, claimed="51.1", source="51.1", images="first release",
        control=Control("mnist", "52.4"),
    )  # fmt: skip
    results = read_results(store.folder, replace(SUITE, rows=(row,)), data=source.folder)
    assert results.summaries["gaussian-nb"].controls == {"mnist": (0.524,)}
    assert results.rows[0].control.agrees
    assert results.rows[0].verdict.reason.endswith("it gets 52.40 against 52.4")
    quick = read_results(store.folder, replace(SUITE, rows=(row,)), QUICK, source.folder)
    assert quick.rows[0].summary.controls == {} and quick.grids == {}


def test_records_of_another_environment_are_counted(results):
    found = results.find_other_environments()
    assert found.description.startswith("3 of 3 records were made elsewhere (")
    assert (found.runners, found.n_seeds) == (("gaussian-nb", "lenet5"), 2)


def test_records_that_a_command_cannot_just_measure_again_are_not_counted(
    tmp_path, record_of, source
):
    y_true = load_labels(FULL, source)
    store = Store(tmp_path)
    on_gpu = record_of(Cell(runners.load_runners()["lenet5"], FULL, 0), peak_gpu_memory_bytes=1)
    store.save(on_gpu, predict(y_true, 0.9))
    assert read_results(tmp_path, SUITE, FULL, source.folder).find_other_environments() is None


def test_an_empty_folder_needs_no_data(tmp_path):
    results = read_results(tmp_path / "none", SUITE, data=tmp_path / "no data")
    assert results.source is None and results.records == []
    assert results.find_other_environments() is None
    assert {summary.status for summary in results.summaries.values()} == {Status.NOT_RUN}
    assert {row.measured_by for row in results.rows} == {"fmbench", ""}


def test_a_row_without_a_record_is_judged_by_fmbenchs_own_measurement_and_says_so(results):
    rows = {row.runner: row for row in results.rows}
    perceptron = rows["mlp"]
    assert perceptron.from_reference and perceptron.summary == perceptron.reference
    assert perceptron.as_dict()["measured_by"] == "fmbench"
    assert str(perceptron.verdict) == "untestable: recipe not stated"
    assert not rows["lenet5"].from_reference
    assert rows["lenet5"].as_dict()["measured_by"] == "here"
    assert rows["eden-full"].as_dict()["measured_by"] is None
    assert results.summaries["mlp"].status is Status.NOT_RUN, "it is only what the folder has"


def test_fmbenchs_own_measurement_never_hides_a_stale_or_a_failed_record():
    stale = Summary("mlp", Status.STALE, reason="another revision")
    failed = Summary("lenet5", Status.FAILED, reason="out of memory")
    absent = Summary("cnn", Status.NOT_RUN)
    measured = {
        name: Summary(name, Status.MEASURED, 1, 0.9, 0.0, accuracies=(0.9,))
        for name in ("mlp", "lenet5", "cnn")
    }
    own = {"mlp": stale, "lenet5": failed, "cnn": absent}
    chosen = choose_evidence(own, measured)
    assert chosen == own | {"cnn": measured["cnn"]}
    rows = {row.runner: row for row in judge_suite(SUITE, own, measured)}
    assert [rows[name].from_reference for name in own] == [False, False, True]
    assert rows["lenet5"].verdict.kind is VerdictKind.FAILED
    assert choose_evidence(own, {"cnn": failed}) == own, "a failed run answers nothing"


def test_metrics_of_a_subject_without_a_record_are_those_of_fmbenchs_own_matrices(tmp_path):
    results = read_results(tmp_path / "none", SUITE)
    assert results.is_subject_from_reference
    accuracies = [metrics.overall["accuracy"] for metrics in results.subject_metrics]
    assert accuracies == pytest.approx(results.reference["lenet5"].accuracies)
    assert results.subject_metrics[0].overall["top-2 accuracy"] is None
    assert results.subject_metrics[0].confusion.sum(axis=1).tolist() == [1000] * 10
    quick = read_results(tmp_path / "none", SUITE, QUICK)
    assert not quick.is_subject_from_reference and quick.subject_metrics == []
