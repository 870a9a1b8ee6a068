"""Declares every metric once; suites, tables, the page and the consistency check read this list.

To add a metric:

1. Write a :class:`Metric` in :data:`_DECLARATIONS`, with a name, a title and a formula.
2. Choose the formula's kind: of one class, of the confusion matrix, of one of its cells, or of the
   predictions.
3. State its range (``lowest``, ``highest``) if it is not 0 to 1. Add synonyms that papers use.
   Say over what it is a fraction (``share_of``), and when it equals the accuracy
   (``accuracy_averages``).
4. Test it against another library in ``tests/metrics/test_metrics.py``.

No other code changes: the metric is in the table ``overall``, on the page and in JSON, and a suite
may report figures of it. ``make reference`` puts it into the committed tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fmbench.metrics.metric import ClassCounts, Count, MatrixCounts, Metric, Predictions, Quotient
from fmbench.utils.names import suggest_names


def _accuracy(counts: MatrixCounts) -> Quotient:
    return counts.n_correct, counts.n_images


def _error_rate(counts: MatrixCounts) -> Quotient:
    return counts.n_images - counts.n_correct, counts.n_images


def _correct(counts: MatrixCounts) -> Quotient:
    return counts.n_correct, 1


def _errors(counts: MatrixCounts) -> Quotient:
    return counts.n_images - counts.n_correct, 1


def _balanced_accuracy(counts: MatrixCounts) -> Quotient:
    """The mean of the recalls of all classes; a class without images has the recall 0."""
    common = math.lcm(*(n for n in counts.actual if n))
    total: Count = sum(
        correct * (common // n)
        for correct, n in zip(counts.correct_by_class, counts.actual, strict=True)
        if n
    )
    return total, common * len(counts.actual)


def _cell(count: Count) -> Quotient:
    return count, 1


def _kappa(counts: MatrixCounts) -> Quotient:
    """Cohen's kappa, (accuracy - p) / (1 - p), where p is the accuracy expected by chance."""
    n = counts.n_images
    by_chance: Count = sum(
        predicted * actual
        for predicted, actual in zip(counts.predicted, counts.actual, strict=True)
    )
    return counts.n_correct * n - by_chance, n * n - by_chance


def _informedness(counts: ClassCounts) -> Quotient:
    """Recall + specificity - 1."""
    actual, others = counts.actual, counts.other_images
    return counts.true_positives * others - counts.false_positives * actual, actual * others


def _precision(counts: ClassCounts) -> Quotient:
    return counts.true_positives, counts.predicted


def _recall(counts: ClassCounts) -> Quotient:
    return counts.true_positives, counts.actual


def _f1(counts: ClassCounts) -> Quotient:
    """2 P R / (P + R). Equation 4 of Kayed et al. 2020 prints 2 (P + R) / (P + R), always 2."""
    return counts.true_positives * 2, counts.predicted + counts.actual


def _specificity(counts: ClassCounts) -> Quotient:
    """The share of the other classes' images that were not predicted as this class."""
    return counts.other_images - counts.false_positives, counts.other_images


def _one_vs_rest_accuracy(counts: ClassCounts) -> Quotient:
    """(TP + TN) / all images: equation 3 of Kayed et al. 2020, which they call accuracy.

    Its mean over K classes is 1 - 2 (1 - accuracy) / K. Keras calls it binary accuracy.
    """
    true_negatives = counts.other_images - counts.false_positives
    return counts.true_positives + true_negatives, counts.actual + counts.other_images


def _mean_squared_error(counts: MatrixCounts) -> Quotient:
    return counts.weighted_sum(lambda true, predicted: (true - predicted) ** 2), counts.n_images


def _mean_absolute_error(counts: MatrixCounts) -> Quotient:
    return counts.weighted_sum(lambda true, predicted: abs(true - predicted)), counts.n_images


def _matthews_correlation(predictions: Predictions) -> float:
    """For several classes, after Gorodkin 2004; 0 if all images have, or get, the same class."""
    confusion = predictions.confusion
    n, n_correct = int(confusion.sum()), int(confusion.trace())
    actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    squares = (n**2 - int(predicted @ predicted)) * (n**2 - int(actual @ actual))
    return (n_correct * n - int(actual @ predicted)) / math.sqrt(squares) if squares else 0.0


def _top_k_accuracy(k: int) -> Callable[[Predictions], float | None]:
    """The share of images whose true class is among the k highest scores.

    Among equal scores, that of the higher class number counts as higher, as in scikit-learn.
    """

    def top_k_accuracy(predictions: Predictions) -> float | None:
        import numpy as np

        y_true, scores = predictions.y_true.astype(int), predictions.scores
        if scores is None:
            return None
        classes = np.arange(scores.shape[1])
        own = scores[np.arange(len(y_true)), y_true][:, None]
        is_higher = (scores > own) | ((scores == own) & (classes > y_true[:, None]))
        return float((is_higher.sum(axis=1) < k).mean())

    return top_k_accuracy


