"""The classes of a linear classifier fitted side by side: the same result as one by one."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from fmbench import runners
from fmbench.models import accelerators, one_vs_rest, workers
from fmbench.models.features import standardised
from fmbench.models.one_vs_rest import OneVsRest
from tests.helpers.runs import is_dead, wait_until

pytestmark = pytest.mark.slow

LOGISTIC = {"C": 1.0, "solver": "liblinear", "l1_ratio": 1.0, "random_state": 0}


@pytest.fixture(params=["alone", "forked", "joblib"])
def way(request, monkeypatch):
    """How scikit-learn fits the classes: one after the other, or in three processes."""
    if request.param != "alone":
        monkeypatch.setattr(workers, "_workers", 3)
    monkeypatch.setattr(accelerators, "has_numba", lambda: False)
    monkeypatch.setattr(one_vs_rest, "can_fork", lambda: request.param == "forked")
    return request.param


def fit(classifier, dataset):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(dataset.X_train[:600], dataset.y_train[:600])
    return {(w.category, str(w.message)) for w in caught}


def test_classes_fitted_in_several_processes_are_those_of_scikit_learn(dataset, way):
    ours = standardised(OneVsRest(LogisticRegression(max_iter=5, **LOGISTIC)))
    theirs = standardised(OneVsRestClassifier(LogisticRegression(max_iter=5, **LOGISTIC)))
    assert fit(ours, dataset) == fit(theirs, dataset)
    X = dataset.X_test[:500]
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert np.array_equal(ours.predict(X), theirs.predict(X))


def test_a_warning_of_a_process_is_given_again(dataset, way):
    short = standardised(OneVsRest(LogisticRegression(max_iter=1, **LOGISTIC)))
    assert [category for category, _ in fit(short, dataset)] == [ConvergenceWarning]


def test_images_converted_once_give_the_same_classifier(dataset, way):
    settings = {"loss": "hinge", "max_iter": 20, "random_state": 1}
    ours, theirs = (
        standardised(OneVsRest(LinearSVC(**settings), dtype=dtype)) for dtype in (float, None)
    )
    assert fit(ours, dataset) == fit(theirs, dataset)
    X = dataset.X_test[:500]
    assert np.array_equal(ours.decision_function(X), theirs.decision_function(X))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_compiled_solvers_give_the_same_classifier(dataset, n_threads, monkeypatch):
    """They sum in another order, so the numbers differ by rounding."""
    pytest.importorskip("numba")
    monkeypatch.setattr(workers, "_workers", n_threads)
    svc = LinearSVC(loss="hinge", max_iter=20, random_state=1)
    for binary in (svc, LogisticRegression(max_iter=5, **LOGISTIC)):
        assert one_vs_rest.is_compiled(binary)
        ours, theirs = standardised(OneVsRest(binary)), standardised(OneVsRestClassifier(binary))
        assert fit(ours, dataset) == fit(theirs, dataset)
        X = dataset.X_test[:500]
        score = "decision_function" if binary is svc else "predict_proba"
        scores, expected = getattr(ours, score)(X), getattr(theirs, score)(X)
        assert np.abs(scores - expected).max() < 1e-9
        assert np.array_equal(ours.predict(X), theirs.predict(X))
        for one, other in zip(ours[-1].estimators_, theirs[-1].estimators_, strict=True):
            assert vars(one).keys() == vars(other).keys()
            assert np.shape(one.coef_) == np.shape(other.coef_)
            assert np.array_equal(one.n_iter_, other.n_iter_)


@pytest.mark.parametrize(
    "binary",
    [
        LinearSVC(),  # another loss
        LinearSVC(loss="hinge", class_weight="balanced"),
        LinearSVC(loss="hinge", fit_intercept=False),
        LogisticRegression(),
        LogisticRegression(solver="liblinear", l1_ratio=0.0),
    ],
)
def test_scikit_learn_fits_what_the_compiled_solvers_do_not_know(binary):
    assert not one_vs_rest.is_compiled(binary)


def test_two_classes_need_one_classifier(way):
    X, y = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 2
    ours, theirs = OneVsRest(LinearSVC()).fit(X, y), OneVsRestClassifier(LinearSVC()).fit(X, y)
    assert np.array_equal(ours.decision_function(X), theirs.decision_function(X))


def test_the_linear_svc_is_scikit_learns_apart_from_the_order_of_random_numbers(dataset):
    """Both converge to the same ten planes; C is small enough that they do so soon."""
    runner = runners.get_runner("linear-svc")
    settings = {"C": 1e-4, "max_iter": 20_000}
    ours = runner.build(runner.resolve(settings), seed=1, device="cpu")
    theirs = standardised(LinearSVC(loss="hinge", random_state=1, **settings))
    assert fit(ours, dataset) == fit(theirs, dataset) == set()
    X = dataset.X_test[:500]
    decisions, expected = ours.decision_function(X), theirs.decision_function(X)
    assert decisions.shape == expected.shape == (500, 10)
    assert np.abs(decisions - expected).max() < 1e-3
    assert np.array_equal(ours.predict(X), decisions.argmax(1))


def test_the_problem_of_the_first_class_is_exactly_that_of_scikit_learn(dataset):
    """liblinear sorts the images by class first. With the rest second, all steps are the same."""
    X, y = dataset.X_train[:600].reshape(600, -1) / 255, dataset.y_train[:600]
    order = np.argsort(y, kind="stable")
    svc = {"loss": "hinge", "max_iter": 5, "random_state": 2}
    with pytest.warns(ConvergenceWarning):
        theirs = LinearSVC(**svc).fit(X, y)
        binary = LinearSVC(**svc).fit(X[order], y[order] != 0)
    assert np.array_equal(theirs.coef_[0], -binary.coef_[0])


def test_the_linear_svc_of_all_classes_at_once_is_scikit_learns(dataset):
    runner = runners.get_runner("linear-svc")
    settings = {"multi_class": "crammer_singer", "max_iter": 5}
    ours = runner.build(runner.resolve(settings), seed=1, device="cpu")
    theirs = standardised(LinearSVC(loss="hinge", random_state=1, **settings))
    assert fit(ours, dataset) == fit(theirs, dataset)
    X = dataset.X_test[:500]
    assert np.array_equal(ours.decision_function(X), theirs.decision_function(X))


KILLED = """
import os, sys, time
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from fmbench.models import accelerators, one_vs_rest, workers


