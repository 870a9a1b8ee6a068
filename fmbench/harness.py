"""Evaluates one cell: the only clock, and the only place where labels meet predictions.

:func:`measure` runs where the model runs. It reads the training set and the images to predict,
never their labels, except where a protocol's very mistake is to fit on them. :func:`collect` runs
elsewhere, afterwards, on what ``measure`` left in a folder, and is the one that knows the labels.
"""

from __future__ import annotations

import inspect
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fmbench.cells import Cell, Part, Protocol
from fmbench.datasets import (
    FASHION_MNIST,
    TRAIN_LABELS,
    Source,
    load_test_images,
    load_test_labels,
    load_train,
    read_idx,
)
from fmbench.records import flagged_array
from fmbench.registry import BEST_EPOCH

PREDICTIONS = "predictions.npy"
SCORES = "scores.npy"
SMALLEST_PROBABILITY = 1e-7  # Keras's clipping in its cross-entropy


class BadPredictions(Exception):
    """A classifier returned something that is not one class for each image."""


def measure(
    cell: Cell, source: Source, device: str, folder: Path, workspace: Path | None = None
) -> dict[str, Any]:
    """Fit and predict ``cell``, leaving predictions and scores in ``folder``.

    ``workspace`` is the cell's own folder for what a resumable runner keeps while it fits.

    Returns fit and predict seconds (of ``fit`` and ``predict`` alone; callbacks are taken out,
    what interrupted attempts contributed is added), the training curve, the classifier's details
    and the warnings that were raised, in JSON's types.

    Raises:
        BadPredictions: the predictions, or those of a flagged figure, are not ``(n,)`` whole
            numbers from 0 to 9; or the classifier lacks a flagged figure of its recipe.
    """
    X_fit, y_fit, X_score = _images(cell.protocol, source)
    if workspace is not None and cell.runner.resumable:
        workspace.mkdir(parents=True, exist_ok=True)
    classifier = cell.runner.build(
        cell.hyperparameters, seed=cell.seed, device=device, workspace=workspace
    )
    curve = _Curve(
        folder, X_score, cell.runner.scores or "predict_proba", kept=cell.protocol.detailed
    )
    wants_callback = "on_epoch" in inspect.signature(classifier.fit).parameters
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _wait_for(device)
        start = time.perf_counter()
        classifier.fit(X_fit, y_fit, **({"on_epoch": curve} if wants_callback else {}))
        _wait_for(device)
        fit_seconds = time.perf_counter() - start - curve.seconds
        fit_seconds += getattr(classifier, "earlier_seconds_", 0.0)
        start = time.perf_counter()
        y_pred = classifier.predict(X_score)
        predict_seconds = time.perf_counter() - start
        np.save(folder / PREDICTIONS, checked(y_pred, len(X_score)))
        if cell.runner.scores and cell.protocol.detailed:
            scores = getattr(classifier, cell.runner.scores)(X_score)
            np.save(folder / SCORES, np.asarray(scores, np.float16))
        if cell.protocol.detailed:
            _save_flagged(cell, classifier, curve, folder)
    return {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "history": curve.reports,
        "details": getattr(classifier, "details_", {}),
        "warnings": sorted({f"{w.category.__name__}: {w.message}" for w in caught}),
    }


@dataclass(frozen=True)
class Outcome:
    """What is kept of a cell: arrays for the predictions file and the per-epoch history."""

    arrays: dict[str, np.ndarray]
    history: list[dict[str, float]]


def collect(cell: Cell, source: Source, folder: Path, history: list[dict[str, Any]]) -> Outcome:
    """Gather what :func:`measure` left in ``folder`` and score each epoch with the labels.

    The held-out loss is that of the scores: a runner that stores decision values has margins.

    Predictions of another data set than Fashion-MNIST are kept with their labels: that data set
    need not be at hand where the record is read.
    """
    arrays = {"y_pred": np.load(folder / PREDICTIONS)}
    if (folder / SCORES).exists():
        arrays["scores"] = np.load(folder / SCORES)
    for name in cell.runner.flagged if cell.protocol.detailed else ():
        if name != BEST_EPOCH:
            arrays[flagged_array(name)] = np.load(folder / f"{flagged_array(name)}.npy")
    if cell.dataset != FASHION_MNIST:
        arrays["y_true"] = labels(cell.protocol, source)
    if not history or not cell.protocol.detailed:
        return Outcome(arrays, history)
    y_true = labels(cell.protocol, source)
    loss = hinge_loss if cell.runner.scores == "decision_function" else cross_entropy
    epochs, scored = [], []
    for report in history:
        scores = np.load(folder / _epoch_file(report["epoch"]))
        y_pred = scores.argmax(1).astype(np.uint8)
        epochs.append(y_pred)
        scored.append(
            {
                **report,
                "heldout_loss": round(loss(scores, y_true), 6),
                "heldout_accuracy": float((y_pred == y_true).mean()),
            }
        )
    arrays["epoch_y_pred"] = np.stack(epochs)
    if BEST_EPOCH in cell.runner.flagged:
        best = np.argmax([epoch["heldout_accuracy"] for epoch in scored])  # the first of equals
        arrays[flagged_array(BEST_EPOCH)] = epochs[best]
    return Outcome(arrays, scored)