_DECLARATIONS = (
    Metric(
        name="accuracy", title="accuracy", overall_fraction=_accuracy, forced_priority=1,
        synonyms=("test accuracy", "overall accuracy"), share_of="images",
        accuracy_averages=(None,),
    ),
    Metric(
        name="kappa", title="kappa", overall_fraction=_kappa, forced_priority=9,
        synonyms=("Cohen's kappa",), lowest=-1, value_of_zero_by_zero=math.nan,
    ),
    Metric(
        name="informedness", title="informedness", class_fraction=_informedness, forced_priority=8,
        synonyms=("Youden's J",), lowest=-1,
    ),
    Metric(
        name="mcc", title="MCC", overall_value=_matthews_correlation,
        synonyms=("Matthews correlation coefficient",), lowest=-1, has_constraints=True,
    ),
    Metric(
        name="precision", title="precision", class_fraction=_precision, forced_priority=3,
        synonyms=("positive predictive value",), average_is_stated=True, in_class_table=True,
        accuracy_averages=("micro",),
    ),
    Metric(
        name="recall", title="recall", class_fraction=_recall, forced_priority=2,
        synonyms=("sensitivity", "true positive rate"), average_is_stated=True, in_class_table=True,
        share_of="class", accuracy_averages=("weighted", "micro"),
        balanced_accuracy_averages=("macro",),
    ),
    Metric(
        name="f1", title="F1", class_fraction=_f1, forced_priority=4,
        synonyms=("F1-score", "F1 score", "F-measure"), average_is_stated=True, in_class_table=True,
        accuracy_averages=("micro",),
    ),
    Metric(
        name="specificity", title="specificity", class_fraction=_specificity, forced_priority=5,
        synonyms=("true negative rate",),
    ),
    Metric(
        name="one-vs-rest accuracy", title="one-vs-rest accuracy",
        class_fraction=_one_vs_rest_accuracy, synonyms=("binary accuracy",), share_of="images",
    ),
    Metric(  # of the class numbers, as Kayed et al. 2020 report it
        name="mse", title="MSE", overall_fraction=_mean_squared_error, forced_priority=7,
        synonyms=("mean squared error",), highest=None, needs_cells=True, less_is_better=True,
        share_of="images",
    ),
    Metric(  # of the class numbers
        name="mae", title="MAE", overall_fraction=_mean_absolute_error, forced_priority=6,
        synonyms=("mean absolute error",), highest=None, needs_cells=True, less_is_better=True,
        share_of="images",
    ),
    Metric(
        name="top-2 accuracy", title="top-2 accuracy", overall_value=_top_k_accuracy(2),
        synonyms=("top2", "top-2", "top_2_accuracy"),
    ),
    Metric(  # the same as macro recall
        name="balanced accuracy", title="balanced accuracy", overall_fraction=_balanced_accuracy,
        synonyms=("balanced_accuracy", "mean per-class accuracy"), in_overall_table=False,
        share_of="class", balanced_accuracy_averages=(None,),
    ),
    Metric(
        name="error rate", title="error rate", overall_fraction=_error_rate, forced_priority=1,
        synonyms=("test error", "test error rate"), in_overall_table=False, less_is_better=True,
        share_of="images",
    ),
    Metric(
        name="correct", title="number of correct images", overall_fraction=_correct, highest=None,
        synonyms=("number correct",), in_overall_table=False, is_count=True, decimals=0,
        share_of="images",
    ),
    Metric(
        name="errors", title="number of wrong images", overall_fraction=_errors, highest=None,
        synonyms=("number of errors",), in_overall_table=False, is_count=True, decimals=0,
        less_is_better=True, share_of="images",
    ),
    Metric(  # images of one class that were predicted as one class
        name="cell", title="cell", cell_fraction=_cell, highest=None, needs_cells=True,
        in_overall_table=False, is_count=True, decimals=0, share_of="class",
    ),
)  # fmt: skip

METRICS = {metric.name: metric for metric in _DECLARATIONS}


def find_metric(text: str) -> Metric:
    """Find the metric with this name or synonym; capital letters make no difference.

    Raises:
        ValueError: there is no such metric; the message lists the names.
    """
    for metric in METRICS.values():
        if text.lower() in {name.lower() for name in (metric.name, *metric.synonyms)}:
            return metric
    raise ValueError(
        f"metric {text!r} is not one of: {', '.join(METRICS)}{suggest_names(text, METRICS)}"
    )
