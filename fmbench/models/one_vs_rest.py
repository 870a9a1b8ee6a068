"""Fits the classes of a one-against-the-rest classifier side by side, with the same result."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.svm import LinearSVC

from fmbench.models import accelerators
from fmbench.models.workers import can_fork, count_workers, end_with_parent

SAFE_PATH = "PYTHONSAFEPATH"  # Python's variable: if it is set, no folder is put first on the path


class OneVsRest(OneVsRestClassifier):
    """scikit-learn's classifier, whose classes are fitted side by side.

    With numba, ``liblinear`` fits the linear models that it knows in threads, if the images are
    float32. Otherwise scikit-learn fits each class in one of several processes. Threads would not
    do for it: its liblinear has one random generator for the whole process, and each fit sets it
    anew. The processes are forked where that is safe, so that they share the images; elsewhere
    joblib starts them, and each has a copy. Warnings of the fits are given again here.

    For scikit-learn, the images are converted to ``dtype`` once, for all classes; None leaves them
    as they are.
    """

    def __init__(self, estimator: Any, dtype: type | None = None) -> None:
        super().__init__(estimator)
        self.dtype = dtype

    def fit(self, X: np.ndarray, y: np.ndarray) -> OneVsRest:
        """Fit one classifier for each class; ``X`` is ``(n, d)``, ``y`` is ``(n,)``."""
        n_classes = len(np.unique(y))
        n_workers = min(count_workers(), n_classes)
        compiled = n_classes > 2 and X.dtype == np.float32 and is_compiled(self.estimator)
        if not compiled:
            X = np.ascontiguousarray(X, self.dtype)
            if n_workers == 1 or n_classes < 3:
                super().fit(X, y)
                return self
        self.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(y)
        self.classes_ = self.label_binarizer_.classes_
        self.n_features_in_ = X.shape[1]
        problem = _Problem(self.estimator, X, y, self.classes_)
        if compiled:
            fits = _fit_in_threads(problem, n_workers)
        elif can_fork():
            fits = _fit_in_forked_processes(problem, n_workers)
        else:
            fits = _fit_in_joblib_processes(problem, n_workers)
        self.estimators_ = [fit.estimator for fit in fits]
        _give_again(noted for fit in fits for noted in fit.warnings)
        return self

    def compile_loops(self) -> None:
        """Compile the solver of the fits, if it is one of ``liblinear``."""
        if is_compiled(self.estimator):
            X = np.eye(4, 3, dtype=np.float32)
            _fit_in_threads(_Problem(self.estimator, X, np.arange(4) % 2, np.arange(2)), 1)


def is_compiled(estimator: Any) -> bool:
    """Whether ``liblinear`` fits this estimator: if numba is there, and it knows the settings."""
    if not accelerators.has_numba():
        return False
    settings = estimator.get_params()
    if type(estimator) is LinearSVC:
        known: dict[str, Any] = {"loss": "hinge", "penalty": "l2", "multi_class": "ovr"}
    elif type(estimator) is LogisticRegression:
        known = {"solver": "liblinear", "l1_ratio": 1.0}
    else:
        return False
    known |= {"class_weight": None, "fit_intercept": True, "intercept_scaling": 1}
    return all(settings[name] == value for name, value in known.items())


class _Problem(NamedTuple):
    """What the fits of all classes have in common."""

    estimator: Any
    X: np.ndarray
    y: np.ndarray
    classes: np.ndarray


class _ClassFit(NamedTuple):
    """The classifier of one class, and the category and message of each warning of its fit."""

    estimator: Any
    warnings: list[tuple[type[Warning], str]]


def _fit_class(problem: _Problem, index: int) -> _ClassFit:
    """Fit one class against the rest, as scikit-learn does."""
    column = (problem.y == problem.classes[index]).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = clone(problem.estimator).fit(problem.X, column)
    return _ClassFit(estimator, [(w.category, str(w.message)) for w in caught])


def _give_again(noted: Iterable[tuple[type[Warning], str]]) -> None:
    for category, message in sorted(set(noted), key=lambda warning: warning[1]):
        warnings.warn(message, category, stacklevel=3)


def _fit_in_threads(problem: _Problem, n_workers: int) -> list[_ClassFit]:
    """Fit the classes with the compiled solvers, which all read the same images."""
    from fmbench.models import liblinear

    solve: Callable[..., liblinear.Solution] = liblinear.fit_hinge
    images = np.ascontiguousarray(problem.X)
    if isinstance(problem.estimator, LogisticRegression):
        solve, images = liblinear.fit_l1_logistic, liblinear.to_columns(problem.X)
    fit = functools.partial(_fit_compiled, problem, solve, images)
    indexes = range(len(problem.classes))
    if n_workers == 1:  # no thread: the fork server compiles the solvers by this
        return list(map(fit, indexes))
    with ThreadPoolExecutor(n_workers) as executor:
        return list(executor.map(fit, indexes))


def _fit_compiled(
    problem: _Problem, solve: Callable[..., Any], images: np.ndarray, index: int
) -> _ClassFit:
    """Fit one class; the estimator is what scikit-learn's fit would have made."""
    estimator = clone(problem.estimator)
    # scikit-learn draws the seed of liblinear so.
    seed = np.random.RandomState(estimator.random_state).randint(np.iinfo("i").max)
    found = solve(
        images, problem.y == problem.classes[index], estimator.C, estimator.tol,
        estimator.max_iter, seed,
    )  # fmt: skip
    estimator.classes_ = np.array([0, 1])
    estimator.n_features_in_ = problem.X.shape[1]
    estimator.coef_, estimator.intercept_ = found.weights[None], np.array([found.intercept])
    estimator.n_iter_ = found.n_passes
    if isinstance(estimator, LogisticRegression):
        estimator.n_iter_ = np.array([found.n_passes], np.int32)
    unfinished = (
        ConvergenceWarning,
        "Liblinear failed to converge, increase the number of iterations.",
    )
    return _ClassFit(estimator, [unfinished] if found.n_passes >= estimator.max_iter else [])