class Endless(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(3600)


workers.allow_workers(2)
one_vs_rest.can_fork = lambda: sys.argv[1] == "forked"
one_vs_rest.OneVsRest(Endless()).fit(np.zeros((9, 2)), np.arange(9) % 3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a forked process")
@pytest.mark.parametrize("way_of_several", ["forked", "joblib"])
def test_the_processes_end_when_the_one_that_started_them_is_killed(way_of_several):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, way_of_several], stdout=subprocess.PIPE, text=True
    )
    try:
        pids = [int(process.stdout.readline()) for _ in range(2)]
        assert len({process.pid, *pids}) == 3
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: all(map(is_dead, pids)))


def test_a_process_whose_libraries_have_started_a_thread_is_not_forked():
    script = (
        "import threading, time\n"
        "from fmbench.models.workers import can_fork\n"
        "assert can_fork() is (sys.platform == 'linux')\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
        "assert can_fork() is (sys.platform == 'linux'), 'a thread of Python does no harm'\n"
        "import _thread\n"
        "_thread.start_new_thread(time.sleep, (3600,))\n"  # a thread that Python does not count
        "assert not can_fork()\n"
    )
    subprocess.run([sys.executable, "-c", "import sys\n" + script], check=True)


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
    assert SEVERAL == ["linear-svc", "logistic-regression", "perceptron", "sgd"]
