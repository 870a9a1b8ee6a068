"""Fits the cells of a launch, predicts, times both, and scores the predictions.

:func:`measure_launch` runs in the child process, together with the model. It reads the training set
and the images to predict. It never reads their labels, except under a protocol whose deliberate
mistake is to fit on the test images. :func:`add_predictions` runs afterwards in the parent process.
It collects the predictions, and it alone compares them with the labels.
"""

from __future__ import annotations

import gc
import inspect
import math
import operator
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fmbench.datasets.specs import LocatedDataset, records_have_labels
from fmbench.errors import DivergedError
from fmbench.execution.backend import Measurement
from fmbench.models import accelerators, workers
from fmbench.models.contract import InvalidPredictions, validate_predictions
from fmbench.models.nn.gpu_errors import GpuStartError, is_out_of_memory
from fmbench.models.registry import BEST_EPOCH
from fmbench.records.cells import Cell
from fmbench.records.protocols import load_images, load_labels
from fmbench.records.record import (
    EPOCH,
    EPOCH_Y_PRED,
    HELDOUT_ACCURACY,
    HELDOUT_LOSS,
    SCORES,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    Y_PRED,
    Y_TRUE,
    clean_details,
    clean_warnings,
    flagged_array_name,
)
from fmbench.utils import environment

PREDICTIONS_FILE = "predictions.npy"
SCORES_FILE = "scores.npy"
MAX_LOSS = 1e30  # a training with a larger loss has diverged
SMALLEST_PROBABILITY = 1e-7  # Keras clips probabilities here in its cross-entropy


def measure_launch(
    launch: Sequence[Cell],
    source: LocatedDataset,
    device: str,
    folder: Path,
    workspaces: Sequence[Path] = (),
    gpu_memory: int | None = None,
) -> list[Measurement]:
    """Fit and predict the cells of a launch.

    On a GPU they may take ``gpu_memory`` bytes of its memory; None means all of it.

    The predictions and scores of the cells are left in ``folder / "0"``, ``folder / "1"`` and so
    on. ``workspaces`` are the folders in which resumable runners keep their progress.

    The seconds are those of ``fit`` and ``predict`` alone: the time of the callback after each
    epoch is subtracted. If a fit used the work of interrupted attempts, their time is added. When
    several cells are fitted together, each gets an equal share of the time. Loops that the fit
    needs are compiled before, and in no cell's seconds; those of networks that only the fit makes,
    such as EDEN's, are compiled in it.

    If the training of a cell diverges, its measurement says so, and the others go on. If the
    training of each cell does, that is an error.

    Raises:
        InvalidPredictions: the predictions, or those of a flagged figure, are not ``(n,)`` class
            numbers; the classifier lacks a flagged figure of its recipe; or what it reports of its
            epochs or seconds is impossible.
        DivergedError: in every cell the loss of an epoch, or a score, is not a number.
        GpuStartError: this process cannot use the GPU at all.
    """
    if device == "cuda":
        start_gpu()
        limit_gpu_memory(gpu_memory)
    X_fit, y_fit, X_score = load_images(launch[0].protocol, source)
    fits = []
    for position, cell in enumerate(launch):
        workspace = workspaces[position] if workspaces and cell.runner.resumable else None
        if workspace is not None:
            workspace.mkdir(parents=True, exist_ok=True)
        fits.append(
            _CellFit(
                cell, X_score, device, folder / str(position), workspace,
                is_alone=len(launch) == 1,
            )
        )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _synchronize(device)
        start = time.perf_counter()
        _fit_all([fit.classifier for fit in fits], X_fit, y_fit, [fit.curve for fit in fits])
        _synchronize(device)
        callback_seconds = sum(fit.curve.callback_seconds for fit in fits)
        # A classifier that calls back from several threads would get negative seconds.
        fit_seconds = max(0.0, time.perf_counter() - start - callback_seconds)
        predict_seconds = [fit.predict() for fit in fits]
    if fits[0].divergence and all(fit.divergence for fit in fits):
        raise fits[0].divergence
    messages = clean_warnings(
        [*(f"{w.category.__name__}: {w.message}" for w in caught), *accelerators.list_fallbacks()]
    )
    device_name, gpu_memory = environment.device_name(device), _measure_peak_gpu_memory(device)
    return [
        Measurement(
            fit_seconds=fit_seconds / len(fits) + fit.earlier_seconds,
            predict_seconds=seconds,
            history=fit.curve.history,
            details=fit.details,
            warnings=messages,
            device=device_name,
            peak_gpu_memory_bytes=gpu_memory,
            failure=str(fit.divergence) if fit.divergence else None,
        )
        for fit, seconds in zip(fits, predict_seconds, strict=True)
    ]


