"""A fit whose numbers are not finite is a failed cell that says so in one line."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmbench.errors import DivergedError
from fmbench.execution import measure, process
from fmbench.models.contract import InvalidPredictions
from fmbench.models.registry import Runner, our_choice
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.record import decode_record, encode_record

pytestmark = pytest.mark.slow

SCORES = np.eye(10)[np.zeros(2000, int)]


class Classifier:
    """Reports what it is told to, and predicts class 0."""

    def __init__(self, reports=(), scores=SCORES, **attributes):
        self.reports, self.scores = reports, scores
        vars(self).update(attributes)

    def fit(self, X, y, on_epoch):
        for report in self.reports:
            on_epoch(self, SimpleNamespace(**report))
        return self

    def predict(self, X):
        return np.zeros(len(X), int)

    def predict_proba(self, X):
        return self.scores


@pytest.fixture
def measure_classifier(source, tmp_path):
    """Measure a classifier, and return the measurement as the record has it."""

    def run(**attributes):
        runner = Runner(
            "toy", "for tests", lambda *, a: Classifier(**attributes),
            {"a": our_choice(1, "for tests")}, 1, "seconds", scores="predict_proba",
        )  # fmt: skip
        [found] = measure.measure_launch([Cell(runner, QUICK, 0)], source, "cpu", tmp_path)
        return found

    return run


def report(epoch=1, train_loss=0.5, train_accuracy=0.5):
    return {"epoch": epoch, "train_loss": train_loss, "train_accuracy": train_accuracy}


@pytest.mark.parametrize(
    ("loss", "what"),
    [(float("nan"), "not a number"), (np.float32("nan"), "not a number"), (float("inf"), "inf"),
     (1e40, "1e+40")],
)  # fmt: skip
def test_a_loss_that_is_not_a_number_ends_the_training(measure_classifier, loss, what):
    with pytest.raises(DivergedError) as caught:
        measure_classifier(reports=[report(1), report(2), report(3, loss)])
    assert process.describe_error(caught.value) == (
        f"the training diverged: the loss of epoch 3 is {what}: lower the learning rate"
    )


def test_scores_after_an_epoch_that_are_not_numbers_end_the_training(measure_classifier):
    with pytest.raises(DivergedError) as caught:
        measure_classifier(reports=[report(7)], scores=SCORES * np.nan)
    assert process.describe_error(caught.value) == (
        "the training diverged: the scores after epoch 7 are not numbers: lower the learning rate"
    )


def test_a_classifier_without_epochs_whose_scores_are_not_numbers_fails(measure_classifier):
    with pytest.raises(DivergedError) as caught:
        measure_classifier(scores=SCORES * np.nan)
    assert process.describe_error(caught.value) == (
        "the fit diverged: predict_proba returned scores that are not numbers"
    )


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"reports": [report(1, float("nan"))]}, "the loss of epoch 1 is not a number"),
        ({"scores": SCORES * np.nan}, "predict_proba returned scores that are not numbers"),
    ],
    ids=["in an epoch", "after the fit"],
)
def test_a_training_that_diverges_ends_no_other_of_its_launch(source, tmp_path, attributes, why):
    facts = [{"reports": [report()]}, attributes, {"reports": [report(), report(2)]}]
    runner = Runner(
        "toy", "for tests", lambda *, a, seed: Classifier(**facts[seed]),
        {"a": our_choice(1, "for tests")}, 1, "seconds", scores="predict_proba",
    )  # fmt: skip
    launch = [Cell(runner, QUICK, seed) for seed in range(3)]
    first, second, third = measure.measure_launch(launch, source, "cpu", tmp_path)
    assert (first.failure, third.failure) == (None, None)
    assert why in second.failure
    assert [len(found.history) for found in (first, third)] == [1, 2]
    for cell, found in zip(launch, (first, second, third), strict=True):
        scored = measure.add_predictions(cell, source, tmp_path / str(cell.seed), found)
        assert bool(scored.arrays) == (found.failure is None)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"scores": SCORES[:-1]}, r"predict_proba returned shape \(1999, 10\), expected"),
        ({"scores": SCORES[:, 0], "reports": [report()]}, r"returned shape \(2000,\)"),
        ({"reports": [report(0)]}, "epochs count from 1"),
        ({"reports": [report(train_accuracy=55.0)]}, "an accuracy lies in"),
        ({"reports": [report(train_accuracy=float("nan"))]}, "an accuracy lies in"),
        ({"earlier_seconds_": -5}, "`earlier_seconds_` is -5, not a number of seconds"),
        ({"earlier_seconds_": float("nan")}, "`earlier_seconds_` is nan"),
    ],
)
def test_an_impossible_report_makes_the_cell_fail(measure_classifier, attributes, why):
    with pytest.raises(InvalidPredictions, match=why):
        measure_classifier(**attributes)


def test_whatever_numbers_a_plug_in_reports_with_the_record_can_be_read(
    measure_classifier, record_of, toy_cell
):
    found = measure_classifier(
        reports=[report(np.int64(1), np.float32(0.5), np.float16(0.25))],
        details_={"a": float("nan"), "b": [{1}, len], "c": np.arange(2)},
    )
    facts = ("fit_seconds", "predict_seconds", "history", "details", "warnings")
    record = replace(record_of(toy_cell()), **{name: getattr(found, name) for name in facts})
    assert decode_record(encode_record(record)) == record
    assert record.history == [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.25}]


def test_a_classifier_that_calls_back_in_parallel_gets_no_negative_seconds(
    measure_classifier, monkeypatch
):
    monkeypatch.setattr(measure._TrainingCurve, "__call__", lambda self, *_: setattr(
        self, "callback_seconds", 1e6))  # fmt: skip
    assert measure_classifier(reports=[report()]).fit_seconds == 0.0
