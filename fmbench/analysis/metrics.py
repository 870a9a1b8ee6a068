"""Metrics: pure functions of ``(y_true, y_pred)``, both ``(n,)`` class numbers.

All follow from the confusion matrix, in whole numbers as long as they can be: a page may need those
of thousands of records, for which scikit-learn's functions, made for one set of labels, take
minutes. Tests hold them against scikit-learn's and pycm's. Accuracies and rates are in [0, 1],
kappa, MCC and informedness in [-1, 1]; MSE and MAE are of the class *numbers*, as Kayed et al.
report them.
"""

from __future__ import annotations

import math
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
    confusion = confusion_matrix(np.asarray(y_true), np.asarray(y_pred), n_classes)
    n, right = int(confusion.sum()), int(np.trace(confusion))
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    specificity = 1 - (predicted - confusion.diagonal()) / (n - true)
    classwise = {name: values[0] for name, values in rates(confusion[None]).items()}
    classwise |= {
        "specificity": specificity,
        "informedness": classwise["recall"] + specificity - 1,
    }
    # By chance, and how far two labellings with these class sizes can agree at all (Gorodkin 2004).
    by_chance = int(true @ predicted)
    spread = (n**2 - int(predicted @ predicted)) * (n**2 - int(true @ true))
    distance = np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes)))
    overall = {name: float(values.mean()) for name, values in classwise.items()} | {
        "accuracy": right / n,
        "kappa": (right * n - by_chance) / (n**2 - by_chance) if by_chance < n**2 else math.nan,
        "mcc": (right * n - by_chance) / math.sqrt(spread) if spread else 0.0,
        "mse": int((confusion * distance**2).sum()) / n,
        "mae": int((confusion * distance).sum()) / n,
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