_inherited: _Problem  # in a forked process: what it is to fit


def _fit_in_forked_processes(problem: _Problem, n_workers: int) -> list[_ClassFit]:
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside any thread. can_fork() has found none that matters.
        warnings.simplefilter("ignore", DeprecationWarning)
        # A forked process gets these arguments as they are: nothing is copied.
        with ProcessPoolExecutor(
            n_workers, context, initializer=_start, initargs=(os.getpid(), problem)
        ) as executor:
            return list(executor.map(_fit_inherited, range(len(problem.classes))))


def _start(parent: int, problem: _Problem) -> None:
    global _inherited
    end_with_parent(parent)
    _inherited = problem


def _fit_inherited(index: int) -> _ClassFit:
    return _fit_class(_inherited, index)


def _fit_in_joblib_processes(problem: _Problem, n_workers: int) -> list[_ClassFit]:
    from joblib import Parallel, delayed

    # max_nbytes: no copy of X on disk, which would stay there if the process were killed.
    parallel = Parallel(n_workers, backend="loky", max_nbytes=None)
    with _start_without_current_folder():
        return parallel(
            delayed(_fit_in_joblib_process)(problem, index) for index in range(len(problem.classes))
        )


@contextlib.contextmanager
def _start_without_current_folder() -> Iterator[None]:
    """Let Python put no folder first on the path of the processes that are started in the block.

    A `random.py` in the current folder would be imported in place of Python's own.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def _fit_in_joblib_process(problem: _Problem, index: int) -> _ClassFit:
    _watch_parent()
    return _fit_class(problem, index)


_watching = False


def _watch_parent() -> None:
    """In a process of joblib's: end it soon after the process that started it was killed."""
    global _watching
    if _watching:
        return
    _watching = True
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