class _CellFit:
    """The classifier of one cell, its training curve, and the folder for its predictions."""

    def __init__(
        self,
        cell: Cell,
        X_score: np.ndarray,
        device: str,
        folder: Path,
        workspace: Path | None,
        *,
        is_alone: bool,
    ) -> None:
        folder.mkdir()
        self._cell, self._folder = cell, folder
        self._X_score = X_score
        self.classifier = cell.runner.build(
            cell.hyperparameters, seed=cell.seed, device=device, workspace=workspace
        )
        accelerators.compile_loops(self.classifier)
        method = cell.runner.scores or "predict_proba"
        n_classes = cell.dataset.n_classes if cell.protocol.detailed else None
        self.curve = _TrainingCurve(folder, X_score, method, n_classes, ends_fit=is_alone)

    @property
    def earlier_seconds(self) -> float:
        """The seconds that interrupted attempts spent on work that this fit used."""
        seconds = float(getattr(self.classifier, "earlier_seconds_", 0.0))
        if not (seconds >= 0 and math.isfinite(seconds)):
            raise InvalidPredictions(f"`earlier_seconds_` is {seconds:g}, not a number of seconds")
        return seconds

    @property
    def details(self) -> dict[str, Any]:
        """The facts about its fit: what the classifier reports, and how many workers it had."""
        details = clean_details(getattr(self.classifier, "details_", {}))
        n_workers = min(workers.count_workers(), self._cell.runner.max_workers)
        return {**details, "workers": n_workers} if n_workers > 1 else details

    @property
    def divergence(self) -> DivergedError | None:
        """Why its training or its scores have diverged, or None."""
        return self.curve.divergence

    def predict(self) -> float:
        """Predict, unless the training has diverged, and return the seconds that it took.

        The predictions are in the folder then; ``divergence`` is set if scores are not numbers.
        """
        if self.divergence is None:
            try:
                return self._save_predictions()
            except DivergedError as error:
                self.curve.divergence = error
        return 0.0

    def _save_predictions(self) -> float:
        """Predict, write the predictions into the folder, and return the seconds of predicting."""
        cell, X_score = self._cell, self._X_score
        n_classes = len(cell.dataset.classes)
        start = time.perf_counter()
        y_pred = self.classifier.predict(X_score)
        seconds = time.perf_counter() - start
        np.save(
            self._folder / PREDICTIONS_FILE, validate_predictions(y_pred, len(X_score), n_classes)
        )
        if cell.protocol.detailed:
            if cell.runner.scores:
                scores = np.asarray(getattr(self.classifier, cell.runner.scores)(X_score))
                _check_scores_shape(scores, cell.runner.scores, (len(X_score), n_classes))
                if np.isnan(scores).any():
                    raise DivergedError(
                        f"the fit diverged: {cell.runner.scores} returned scores that are not "
                        "numbers"
                    )
                np.save(self._folder / SCORES_FILE, scores.astype(np.float16))
            self._save_flagged()
        return seconds

    def _save_flagged(self) -> None:
        flagged = self._cell.runner.flagged
        expected = set(flagged) - {BEST_EPOCH}
        returned = self.classifier.flagged(self._X_score) if expected else {}
        if set(returned) != expected:
            raise InvalidPredictions(
                f"`flagged` returned {sorted(returned)}, but the recipe names {sorted(expected)}"
            )
        if BEST_EPOCH in flagged and not self.curve.history:
            raise InvalidPredictions(
                "the classifier never called `on_epoch`, so there is no best epoch"
            )
        n_classes = len(self._cell.dataset.classes)
        for name, y_pred in returned.items():
            array = validate_predictions(y_pred, len(self._X_score), n_classes)
            np.save(self._folder / f"{flagged_array_name(name)}.npy", array)


