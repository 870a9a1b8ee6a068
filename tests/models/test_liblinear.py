"""The compiled solvers take the steps of scikit-learn's liblinear."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

pytest.importorskip("numba")

from fmbench.models import liblinear

pytestmark = pytest.mark.slow


def draw_seed(random_state):
    """The seed that scikit-learn gives to liblinear."""
    return np.random.RandomState(random_state).randint(np.iinfo("i").max)


@pytest.fixture(scope="module")
def images(dataset):
    """500 standardised images, and which of them are shirts."""
    X = dataset.X_train[:500].reshape(500, -1).astype(np.float32)
    return StandardScaler().fit_transform(X), dataset.y_train[:500] == 6


def fit(estimator, images):
    X, is_class = images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X.astype(float), is_class.astype(int))


def check(solution, estimator):
    assert np.abs(solution.weights - estimator.coef_[0]).max() < 1e-9
    assert abs(solution.intercept - estimator.intercept_[0]) < 1e-9
    assert solution.n_passes == np.max(estimator.n_iter_)


@pytest.mark.parametrize("C", [1e-3, 1.0])
@pytest.mark.parametrize("max_passes", [1, 7, 2000])
def test_the_hinge_loss_is_minimised_in_the_same_steps(images, C, max_passes):
    """With C = 0.001 it converges: images at a bound are left out and come back."""
    theirs = fit(LinearSVC(loss="hinge", C=C, max_iter=max_passes, random_state=4), images)
    check(liblinear.fit_hinge(*images, C, 1e-4, max_passes, draw_seed(4)), theirs)


@pytest.mark.parametrize(("C", "max_passes"), [(1e-2, 100), (1.0, 1), (1.0, 100), (1e3, 3)])
def test_the_logistic_loss_is_minimised_in_the_same_steps(images, C, max_passes):
    """With C = 0.01 most weights stay 0 and are left out."""
    X, is_class = images
    settings = {"C": C, "l1_ratio": 1.0, "solver": "liblinear", "random_state": 4}
    theirs = fit(LogisticRegression(max_iter=max_passes, **settings), images)
    columns = liblinear.to_columns(X)
    check(liblinear.fit_l1_logistic(columns, is_class, C, 1e-4, max_passes, draw_seed(4)), theirs)


def test_the_random_numbers_are_those_of_the_mersenne_twister():
    state = liblinear._start_random(5)
    ours = [int(liblinear._draw(state)) for _ in range(2000)]
    assert ours == np.random.RandomState(5).randint(0, 2**32, 2000, np.uint32).tolist()


def test_other_random_numbers_give_another_classifier(images):
    one, other = (liblinear.fit_hinge(*images, 1.0, 1e-4, 2, seed) for seed in (1, 2))
    assert np.abs(one.weights - other.weights).max() > 1e-6
