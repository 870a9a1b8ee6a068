import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmbench.datasets import loading
from fmbench.execution import measure
from fmbench.models import contract
from fmbench.models.registry import BEST_EPOCH
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, VALIDATION
from tests.helpers import faulty


class Spy:
    """A classifier that keeps what it is handed, and takes its time where it is told to."""

    def __init__(self):
        self.seen = {}

    def fit(self, X, y, on_epoch=None):
        self.seen.update(X=X, y=y)
        for epoch in (1, 2):
            report = SimpleNamespace(epoch=epoch, train_loss=1.0, train_accuracy=0.5)
            on_epoch(self, report)
        return self

    def predict_proba(self, X):
        time.sleep(0.2)
        return np.full((len(X), 10), 0.1)

    def predict(self, X):
        self.seen["X_score"] = X
        return np.zeros(len(X), np.uint8)


@pytest.fixture
def measured(monkeypatch, source, tmp_path):
    """Measure a spy under a protocol, with the test labels out of reach."""

    def forbidden(_source):
        raise AssertionError("the test labels were read where a model runs")

    def measure(protocol):
        spy = Spy()
        runner = faulty.runner()
        monkeypatch.setattr(type(runner), "build", lambda *_, **__: spy)
        monkeypatch.setattr(protocols, "load_test_labels", forbidden)
        [facts] = measure.measure([Cell(runner, protocol, 0)], source, "cpu", tmp_path)
        monkeypatch.setattr(protocols, "load_test_labels", loading.load_test_labels)
        return spy, facts

    return measure


def test_a_model_sees_training_images_and_test_images_and_no_test_label(measured, dataset):
    spy, _ = measured(FULL)
    assert np.array_equal(spy.seen["X"], dataset.X_train)
    assert np.array_equal(spy.seen["y"], dataset.y_train)
    assert np.array_equal(spy.seen["X_score"], dataset.X_test)


def test_time_spent_in_callbacks_is_not_fit_time(measured):
    _, facts = measured(QUICK)
    assert facts["fit_seconds"] < 0.2


def test_epochs_are_scored_outside_with_the_labels(measured, source, tmp_path):
    _, facts = measured(QUICK)
    cell = Cell(faulty.runner(), QUICK, 0)
    outcome = measure.collect(cell, source, tmp_path / "0", facts["history"])
    y_true = protocols.labels(QUICK, source)
    assert [e["heldout_accuracy"] for e in outcome.history] == [(y_true == 0).mean()] * 2
    assert outcome.history[0]["heldout_loss"] == pytest.approx(np.log(10), abs=1e-5)


def test_quick_is_a_balanced_part_of_the_training_set_and_the_first_test_images(measured, dataset):
    spy, _ = measured(QUICK)
    assert np.bincount(spy.seen["y"]).tolist() == [300] * 10
    assert np.array_equal(spy.seen["X_score"], dataset.X_test[:2000])


def test_validation_scores_training_images_that_were_not_fitted(measured, dataset, source):
    spy, _ = measured(VALIDATION)
    assert np.bincount(spy.seen["y"]).tolist() == [5000] * 10
    assert np.bincount(protocols.labels(VALIDATION, source)).tolist() == [1000] * 10
    held_out = VALIDATION.held_out(dataset.y_train)
    assert np.array_equal(spy.seen["X_score"], dataset.X_train[held_out])
    assert not held_out[VALIDATION.fitted(dataset.y_train)].any()


def test_predictions_that_are_whole_numbers_in_another_type_are_accepted():
    assert contract.checked([1.0, 9.0], 2).dtype == np.uint8
    assert contract.checked(np.array([0, 3], np.int64), 2).tolist() == [0, 3]


# ---------------------------------------------------------------- flagged figures


class Flagging:
    """Predicts class 1 in the first epoch, then 2; ``scores`` are decision values."""

    def __init__(self, given=None):
        self.given = {"sign": 3} if given is None else given

    def fit(self, X, y, on_epoch):
        for self.epoch in (1, 2):
            report = SimpleNamespace(epoch=self.epoch, train_loss=1.0, train_accuracy=0.5)
            on_epoch(self, report)
        return self

    def decision_function(self, X):
        return np.tile(np.where(np.arange(10) == self.epoch, 0.5, -1.0), (len(X), 1))

    def predict(self, X):
        return self.decision_function(X).argmax(1)

    def flagged(self, X):
        return {name: np.full(len(X), label) for name, label in self.given.items()}


WORDS = {"sign": "scored by signs", BEST_EPOCH: "best epoch picked on the test set"}


@pytest.fixture
def flagging(monkeypatch, source, tmp_path):
    """What is kept of a cell whose recipe flags both ways of scoring."""

    def run(classifier, flagged=WORDS):
        runner = replace(faulty.runner(), flagged=flagged, scores="decision_function")
        monkeypatch.setattr(type(runner), "build", lambda *_, **__: classifier)
        cell = Cell(runner, QUICK, 0)
        [facts] = measure.measure([cell], source, "cpu", tmp_path)
        return measure.collect(cell, source, tmp_path / "0", facts["history"])

    return run


def test_flagged_predictions_are_kept_beside_the_result(flagging, source):
    outcome = flagging(Flagging())
    assert set(outcome.arrays["y_pred"]) == {2}
    assert set(outcome.arrays["flagged_sign"]) == {3}
    assert outcome.arrays["flagged_sign"].dtype == np.uint8


def test_the_best_epoch_is_found_by_the_harness_from_its_own_curve(flagging, source):
    outcome = flagging(Flagging())
    accuracies = [epoch["heldout_accuracy"] for epoch in outcome.history]
    best = 1 + int(np.argmax(accuracies))
    assert accuracies[0] != accuracies[1]
    assert set(outcome.arrays["flagged_best_epoch"]) == {best}


def test_a_recipe_without_flagged_figures_keeps_none(flagging):
    assert not [n for n in flagging(Flagging(), {}).arrays if n.startswith("flagged")]


def test_the_held_out_loss_of_decision_values_is_the_squared_hinge(flagging, source):
    y_true = protocols.labels(QUICK, source)
    right = (y_true == 2).mean()
    # Nine others at -1 cost nothing; the true class costs (1 - 0.5)^2, or 2^2 beside a 1.5^2.
    expected = (right * 0.25 + (1 - right) * (4 + 2.25)) / 10
    assert flagging(Flagging()).history[1]["heldout_loss"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [({}, "flagged returned"), ({"sign": 3, "more": 1}, "flagged returned"),
     ({"sign": 11}, "classes 11 to 11")],
)  # fmt: skip
def test_flagged_predictions_that_are_not_what_the_recipe_says_end_the_cell(
    flagging, given, complaint
):
    with pytest.raises(contract.BadPredictions, match=complaint):
        flagging(Flagging(given))


def test_a_best_epoch_needs_epochs(flagging):
    class Silent(Flagging):
        def fit(self, X, y):
            self.epoch = 2
            return self

    with pytest.raises(contract.BadPredictions, match="no epoch was reported"):
        flagging(Silent())