def _fit_all(
    classifiers: Sequence[Any], X: np.ndarray, y: np.ndarray, curves: Sequence[_TrainingCurve]
) -> None:
    if len(classifiers) > 1 and hasattr(classifiers[0], "fit_together"):
        _fit_together(classifiers, X, y, curves)
        return
    for classifier, curve in zip(classifiers, curves, strict=True):
        wants_callback = "on_epoch" in inspect.signature(classifier.fit).parameters
        classifier.fit(X, y, **({"on_epoch": curve} if wants_callback else {}))


def _fit_together(
    classifiers: Sequence[Any], X: np.ndarray, y: np.ndarray, curves: Sequence[_TrainingCurve]
) -> None:
    """Fit classifiers together; where the GPU's memory is too small, one half after the other."""
    try:
        classifiers[0].fit_together(classifiers, X, y, curves)
        return
    except RuntimeError as error:
        if len(classifiers) == 1 or not is_out_of_memory(error):
            raise
    # Here the error, and with it all that the attempt kept on the GPU, is gone.
    release_gpu_memory(classifiers)
    n_first = (len(classifiers) + 1) // 2
    warnings.warn(
        f"the GPU has too little memory for {len(classifiers)} networks together: {n_first} are "
        "trained at a time",
        RuntimeWarning,
        stacklevel=2,
    )
    for half in (slice(n_first), slice(n_first, None)):
        for curve in curves[half]:
            curve.restart()
        _fit_together(classifiers[half], X, y, curves[half])


def release_gpu_memory(classifiers: Sequence[Any]) -> None:
    """Give up what an attempt has left on the GPU."""
    for classifier in classifiers:
        vars(classifier).pop("network_", None)
    gc.collect()
    sys.modules["torch"].cuda.empty_cache()


class _TrainingCurve:
    """The callback after each epoch: it keeps the report, saves the scores and adds up its time.

    If the training diverges, ``divergence`` says so, or, with ``ends_fit``, the call raises it.
    """

    def __init__(
        self,
        folder: Path,
        X_score: np.ndarray,
        method: str,
        n_classes: int | None,
        *,
        ends_fit: bool,
    ) -> None:
        self._ends_fit = ends_fit
        self.divergence: DivergedError | None = None
        self.callback_seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self._folder = folder
        self._X_score = X_score
        self._method = method
        self._n_classes = n_classes  # None if no scores are saved

    def restart(self) -> None:
        """Forget the epochs of an attempt that did not end; its time stays the fit's."""
        self.history.clear()
        self.divergence = None

    def __call__(self, classifier: Any, report: Any) -> None:
        if self.divergence is not None:  # only the others of its launch go on
            return
        start = time.perf_counter()
        try:
            self._save_epoch(classifier, report)
        except DivergedError as error:
            if self._ends_fit:
                raise
            self.divergence = error
        self.callback_seconds += time.perf_counter() - start

    def _save_epoch(self, classifier: Any, report: Any) -> None:
        self.history.append(_read_report(report))
        if self._n_classes is not None:
            epoch = self.history[-1][EPOCH]
            scores = np.asarray(getattr(classifier, self._method)(self._X_score), np.float32)
            _check_scores_shape(scores, self._method, (len(self._X_score), self._n_classes))
            if not np.isfinite(scores).all():
                raise DivergedError(
                    f"the training diverged: the scores after epoch {epoch} are not numbers: lower "
                    "the learning rate"
                )
            np.save(self._folder / _name_epoch_file(epoch), scores)


def _read_report(report: Any) -> dict[str, Any]:
    """Return what a classifier reports of an epoch as an item of a record's history.

    Raises:
        InvalidPredictions: it is impossible.
        DivergedError: the loss is not a number that a record can hold.
    """
    epoch = operator.index(report.epoch)
    loss, accuracy = float(report.train_loss), float(report.train_accuracy)
    if not abs(loss) <= MAX_LOSS:
        what = "not a number" if math.isnan(loss) else f"{loss:g}"
        raise DivergedError(
            f"the training diverged: the loss of epoch {epoch} is {what}: lower the learning rate"
        )
    if epoch < 1 or not 0 <= accuracy <= 1:
        raise InvalidPredictions(
            f"`on_epoch` got epoch {epoch} with a training accuracy of {accuracy:g}: epochs count "
            "from 1, and an accuracy lies in [0, 1]"
        )
    return {EPOCH: epoch, TRAIN_LOSS: round(loss, 6), TRAIN_ACCURACY: round(accuracy, 6)}


