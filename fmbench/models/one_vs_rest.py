"""Fits the classes of a one-against-the-rest classifier side by side, with the same result."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import warnings
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from fmbench.models.workers import count_workers


class OneVsRest(OneVsRestClassifier):
    """scikit-learn's classifier, whose classes are fitted in several processes.

    Threads would not do: liblinear has one random generator for the whole process, and each fit
    sets it anew. Warnings of the processes are given again here.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> OneVsRest:
        """Fit one classifier for each class; ``X`` is ``(n, d)``, ``y`` is ``(n,)``."""
        from joblib import parallel_config

        n_workers = min(count_workers(), len(np.unique(y)))
        if n_workers == 1:
            super().fit(X, y)
        else:
            # max_nbytes: no copy of X on disk, which would stay there if the process were killed.
            with parallel_config("loky", n_jobs=n_workers, max_nbytes=None):
                super().fit(X, y)
        for category, message in sorted(
            {noted for estimator in self.estimators_ for noted in estimator.warnings_},
            key=lambda noted: noted[1],
        ):
            warnings.warn(message, category, stacklevel=2)
        return self


class NotingLogisticRegression(LogisticRegression):
    """Logistic regression that keeps the warnings of its fit in ``warnings_``.

    In a process of its own they would be lost.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> Any:
        """Fit as scikit-learn does."""
        _end_with_parent()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().fit(X, y, sample_weight)
        self.warnings_ = [(w.category, str(w.message)) for w in caught]
        return self


_watching = False


def _end_with_parent() -> None:
    """In a process of joblib's: end it soon after the process that started it was killed."""
    global _watching
    if _watching or not multiprocessing.current_process().name.startswith("LokyProcess"):
        return
    _watching = True
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
