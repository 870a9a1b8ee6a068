"""Bounds how far a mean over folds is from the figure of all folds together.

In a cross-validation each image is tested once, so the confusion matrices of the folds add up to
one matrix of the whole set. A mean over folds is a figure of this matrix if the metric is linear
and all folds have the same size. *Equal* folds may differ by one image in all, and by one image of
each class, as those of scikit-learn's ``StratifiedKFold`` do. Then the mean differs a little:

Let k be the number of folds, N the images of all of them, and r the remainder of N / k. A fold with
m or m + 1 of the N images has the weight 1 / k in the mean, but m / N or (m + 1) / N in the figure
of the whole. So for a metric whose denominator is the number of images of the fold, and whose
values differ by at most R, the two differ by at most r (k - r) R / (k N). With the images of one
class instead of all, this also holds for the recall of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure

# Metrics whose denominator is the number of all images of a fold.
_OF_ALL_IMAGES = ("accuracy", "error rate", "mse", "mae", "one-vs-rest accuracy")
# With these averages over the classes, precision, recall and F1 are the accuracy of each fold.
_AS_ACCURACY = {
    ("recall", "weighted"), ("recall", "micro"), ("precision", "micro"), ("f1", "micro"),
}  # fmt: skip


def find_fold_error(figure: ReportedFigure, n_per_class: Sequence[int]) -> Fraction | None:
    """Return the largest difference between a mean over folds and the figure of the whole set.

    ``figure`` is of a linear metric; ``n_per_class`` are the images of each class in all folds.
    Returns ``None`` if nothing is known about it.
    """
    if figure.folds == 1 or METRICS[figure.metric].is_count:  # counts add up whatever the sizes
        return Fraction(0)
    if figure.fold_sizes != "equal":
        return None
    if all(n % figure.folds == 0 for n in n_per_class):
        return Fraction(0)
    n_classes, metric = len(n_per_class), figure.metric
    is_of_all = metric in _OF_ALL_IMAGES or (metric, figure.average) in _AS_ACCURACY
    if is_of_all:
        largest = {"mse": (n_classes - 1) ** 2, "mae": n_classes - 1}.get(metric, 1)
        return largest * _compute_difference(sum(n_per_class), figure.folds)
    if metric == "recall" and figure.class_ is not None:
        return _compute_difference(n_per_class[figure.class_], figure.folds)
    if metric in ("recall", "balanced accuracy"):
        errors = [_compute_difference(n, figure.folds) for n in n_per_class]
        return sum(errors, Fraction(0)) / n_classes
    return None


def _compute_difference(n: int, folds: int) -> Fraction:
    """``n`` images in ``folds`` folds that differ by at most one image."""
    rest = n % folds
    return Fraction(rest * (folds - rest), folds * n)