def _check_scores_shape(scores: np.ndarray, method: str, shape: tuple[int, int]) -> None:
    if scores.shape != shape:
        raise InvalidPredictions(f"{method} returned shape {scores.shape}, expected {shape}")


def _name_epoch_file(epoch: int) -> str:
    return f"epoch-{epoch:04d}.npy"


def start_gpu() -> None:
    """Start CUDA in this process.

    Raises:
        GpuStartError: it does not start.
    """
    import torch

    try:
        torch.cuda.synchronize()
    except (RuntimeError, AssertionError, torch.cuda.DeferredCudaCallError) as error:
        raise GpuStartError(str(error)) from error


def limit_gpu_memory(n_bytes: int | None) -> None:
    """Let PyTorch take at most so many bytes of the GPU's memory in this process."""
    if n_bytes is not None:
        import torch

        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, n_bytes / total))


def _synchronize(device: str) -> None:
    # Calls on a GPU return before it has finished, so wait for it before reading the clock.
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def _measure_peak_gpu_memory(device: str) -> int | None:
    """Return the largest GPU memory that PyTorch's allocator held for this process, in bytes.

    The memory that CUDA itself takes for a process, some hundred megabytes, is not included.
    """
    return sys.modules["torch"].cuda.max_memory_reserved() if device == "cuda" else None


def add_predictions(
    cell: Cell, source: LocatedDataset, folder: Path, measurement: Measurement
) -> Measurement:
    """Read the predictions of a cell from ``folder`` and score each epoch with the labels.

    A measurement that failed is returned as it is. Any other is returned with its ``arrays`` and,
    for each epoch, the accuracy and the loss on the scored images, in the full protocol the test
    images. The loss is the cross-entropy, or the squared hinge loss if the runner's scores are
    decision values.

    The labels are stored with the predictions if the data set may be missing where the record is
    read (``records_have_labels``).
    """
    if measurement.failure is not None:
        return measurement
    arrays = {Y_PRED: np.load(folder / PREDICTIONS_FILE)}
    if (folder / SCORES_FILE).exists():
        arrays[SCORES] = np.load(folder / SCORES_FILE)
    for name in cell.runner.flagged if cell.protocol.detailed else ():
        if name != BEST_EPOCH:
            arrays[flagged_array_name(name)] = np.load(folder / f"{flagged_array_name(name)}.npy")
    if records_have_labels(cell.dataset.name):
        arrays[Y_TRUE] = load_labels(cell.protocol, source)
    if not measurement.history or not cell.protocol.detailed:
        return replace(measurement, arrays=arrays)
    y_true = load_labels(cell.protocol, source)
    loss = hinge_loss if cell.runner.scores == "decision_function" else cross_entropy
    epoch_predictions, history = [], []
    for report in measurement.history:
        scores = np.load(folder / _name_epoch_file(report["epoch"]))
        y_pred = scores.argmax(1).astype(np.uint8)
        epoch_predictions.append(y_pred)
        history.append(
            {
                **report,
                HELDOUT_LOSS: round(loss(scores, y_true), 6),
                HELDOUT_ACCURACY: float((y_pred == y_true).mean()),
            }
        )
    arrays[EPOCH_Y_PRED] = np.stack(epoch_predictions)
    if BEST_EPOCH in cell.runner.flagged:
        # argmax returns the first of several epochs that are equally good.
        best = np.argmax([epoch[HELDOUT_ACCURACY] for epoch in history])
        arrays[flagged_array_name(BEST_EPOCH)] = epoch_predictions[best]
    return replace(measurement, arrays=arrays, history=history)


def cross_entropy(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Compute the mean of -log p of the true class; ``probabilities`` are ``(n, n_classes)``."""
    true_probabilities = probabilities[np.arange(len(y_true)), y_true]
    return float(-np.log(np.clip(true_probabilities, SMALLEST_PROBABILITY, 1.0)).mean())


def hinge_loss(decisions: np.ndarray, y_true: np.ndarray) -> float:
    """Compute the mean of the L2-SVM's squared hinge over images and classes.

    ``decisions`` are ``(n, n_classes)``. The training loss also has a term for the weights; it is
    not part of this loss.
    """
    signs = np.full(decisions.shape, -1.0)
    signs[np.arange(len(y_true)), y_true] = 1.0
    return float((np.maximum(0.0, 1.0 - signs * decisions) ** 2).mean())
