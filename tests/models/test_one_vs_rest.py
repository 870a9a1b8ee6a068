"""The classes of a linear classifier fitted side by side: the same result as one by one."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from fmbench import runners
from fmbench.models import workers
from fmbench.models.features import standardised
from fmbench.models.one_vs_rest import NotingLogisticRegression, OneVsRest

pytestmark = pytest.mark.slow

SETTINGS = {"C": 1.0, "solver": "liblinear", "l1_ratio": 1.0, "random_state": 0}


@pytest.fixture(params=[1, 3])
def n_workers(request, monkeypatch):
    monkeypatch.setattr(workers, "_workers", request.param)
    return request.param


def fit(classifier, dataset):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(dataset.X_train[:600], dataset.y_train[:600])
    return {(w.category, str(w.message)) for w in caught}


def test_classes_fitted_in_several_processes_are_those_of_scikit_learn(dataset, n_workers):
    ours = standardised(OneVsRest(NotingLogisticRegression(max_iter=5, **SETTINGS)))
    theirs = standardised(OneVsRestClassifier(LogisticRegression(max_iter=5, **SETTINGS)))
    assert fit(ours, dataset) == fit(theirs, dataset)
    X = dataset.X_test[:500]
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert np.array_equal(ours.predict(X), theirs.predict(X))


def test_a_warning_of_a_process_is_given_again(dataset, n_workers):
    short = standardised(OneVsRest(NotingLogisticRegression(max_iter=1, **SETTINGS)))
    assert [category for category, _ in fit(short, dataset)] == [ConvergenceWarning]


SEVERAL = sorted(name for name, r in runners.load_runners().items() if r.max_workers > 1)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_runner_predicts_the_same_with_one_worker_and_with_several(dataset, name, monkeypatch):
    runner = runners.get_runner(name)

    def predict(n):
        monkeypatch.setattr(workers, "_workers", n)
        classifier = runner.build(runner.resolve(runner.quick), seed=1, device="cpu")
        fit(classifier, dataset)
        return getattr(classifier, runner.scores)(dataset.X_test[:500])

    assert np.array_equal(predict(1), predict(4))


def test_the_rows_whose_classes_are_independent_use_several_workers():
    assert SEVERAL == ["logistic-regression", "perceptron", "sgd"]
