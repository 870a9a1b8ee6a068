"""Metrics: pure functions of ``(y_true, y_pred)``, both ``(n,)`` class numbers.

scikit-learn's functions where they exist. Accuracies and rates are in [0, 1], kappa, MCC and
informedness in [-1, 1]; MSE and MAE are of the class *numbers*, as Kayed et al. report them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_CLASSES = 10

OVERALL = (
    "accuracy", "kappa", "informedness", "mcc", "precision", "recall", "f1", "specificity",
    "mse", "mae",
)  # fmt: skip
CLASSWISE = ("precision", "recall", "f1", "specificity", "informedness")


@dataclass(frozen=True)
class Metrics:
    """Every metric of one set of predictions.

    ``overall`` holds each of :data:`OVERALL` (precision, recall, F1, specificity and informedness
    as macro averages, the plain mean over classes); ``classwise`` each of :data:`CLASSWISE` as
    ``float (n_classes,)``; ``confusion`` is ``int (n_classes, n_classes)``, rows the truth.
    A precision of a class that was never predicted is 0, as is an F1 of 0/0.
    """

    overall: dict[str, float]
    classwise: dict[str, np.ndarray]
    confusion: np.ndarray


def compute(y_true: np.ndarray, y_pred: np.ndarray, n_classes: int = N_CLASSES) -> Metrics:
    """All metrics at once.

    F1 is 2 P R / (P + R): equation 4 of Kayed et al. 2020 prints 2 (P + R) / (P + R), always 2.
    Specificity is TN / (TN + FP) of one class against the rest; informedness is recall +
    specificity - 1.
    """
    from sklearn import metrics as sk

    labels = np.arange(n_classes)
    confusion = confusion_matrix(np.asarray(y_true), np.asarray(y_pred), n_classes)
    # Each pair of classes once, weighted: a hundred pairs in place of ten thousand images.
    y_true, y_pred = np.nonzero(confusion)
    weights = confusion[y_true, y_pred]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        y_true, y_pred, labels=labels, sample_weight=weights, zero_division=0
    )
    false_positives = confusion.sum(axis=0) - confusion.diagonal()
    negatives = confusion.sum() - confusion.sum(axis=1)
    specificity = 1 - false_positives / negatives
    classwise = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "specificity": specificity,
        "informedness": recall + specificity - 1,
    }
    overall = {name: float(values.mean()) for name, values in classwise.items()} | {
        "accuracy": float(sk.accuracy_score(y_true, y_pred, sample_weight=weights)),
        "kappa": float(sk.cohen_kappa_score(y_true, y_pred, labels=labels, sample_weight=weights)),
        "mcc": float(sk.matthews_corrcoef(y_true, y_pred, sample_weight=weights)),
        "mse": float(sk.mean_squared_error(y_true, y_pred, sample_weight=weights)),
        "mae": float(sk.mean_absolute_error(y_true, y_pred, sample_weight=weights)),
    }
    return Metrics({name: overall[name] for name in OVERALL}, classwise, confusion)


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, n_classes: int = N_CLASSES
) -> np.ndarray:
    """``int (n_classes, n_classes)``, rows the truth."""
    pairs = n_classes * y_true.astype(np.int64) + y_pred
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def rates(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of each class, ``float (n, 10)``, from ``int (n, 10, 10)``.

    0/0 is 0, as in :func:`compute`.
    """
    right = np.diagonal(confusions, axis1=1, axis2=2)
    predicted, true = confusions.sum(axis=1), confusions.sum(axis=2)

    def share(of: np.ndarray) -> np.ndarray:
        return np.divide(right, of, out=np.zeros(right.shape), where=of > 0)

    return {
        "precision": share(predicted),
        "recall": share(true),
        "f1": share((predicted + true) / 2),
    }