def cross_entropy(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Mean of -log p of the true class; ``probabilities`` are ``(n, 10)``."""
    of_truth = probabilities[np.arange(len(y_true)), y_true]
    return float(-np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1.0)).mean())


def hinge_loss(decisions: np.ndarray, y_true: np.ndarray) -> float:
    """Mean of the L2-SVM's squared hinge over images and classes; ``decisions`` are ``(n, 10)``.

    What the training loss adds for the weights is no part of it.
    """
    signs = np.full(decisions.shape, -1.0)
    signs[np.arange(len(y_true)), y_true] = 1.0
    return float((np.maximum(0.0, 1.0 - signs * decisions) ** 2).mean())


def labels(protocol: Protocol, source: Source) -> np.ndarray:
    """The true classes ``uint8 (n,)`` of the images that ``protocol`` scores."""
    return np.concatenate(list(labels_by_part(protocol, source).values()))


def labels_by_part(protocol: Protocol, source: Source) -> dict[Part, np.ndarray]:
    """The same, for each part of the images that ``protocol`` scores, in its order."""

    def of(part: Part) -> np.ndarray:
        if part == "test":
            return load_test_labels(source)[: protocol.n_test]
        y_train = read_idx(source, TRAIN_LABELS)
        which = protocol.held_out if part == "held out" else protocol.fitted
        return y_train[which(y_train)]

    return {part: of(part) for part in protocol.scored}


def checked(y_pred: Any, n: int) -> np.ndarray:
    """``y_pred`` as ``uint8 (n,)``; raises BadPredictions if it is anything but n classes."""
    y_pred = np.asarray(y_pred)
    if y_pred.shape != (n,):
        raise BadPredictions(f"predict returned shape {y_pred.shape}, expected ({n},)")
    if not np.issubdtype(y_pred.dtype, np.number):
        raise BadPredictions(f"predict returned {y_pred.dtype}, expected whole numbers 0 to 9")
    if not np.isfinite(y_pred).all() or (y_pred != np.floor(y_pred)).any():
        raise BadPredictions("predict returned values that are not whole numbers")
    if y_pred.min() < 0 or y_pred.max() > 9:
        raise BadPredictions(f"predict returned classes {y_pred.min()} to {y_pred.max()}, not 0-9")
    return y_pred.astype(np.uint8)


class _Curve:
    """The per-epoch callback: keeps what the classifier predicts, if asked, and its own time."""

    def __init__(self, folder: Path, X_score: np.ndarray, method: str, *, kept: bool) -> None:
        self._kept = kept
        self.seconds = 0.0
        self.reports: list[dict[str, Any]] = []
        self._folder = folder
        self.X_score = X_score
        self._method = method

    def __call__(self, classifier: Any, report: Any) -> None:
        start = time.perf_counter()
        if self._kept:
            scores = getattr(classifier, self._method)(self.X_score)
            np.save(self._folder / _epoch_file(report.epoch), np.asarray(scores, np.float32))
        self.reports.append(
            {
                "epoch": report.epoch,
                "train_loss": round(report.train_loss, 6),
                "train_accuracy": round(report.train_accuracy, 6),
            }
        )
        self.seconds += time.perf_counter() - start


def _save_flagged(cell: Cell, classifier: Any, curve: _Curve, folder: Path) -> None:
    wanted = set(cell.runner.flagged) - {BEST_EPOCH}
    given = classifier.flagged(curve.X_score) if wanted else {}
    if set(given) != wanted:
        raise BadPredictions(f"flagged returned {sorted(given)}, expected {sorted(wanted)}")
    if BEST_EPOCH in cell.runner.flagged and not curve.reports:
        raise BadPredictions("no epoch was reported, so none can be the best")
    for name, y_pred in given.items():
        np.save(folder / f"{flagged_array(name)}.npy", checked(y_pred, len(curve.X_score)))


def _epoch_file(epoch: int) -> str:
    return f"epoch-{epoch:04d}.npy"


def _images(protocol: Protocol, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X_train, y_train = load_train(source)
    fitted = protocol.fitted(y_train)
    X_fit, y_fit = X_train[fitted], y_train[fitted]
    parts: dict[Part, np.ndarray] = {"fitted": X_fit}
    if "held out" in protocol.scored:
        parts["held out"] = X_train[protocol.held_out(y_train)]
    if "test" in protocol.scored or protocol.fits_test:
        parts["test"] = load_test_images(source)[: protocol.n_test]
    X_score = np.concatenate([parts[part] for part in protocol.scored])
    if protocol.fits_test:  # the mistake itself
        X_fit = np.concatenate([X_fit, parts["test"]])
        y_fit = np.concatenate([y_fit, load_test_labels(source)[: protocol.n_test]])
    return X_fit, y_fit, X_score


def _wait_for(device: str) -> None:
    # A GPU works behind the CPU's back: the clock must not stop before it has finished.
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
