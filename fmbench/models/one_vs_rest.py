"""Fits the classes of a one-against-the-rest classifier side by side, with the same result."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer

from fmbench.models.workers import can_fork, count_workers, end_with_parent

SAFE_PATH = "PYTHONSAFEPATH"  # Python's variable: if it is set, no folder is put first on the path


class OneVsRest(OneVsRestClassifier):
    """scikit-learn's classifier, whose classes are fitted in several processes.

    Threads would not do: liblinear has one random generator for the whole process, and each fit
    sets it anew. The processes are forked where that is safe, so that they share the images;
    elsewhere joblib starts them, and each has a copy. Warnings of the processes are given again
    here.

    The images are converted to ``dtype`` once, for all classes; None leaves them as they are.
    """

    def __init__(self, estimator: Any, dtype: type | None = None) -> None:
        super().__init__(estimator)
        self.dtype = dtype

    def fit(self, X: np.ndarray, y: np.ndarray) -> OneVsRest:
        """Fit one classifier for each class; ``X`` is ``(n, d)``, ``y`` is ``(n,)``."""
        X = np.ascontiguousarray(X, self.dtype)
        n_classes = len(np.unique(y))
        n_workers = min(count_workers(), n_classes)
        if n_workers == 1 or n_classes < 3:
            super().fit(X, y)
            return self
        self.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(y)
        self.classes_ = self.label_binarizer_.classes_
        self.n_features_in_ = X.shape[1]
        problem = _Problem(self.estimator, X, y, self.classes_)
        fit_all = _fit_in_forked_processes if can_fork() else _fit_in_joblib_processes
        fits = fit_all(problem, n_workers)
        self.estimators_ = [fit.estimator for fit in fits]
        _give_again(noted for fit in fits for noted in fit.warnings)
        return self


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
