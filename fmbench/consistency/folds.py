"""Bounds how far a mean over folds is from the figure of all folds together.

In a cross-validation each image is tested once, so the confusion matrices of the folds add up to
one matrix of the whole set. A mean over folds is a figure of this matrix if the metric is linear
and all folds have the same size. If the sizes differ by one image, the mean differs a little:

Let k be the number of folds, N the images of all of them, and r the remainder of N / k. A fold with
m or m + 1 of the N images has the weight 1 / k in the mean, but m / N or (m + 1) / N in the figure
of the whole. So for a metric whose denominator is the number of images of the fold, and whose
values differ by at most R, the two differ by at most r (k - r) R / (k N).

The denominator of a recall is the number of the fold's images of one class. Plain folds, as those
of scikit-learn's ``KFold``, have the same number only by chance. So figures with such a denominator
follow from the sum only if the folds are *stratified*: the images of each class differ by at most
one, as those of ``StratifiedKFold`` do. Then the same bound holds for the images of the class. A
figure is stratified only if its suite says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure


def find_fold_error(figure: ReportedFigure, n_per_class: Sequence[int]) -> Fraction | None:
    """Return the largest difference between a mean over folds and the figure of the whole set.

    ``figure`` is of a linear metric; ``n_per_class`` are the images of each class in all folds.
    Returns ``None`` if nothing is known about it.
    """
    metric = METRICS[figure.metric]
    if figure.folds == 1 or metric.is_count:  # counts add up whatever the sizes
        return Fraction(0)
    if figure.fold_sizes != "equal":
        return None
    if is_share_of_fold(figure):
        n_classes = len(n_per_class)
        largest = {"mse": (n_classes - 1) ** 2, "mae": n_classes - 1}.get(metric.name, 1)
        return largest * _compute_difference(sum(n_per_class), figure.folds)
    if not figure.stratified:
        return None
    if all(n % figure.folds == 0 for n in n_per_class):
        return Fraction(0)
    if metric.share_of == "class":
        sizes = n_per_class if figure.class_ is None else [n_per_class[figure.class_]]
        errors = [_compute_difference(n, figure.folds) for n in sizes]
        return sum(errors, Fraction(0)) / len(errors)
    return None


def find_fold_size(figure: ReportedFigure, n_per_class: Sequence[int]) -> int | None:
    """Return the images of each fold of which a figure is the share; None if that is not known.

    ``figure`` is an accuracy, a recall, or a number of images, or equal to one of them.
    """
    if figure.fold_sizes != "equal":
        return None
    if figure.class_ is None and is_share_of_fold(figure):
        n_images, is_known = sum(n_per_class), True
    else:
        sizes = n_per_class if figure.class_ is None else [n_per_class[figure.class_]]
        n_images, is_known = sum(sizes), figure.stratified
        is_known &= all(n % figure.folds == 0 for n in sizes)
    return n_images // figure.folds if is_known and n_images % figure.folds == 0 else None


def is_share_of_fold(figure: ReportedFigure) -> bool:
    """Whether its denominator is the number of all images of a fold, whatever their classes are."""
    metric = METRICS[figure.metric]
    if metric.share_of == "images":
        return True
    return figure.class_ is None and metric.is_accuracy(figure.average, is_balanced=False)


def _compute_difference(n: int, folds: int) -> Fraction:
    """``n`` images in ``folds`` folds that differ by at most one image."""
    rest = n % folds
    return Fraction(rest * (folds - rest), folds * n)
