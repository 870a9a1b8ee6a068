"""Computes every metric of :mod:`fmbench.metrics.registry` from predictions.

Counts stay whole numbers until the last division. scikit-learn's functions are made for one set of
labels and take minutes for the thousands of records that a page may show; tests compare the values
with those of scikit-learn and pycm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmbench.metrics.metric import ClassCounts, Predictions
from fmbench.metrics.registry import METRICS


@dataclass(frozen=True)
class MetricValues:
    """Every metric of one set of predictions, by the metric's name.

    ``overall`` holds all metrics but those of a single cell; for a metric that exists for each
    class, its macro average, and ``None`` for a metric that could not be computed. ``by_class``
    holds the metrics that exist for each class, ``float (n_classes,)``. ``confusion`` is
    ``int (n_classes, n_classes)``; its rows are the true classes.
    """

    overall: dict[str, float | None]
    by_class: dict[str, np.ndarray]
    confusion: np.ndarray


def compute_metrics(
    y_true: np.ndarray, y_pred: np.ndarray, n_classes: int, scores: np.ndarray | None = None
) -> MetricValues:
    """Compute all metrics from class numbers ``(n,)`` and, if stored, scores ``(n, n_classes)``."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    confusion = confusion_matrix(y_true, y_pred, n_classes)
    predictions, counts = Predictions(y_true, y_pred, confusion, scores), _MatrixCounts(confusion)
    by_class = {name: values[0] for name, values in compute_class_metrics(confusion[None]).items()}
    overall: dict[str, float | None] = {}
    for name, metric in METRICS.items():
        if name in by_class:
            overall[name] = float(by_class[name].mean())
        elif metric.overall_fraction is not None:
            above, below = metric.overall_fraction(counts)
            overall[name] = above / below if below else metric.value_of_zero_by_zero
        elif metric.overall_value is not None:
            overall[name] = metric.overall_value(predictions)
    return MetricValues(overall, by_class, confusion)


def compute_overall_value(confusion: np.ndarray, name: str) -> float | None:
    """Compute one metric of the whole test set from a confusion matrix.

    None if the metric needs more than the confusion matrix, as top-2 accuracy needs the scores, or
    if it is of one cell and has no value of the whole test set.
    """
    metric = METRICS[name]
    if metric.class_fraction is not None:
        return float(compute_class_metrics(confusion[None])[name][0].mean())
    if metric.overall_fraction is not None:
        above, below = metric.overall_fraction(_MatrixCounts(confusion))
        return above / below if below else metric.value_of_zero_by_zero
    if metric.overall_value is None:
        return None
    nothing = np.empty(0, np.uint8)
    return metric.overall_value(Predictions(nothing, nothing, confusion))


def confusion_matrix(y_true: np.ndarray, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """``int (n_classes, n_classes)``; rows are the true classes, columns the predicted ones."""
    pairs = n_classes * y_true.astype(np.int64) + y_pred
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def compute_class_metrics(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Compute each metric that exists for each class: ``float (n, n_classes)``, by name.

    ``confusions`` is ``int (n, n_classes, n_classes)``, one confusion matrix for each of n runs.
    """
    counts = ClassCounts(
        true_positives=np.diagonal(confusions, axis1=1, axis2=2),
        predicted=confusions.sum(axis=1),
        actual=confusions.sum(axis=2),
        n_images=confusions.sum(axis=(1, 2))[:, None],
    )
    values = {}
    for name, metric in METRICS.items():
        if metric.class_fraction is not None:
            above, below = metric.class_fraction(counts)
            undefined = np.full(below.shape, metric.value_of_zero_by_zero)
            values[name] = np.divide(above, below, out=undefined, where=below != 0)
    return values


class _MatrixCounts:
    """The counts of a known confusion matrix, see :class:`fmbench.metrics.metric.MatrixCounts`."""

    def __init__(self, confusion: np.ndarray) -> None:
        self._confusion = confusion
        self.n_images = int(confusion.sum())
        self.n_correct = int(confusion.trace())
        self.actual: list[int] = confusion.sum(axis=1).tolist()
        self.predicted: list[int] = confusion.sum(axis=0).tolist()
        self.correct_by_class: list[int] = np.diagonal(confusion).tolist()

    def weighted_sum(self, weight: Callable[[Any, Any], Any]) -> int:
        true, predicted = np.indices(self._confusion.shape)
        return int((self._confusion * weight(true, predicted)).sum())
