"""Evaluates one cell: the only clock, and the only place where labels meet predictions.

:func:`measure` runs where the model runs. It reads the training set and the images to predict,
never their labels, except where a protocol's very mistake is to fit on them. :func:`collect` runs
elsewhere, afterwards, on what ``measure`` left in a folder, and is the one that knows the labels.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fmbench.datasets.specs import FASHION_MNIST, Source
from fmbench.models.contract import BadPredictions, checked
from fmbench.models.registry import BEST_EPOCH
from fmbench.records.cells import Cell
from fmbench.records.protocols import _images, labels
from fmbench.records.record import flagged_array

PREDICTIONS = "predictions.npy"
SCORES = "scores.npy"
SMALLEST_PROBABILITY = 1e-7  # Keras's clipping in its cross-entropy


def measure(
    launch: Sequence[Cell],
    source: Source,
    device: str,
    folder: Path,
    workspaces: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Fit and predict the cells of a launch, which differ by their seeds alone.

    Predictions and scores are left in ``folder / "0"``, ``folder / "1"`` and so on.
    ``workspaces`` are the cells' own folders for what a resumable runner keeps while it fits.

    Returns for each cell its fit and predict seconds (of ``fit`` and ``predict`` alone; callbacks
    are taken out, what interrupted attempts contributed is added; of a fit of several cells, a
    cell's even share), the training curve, the classifier's details and the warnings that were
    raised, in JSON's types.

    Raises:
        BadPredictions: the predictions, or those of a flagged figure, are not ``(n,)`` whole
            numbers from 0 to 9; or the classifier lacks a flagged figure of its recipe.
    """
    X_fit, y_fit, X_score = _images(launch[0].protocol, source)
    fits = []
    for place, cell in enumerate(launch):
        workspace = workspaces[place] if workspaces and cell.runner.resumable else None
        if workspace is not None:
            workspace.mkdir(parents=True, exist_ok=True)
        fits.append(_Fit(cell, X_score, device, folder / str(place), workspace))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _wait_for(device)
        start = time.perf_counter()
        _fit_all([fit.classifier for fit in fits], X_fit, y_fit, [fit.curve for fit in fits])
        _wait_for(device)
        seconds = time.perf_counter() - start - sum(fit.curve.seconds for fit in fits)
        facts = [
            {"fit_seconds": seconds / len(fits) + fit.earlier_seconds, **fit.predict()}
            for fit in fits
        ]
    said = sorted({f"{w.category.__name__}: {w.message}" for w in caught})
    return [{**of_cell, "warnings": said} for of_cell in facts]


class _Fit:
    """A cell's classifier, its training curve, and the folder for what it predicts."""

    def __init__(
        self,
        cell: Cell,
        X_score: np.ndarray,
        device: str,
        folder: Path,
        workspace: Path | None,
    ) -> None:
        folder.mkdir()
        self._cell, self._folder = cell, folder
        self._X_score = X_score
        self.classifier = cell.runner.build(
            cell.hyperparameters, seed=cell.seed, device=device, workspace=workspace
        )
        method = cell.runner.scores or "predict_proba"
        self.curve = _Curve(folder, X_score, method, kept=cell.protocol.detailed)

    @property
    def earlier_seconds(self) -> float:
        """What interrupted attempts at this fit spent on work that it used."""
        return getattr(self.classifier, "earlier_seconds_", 0.0)

    def predict(self) -> dict[str, Any]:
        """Leave the predictions in the folder; returns what else is known of the fit."""
        cell, X_score = self._cell, self._X_score
        start = time.perf_counter()
        y_pred = self.classifier.predict(X_score)
        predict_seconds = time.perf_counter() - start
        np.save(self._folder / PREDICTIONS, checked(y_pred, len(X_score)))
        if cell.protocol.detailed:
            if cell.runner.scores:
                scores = getattr(self.classifier, cell.runner.scores)(X_score)
                np.save(self._folder / SCORES, np.asarray(scores, np.float16))
            self._save_flagged()
        return {
            "predict_seconds": predict_seconds,
            "history": self.curve.reports,
            "details": getattr(self.classifier, "details_", {}),
        }

    def _save_flagged(self) -> None:
        flagged = self._cell.runner.flagged
        wanted = set(flagged) - {BEST_EPOCH}
        given = self.classifier.flagged(self._X_score) if wanted else {}
        if set(given) != wanted:
            raise BadPredictions(f"flagged returned {sorted(given)}, expected {sorted(wanted)}")
        if BEST_EPOCH in flagged and not self.curve.reports:
            raise BadPredictions("no epoch was reported, so none can be the best")
        for name, y_pred in given.items():
            array = checked(y_pred, len(self._X_score))
            np.save(self._folder / f"{flagged_array(name)}.npy", array)


def _fit_all(
    classifiers: Sequence[Any], X: np.ndarray, y: np.ndarray, curves: Sequence[_Curve]
) -> None:
    if len(classifiers) > 1 and hasattr(classifiers[0], "fit_together"):
        classifiers[0].fit_together(classifiers, X, y, curves)
        return
    for classifier, curve in zip(classifiers, curves, strict=True):
        wants_callback = "on_epoch" in inspect.signature(classifier.fit).parameters
        classifier.fit(X, y, **({"on_epoch": curve} if wants_callback else {}))


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


class _Curve:
    """The per-epoch callback: keeps what the classifier predicts, if asked, and its own time."""

    def __init__(self, folder: Path, X_score: np.ndarray, method: str, *, kept: bool) -> None:
        self._kept = kept
        self.seconds = 0.0
        self.reports: list[dict[str, Any]] = []
        self._folder = folder
        self._X_score = X_score
        self._method = method

    def __call__(self, classifier: Any, report: Any) -> None:
        start = time.perf_counter()
        if self._kept:
            scores = getattr(classifier, self._method)(self._X_score)
            np.save(self._folder / _epoch_file(report.epoch), np.asarray(scores, np.float32))
        self.reports.append(
            {
                "epoch": report.epoch,
                "train_loss": round(report.train_loss, 6),
                "train_accuracy": round(report.train_accuracy, 6),
            }
        )
        self.seconds += time.perf_counter() - start


def _epoch_file(epoch: int) -> str:
    return f"epoch-{epoch:04d}.npy"


def _wait_for(device: str) -> None:
    # A GPU works behind the CPU's back: the clock must not stop before it has finished.
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
