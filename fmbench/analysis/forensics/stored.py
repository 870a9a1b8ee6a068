"""Reads what a results folder holds about single cells: confusion matrices and training accuracies.

Each confusion matrix is computed once.
"""

from __future__ import annotations

import numpy as np

from fmbench.analysis.forensics.plan import EpochChoice
from fmbench.datasets.specs import LocatedDataset, records_have_labels
from fmbench.metrics.compute import confusion_matrix
from fmbench.records.cells import Cell
from fmbench.records.protocols import (
    ImageSubset,
    Protocol,
    count_images,
    load_labels_by_subset,
)
from fmbench.records.record import (
    EPOCH_Y_PRED,
    TRAIN_ACCURACY,
    Y_PRED,
    Y_TRUE,
    Record,
    flagged_array_name,
)
from fmbench.records.store import Store, StoreContents

Parts = tuple[ImageSubset, ...]


class StoredPredictions:
    """The predictions of single cells that a results folder holds.

    ``source`` has the labels of the default data set; None if no record needs them.
    """

    def __init__(
        self, store: Store, contents: StoreContents, source: LocatedDataset | None
    ) -> None:
        self.contents = contents
        self._store, self._source = store, source
        self._labels: dict[Protocol, dict[ImageSubset, np.ndarray]] = {}
        self._confusions: dict[tuple[str, Parts, EpochChoice, str], np.ndarray | None] = {}

    def find_record(self, cell: Cell) -> Record | None:
        """Return the finished record of a cell."""
        return self.contents.find_finished(cell)

    def find_failure(self, cell: Cell) -> str | None:
        """Return why a cell failed; None if it did not fail."""
        record = self.contents.failed.get(cell.key)
        return (record.why or "") if record else None

    def compute_confusion(
        self,
        cell: Cell,
        parts: Parts = ("test",),
        epoch: EpochChoice = "last epoch",
        flagged: str = "",
    ) -> np.ndarray | None:
        """Compute the confusion matrix ``int (n_classes, n_classes)`` of one cell.

        Only ``parts`` of the scored images count. ``epoch`` is the last one, or the one with the
        highest accuracy. ``flagged``: the predictions of this flagged figure.

        None if there is no finished record, or if it lacks these predictions.
        """
        record = self.find_record(cell)
        if record is None:
            return None
        question = (record.key, parts, epoch, flagged)
        if question not in self._confusions:
            self._confusions[question] = self._count(cell, record, parts, epoch, flagged)
        return self._confusions[question]

    def compute_accuracy(self, cell: Cell, parts: Parts = ("test",)) -> float | None:
        """Compute the accuracy after the last epoch; None if there is no finished record."""
        confusion = self.compute_confusion(cell, parts)
        return None if confusion is None else float(confusion.trace() / confusion.sum())

    def read_training_accuracies(self, cell: Cell) -> list[float]:
        """Return the accuracy that training printed for each epoch; empty if there is none."""
        record = self.find_record(cell)
        history = record.history if record else []
        return [epoch[TRAIN_ACCURACY] for epoch in history if TRAIN_ACCURACY in epoch]

    def _count(
        self, cell: Cell, record: Record, parts: Parts, epoch: EpochChoice, flagged: str
    ) -> np.ndarray | None:
        name = Y_PRED
        if flagged:
            name = flagged_array_name(flagged)
        elif epoch == "best epoch":
            name = EPOCH_Y_PRED
        arrays = self._store.load_arrays(record, name, Y_TRUE)
        if name not in arrays:
            return None
        y_true, y_pred = self._select_labels(cell, parts, arrays.get(Y_TRUE)), arrays[name]
        mask = self._make_mask(cell, parts)
        y_pred = y_pred[..., mask] if mask is not None else y_pred
        if epoch == "best epoch":
            y_pred = y_pred[(y_pred == y_true).mean(axis=1).argmax()]
        return confusion_matrix(y_true, y_pred, cell.dataset.n_classes)

    def _select_labels(self, cell: Cell, parts: Parts, stored: np.ndarray | None) -> np.ndarray:
        """Return the true classes of some parts of the images that the protocol scores."""
        if records_have_labels(cell.dataset.name):
            assert stored is not None, "records of this data set hold their labels"
            mask = self._make_mask(cell, parts)
            return stored if mask is None else stored[mask]
        labels = self._load_labels(cell.protocol)
        return np.concatenate([y for part, y in labels.items() if part in parts])

    def _make_mask(self, cell: Cell, parts: Parts) -> np.ndarray | None:
        """Return a mask ``bool (n,)`` of some parts; None if all the scored images count."""
        if set(parts) == set(cell.protocol.scored):
            return None
        sizes = [count_images(cell.protocol, part, cell.dataset) for part in cell.protocol.scored]
        return np.repeat([part in parts for part in cell.protocol.scored], sizes)

    def _load_labels(self, protocol: Protocol) -> dict[ImageSubset, np.ndarray]:
        if protocol not in self._labels:
            assert self._source is not None, "there are records, so there are labels"
            self._labels[protocol] = load_labels_by_subset(protocol, self._source)
        return self._labels[protocol]
